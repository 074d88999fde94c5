"""A comparison finds what is wrong with an image, and with a batch."""

from pathlib import Path

import numpy as np
import pytest
from csakit.benchmarks.acceptance.reference import SIZE, Reference, Run, compare
from csakit.plugins.errors import ContractError
from csakit.runtime.pixels import Float32


@pytest.fixture
def reference(rng: np.random.Generator) -> Reference:
    image = rng.uniform(-1, 1, (2, 3, SIZE, SIZE)).astype(np.float32)
    hole = np.zeros((2, 1, SIZE, SIZE), dtype=np.float32)
    hole[0, :, 40:90, 40:90] = 1
    hole[1, :, 100:200, 30:60] = 1
    return Reference(image, hole, np.where(hole > 0, -0.5 * image, image))


def exact(reference: Reference) -> Run:
    """Answer as the reference does, whatever the batch."""

    def run(image: Float32, hole: Float32) -> Float32:
        return np.where(hole > 0, -0.5 * image, image)

    return run


def test_what_is_equal_passes_and_is_timed(reference: Reference) -> None:
    found = compare(exact(reference), reference, "fp32")

    assert found.broken == ()
    assert (found.max_abs, found.psnr_db) == (0.0, 999.0)
    assert found.p50_ms > 0
    assert set(found.details("fp16")) == {"fp16_max_abs", "fp16_psnr_db", "fp16_p50_ms"}


def test_a_difference_is_held_against_the_limits_of_its_precision(reference: Reference) -> None:
    def run(image: Float32, hole: Float32) -> Float32:
        return exact(reference)(image, hole) + np.float32(1e-3) * hole

    single, half = (compare(run, reference, precision) for precision in ("fp32", "fp16"))

    assert [rule.split(";")[0] for rule in single.broken] == [
        "max abs must be at most 0.0001",
        "PSNR must be at least 80.0 dB",
    ]
    assert half.broken == ()
    assert half.max_abs == pytest.approx(1e-3, rel=1e-3)
    assert half.psnr_db == pytest.approx(66.0, abs=0.1)


def test_changed_known_pixels_and_nan_are_told(reference: Reference) -> None:
    def shifted(image: Float32, hole: Float32) -> Float32:
        return exact(reference)(image, hole) + np.float32(1e-6)

    def lost(image: Float32, hole: Float32) -> Float32:
        return np.full_like(image, np.nan)

    assert compare(shifted, reference, "fp16").broken == (
        "known pixels must be those of the input",
    )
    assert "values must be finite" in compare(lost, reference, "fp16").broken


def test_a_batch_whose_images_share_a_mask_is_found(reference: Reference) -> None:
    def run(image: Float32, hole: Float32) -> Float32:
        return exact(reference)(image, np.broadcast_to(hole[:1], hole.shape))

    assert compare(run, reference, "fp16").broken


def test_a_reference_comes_back_from_its_file(reference: Reference, tmp_path: Path) -> None:
    reference.save(tmp_path)

    read = Reference.load(tmp_path)

    np.testing.assert_array_equal(read.result, reference.result)
    np.testing.assert_array_equal(read.hole, reference.hole)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="is not a saved reference"):
        Reference.load(tmp_path)
    np.savez(tmp_path / "reference.npz", image=np.zeros(3), hole=np.zeros(3), result=np.zeros(3))
    with pytest.raises(ContractError, match="must hold images of 256 x 256"):
        Reference.load(tmp_path)
