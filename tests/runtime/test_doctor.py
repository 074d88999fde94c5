"""``csakit doctor`` tells the truth about what is there, and never crashes on what is not."""

import ctypes
import re
import subprocess
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest
from csakit.plugins.errors import ExitCode
from csakit.runtime import doctor, facts

Versions = dict[str, str]


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
            assert re.search("pip install|install NVIDIA.s driver", line)


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
    assert printed["tensorrt"].startswith("OK  tensorrt          10.13.0 (this version does not")
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
