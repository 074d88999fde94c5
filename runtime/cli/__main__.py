"""``python -m csakit.runtime.cli`` is ``csakit``."""

import sys

from .start import main

sys.exit(main())
