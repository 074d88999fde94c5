"""Write the pages of the Python API from its docstrings: ``python docs/api/build.py FOLDER``."""

import sys
from pathlib import Path

import csakit.runtime
import pdoc

if __name__ == "__main__":
    for name in csakit.runtime.__all__:
        getattr(csakit.runtime, name)  # imported at its first use, and pdoc looks at what is there
    pdoc.render.configure(
        docformat="google", show_source=False, template_directory=Path(__file__).parent
    )
    pdoc.pdoc("csakit.runtime", output_directory=Path(sys.argv[1]))
