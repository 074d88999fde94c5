"""Versions of installed packages: read without an import, and compared as numbers."""

import contextlib
import re
from importlib import metadata


def installed(distribution: str) -> str | None:
    """Return the version of a distribution, None if it is not installed; imports nothing."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(distribution)
    return None


def numbers(version: str, count: int = 2) -> tuple[int, ...]:
    """Return the first numbers of a version, to compare: (10, 14) for "10.14.1.48.post1"."""
    return tuple(int(digits) for digits in re.findall(r"\d+", version)[:count])
