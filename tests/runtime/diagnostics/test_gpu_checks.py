"""Driver, GPUs, TensorRT and the native libraries are told as they are."""

import ctypes
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from csakit.plugins.locations import builds_folder
from csakit.runtime.diagnostics import gpu_checks
from csakit.runtime.engine.compatibility import UNKNOWN, HostCapabilities
from helpers import native
from helpers.fake_driver import run_python

NOTHING = HostCapabilities(gpus=(), modules={}, plugin=False)


@pytest.fixture(autouse=True)
def _nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own builds are none of these tests' business."""
    monkeypatch.delenv("CSAKIT_LIBRARY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that lets CSAKIT_LIBRARY name a plugin library with this record of its build."""

    def write(**values: object) -> None:
        text = json.dumps({"libraries": ["libcsakit_trt.so"], **values})
        (tmp_path / "build.json").write_text(text)
        (tmp_path / "libcsakit_trt.so").touch()
        monkeypatch.setenv("CSAKIT_LIBRARY", str(tmp_path))

    return write


@pytest.mark.parametrize(
    ("status", "text"), [(0, "OK  NVIDIA driver         supports CUDA 13.1"), (100, "error 100")]
)
def test_the_driver_is_asked_and_may_fail(
    monkeypatch: pytest.MonkeyPatch, status: int, text: str
) -> None:
    def query(pointer: object) -> int:
        pointer._obj.value = 13010
        return status

    library = SimpleNamespace(cuDriverGetVersion=query)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)

    assert text in str(gpu_checks.check_driver())


@pytest.mark.parametrize("error", [OSError("no such file"), AttributeError("no such symbol")])
def test_without_a_driver_nothing_crashes(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", fail)

    assert str(gpu_checks.check_driver()).startswith("--  NVIDIA driver         absent")


def test_libraries_that_are_not_built_are_absent_with_the_command() -> None:
    assert str(gpu_checks.check_library("csakit")) == (
        "--  libcsakit             absent; for training on NVIDIA GPUs, and the "
        "plugin in Python: csakit plugin build"
    )
    assert str(gpu_checks.check_library("csakit_trt")) == (
        "--  libcsakit_trt         absent; for TensorRT engines: csakit plugin build "
        "--tensorrt-include DIR"
    )


def test_libraries_that_are_built_name_their_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    library = native.built().libraries[0]
    monkeypatch.setenv("CSAKIT_LIBRARY", str(library.parent))

    line = str(gpu_checks.check_library("csakit"))

    assert line == f"OK  libcsakit             for {native.ARCHITECTURE} ({library})"


def test_a_library_in_the_cache_from_other_sources_is_stale() -> None:
    folder = builds_folder() / "0123456789ab-0123456789ab"
    folder.mkdir(parents=True)
    (folder / "libcsakit.so").touch()

    line = str(gpu_checks.check_library("csakit"))

    assert line.startswith("FIX libcsakit             stale: built from other sources")
    assert line.endswith("csakit plugin build")


def test_a_named_library_from_other_sources_is_stale(record: Callable[..., None]) -> None:
    record(source_hash="0" * 64, architectures=[])

    line = str(gpu_checks.check_library("csakit_trt"))

    assert line.startswith("FIX libcsakit_trt         for unknown GPUs (")
    assert "is stale: built from 000000000000, these are " in line


@pytest.mark.parametrize("content", [None, "no library"])
def test_a_named_library_that_cannot_be_used_is_to_be_fixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    path = tmp_path / "libcsakit.so"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("CSAKIT_LIBRARY", str(path))

    line = str(gpu_checks.check_library("csakit"))

    assert line.startswith("FIX libcsakit             ")
    assert str(path) in line
    assert "\n" not in line


def test_a_library_for_another_gpu_is_to_be_built_for_this_one(record: Callable[..., None]) -> None:
    record(architectures=["sm_80", "sm_90"])

    covered = str(gpu_checks.check_library("csakit_trt", ["sm_86", "sm_90"]))
    bare = str(gpu_checks.check_library("csakit_trt", ["sm_90", "sm_120"]))

    assert covered.startswith("OK  libcsakit_trt")
    assert bare.startswith("FIX libcsakit_trt")
    assert bare.endswith(
        "not for the sm_120 here: csakit plugin build --arch native --tensorrt-include DIR"
    )


def test_gpus_are_named_by_the_driver_in_one_process_with_all_other_facts() -> None:
    done = run_python("-m", "csakit.runtime.cli", "doctor")

    printed = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert "OK  NVIDIA driver         supports CUDA 13.0" in printed
    assert "OK  GPU 0                 a fake GPU, compute capability 9.0" in printed
    assert any(line.startswith("--  .onnx on GPUs") for line in printed)


def test_a_driver_without_a_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_checks, "_supported_cuda", lambda: (13, 0))

    (fact,) = gpu_checks.check_gpus(NOTHING)

    assert str(fact).startswith("--  GPU                   none that the driver lists")


def test_wheels_for_a_later_cuda_than_the_drivers_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_checks, "_supported_cuda", lambda: (12, 4))
    there = {"tensorrt-rtx-cu13": "1.7.1.116", "tensorrt-cu12": "10.9"}
    monkeypatch.setattr(gpu_checks, "installed", there.get)

    text = str(gpu_checks.check_driver())

    assert text.startswith("FIX NVIDIA driver")
    assert text.endswith(
        "supports CUDA 12.4, tensorrt-rtx-cu13 need a later one: update NVIDIA's driver"
    )


@pytest.mark.parametrize(
    ("version", "text"),
    [
        (None, "--  tensorrt              absent; for building engines"),
        ("10.2.0", "FIX tensorrt              10.2.0; csakit needs at least 10.3: pip install"),
        ("10.3.0.26", "OK  tensorrt              10.3.0.26, for building engines"),
        ("11.4.0", "OK  tensorrt              11.4.0, for building engines"),
        (UNKNOWN, "OK  tensorrt              unknown, for building engines"),
    ],
)
def test_each_flavour_of_tensorrt_has_a_line(version: str | None, text: str) -> None:
    modules = {"tensorrt_rtx": "1.7.1.116"} | ({"tensorrt": version} if version else {})
    machine = HostCapabilities(gpus=(), modules=modules, plugin=False)

    lines = list(map(str, gpu_checks.check_tensorrt(machine)))

    assert lines[0].startswith(text)
    assert lines[1].startswith("--  tensorrt_lean         absent; for opening version-compatible")
    assert lines[2].startswith("OK  tensorrt_rtx          1.7.1.116")


def test_the_version_of_the_driver_is_read_from_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 2025\nGCC 12.2.0\n"
    )
    (tmp_path / "version").write_text(text)
    monkeypatch.setattr(gpu_checks, "_KERNEL_MODULE", tmp_path / "version")
    monkeypatch.setattr(gpu_checks, "_supported_cuda", lambda: (99, 1))

    assert str(gpu_checks.check_driver()).endswith("580.65.06, supports CUDA 99.1")


def test_a_library_of_a_later_cuda_than_the_drivers_is_to_be_fixed(
    record: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    record(toolchain="nvcc 13.0.88 with gcc 12.2.0")

    for supported, state in (((12, 4), "FIX"), ((13, 0), "OK "), (None, "OK ")):
        monkeypatch.setattr(gpu_checks, "_supported_cuda", lambda found=supported: found)
        line = str(gpu_checks.check_library("csakit_trt"))
        assert line.startswith(state)
        assert ("built with CUDA 13, the driver supports 12.4: update" in line) == (state == "FIX")
