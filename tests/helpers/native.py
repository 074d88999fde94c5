"""The native libraries, built once for all tests that need them, and kept between runs.

The objects stay in ``build/test-cache``, so that a second run compiles only what has changed.
"""

import functools
import os
import shutil
from typing import Final
from unittest import mock

import pytest
from csakit.plugins.build import Build, BuildConfig, build
from csakit.plugins.errors import LibraryError
from csakit.plugins.headers import find_headers
from csakit.plugins.library import Library
from csakit.plugins.toolchain import Toolchain, find_toolchain

from .alone import CACHE, alone

ARCHITECTURE: Final = "sm_90"  # one, for time; the kernels' own tests compile for all
_ENVIRONMENT: Final = dict(os.environ)  # of the user; a test may have changed it


def require_toolchain() -> Toolchain:
    """Give the compilers, or skip the test and say what is missing."""
    try:
        return find_toolchain()
    except LibraryError as error:
        pytest.skip(str(error))


def require_host_compiler() -> str:
    """Give the command of a C compiler, or skip the test."""
    command = shutil.which("cc") or shutil.which("gcc")
    if command is None:
        pytest.skip("no C compiler is installed")
    return command


@functools.cache
def built() -> Build:
    """Build everything that can be built here; skip the test where nothing can."""
    with alone("build"), mock.patch.dict(os.environ, _ENVIRONMENT, clear=True):
        require_toolchain()
        headers = find_headers()
        config = BuildConfig(
            architectures=ARCHITECTURE,
            tensorrt_include=headers.folder if headers else None,
            warnings_as_errors=True,
        )
        os.environ["XDG_CACHE_HOME"] = str(CACHE)
        return build(config)


@functools.cache
def library() -> Library:
    """Open the library that the tests built."""
    return Library(built().libraries[0])
