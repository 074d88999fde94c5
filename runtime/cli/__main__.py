"""``python -m csakit.runtime.cli`` is ``csakit``."""

import sys

from .main import main

sys.exit(main())
