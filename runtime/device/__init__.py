"""One GPU through PyCUDA or cuda-python: memory, streams, events and graphs."""
