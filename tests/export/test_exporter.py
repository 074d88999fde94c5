"""An exported model computes what its source computes in torch."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from csakit.export.parity.limits import LIMITS
from csakit.train import checkpoint
from csakit.train.evaluation.metrics import hole_psnr
from csakit.train.masks import centre_hole, freeform_hole
from helpers.exported import Floats, Subject
from helpers.features import image_like
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from .conftest import Export

HOLES = ("centre", "strokes", "border", "empty", "full")
LIMIT = LIMITS["fp32"]["output"].max_abs
# Without a known pixel the input is one colour. Planes of nearly no variance follow, and
# instance norm divides them by their spread: what is rounding elsewhere is 300 times larger.
LIMIT_FULL = 2e-2


def hole_of(kind: str, height: int, width: int) -> Floats:
    """Mark the missing pixels, (1, 1, H, W)."""
    missing = {
        "centre": centre_hole(height, width),
        "strokes": freeform_hole(height, width, np.random.default_rng(7)),
        "border": np.pad(
            np.zeros((height - 96, width - 64), dtype=bool),
            ((96, 0), (0, 64)),
            constant_values=True,
        ),
        "empty": np.zeros((height, width), dtype=bool),
        "full": np.ones((height, width), dtype=bool),
    }[kind]
    return missing[None, None].astype(np.float32)


def as_bytes(image: Floats) -> npt.NDArray[np.uint8]:
    """Convert (B, C, H, W) in [-1, 1] into (B, H, W, C) bytes."""
    return np.rint((image.transpose(0, 2, 3, 1) + 1) * 127.5).astype(np.uint8)


def check_like_torch(subject: Subject, image: Floats, hole: Floats) -> None:
    """Compare with the source; known pixels bit by bit."""
    result, expected = subject.run(image, hole), subject.expected(image, hole)
    np.testing.assert_allclose(result, expected, rtol=0, atol=LIMIT_FULL if hole.all() else LIMIT)
    known = np.broadcast_to(hole == 0, image.shape)
    np.testing.assert_array_equal(result[known], image[known])
    assert result.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "size"),
    [("dynamic", (256, 256)), ("dynamic", (512, 256)), ("fixed", (256, 256))],
    ids=["square", "oblong", "fixed"],
)
@pytest.mark.parametrize("kind", HOLES)
def test_a_model_computes_what_torch_computes(
    request: pytest.FixtureRequest,
    rng: np.random.Generator,
    name: str,
    kind: str,
    size: tuple[int, int],
) -> None:
    subject: Subject = request.getfixturevalue(name)

    check_like_torch(subject, image_like(rng, 1, *size), hole_of(kind, *size))


def test_a_batch_of_three_with_masks_of_their_own_computes_what_torch_computes(
    dynamic: Subject, rng: np.random.Generator
) -> None:
    hole = np.concatenate([hole_of(kind, 256, 256) for kind in ("strokes", "empty", "centre")])

    check_like_torch(dynamic, image_like(rng, 3, 256, 256), hole)


def test_an_image_of_a_batch_does_not_depend_on_its_neighbours(
    dynamic: Subject, rng: np.random.Generator
) -> None:
    image = image_like(rng, 2, 256, 256)
    hole = np.concatenate([hole_of("centre", 256, 256), hole_of("border", 256, 256)])

    together = dynamic.run(image, hole)
    alone = np.concatenate([dynamic.run(image[i : i + 1], hole[i : i + 1]) for i in (0, 1)])

    np.testing.assert_allclose(together, alone, rtol=0, atol=LIMIT)


def test_the_ablations_compute_what_torch_computes(
    ablation: Subject, rng: np.random.Generator
) -> None:
    check_like_torch(ablation, image_like(rng, 1, 256, 256), hole_of("strokes", 256, 256))


@pytest.mark.parametrize("kind", HOLES)
def test_a_model_that_adds_to_interpolation_computes_what_torch_computes(
    residual: Subject, rng: np.random.Generator, kind: str
) -> None:
    image, hole = image_like(rng, 1, 256, 256), hole_of(kind, 256, 256)
    if residual.config.precision == "fp32":
        check_like_torch(residual, image, hole)
        return

    result, expected = residual.run(image, hole), residual.expected(image, hole)

    decibels = hole_psnr(expected[0], result[0], hole[0, 0] > 0)
    assert decibels >= LIMITS["fp16"]["output"].psnr_db or kind == "full"


def test_the_fill_follows_the_size_of_a_dynamic_model(
    residual_checkpoint: Path, export: Export, rng: np.random.Generator
) -> None:
    subject = export(checkpoint.load(residual_checkpoint), residual_checkpoint)

    for size in ((256, 512), (512, 256)):
        image, hole = image_like(rng, 2, *size), hole_of("centre", *size)
        check_like_torch(subject, image, np.concatenate([hole, hole_of("border", *size)]))


@pytest.mark.parametrize("under", [0.0, 1e30, np.nan, np.inf], ids=str)
def test_what_is_under_the_hole_does_not_matter(
    dynamic: Subject, rng: np.random.Generator, under: float
) -> None:
    image, hole = image_like(rng, 1, 256, 256), hole_of("strokes", 256, 256)

    result = dynamic.run(np.where(hole > 0, np.float32(under), image), hole)

    np.testing.assert_array_equal(result, dynamic.run(image, hole))


def test_a_pixel_is_missing_above_one_half(dynamic: Subject, rng: np.random.Generator) -> None:
    image, hole = image_like(rng, 1, 256, 256), hole_of("strokes", 256, 256)

    grey = dynamic.run(image, np.where(hole > 0, 0.51, 0.5).astype(np.float32))

    np.testing.assert_array_equal(grey, dynamic.run(image, hole))


def test_the_result_stays_in_the_range_of_images(
    dynamic: Subject, rng: np.random.Generator
) -> None:
    image, hole = image_like(rng, 1, 256, 256), hole_of("full", 256, 256)

    result = dynamic.run(4 * image, hole)

    assert np.abs(result).max() <= 1.0


@pytest.mark.parametrize("missing", [1, 255])
def test_the_byte_model_equals_the_float_model_within_a_step(
    packed: Subject, dynamic: Subject, rng: np.random.Generator, missing: int
) -> None:
    pixels = as_bytes(image_like(rng, 2, 256, 256))
    hole = np.concatenate([hole_of("centre", 256, 256), hole_of("strokes", 256, 256)])
    image = (pixels.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2)

    result = packed.run(pixels, (hole.transpose(0, 2, 3, 1) * missing).astype(np.uint8))

    expected = as_bytes(dynamic.run(image, hole)).astype(int)
    assert result.dtype == np.uint8
    assert np.abs(result - expected).max() <= 1


def test_the_byte_model_returns_every_known_byte(packed: Subject) -> None:
    ramp = np.arange(256, dtype=np.uint8)
    pixels = np.broadcast_to(ramp[None, None, :, None], (1, 256, 256, 3)).copy()
    hole = hole_of("centre", 256, 256).transpose(0, 2, 3, 1).astype(np.uint8)

    result = packed.run(pixels, hole)

    known = np.broadcast_to(hole == 0, pixels.shape)
    np.testing.assert_array_equal(result[known], pixels[known])


def test_the_half_precision_model_keeps_its_promise(
    half: Subject, rng: np.random.Generator
) -> None:
    image = image_like(rng, 3, 256, 256)
    hole = np.concatenate([hole_of(kind, 256, 256) for kind in ("centre", "strokes", "border")])

    result, expected = half.run(image, hole), half.expected(image, hole)

    promised = LIMITS["fp16"]["output"].psnr_db
    for one, other, mask in zip(expected, result, hole[:, 0] > 0, strict=True):
        assert hole_psnr(one, other, mask) >= promised
    known = np.broadcast_to(hole == 0, image.shape)
    np.testing.assert_array_equal(result[known], image[known])


@pytest.mark.parametrize(("batch", "size"), [(1, (512, 256)), (2, (256, 256))])
def test_a_fixed_model_refuses_other_sizes_and_batches(
    fixed: Subject, rng: np.random.Generator, batch: int, size: tuple[int, int]
) -> None:
    image, hole = image_like(rng, 1, *size), np.zeros((1, 1, *size), np.float32)

    with pytest.raises(InvalidArgument, match="Got invalid dimensions"):
        fixed.run(image.repeat(batch, axis=0), hole.repeat(batch, axis=0))
