"""The matrix says what committed records say, and of the rest that it was not tested."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from csakit.benchmarks.cli import main
from csakit.benchmarks.matrix import (
    FEATURES,
    PLATFORMS,
    UNTESTED,
    is_stale,
    markdown,
    platform_of,
    rewrite,
    rewritten,
)
from csakit.benchmarks.record import Check, Record
from csakit.benchmarks.record_file import write_record
from csakit.plugins.errors import ContractError
from helpers.records import GPU, MACHINE, measured, record_of

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(path for folder in (".", "docs") for path in (ROOT / folder).glob("*.md"))
MARKED = "before\n<!-- tested: results -->\nold\n<!-- end of tested -->\nafter\n"


def on(gpu: str | None = None, system: str = "Linux 6.1 x86_64", **fields: Any) -> Record:  # noqa: ANN401
    """Make a record of a machine."""
    device = None if gpu is None else dataclasses.replace(GPU, name=gpu)
    machine = dataclasses.replace(MACHINE, gpu=device, system=system)
    given = {"kind": "acceptance"} | fields
    return record_of(machine=machine, **given)


def row(text: str, title: str) -> list[str]:
    """Give the cells of a feature."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {title} |")]
    return [cell.strip() for cell in line.split("|")[2:-1]]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_documents_tables_are_those_of_the_committed_records(document: Path) -> None:
    text = document.read_text()

    assert rewritten(text, document.parent) == text, (
        f"csakit bench matrix --into {document.relative_to(ROOT)}"
    )


def test_the_edge_guide_has_the_matrix() -> None:
    assert "<!-- tested: ../benchmarks/results -->" in (ROOT / "docs" / "edge.md").read_text()


def test_without_records_nothing_was_tested() -> None:
    text = markdown({})

    for feature in FEATURES:
        assert row(text, feature.title) == [UNTESTED] * len(PLATFORMS)
    assert text.endswith("\n\nNo record is committed yet.\n")


@pytest.mark.parametrize(
    ("record", "platform"),
    [
        (on(kind="latency"), "CPU only"),
        (on("NVIDIA H200"), "data-centre GPU"),
        (on("NVIDIA L4"), "data-centre GPU"),
        (on("NVIDIA GeForce RTX 4090"), "RTX desktop"),
        (on("NVIDIA RTX 6000 Ada Generation"), "RTX desktop"),
        (on("Orin (nvgpu)", "Linux 5.15.148-tegra aarch64"), "Jetson, JetPack 6"),
        (on(None, "Linux 5.15.148-tegra aarch64"), "Jetson, JetPack 6"),  # nvidia-smi is silent
        (on("NVIDIA Thor", "Linux 6.8.12-tegra aarch64"), "Jetson, JetPack 7"),
    ],
)
def test_the_platform_follows_from_gpu_and_kernel(record: Record, platform: str) -> None:
    assert platform_of(record) == platform


def test_a_latency_record_shows_that_onnx_runtime_ran_right() -> None:
    record = on(
        kind="latency",
        rivals=record_of(measured("ort-target"), measured("torch")).rivals,
        models=record_of(measured("torch")).models,
    )
    record = dataclasses.replace(record, measurements=(measured("ort-target"), measured("torch")))

    text = markdown({"cpu.json": record})

    assert row(text, "ONNX Runtime on the CPU") == ["passed 2026-01-31 (1)", *[UNTESTED] * 4]
    assert (
        "(1) parity and latency of ort-target; A processor; Linux 6.1 x86_64; numpy 2.4.6; csakit "
        "0.1.0 (c0ffeec0ffee); `cpu.json`"
    ) in text


def test_the_worst_check_of_a_feature_counts_and_its_reason_is_told() -> None:
    checks = (
        Check(name="build", outcome="passed"),
        Check(name="tests", outcome="failed", reason="test_x failed\n| <b>"),
        Check(name="racecheck", outcome="skipped", reason="not installed"),
        Check(name="engine tensorrt_rtx", outcome="skipped", reason="no kernels for sm_90"),
    )

    text = markdown({"gpu.json": on("NVIDIA H200", checks=checks)})

    kernels = row(text, "CUDA kernels: build, tests, sanitizer")
    assert kernels == [UNTESTED, "failed 2026-01-31 (1)", *[UNTESTED] * 3]
    assert row(text, "engine: TensorRT for RTX")[1] == "skipped 2026-01-31 (2)"
    assert row(text, "engine: TensorRT")[1] == UNTESTED
    assert "(1) test_x failed / (b); NVIDIA H200; driver 580.1; " in text
    assert "(2) no kernels for sm_90; NVIDIA H200; " in text


def test_the_newest_record_of_a_platform_counts() -> None:
    old = on("NVIDIA H200", checks=(Check(name="device pycuda", outcome="failed"),))
    new = on(
        "NVIDIA A100",
        date="2026-02-01T00:00:00Z",
        checks=(Check(name="device pycuda", outcome="passed"),),
    )

    text = markdown({"a.json": new, "b.json": old})

    assert row(text, "device layer: PyCUDA")[1] == "passed 2026-02-01 (1)"


def test_the_command_prints_checks_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results").mkdir()
    write_record(on("NVIDIA H200"), tmp_path / "results" / "a.json")
    document = tmp_path / "edge.md"
    document.write_text(MARKED)

    assert main(["matrix", "--into", str(document), "--check"]) == 1
    assert main(["matrix", "--into", str(document)]) == 0
    assert main(["matrix", "--into", str(document), "--check"]) == 0
    assert main(["matrix", str(tmp_path / "results")]) == 0
    assert main(["matrix"]) == 2
    assert "| ONNX Runtime on CUDA | not tested |" in capsys.readouterr().out
    text = document.read_text()
    assert text.startswith("before\n<!-- tested: results -->\n\n| | CPU only |")
    assert text.endswith("\n\n<!-- end of tested -->\nafter\n")
    assert not rewrite(document)
    document.write_text(text.replace("not tested", "passed"))
    assert is_stale(document)


def test_marks_that_are_wrong_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="must have a line of its own"):
        rewritten(MARKED.replace("end of", "the end of"), tmp_path)
    with pytest.raises(ContractError, match="must name a folder beside the document"):
        rewritten(MARKED.replace("results", "/etc"), tmp_path)
