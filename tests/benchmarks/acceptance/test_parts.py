"""The parts name what they run, and what keeps one of them from running."""

import importlib.util
import sys
from pathlib import Path

import pytest
from csakit.benchmarks.acceptance import parts as module
from csakit.benchmarks.acceptance.parts import ROOT, TOOLS, all_parts, find_sanitizer
from csakit.benchmarks.attention_cli import add_to
from csakit.plugins.errors import LibraryError

WHOLE_SECONDS = 480.0  # 8 minutes


@pytest.fixture
def _sanitizer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_sanitizer", lambda: Path("/opt/cuda/bin/compute-sanitizer"))


@pytest.mark.usefixtures("_sanitizer")
def test_the_parts_are_those_of_an_acceptance_and_fit_into_its_time(tmp_path: Path) -> None:
    parts = all_parts(tmp_path)

    names = [part.name for part in parts]
    assert names == [
        *("build", "tests", *(tool for tool, _ in TOOLS), "benchmark"),
        *("device pycuda", "device cuda-python", "models", "onnxruntime on CUDA"),
        *("engine tensorrt", "engine tensorrt_rtx"),
    ]
    assert {"memcheck", "racecheck", "initcheck"} <= set(names)
    assert sum(part.share for part in parts) == WHOLE_SECONDS
    kernels = parts[: names.index("benchmark") + 1]
    assert [part.missing for part in kernels] == [None] * len(kernels)


@pytest.mark.usefixtures("_sanitizer")
def test_every_part_but_the_sanitizer_runs_in_this_python(tmp_path: Path) -> None:
    for part in all_parts(tmp_path):
        assert sys.executable in part.command
        if part.name not in dict(TOOLS):
            assert part.command[0] == sys.executable


@pytest.mark.usefixtures("_sanitizer")
def test_the_tools_run_the_driver_and_tell_errors_by_their_code(tmp_path: Path) -> None:
    (memcheck,) = [part for part in all_parts(tmp_path) if part.name == "memcheck"]

    assert memcheck.command[0] == "/opt/cuda/bin/compute-sanitizer"
    assert memcheck.command[1:5] == ["--tool", "memcheck", "--error-exitcode", "99"]
    assert memcheck.command[-2:] == ["-m", "csakit.benchmarks.acceptance.driver"]


def test_the_flags_of_the_benchmark_are_those_of_the_command() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    add_to(parser.add_subparsers())

    args = parser.parse_args(["attention", *module.BENCHMARK, "--json", "x.json"])

    assert {225, 512} <= set(args.holes)  # what the targets are stated for
    assert set(args.batch) == {1, 16}
    assert "cuda-graph" in args.rivals
    assert (args.channels, args.side, args.similarity) == (512, 32, "projection")


@pytest.mark.parametrize(
    ("package", "part"),
    [("pytest", "tests"), ("torch", "benchmark"), ("safetensors", "benchmark")],
)
def test_a_part_that_needs_a_missing_package_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str, part: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else find(name)
    )

    missing = {found.name: found.missing for found in all_parts(tmp_path)}

    assert missing[part] == f"the package {package} is not installed"
    assert missing["build"] is None


def test_without_a_checkout_there_are_no_tests(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "ROOT", tmp_path)

    missing = {found.name: found.missing for found in all_parts(tmp_path)}

    assert missing["tests"] == "the tests lie in a checkout, and this is none"


def test_the_root_is_that_of_the_checkout() -> None:
    assert (ROOT / "tests" / "benchmarks" / "acceptance" / Path(__file__).name).is_file()


@pytest.mark.parametrize("place", ["bin/compute-sanitizer", "compute-sanitizer/compute-sanitizer"])
def test_the_sanitizer_is_found_beside_nvcc(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True, parents=True)
    (tmp_path / place).touch()
    monkeypatch.setattr(module.shutil, "which", lambda _: None)
    monkeypatch.setattr(module, "find_nvcc", lambda: (tmp_path / "bin" / "nvcc", "PATH"))

    assert find_sanitizer() == tmp_path / place


def test_the_sanitizer_on_path_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda name: f"/usr/bin/{name}")

    assert find_sanitizer() == Path("/usr/bin/compute-sanitizer")


def test_without_a_toolkit_there_is_no_sanitizer_and_its_parts_say_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def none() -> tuple[Path, str]:
        raise LibraryError("nvcc is missing")

    monkeypatch.setattr(module.shutil, "which", lambda _: None)
    monkeypatch.setattr(module, "find_nvcc", none)

    missing = {found.name: found.missing for found in all_parts(tmp_path)}

    assert find_sanitizer() is None
    assert missing["racecheck"] == "compute-sanitizer is not installed; the CUDA toolkit brings it"


def test_without_the_exporter_the_models_are_prepared_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name)
    )

    here = {part.name: part for part in all_parts(tmp_path)}
    there = {part.name: part for part in all_parts(tmp_path, tmp_path / "prepared")}

    assert here["models"].missing == "the package onnxscript is not installed"
    assert here["onnxruntime on CUDA"].missing == (
        "there is no model: the package onnxscript is not installed; see --prepared"
    )
    assert "models" not in there
    assert there["onnxruntime on CUDA"].missing is None
    assert str(tmp_path / "prepared") in there["onnxruntime on CUDA"].command


def test_a_library_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find = importlib.util.find_spec
    absent = ("tensorrt", "tensorrt_rtx", "pycuda", "cuda.bindings")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in absent else find(name)
    )

    missing = {part.name: part.missing for part in all_parts(tmp_path)}

    assert missing["engine tensorrt"] == "the package tensorrt is not installed"
    assert missing["engine tensorrt_rtx"] == "the package tensorrt_rtx is not installed"
    assert missing["device pycuda"] == "pycuda is not installed: pip install pycuda"
    assert missing["device cuda-python"] == (
        "cuda-python is not installed: pip install cuda-python"
    )
