"""An image of any size comes back repaired, and no known pixel has changed."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from csakit.plugins.errors import ContractError, EngineError
from csakit.runtime import Inpainter, InpaintOptions
from csakit.runtime.contract import META_TRAINED_HOLE
from csakit.runtime.options import STRATEGIES

from .conftest import MakeModel, RecordingSession, hole_of

SIZES = [(1, 2), (7, 300), (255, 257), (256, 256), (300, 451), (600, 513)]


def speckled_hole(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A few specks, a rectangle, and the first pixel."""
    hole = rng.random(shape) < 0.0005
    hole[shape[0] // 3 : shape[0] // 2, shape[1] // 4 : shape[1] // 2] = True
    hole[0, 0] = True
    return hole


@pytest.mark.parametrize("size", [None, (256, 256), (512, 256)])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("blend", ["none", "seamless", "feather 9"])
def test_every_hole_pixel_is_repaired_and_no_other_changes(
    shape: tuple[int, int],
    strategy: str,
    size: tuple[int, int] | None,
    blend: str,
    rng: np.random.Generator,
) -> None:
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    hole = speckled_hole(shape, rng)
    image[hole] = (255, 0, 255)
    session = RecordingSession(size)
    # texture of noise would reach the colour by chance
    options = InpaintOptions(strategy=strategy, blend=blend, texture=False)

    result = Inpainter(session, options)(image, hole)

    np.testing.assert_array_equal(result[~hole], image[~hole])
    assert not (result[hole] == (255, 0, 255)).all(axis=1).any()
    for given, missing in session.calls:
        assert given.shape[:2] == missing.shape == (size or given.shape[:2])
        assert missing.any()


@pytest.mark.parametrize("io", ["float", "uint8"])
@pytest.mark.parametrize("size", [("H", "W"), (256, 256)])
def test_a_real_model_fills_the_hole_with_its_answer(
    make_model: MakeModel, io: str, size: tuple[object, object], photo: np.ndarray
) -> None:
    hole = hole_of(photo.shape, (100, 200, 40, 60))

    model, options = make_model(io=io, size=size), InpaintOptions(blend="none")
    with Inpainter.open(model, options=options, threads=1) as inpaint:
        result = inpaint(photo, hole)

    window = photo[0:256, 102:358], hole[0:256, 102:358]  # centred on the hole with its margin
    mean = window[0][~window[1]].mean(axis=0)
    assert np.abs(result[hole] - mean).max() <= 1
    np.testing.assert_array_equal(result[~hole], photo[~hole])


def test_float_and_uint8_models_answer_alike(make_model: MakeModel, photo: np.ndarray) -> None:
    hole = hole_of(photo.shape, (10, 20, 80, 30))

    results = []
    for io in ("float", "uint8"):
        with Inpainter.open(make_model(f"{io}.onnx", io=io), threads=1) as inpaint:
            results.append(inpaint(photo, hole).astype(int))

    assert np.abs(results[0] - results[1]).max() <= 1  # the means are rounded once each


def test_what_lies_under_the_hole_does_not_matter_at_any_scale(photo: np.ndarray) -> None:
    hole = hole_of(photo.shape, (20, 30, 260, 370))
    painted = np.where(hole[..., None], np.uint8(255), photo)
    seen = []
    for image in (photo, painted):
        session = RecordingSession((256, 256))
        Inpainter(session)(image, hole)
        (given, missing) = session.calls[0]
        seen.append(given[~missing])

    np.testing.assert_array_equal(seen[0], seen[1])


def test_a_hole_is_scaled_to_the_largest_that_the_model_was_trained_on(photo: np.ndarray) -> None:
    mask = hole_of(photo.shape, (100, 100, 80, 80))
    seen = []
    for stated in ("", "40"):
        session = RecordingSession()
        session.metadata = {**session.metadata, META_TRAINED_HOLE: stated}
        Inpainter(session, InpaintOptions(blend="none"))(photo, mask)
        seen.append(session.calls[0][1].any(axis=0).sum())

    assert seen[0] == 80
    assert 40 <= seen[1] <= 42


def test_overlapping_crops_fade_into_each_other() -> None:
    image = np.zeros((256, 900, 3), dtype=np.uint8)
    mask = hole_of(image.shape, (120, 20, 4, 860))

    class Brightening(RecordingSession):
        def run_uint8(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
            self.colour = np.full(3, 40 * len(self.calls) + 20, dtype=np.uint8)
            return super().run_uint8(image, mask)

    session = Brightening()

    result = Inpainter(session, InpaintOptions(blend="none"))(image, mask)

    row = result[121, 20:880, 0].astype(int)
    assert len(session.calls) == 5
    assert {row[0], row[-1]} <= {20, 60, 100, 140, 180}
    assert np.abs(np.diff(row)).max() <= 3  # 40 from crop to crop


def test_an_empty_hole_returns_a_copy_with_a_warning(
    photo: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    result = Inpainter(RecordingSession())(photo, hole_of(photo.shape))

    np.testing.assert_array_equal(result, photo)
    assert not np.shares_memory(result, photo)
    assert "the mask is empty" in caplog.text


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 8, 5), np.uint8), r"image must be \(H, W\),.*; got \(8, 8, 5\)"),
        (np.zeros((3, 8, 8), np.uint8), r"got \(3, 8, 8\)\n.*moveaxis"),
        (np.zeros((8, 8, 3), np.int64), r"uint8, uint16, or float in \[0, 1\]; got int64\n"),
        (np.full((8, 8, 3), 255.0), r"float images must be in \[0, 1\]; got 255 to 255\n.*/ 255"),
        (np.full((8, 8, 3), np.nan, np.float32), r"must be in \[0, 1\]; got nan"),
        (np.zeros((0, 8, 3), np.uint8), r"got \(0, 8, 3\)"),
        ([[0]], "image must be a path, a Pillow image or a NumPy array; got list"),
        ("absent.png", r"absent\.png"),
    ],
)
def test_other_images_are_refused_with_the_rule(image: np.ndarray, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        Inpainter(RecordingSession())(image, np.zeros((8, 8), dtype=bool))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((8, 8), np.uint8), r"128 or more; got 1 at most\nWhere.*: mask != 0"),
        (np.full((8, 8), 127, np.uint8), "128 or more; got 127 at most"),
        (np.full((8, 8), 0.49), "0.5 or more; got 0.49 at most"),
        (np.full((8, 8), np.nan), "bool, uint8, or float in .*; got float64 from nan"),
        (np.full((8, 8), 255.0), "float in .*; got float64 from 255 to 255\n.*mask != 0"),
        (np.zeros((8, 8), np.int64), "got int64 from 0 to 0"),
        (np.zeros((8, 9), bool), r"the \(H, W\) of the image, \(8, 8\); got \(8, 9\)"),
        (np.ones((8, 8), bool), r"at least one pixel must be known.*\n.*~mask"),
        (None, "mask must be a path, a Pillow image or a NumPy array; got NoneType"),
    ],
)
def test_other_masks_are_refused_with_the_remedy(mask: np.ndarray, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        Inpainter(RecordingSession())(np.zeros((8, 8, 3), np.uint8), mask)


def test_closing_twice_is_harmless_and_use_after_it_an_error(
    make_model: MakeModel, photo: np.ndarray
) -> None:
    inpaint = Inpainter.open(str(make_model()))
    inpaint.close()
    inpaint.close()

    with pytest.raises(EngineError, match="the inpainter is closed; open it again"):
        inpaint(photo, hole_of(photo.shape))


def test_a_model_for_another_batch_is_refused(make_model: MakeModel) -> None:
    with pytest.raises(ContractError, match="got a model for batches of 2"):
        Inpainter.open(make_model(batch=2))


def test_threads_share_one_inpainter(make_model: MakeModel, photo: np.ndarray) -> None:
    hole = hole_of(photo.shape, (100, 200, 40, 60))
    with Inpainter.open(make_model(), threads=1) as inpaint, ThreadPoolExecutor(4) as threads:
        first, *others = threads.map(lambda _: inpaint(photo, hole), range(4))

    assert len(others) == 3
    for result in others:
        np.testing.assert_array_equal(result, first)
