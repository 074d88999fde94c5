"""Exported models in OpenVINO are the torch model: to rounding in fp32, within limits in bf16."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from csakit.export.cli import verify
from csakit.export.parity.cases import Case, oblong_case, save_case, verify_cases
from csakit.export.parity.limits import LIMITS
from csakit.export.parity.probe import torch_stages
from csakit.export.parity.report import Report
from csakit.export.parity.verify_model import verify_session
from csakit.runtime import open_session
from csakit.runtime.host import has_bfloat16
from csakit.runtime.sessions.session import Session
from csakit.train import CSAInpainter, checkpoint
from helpers.exported import Subject

openvino = pytest.importorskip("openvino")

DEMO = Path(__file__).parents[2] / "train" / "weights" / "demo.safetensors"
needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="the processor has no bfloat16")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained model: with random weights the picture hangs on every match."""
    from csakit.export.config import ExportConfig
    from csakit.export.exporter import export_onnx

    path = tmp_path_factory.mktemp("demo") / "demo.onnx"
    export_onnx(DEMO, path, ExportConfig(size=256, max_batch=1), verify_images=0)
    return path


def verified(session: Session, precision: str, model: CSAInpainter, cases: list[Case]) -> Report:
    """Compare the results of a session with those of the torch model."""
    reference = lambda case: torch_stages(model, case, session.io)  # noqa: E731
    return verify_session(session, precision, reference, cases)


@pytest.mark.parametrize("name", ["dynamic", "packed", "fixed"])
def test_in_float32_it_keeps_the_limits_of_an_fp32_export(
    request: pytest.FixtureRequest, name: str
) -> None:
    subject: Subject = request.getfixturevalue(name)
    # Where any size is taken, height and width differ, so that they cannot be mixed up.
    cases = [oblong_case() if name == "dynamic" else next(iter(verify_cases((256, 256))))]

    session = open_session(subject.path, backend="openvino")
    report = verified(session, "fp32", subject.model, cases)

    assert report.passed, report.table()


def test_images_of_a_batch_keep_their_own_masks(dynamic: Subject, rng: np.random.Generator) -> None:
    image = rng.uniform(-1, 1, (2, 3, 256, 256)).astype(np.float32)
    hole = np.zeros((2, 1, 256, 256), np.float32)
    hole[0, 0, 60:180, 60:180] = 1
    hole[1, 0, :100] = 1

    found = open_session(dynamic.path, backend="openvino").run(image, hole)

    np.testing.assert_allclose(found, dynamic.expected(image, hole), atol=1e-4)


def test_ablations_without_csa_run_as_well(ablation: Subject) -> None:
    session = open_session(ablation.path, backend="openvino")

    report = verified(session, "fp32", ablation.model, list(verify_cases((256, 256)))[:1])

    (worst,) = report.worst()
    assert worst.psnr_db is not None
    assert worst.psnr_db > 100  # one channel a layer: rounding moves single pixels by 1e-4
    assert worst.outside_equal


@needs_bfloat16
def test_convolutions_are_computed_in_bfloat16_and_csa_in_float32(demo: Path) -> None:
    session: Any = open_session(demo, backend="openvino", precision="bf16")

    nodes = session._model.compiled.get_runtime_model().get_ordered_ops()

    used = Counter(
        (facts["layerType"].astype(str), facts["runtimePrecision"].astype(str))
        for facts in (node.get_rt_info() for node in nodes)
        if facts["layerType"].astype(str) in ("Convolution", "Deconvolution", "Reference")
    )
    # 32 convolutions of the networks: 8 in the rough one; 16 and 8 turned ones in the other. The
    # others are sweeps of the fill. Half of the transposed ones stay float32 in this form.
    assert used == {
        ("Convolution", "bf16"): 118,
        ("Deconvolution", "bf16"): 8,
        ("Deconvolution", "f32"): 8,
        ("Reference", "f32"): 1,
    }


@needs_bfloat16
def test_bfloat16_keeps_its_limit_on_photographs_and_breaks_that_of_fp32(demo: Path) -> None:
    session = open_session(demo, backend="openvino", precision="bf16")
    model, cases = checkpoint.load(DEMO), list(verify_cases((256, 256)))[3:8]  # chelsea, coffee

    report = verified(session, "bf16", model, cases)

    assert report.passed, report.table()
    (worst,) = report.worst()
    limit = LIMITS["bf16"]["output"].psnr_db
    assert limit is not None
    assert worst.psnr_db is not None
    assert limit + 5 < worst.psnr_db < 80  # not by a hair, and not in float32
    assert not verified(session, "fp32", model, cases[:1]).passed


@needs_bfloat16
def test_the_command_verifies_the_backend_that_is_named(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "parity.json"
    files = [str(demo), "--against", str(DEMO), "--json", str(record)]

    code = verify.main([*files, "--backend", "openvino", "--precision", "bf16"])

    assert code == 0
    printed = capsys.readouterr().out
    assert "PASSED: 12 images, bf16, float I/O; every limit kept" in printed
    assert "known pixels bit-equal" in printed
    assert json.loads(record.read_text())["precision"] == "bf16"


def test_a_precision_needs_the_backend_that_can_choose_it(
    fixed: Subject, capsys: pytest.CaptureFixture[str]
) -> None:
    code = verify.main([str(fixed.path), "--against", str(fixed.checkpoint), "--precision", "bf16"])

    assert code == 2
    assert "for the openvino backend only; got 'bf16'" in capsys.readouterr().err


def test_a_failure_is_repeated_in_the_same_backend(
    calm_checkpoint: Path,
    fixed: Subject,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    other = checkpoint.load(calm_checkpoint)  # other weights of the same architecture
    other.refinement.leave.bias.data += 0.1
    checkpoint.save(other, tmp_path / "other.safetensors")

    save_case(next(iter(verify_cases((256, 256)))), tmp_path / "case.npz")
    files = [str(fixed.path), "--against", "other.safetensors", "--case", "case.npz"]

    code = verify.main([*files, "--backend", "openvino"])

    assert code == 1
    printed = capsys.readouterr().out
    assert "FAILED: 1 images, fp32" in printed
    assert "--backend openvino" in printed.splitlines()[-1]
