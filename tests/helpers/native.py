"""The native libraries, built once for all tests that need them.

They stay in ``build/test-cache``: a second run compiles only if the sources have changed.
"""

import functools
import os
import shutil
from pathlib import Path
from typing import Final
from unittest import mock

import pytest
from csakit.plugins.build import Build, BuildConfig, build
from csakit.plugins.errors import LibraryError
from csakit.plugins.library import Library, find_library
from csakit.plugins.locations import CSRC, LIBRARY_VARIABLE, Kind, file_name
from csakit.plugins.toolchain import Toolchain, find_cmake, find_headers, find_toolchain

from .alone import CACHE

ARCHITECTURE: Final = "sm_90"  # one, for time; the kernels' own tests compile for all
_ENVIRONMENT: Final = dict(os.environ)  # of the user; a test may have changed it


def require_toolchain() -> Toolchain:
    """Return the compilers, or skip the test and name what is missing."""
    try:
        return find_toolchain()
    except LibraryError as error:
        pytest.skip(str(error))


def require_build_tools() -> Toolchain:
    """Return the compilers; skip the test where they, CMake or Ninja are missing."""
    try:
        find_cmake()
    except LibraryError as error:
        pytest.skip(str(error))
    return require_toolchain()


def require_program(*names: str) -> str:
    """Return the command of the first program that is installed, or skip the test."""
    command = next(filter(None, map(shutil.which, names)), None)
    if command is None:
        pytest.skip(f"not installed: {' or '.join(names)}")
    return command


@functools.cache
def built() -> Build:
    """Build everything that can be built here; skip the test where nothing can."""
    with mock.patch.dict(os.environ, _ENVIRONMENT, clear=True):
        require_build_tools()
        headers = find_headers()
        config = BuildConfig(
            architectures=ARCHITECTURE,
            tensorrt_include=headers.folder if headers else None,
            warnings_as_errors=True,
        )
        os.environ["XDG_CACHE_HOME"] = str(CACHE)
        return build(config)


def for_this_gpu(kind: Kind, headers: Path | None = None) -> Path:
    """Return the library that CSAKIT_LIBRARY names, or build it for the GPU of this machine."""
    if LIBRARY_VARIABLE in _ENVIRONMENT:
        with mock.patch.dict(os.environ, _ENVIRONMENT, clear=True):
            return find_library(kind)
    with mock.patch.dict(os.environ, {"XDG_CACHE_HOME": str(CACHE)}):
        made = build(BuildConfig(architectures="native", tensorrt_include=headers))
    return made.libraries[0].with_name(file_name(kind))


@functools.cache
def library() -> Library:
    """Open the library that CSAKIT_LIBRARY names, or the one that the tests built."""
    return Library(
        for_this_gpu("csakit") if LIBRARY_VARIABLE in _ENVIRONMENT else built().libraries[0]
    )


def source_files(group: str) -> list[Path]:
    """Return the files of one group of ``csrc/sources.txt``."""
    rows = [line.split() for line in (CSRC / "sources.txt").read_text().splitlines()]
    return [CSRC / row[1] for row in rows if row and row[0] == group]
