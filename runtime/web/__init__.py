"""A page to repair photographs in, and an HTTP API: ``csakit web``."""
