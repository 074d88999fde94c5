"""Fixtures of the server's tests; where the extra 'web' is not installed, their modules skip."""

import contextlib

import pytest

with contextlib.suppress(pytest.skip.Exception):
    from .serving import body, demo, photo, serve

    __all__ = ["body", "demo", "photo", "serve"]
