"""The commands ``csakit convert``, ``train`` and ``evaluate``."""
