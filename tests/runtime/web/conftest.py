"""Fixtures of the server's tests; where the extra 'web' is not installed, their modules skip."""

import contextlib

import pytest

with contextlib.suppress(pytest.skip.Exception):
    from .browser import cat, chromium, open_page
    from .serving import body, demo, running, serve

    __all__ = ["body", "cat", "chromium", "demo", "open_page", "running", "serve"]
