"""A plugin that some other part of the process has registered."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.exported import Subject
from helpers.trt_plugin import plugin_libraries

# A plugin of our name is known to the process, and building goes on without it.
BUILD_BESIDE = """
import sys
import tensorrt_rtx as trt
from csakit.export.engine.config import BuildConfig
from csakit.export.engine.build_engine import build_engine

assert trt.get_plugin_registry().load_library(sys.argv[1]) is not None
config = BuildConfig(builder="tensorrt-rtx", targets=("sm_86",))
print(build_engine(sys.argv[2], sys.argv[3], config).manifest.build.plugin)
"""


def test_a_plugin_of_the_process_does_not_end_a_build_for_rtx(
    fixed: Subject, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    library = plugin_libraries() / "libcsakit_trt.so"

    arguments = (library, fixed.path, tmp_path / "a.engine")
    done = subprocess.run(
        [sys.executable, "-c", BUILD_BESIDE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout.splitlines()) == (0, ["None"]), done.stderr
