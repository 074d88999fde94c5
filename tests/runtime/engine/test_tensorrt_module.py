"""The log of TensorRT reaches ``logging``, and the plugin its registry, with the real libraries.

Each case of the plugin has a process of its own: a registry keeps what was once loaded. TensorRT's
lean runtime has the registry of TensorRT itself, and runs without a GPU.
"""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from csakit.plugins.locations import LIBRARY_VARIABLE, source_hash
from csakit.runtime.engine import tensorrt_module
from csakit.runtime.engine.tensorrt_module import TensorRTModule, plain
from helpers.trt_plugin import plugin_libraries

# TensorRT for RTX, which has the bindings of TensorRT, by a name that takes plugins.
RENAMED = """
import sys, types, tensorrt_rtx

class Module(types.ModuleType):
    def __getattr__(self, name):
        return getattr(tensorrt_rtx, name)

sys.modules["tensorrt_lean"] = Module("tensorrt")
sys.modules["tensorrt_lean"].__version__ = "11.0.0"
"""

LOAD = """
import sys, tensorrt_lean
from csakit.runtime.engine.tensorrt_module import TensorRTModule, load_plugin, registered
from csakit.plugins.errors import CsakitError

module = TensorRTModule.load("tensorrt_lean")
registry = tensorrt_lean.get_plugin_registry()
assert not registered(registry)
try:
    for _ in range(2):
        found = load_plugin(module, embed="embed" in sys.argv)
        print(found.implementation, found.library.name, found.source_hash, registered(registry))
except CsakitError as error:
    print(type(error).__name__, error)
"""


def run(program: str, *arguments: object, library: Path | None = None) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **({LIBRARY_VARIABLE: str(library)} if library else {})},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def rtx() -> TensorRTModule:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    return TensorRTModule.load("tensorrt_rtx")


@pytest.fixture
def lean() -> None:
    pytest.importorskip("tensorrt_lean", reason="tensorrt_lean is not installed")


@pytest.fixture
def libraries(lean: None) -> Path:
    return plugin_libraries()


def test_the_library_is_loaded_once_and_found_again(libraries: Path) -> None:
    line = f"c++ libcsakit_trt.so {source_hash()} True"

    assert run(LOAD, library=libraries) == [line, line]


def test_a_library_that_is_none_is_refused(lean: None, tmp_path: Path) -> None:
    (tmp_path / "libcsakit_trt.so").write_bytes(b"\x7fELF")

    lines = run(LOAD, library=tmp_path)

    assert lines[0].startswith("EngineError TensorRT lean 11")
    assert f"cannot load {tmp_path}/libcsakit_trt.so" in lines[0]
    assert lines[1] == "Build it again: csakit plugin build --tensorrt-include DIR"


def test_the_plugin_in_python_serves_where_only_the_kernels_are_built(
    libraries: Path, rtx: TensorRTModule, tmp_path: Path
) -> None:
    (tmp_path / "libcsakit.so").symlink_to(libraries / "libcsakit.so")

    line = f"python libcsakit.so {source_hash()} True"

    assert run(RENAMED + LOAD, library=tmp_path) == [line, line]


def test_without_any_library_both_ways_are_named(rtx: TensorRTModule, tmp_path: Path) -> None:
    lines = run(RENAMED + LOAD, library=tmp_path)

    assert lines[0].startswith("LibraryError the plugin is not built: neither libcsakit_trt")
    assert lines[1:] == [
        "Build it with: csakit plugin build --tensorrt-include DIR",
        "or: csakit plugin build   or take the slower function body: --no-plugin",
    ]


def test_a_tensorrt_without_python_plugins_says_so(lean: None, tmp_path: Path) -> None:
    lines = run(LOAD, library=tmp_path)

    assert lines[0].startswith("EngineError Python plugins need a module with tensor formats")


def test_only_the_library_can_be_embedded(lean: None, tmp_path: Path) -> None:
    lines = run(LOAD, "embed", library=tmp_path)

    assert lines[0].startswith(f"LibraryError {LIBRARY_VARIABLE} must name libcsakit_trt.so")


def test_what_tensorrt_logs_is_forwarded_and_errors_are_kept(
    rtx: TensorRTModule, caplog: pytest.LogCaptureFixture
) -> None:
    severity = rtx.trt.ILogger

    with caplog.at_level(logging.DEBUG, logger=tensorrt_module.__name__):
        rtx.log.log(severity.WARNING, "a warning")
        rtx.log.log(severity.ERROR, "IBuilder::build: Error Code 4: API Usage Error (reason)")
        rtx.log.log(severity.VERBOSE, "much")

    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "DEBUG"]
    assert rtx.log.reason() == "reason"
    assert rtx.log.complaints()[0] == "a warning"
    assert len(rtx.log.complaints()) == 2
    rtx.log.clear()
    assert rtx.log.reason() == ""


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            "IBuilder::buildSerializedNetwork: Error Code 1: Myelin ([pass.cpp:337: check] Cannot "
            "compile 'x (y)' for Turing (SM75). In compileGraph at /_src/a/codeGenerator.cpp:2012)",
            "Cannot compile 'x (y)' for Turing (SM75).",
        ),
        (
            "ITensor::getDimensions: Error Code 4: API Usage Error (n: first input has type UInt8. "
            "In checkType at /_src/optimizer/common/nodeBase.cpp:456)",
            "n: first input has type UInt8.",
        ),
        (
            "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError "
            "at /_src/common/checkMacros.cpp:250 (cudaError 35: the driver is too old))",
            "cudaError 35: the driver is too old",
        ),
        ("  two\n lines ", "two lines"),
        ("", ""),
    ],
)
def test_messages_are_reduced_to_what_they_say(message: str, text: str) -> None:
    assert plain(message) == text
