"""The commands ``csakit export``, ``build``, ``verify`` and ``triton``."""
