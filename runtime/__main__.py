"""``python -m csakit.runtime`` is ``csakit``."""

import sys

from .cli import main

sys.exit(main())
