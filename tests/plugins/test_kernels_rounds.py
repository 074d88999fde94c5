"""All chunks at once give the bits of one after another, whatever the features.

How often chunks were solved stands first in the workspace, an int32 an image; 0 says that the
result was not proven and the chunks were solved in order.
"""

import dataclasses
import functools

import numpy as np
import numpy.typing as npt
import pytest
from csakit.plugins.abi import Chain, Direction, Dtype, Layout
from csakit.plugins.reference import plans
from csakit.plugins.spec import Similarity
from helpers.features import Floats, feature_like, random_hole
from helpers.kernel_device import Device, SimtDevice
from helpers.kernels import Buffers, Problem, drawn, rounded

CHUNK = 32  # kChunk in kernels.h
WINDOW = 16  # kWindow in rounds.cuh, chunks


def filled(device: Device, problem: Problem) -> tuple[npt.NDArray[np.uint8], list[int]]:
    """Return the bytes of the result, and the rounds of each image."""
    buffers = Buffers(device, problem, Direction.FORWARD)
    buffers.forward()
    device.finish()
    rounds = buffers.workspace.read()[: 4 * len(problem.features)].view(np.int32)
    return buffers.result.read(), rounds.tolist()


def assert_same_bits(device: Device, problem: Problem) -> list[int]:
    """Compare the two ways; return the rounds of each image."""
    at_once, rounds = filled(device, problem)
    in_order, none = filled(device, dataclasses.replace(problem, chain=Chain.SEQUENTIAL))
    assert not any(none)
    np.testing.assert_array_equal(at_once, in_order)
    return rounds


def block(height: int, width: int, holes: int) -> Floats:
    """Mask the first positions but one of an image, (1, 1, H, W)."""
    hole = np.zeros(height * width, dtype=np.float32)
    hole[1 : holes + 1] = 1.0
    return hole.reshape(1, 1, height, width)


def test_features_as_of_a_network_take_two_rounds(
    device: Device, rng: np.random.Generator, similarity: Similarity, dtype: Dtype, layout: Layout
) -> None:
    problem = drawn(
        rng, 1, 72, 12, 17, share=0.8, similarity=similarity, dtype=dtype, layout=layout
    )

    assert assert_same_bits(device, problem) == [2]


@functools.cache
def demo_features() -> list[tuple[str, Floats, Floats]]:
    """Return what the demo network hands to its attention: name, (1, C, 32, 32), (1, 1, 32, 32)."""
    torch = pytest.importorskip("torch")
    from csakit.train import checkpoint
    from csakit.train.attention.operator import CoherentSemanticAttention
    from skimage import data

    model = checkpoint.load("train/weights/demo.safetensors")
    found: list[tuple[Floats, Floats]] = []
    (attention,) = (m for m in model.modules() if isinstance(m, CoherentSemanticAttention))
    attention.register_forward_pre_hook(
        lambda _, inputs: found.append(tuple(tensor.numpy().copy() for tensor in inputs))
    )
    names = []
    for name in ("chelsea", "astronaut"):
        photograph = getattr(data, name)()[:256, :256]
        image = torch.from_numpy(photograph.copy()).permute(2, 0, 1)[None] / 127.5 - 1
        for kind, border in (("centre", 64), ("large", 32)):
            hole = torch.zeros(1, 1, 256, 256)
            hole[..., border:-border, border:-border] = 1
            with torch.inference_mode():
                model(image, hole)
            names.append(f"{name}, {kind} hole")
    return [(name, *pair) for name, pair in zip(names, found, strict=True)]


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("dtype", [Dtype.FLOAT32, Dtype.FLOAT16], ids=lambda d: d.name.lower())
def test_features_of_the_demo_network_take_few_rounds(
    simt: SimtDevice, index: int, similarity: Similarity, dtype: Dtype
) -> None:
    _, features, hole = demo_features()[index]
    problem = Problem(
        features=rounded(features, dtype), hole=hole, similarity=similarity, dtype=dtype
    )

    (rounds,) = assert_same_bits(simt, problem)

    windows = -(-int(hole.sum()) // (CHUNK * WINDOW))
    assert 2 <= rounds <= 3 * windows


@pytest.mark.parametrize("channels", [2, 24])
def test_white_noise_gives_the_same_bits(
    device: Device, rng: np.random.Generator, similarity: Similarity, dtype: Dtype, channels: int
) -> None:
    problem = Problem(
        features=rounded(rng.standard_normal((2, channels, 11, 14)), dtype),
        hole=random_hole(rng, 2, 11, 14, share=0.9),
        similarity=similarity,
        dtype=dtype,
    )

    assert_same_bits(device, problem)


@pytest.mark.parametrize(
    ("scale", "weight", "solved"),
    [
        pytest.param(1.0, 0.5, "at once", id="a half is kept"),
        pytest.param(0.5, 0.67, "at once", id="two thirds are kept, over more than two chunks"),
        pytest.param(0.05, 0.95, "in order", id="nearly everything is kept"),
    ],
)
def test_what_is_kept_for_long_gives_the_same_bits(
    device: Device, rng: np.random.Generator, dtype: Dtype, scale: float, weight: float, solved: str
) -> None:
    """Projections of short holes are small, those on the vector before are not."""
    hole = block(12, 16, 180)
    features = np.where(hole > 0, scale, 1.0) * feature_like(rng, 1, 64, 12, 16)
    problem = Problem(features=rounded(features, dtype), hole=hole, dtype=dtype)
    (plan,) = plans(problem.features, hole, "projection")
    assert abs(plan.weights.mean() - weight) < 0.05

    (rounds,) = assert_same_bits(device, problem)

    assert (rounds > 0) == (solved == "at once")


def test_a_vector_is_found_where_two_chunks_do_not_forget_the_one_before_them(
    device: Device, rng: np.random.Generator
) -> None:
    """One hole of a fourth chunk: its number is soon proven, its 64 channels are not."""
    hole = block(10, 12, 3 * CHUNK + 1)
    features = np.where(hole > 0, 0.33, 1.0) * feature_like(rng, 16, 64, 10, 12)
    problem = Problem(features=features, hole=np.tile(hole, (16, 1, 1, 1)))
    weights = np.array([plan.weights[1:] for plan in plans(features, problem.hole, "projection")])
    assert 0.7 < weights.mean() < 0.8

    assert sum(rounds > 0 for rounds in assert_same_bits(device, problem)) >= 4


def test_weights_far_above_one_give_the_same_bits(
    device: Device, rng: np.random.Generator, similarity: Similarity
) -> None:
    """Of two directions and their opposites: a and s nearly cancel, again and again."""
    signs = rng.choice([-1.0, 1.0], 200)
    features = (signs * (1 + 1e-3 * rng.standard_normal((3, 200)))).reshape(1, 3, 10, 20)
    hole = block(10, 20, 170)
    (plan,) = plans(features, hole, similarity)
    assert np.abs(plan.weights).max() > 10 or similarity == "cosine"

    assert_same_bits(device, Problem(features=features, hole=hole, similarity=similarity))


@pytest.mark.parametrize(
    ("channels", "side", "holes"),
    [
        *((40, 10, holes) for holes in (1, 31, 32, 33, 64, 65)),
        *((24, 36, holes) for holes in (CHUNK * WINDOW, CHUNK * WINDOW + 1, 1100)),
    ],
)
def test_few_chunks_and_more_than_are_solved_at_once_give_the_same_bits(
    device: Device,
    rng: np.random.Generator,
    similarity: Similarity,
    channels: int,
    side: int,
    holes: int,
) -> None:
    features = feature_like(rng, 1, channels, side, side)
    problem = Problem(features=features, hole=block(side, side, holes), similarity=similarity)

    (rounds,) = assert_same_bits(device, problem)

    least = 1 if holes <= CHUNK else 2
    assert least <= rounds <= 3 * -(-holes // (CHUNK * WINDOW))


def test_the_images_of_a_batch_go_their_own_ways(device: Device, rng: np.random.Generator) -> None:
    features = feature_like(rng, 5, 40, 12, 12)
    hole = random_hole(rng, 5, 12, 12, share=0.9)  # more than three chunks
    hole[1], hole[2] = 0.0, 1.0  # nothing to fill; nothing known
    features[3] = np.where(hole[3] > 0, 0.05, 1.0) * features[3]

    rounds = assert_same_bits(device, Problem(features=features, hole=hole))

    assert [count > 0 for count in rounds] == [True, False, False, False, True]


def test_a_captured_call_chooses_anew_with_every_replay(
    device: Device, rng: np.random.Generator
) -> None:
    usual = feature_like(rng, 1, 40, 12, 12)
    hole = block(12, 12, 130)
    kept = np.where(hole > 0, np.float32(0.05), 1) * usual
    problem = Problem(features=usual, hole=hole)
    buffers = Buffers(device, problem, Direction.FORWARD)
    replay = device.capture(buffers.forward)

    for features, at_once in ((usual, True), (kept, False), (usual, True)):
        now = dataclasses.replace(problem, features=features)
        buffers.load(now)
        replay()
        device.finish()

        assert (buffers.workspace.read()[:4].view(np.int32)[0] > 0) == at_once
        in_order, _ = filled(device, dataclasses.replace(now, chain=Chain.SEQUENTIAL))
        np.testing.assert_array_equal(buffers.result.read(), in_order)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e37])
def test_numbers_that_are_none_give_the_same_bits(
    device: Device, rng: np.random.Generator, similarity: Similarity, value: float
) -> None:
    for position in (0, 9, 100):  # known, early, late
        features = feature_like(rng, 1, 40, 10, 14)
        features[:, 7].reshape(-1)[position] = value
        problem = Problem(features=features, hole=block(10, 14, 120), similarity=similarity)

        assert_same_bits(device, problem)
