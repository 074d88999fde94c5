"""Tests that cost a minute of a processor each, and guard what seldom changes."""

import os

import pytest

slow = pytest.mark.skipif("CSAKIT_SLOW" not in os.environ, reason="make test-slow runs it")
