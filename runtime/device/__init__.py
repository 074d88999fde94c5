"""One GPU: memory, streams, events and graphs, through PyCUDA or cuda-python."""
