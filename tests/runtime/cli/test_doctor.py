"""``csakit doctor`` tells the truth about what is there, and never crashes on what is not."""

import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from csakit.plugins import tensorrt_flavours
from csakit.plugins.architectures import devices
from csakit.plugins.errors import ExitCode
from csakit.runtime import host
from csakit.runtime.cli import doctor
from csakit.runtime.diagnostics import gpu_checks, package_checks

Versions = dict[str, str]
Report = Callable[..., dict[str, str]]


@pytest.fixture(autouse=True)
def _nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own builds are none of these tests' business."""
    monkeypatch.delenv("CSAKIT_LIBRARY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Versions:
    """The installed distributions, to be changed by the test."""
    found: Versions = {"csakit": "0.1.0", "numpy": "2.0", "pillow": "11.0", "onnxruntime": "1.20"}
    for module in (package_checks, gpu_checks, tensorrt_flavours):
        monkeypatch.setattr(module, "installed", found.get)
    return found


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Report:
    """Return a function that runs the command: the printed lines by the name of their check."""

    def report(expected: ExitCode | None = None) -> dict[str, str]:
        code = doctor.main([])
        assert expected in (None, code)
        printed = [line for line in capsys.readouterr().out.splitlines() if line]
        return {line[4:26].strip(): line for line in printed}

    return report


def test_every_line_is_marked_and_names_its_remedy(report: Report) -> None:
    for line in report(ExitCode.OK).values():
        assert line[:4] in ("OK  ", "--  ", "FIX ")
        if line.startswith("--") and ".engine" not in line:
            assert re.search("pip install|install NVIDIA.s driver|csakit plugin build", line)


def test_torch_is_not_imported() -> None:
    program = """
import sys
from csakit.runtime.cli.doctor import main
main([])
sys.exit('torch' in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0


def test_what_runs_no_engine_is_said(report: Report) -> None:
    if devices():
        pytest.skip("there is a GPU")

    line = report()[".engine models"]
    assert line.startswith("--  .engine models        cannot run here: lacking a GPU")


@pytest.mark.parametrize(
    ("name", "version", "line"),
    [
        ("tensorrt", "10.2.0.19", "10.2.0.19; csakit needs at least 10.3: pip"),
        ("numpy", "1.9.3", "1.9.3; csakit needs at least 1.24"),  # less, though not as text
    ],
)
def test_an_old_version_is_to_be_updated(
    report: Report, versions: Versions, name: str, version: str, line: str
) -> None:
    versions[name] = version

    assert report()[name].startswith(f"FIX {name:<22}{line}")


def test_openvino_is_optional_and_bfloat16_is_told(
    report: Report, versions: Versions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(host, "_KIND", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("flags\t: sse2 avx512_vnni\n")

    absent = report()["openvino"]
    versions["openvino"] = "2026.4.1"
    present = report()["openvino"]

    assert absent.startswith("--  openvino")
    assert "pip install 'csakit[openvino]'" in absent
    assert present.startswith("OK  openvino")
    assert present.endswith("2026.4.1; bfloat16 not possible here (avx512_vnni)")


def test_without_onnxruntime_nothing_runs(report: Report, versions: Versions) -> None:
    del versions["onnxruntime"]

    printed = report(ExitCode.ENVIRONMENT)
    assert printed["onnxruntime"].startswith("FIX onnxruntime")
    assert "pip install 'csakit[runtime]'" in printed["onnxruntime"]
    assert printed[".onnx models"].startswith("FIX .onnx models          cannot run")


def test_a_broken_onnxruntime_is_named(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    assert "cannot be imported" in report(ExitCode.ENVIRONMENT)["onnxruntime"]


def test_wheels_over_each_other_are_named_with_both_commands(
    report: Report, versions: Versions
) -> None:
    versions["onnxruntime-gpu"] = "1.19"

    line = report()["onnxruntime wheels"]
    assert line.startswith("FIX ")
    assert line.endswith(
        "pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'csakit[gpu]'"
    )


def test_absent_metadata_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    monkeypatch.setattr(metadata, "requires", absent)

    assert doctor.main([]) == ExitCode.ENVIRONMENT


def test_engines_of_the_current_folder_are_told_and_cost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: Report
) -> None:
    (tmp_path / "alone.engine").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)

    line = report(ExitCode.OK)["alone.engine"]
    assert line.startswith("FIX alone.engine          has no manifest")


def test_an_engine_that_was_named_and_would_not_open_is_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = tmp_path / "alone.engine"
    engine.write_bytes(b"x")

    for named in (engine, tmp_path):
        assert doctor.main([str(named)]) == ExitCode.ENVIRONMENT
        assert f"FIX {engine} has no manifest" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nowhere", "model.onnx"])
def test_what_is_no_engine_and_no_folder_is_wrong_usage(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.onnx").touch()

    assert doctor.main([str(tmp_path / name)]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith(
        "csakit doctor: engines must be .engine files or folders; got "
    )
