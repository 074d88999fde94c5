"""Whole models: prepared once, compared with torch, and every library's answer is written down."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from csakit.benchmarks.acceptance import models
from csakit.benchmarks.acceptance.judging import Verdict, judge_finding
from csakit.benchmarks.acceptance.models import Finding, main
from csakit.benchmarks.acceptance.parts import ROOT, all_parts
from csakit.benchmarks.acceptance.prepare import prepare
from csakit.benchmarks.acceptance.reference import MODELS, Reference, compare
from csakit.benchmarks.acceptance.running import Ended
from csakit.export import tensorrt_api
from csakit.runtime import device_choice
from csakit.runtime.ort_session import OrtSession
from csakit.train import checkpoint
from helpers import played_driver
from helpers.exported import calm_model


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model, of one precision for time, and what torch makes of it."""
    folder = tmp_path_factory.mktemp("prepared")
    checkpoint.save(calm_model(), folder / "calm.safetensors")
    with mock.patch.dict(MODELS, {"fp32": MODELS["fp32"]}, clear=True):
        prepare(folder / "calm.safetensors", folder)
    return folder


def found(prepared: Path, tmp_path: Path, what: str) -> tuple[int, dict[str, Any]]:
    code = main([what, str(prepared), str(tmp_path / "finding.json")])
    value: dict[str, Any] = json.loads((tmp_path / "finding.json").read_text())
    return code, value


def test_what_is_prepared_is_what_torch_computes(prepared: Path) -> None:
    reference = Reference.load(prepared)
    session = OrtSession.open(prepared / MODELS["fp32"], cache=False)

    comparison = compare(session.run, reference, "fp32")

    session.close()
    assert comparison.broken == ()
    assert 0 < comparison.max_abs < 1e-4
    assert reference.hole.sum(axis=(1, 2, 3)).min() > 1000


def test_an_onnxruntime_without_cuda_is_skipped_with_its_providers(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])

    code, value = found(prepared, tmp_path, "onnxruntime")

    assert (code, value["outcome"]) == (0, "skipped")
    assert "has no CUDA provider, but CPUExecutionProvider" in value["reason"]
    assert value["details"] == {"onnxruntime": onnxruntime.__version__}


def test_a_gpu_that_rtx_does_not_build_for_is_skipped_with_its_answer(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setattr(tensorrt_api, "device_architectures", lambda: ["sm_90"])

    code, value = found(prepared, tmp_path, "tensorrt_rtx")

    assert (code, value["outcome"]) == (0, "skipped")
    assert "builds for sm_75, sm_80, sm_86, sm_89" in value["reason"]
    assert "got 'sm_90'; asked, it says: " in value["reason"]
    assert value["details"]["tensorrt_rtx"].startswith("1.")


def test_an_engine_that_cannot_be_opened_is_a_failure_with_its_reason(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setattr(tensorrt_api, "device_architectures", lambda: ["sm_86"])  # it is not there

    code, value = found(prepared, tmp_path, "tensorrt_rtx")

    assert (code, value["outcome"]) == (1, "failed")
    assert "fp32.engine" in value["reason"]


def test_a_wrong_result_is_a_failure_that_names_the_precision(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def runs(what: str, model: Path, finding: Finding) -> Iterator[tuple[str, Any]]:
        yield "pycuda", lambda image, hole: image + hole if model.stem == "fp16" else image

    monkeypatch.setattr(models, "_runs", runs)

    code, value = found(prepared, tmp_path, "tensorrt")

    assert code == 1
    assert value["reason"].startswith("fp32 pycuda: max abs must be at most 0.0001; got ")
    assert "fp16 pycuda: PSNR must be at least 45.0 dB" in value["reason"]
    assert set(value["details"]) >= {
        "fp32_pycuda_max_abs",
        "fp16_pycuda_psnr_db",
        "fp16_pycuda_p50_ms",
    }


def test_without_a_binding_no_engine_is_built(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_choice, "_is_installed", lambda _: False)

    code, value = found(prepared, tmp_path, "tensorrt")

    assert (code, value["outcome"]) == (0, "skipped")
    assert value["reason"].startswith("neither PyCUDA nor cuda-python is installed")


def test_a_folder_that_is_not_prepared_is_a_failure(tmp_path: Path) -> None:
    code, value = found(tmp_path, tmp_path, "onnxruntime")

    assert (code, value["outcome"]) == (1, "failed")
    assert "is not a saved reference" in value["reason"]


@pytest.mark.parametrize(
    ("code", "text", "verdict"),
    [
        (0, '{"outcome": "passed", "reason": "", "details": {"a": 1}}', ("passed", "")),
        (0, '{"outcome": "skipped", "reason": "no", "details": {}}', ("skipped", "no")),
        (1, '{"outcome": "failed", "reason": "off", "details": {}}', ("failed", "off")),
        (
            -11,
            '{"outcome": "failed", "reason": "x", "details": {}}',
            ("failed", "x; exit code -11: cut"),
        ),
        (
            -11,
            '{"outcome": "passed", "reason": "", "details": {}}',
            ("failed", "; exit code -11: cut"),
        ),
        (0, "no finding", ("failed", "")),
        (1, None, ("failed", "exit code 1: cut")),
    ],
)
def test_a_finding_is_believed_if_its_program_ended_well(
    tmp_path: Path, code: int, text: str | None, verdict: tuple[str, str]
) -> None:
    finding = tmp_path / "finding.json"
    if text is not None:
        finding.write_text(text)

    judged: Verdict = judge_finding(Ended(code=code, output="cut\n", seconds=1.0), finding)

    assert (judged.outcome, judged.reason) == verdict


def test_the_device_part_runs_the_tests_of_one_binding(tmp_path: Path) -> None:
    if importlib.util.find_spec("cuda") is None:
        pytest.skip("cuda-python is not installed")
    (part,) = [part for part in all_parts(tmp_path) if part.name == "device cuda-python"]

    done = subprocess.run(
        part.command,
        cwd=ROOT,
        env={**os.environ, **played_driver.environment()},
        capture_output=True,
        text=True,
        check=False,
    )

    judged = part.judge(Ended(code=done.returncode, output=done.stdout, seconds=1.0))
    assert judged.outcome == "passed", done.stdout[-2000:]
    assert judged.details["skipped"] == 0
    assert int(judged.details["passed"]) > 10
    assert sys.executable == part.command[0]
