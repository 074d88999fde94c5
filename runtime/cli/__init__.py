"""The command ``csakit`` and the sub-commands that need no torch."""
