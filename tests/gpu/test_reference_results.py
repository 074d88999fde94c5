"""The comparison with torch fails for a wrong image and for a wrong batch."""

from pathlib import Path

import numpy as np
import pytest
from csakit.runtime.sessions.session import open_session
from csakit.runtime.tensors.pixels import Float32
from csakit.train import checkpoint
from gpu.reference_results import MODELS, SIZE, Reference, Run, check, load, prepare
from helpers.exported import calm_model


@pytest.fixture
def reference(rng: np.random.Generator) -> Reference:
    image = rng.uniform(-1, 1, (2, 3, SIZE, SIZE)).astype(np.float32)
    hole = np.zeros((2, 1, SIZE, SIZE), dtype=np.float32)
    hole[0, :, 40:90, 40:90] = 1
    hole[1, :, 100:200, 30:60] = 1
    return Reference(image, hole, np.where(hole > 0, -0.5 * image, image))


def exact(image: Float32, hole: Float32) -> Float32:
    return np.where(hole > 0, -0.5 * image, image)


def off(image: Float32, hole: Float32) -> Float32:
    return exact(image, hole) + np.float32(1e-3) * hole


def shifted(image: Float32, hole: Float32) -> Float32:
    return exact(image, hole) + np.float32(1e-6)


def lost(image: Float32, hole: Float32) -> Float32:
    return np.full_like(image, np.nan)


def sharing_a_mask(image: Float32, hole: Float32) -> Float32:
    return exact(image, np.broadcast_to(hole[:1], hole.shape))


def test_equal_results_pass_and_are_timed(reference: Reference) -> None:
    found = check(exact, reference, "fp32")

    assert (found["max_abs"], found["psnr_db"]) == (0.0, 999.0)
    assert found["p50_ms"] > 0


def test_a_difference_is_held_against_the_limits_of_its_precision(reference: Reference) -> None:
    assert check(off, reference, "fp16")["psnr_db"] == pytest.approx(66.0, abs=0.1)
    with pytest.raises(AssertionError):
        check(off, reference, "fp32")


@pytest.mark.parametrize("run", [shifted, lost, sharing_a_mask])
def test_wrong_results_fail(reference: Reference, run: Run) -> None:
    with pytest.raises(AssertionError):
        check(run, reference, "fp16")


def test_a_prepared_folder_holds_what_torch_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(calm_model(), tmp_path / "calm.safetensors")
    monkeypatch.delitem(MODELS, "fp16")  # one precision, for time
    prepare(tmp_path / "calm.safetensors", tmp_path)

    session = open_session(tmp_path / MODELS["fp32"])
    found = check(session.run, load(tmp_path), "fp32")
    session.close()

    assert found["max_abs"] > 0
