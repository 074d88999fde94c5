"""``csakit doctor`` tells the truth about what is there, and never crashes on what is not."""

import ctypes
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from csakit.plugins.errors import ExitCode
from csakit.plugins.locations import builds_folder
from csakit.runtime import doctor, facts
from helpers import native

Versions = dict[str, str]


@pytest.fixture(autouse=True)
def _nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own builds are none of these tests' business."""
    monkeypatch.delenv("CSAKIT_LIBRARY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Versions:
    """The installed distributions, to be changed by the test."""
    found: Versions = {"csakit": "0.1.0", "numpy": "2.0", "pillow": "11.0", "onnxruntime": "1.20"}
    monkeypatch.setattr(facts, "installed", found.get)
    return found


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The printed lines by the name of their fact."""
    printed = [line for line in capsys.readouterr().out.splitlines() if line]
    return {line[4:22].strip(): line for line in printed}


def test_every_line_is_marked_and_names_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main([]) == ExitCode.OK

    for line in lines(capsys).values():
        assert line[:4] in ("OK  ", "--  ", "FIX ")
        if line.startswith("--") and ".engine" not in line:
            assert re.search("pip install|install NVIDIA.s driver|csakit plugin build", line)


def test_torch_is_not_imported() -> None:
    program = """
import sys
from csakit.runtime.doctor import main
main([])
sys.exit('torch' in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0


def test_engines_are_not_promised(capsys: pytest.CaptureFixture[str], versions: Versions) -> None:
    versions["tensorrt"] = "10.13.0"

    doctor.main([])

    printed = lines(capsys)
    assert printed["tensorrt"] == "OK  tensorrt          10.13.0"
    assert "has no TensorRT backend yet" in printed[".engine models"]


def test_without_onnxruntime_nothing_runs(
    capsys: pytest.CaptureFixture[str], versions: Versions
) -> None:
    del versions["onnxruntime"]

    assert doctor.main([]) == ExitCode.ENVIRONMENT

    printed = lines(capsys)
    assert printed["onnxruntime"].startswith("FIX onnxruntime")
    assert "pip install 'csakit[runtime]'" in printed["onnxruntime"]
    assert printed[".onnx models"].startswith("FIX .onnx models      cannot run")


def test_a_broken_onnxruntime_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    assert doctor.main([]) == ExitCode.ENVIRONMENT
    assert "cannot be imported" in lines(capsys)["onnxruntime"]


def test_wheels_over_each_other_are_named_with_both_commands(
    capsys: pytest.CaptureFixture[str], versions: Versions
) -> None:
    versions["onnxruntime-gpu"] = "1.19"

    doctor.main([])

    line = lines(capsys)["onnxruntime wheels"]
    assert line.startswith("FIX ")
    assert "pip uninstall -y onnxruntime onnxruntime-gpu && pip install" in line


def test_an_old_version_is_to_be_fixed(
    capsys: pytest.CaptureFixture[str], versions: Versions
) -> None:
    versions["numpy"] = "1.9.3"  # less than 1.24, though not as text

    doctor.main([])

    assert "1.9.3; csakit needs at least 1.24" in lines(capsys)["numpy"]


def test_absent_metadata_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    monkeypatch.setattr(metadata, "requires", absent)

    assert doctor.main([]) == ExitCode.ENVIRONMENT


@pytest.mark.parametrize(
    ("status", "text"), [(0, "OK  NVIDIA driver     supports CUDA 13.1"), (100, "error 100")]
)
def test_the_driver_is_asked_and_may_fail(
    monkeypatch: pytest.MonkeyPatch, status: int, text: str
) -> None:
    def query(pointer: object) -> int:
        pointer._obj.value = 13010
        return status

    library = SimpleNamespace(cuDriverGetVersion=query)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)

    assert text in str(facts.driver_fact())


@pytest.mark.parametrize("error", [OSError("no such file"), AttributeError("no such symbol")])
def test_without_a_driver_nothing_crashes(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", fail)

    assert str(facts.driver_fact()).startswith("--  NVIDIA driver     absent")


def test_libraries_that_are_not_built_are_absent_with_the_command() -> None:
    assert str(facts.library_fact("csakit")) == (
        "--  libcsakit         absent; for training on NVIDIA GPUs: csakit plugin build"
    )
    assert str(facts.library_fact("csakit_trt")) == (
        "--  libcsakit_trt     absent; for TensorRT engines: csakit plugin build "
        "--tensorrt-include DIR"
    )


def test_libraries_that_are_built_name_their_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    library = native.built().libraries[0]
    monkeypatch.setenv("CSAKIT_LIBRARY", str(library.parent))

    line = str(facts.library_fact("csakit"))

    assert line == f"OK  libcsakit         for {native.ARCHITECTURE} ({library})"


def test_a_library_in_the_cache_from_other_sources_is_stale() -> None:
    folder = builds_folder() / "0123456789ab-0123456789ab"
    folder.mkdir(parents=True)
    (folder / "libcsakit.so").touch()

    line = str(facts.library_fact("csakit"))

    assert line.startswith("FIX libcsakit         stale: built from other sources")
    assert line.endswith("csakit plugin build")


def test_a_named_library_from_other_sources_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = {"libraries": ["libcsakit_trt.so"], "source_hash": "0" * 64, "architectures": []}
    (tmp_path / "build.json").write_text(json.dumps(record))
    (tmp_path / "libcsakit_trt.so").touch()
    monkeypatch.setenv("CSAKIT_LIBRARY", str(tmp_path))

    line = str(facts.library_fact("csakit_trt"))

    assert line.startswith("FIX libcsakit_trt     for unknown GPUs (")
    assert "is stale: built from 000000000000, these are " in line


@pytest.mark.parametrize("content", [None, "no library"])
def test_a_named_library_that_cannot_be_used_is_to_be_fixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    path = tmp_path / "libcsakit.so"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("CSAKIT_LIBRARY", str(path))

    line = str(facts.library_fact("csakit"))

    assert line.startswith("FIX libcsakit         ")
    assert str(path) in line
    assert "\n" not in line
