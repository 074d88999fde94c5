"""Every form of the operator computes what the oracle computes, at the edges of its definition too.

What only one form has (types, layouts, gradients, chunks, errors) is tested beside it.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from csakit.plugins import reference
from csakit.plugins.spec import SIMILARITIES, Similarity
from helpers.features import (
    Floats,
    feature_like,
    holes_at,
    oracle_matches,
    random_hole,
    row_of,
    without_near_ties,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Array = npt.NDArray[Any]
Fill = Callable[[Floats, Floats, Similarity], tuple[Array, Array | None]]
Gradient = Callable[[Floats, Floats, Floats, Similarity], Array]


@dataclasses.dataclass(frozen=True)
class Form:
    """One way to compute the operator, and how far its float32 sums may lead it from the oracle.

    ``fill`` returns (B, C, H, W), and the matches (B, N) where it tells them; ``gradient`` dX.
    """

    name: str
    fill: Fill
    gradient: Gradient | None = None
    relative: float = 0.0  # to each value
    absolute: float = 0.0
    of_largest: float = 0.0  # to the largest feature
    all_holes: bool = True  # it takes images without a known position

    def check(self, features: Floats, hole: Floats, similarity: Similarity) -> Array:
        """Fill, and compare results, matches, known positions and gradients with the oracle's."""
        filled, matches = self.fill(features, hole, similarity)
        expected = reference.coherent_semantic_attention(features, hole, similarity)
        largest = float(np.abs(features).max(initial=1))
        atol = self.absolute + self.of_largest * largest
        np.testing.assert_allclose(filled, expected, rtol=self.relative, atol=atol)
        known = np.broadcast_to(hole <= 0.5, features.shape)
        if self.name != "python-loop":  # it pastes by a convolution, known positions as well
            np.testing.assert_array_equal(filled[known], features[known])
        if matches is not None:
            np.testing.assert_array_equal(matches, oracle_matches(features, hole, similarity))
        if self.gradient is not None:
            of_output = np.random.default_rng(7).standard_normal(features.shape, dtype=np.float32)
            expected = reference.input_gradient(features, hole, of_output, similarity)
            atol = 2e-5 * max(1.0, float(np.abs(expected).max(initial=0)))  # sums of up to N terms
            found = self.gradient(of_output, features, hole, similarity)
            np.testing.assert_allclose(found, expected, rtol=0, atol=atol)
        return filled


def python_loop() -> Form:
    import torch
    from csakit.benchmarks import baseline

    def fill(features: Floats, hole: Floats, similarity: Similarity) -> tuple[Array, None]:
        inputs = torch.from_numpy(features), torch.from_numpy(hole)
        return baseline.coherent_semantic_attention(*inputs, similarity).numpy(), None

    return Form("python-loop", fill, relative=1e-5, absolute=1e-5, all_holes=False)


def torch_operator() -> Form:
    import torch
    from csakit.train.attention.operator import coherent_semantic_attention, match_indices

    def fill(features: Floats, hole: Floats, similarity: Similarity) -> tuple[Array, Array]:
        inputs = torch.from_numpy(features), torch.from_numpy(hole), similarity
        return coherent_semantic_attention(*inputs).numpy(), match_indices(*inputs).numpy()

    def gradient(
        of_output: Floats, features: Floats, hole: Floats, similarity: Similarity
    ) -> Array:
        x = torch.from_numpy(features.copy()).requires_grad_()
        coherent_semantic_attention(x, torch.from_numpy(hole), similarity).backward(
            torch.from_numpy(of_output)
        )
        assert x.grad is not None
        return x.grad.numpy()

    # At most 1.3e-7 of the largest feature over 1500 random cases.
    return Form("torch", fill, gradient, of_largest=1e-6)


def openvino_operator() -> Form:
    from csakit.runtime.sessions.numpy_attention import fill_holes

    def fill(features: Floats, hole: Floats, similarity: Similarity) -> tuple[Array, None]:
        filled = fill_holes(features, hole, similarity)
        assert filled.dtype == np.float32
        assert filled is not features
        return filled, None

    return Form("numpy", fill, absolute=2e-5)


def onnx_function() -> Form:
    from csakit.export.graph.attention_function import CHUNK
    from helpers.function_model import function_session

    def fill(features: Floats, hole: Floats, similarity: Similarity) -> tuple[Array, Array]:
        feeds = {"features": features, "hole": hole}
        filled, matches, chunks = function_session(similarity).run(None, feeds)
        plans = reference.plans(features, hole, similarity)
        assert chunks == -(-max(plan.holes.size for plan in plans) // CHUNK)
        return filled, matches

    return Form("onnx", fill, relative=1e-5, absolute=1e-5)


def kernels(device: Any) -> Form:  # noqa: ANN401
    from helpers.kernels import Problem, run_backward, run_forward

    def fill(features: Floats, hole: Floats, similarity: Similarity) -> tuple[Array, Array]:
        return run_forward(device, Problem(features=features, hole=hole, similarity=similarity))

    def gradient(
        of_output: Floats, features: Floats, hole: Floats, similarity: Similarity
    ) -> Array:
        problem = Problem(features=features, hole=hole, similarity=similarity)
        return run_backward(device, problem, of_output)

    return Form("kernels", fill, gradient, of_largest=5e-6)


IN_PYTHON = {
    "python-loop": python_loop,
    "torch": torch_operator,
    "numpy": openvino_operator,
    "onnx": onnx_function,
}


@pytest.fixture(params=[*IN_PYTHON, "simt", "watched", pytest.param("cuda", marks=pytest.mark.gpu)])
def form(request: pytest.FixtureRequest) -> Form:
    """Each form in turn; the kernels on a CPU as on Hopper, as on Turing, and on a GPU."""
    if request.param in IN_PYTHON:
        return IN_PYTHON[request.param]()
    return kernels(request.getfixturevalue(request.param))


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("name", IN_PYTHON)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.integers(4, 40),
    height=st.integers(1, 13),
    width=st.integers(1, 13),
    shares=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=3),
)
def test_any_shape_and_any_holes_equal_the_oracle(
    name: str,
    similarity: Similarity,
    seed: int,
    channels: int,
    height: int,
    width: int,
    shares: list[float],
) -> None:
    form, rng = IN_PYTHON[name](), np.random.default_rng(seed)
    features = feature_like(rng, len(shares), channels, height, width)
    hole = np.concatenate([random_hole(rng, 1, height, width, share=share) for share in shares])
    if not form.all_holes:
        hole[..., 0, 0] = 0.0

    form.check(features, without_near_ties(features, hole), similarity)


@pytest.mark.parametrize("count", [0, 1, 2, 15, 31, 32, 33, 63, 64, 65, 129, 142])
def test_every_number_of_holes_equals_the_oracle(
    form: Form, rng: np.random.Generator, similarity: Similarity, count: int
) -> None:
    features = feature_like(rng, 3, 16, 11, 13)
    hole = np.zeros((3, 143), dtype=np.float32)
    hole[0, :count] = 1.0
    hole[1, 143 - count :] = 1.0
    hole[2, rng.choice(143, count, replace=False)] = 1.0

    form.check(features, hole.reshape(3, 1, 11, 13), similarity)


def test_each_image_of_a_batch_has_its_own_holes(
    form: Form, rng: np.random.Generator, similarity: Similarity
) -> None:
    features = np.repeat(feature_like(rng, 1, 16, 9, 10), 4, axis=0)
    hole = random_hole(rng, 4, 9, 10)
    hole[1], hole[2] = 0.0, 1.0 if form.all_holes else hole[0]

    together = form.check(features, hole, similarity)

    np.testing.assert_array_equal(together[1], features[1])
    if form.all_holes:
        np.testing.assert_array_equal(together[2], features[2])
    for i in range(4):
        alone, _ = form.fill(features[i : i + 1], hole[i : i + 1], similarity)
        np.testing.assert_allclose(together[i : i + 1], alone, rtol=1e-5, atol=1e-5)


def test_holes_on_all_borders_equal_the_oracle(
    form: Form, rng: np.random.Generator, similarity: Similarity
) -> None:
    hole = np.ones((1, 1, 8, 9), dtype=np.float32)
    hole[..., 1:-1, 1:-1] = 0.0

    form.check(feature_like(rng, 1, 16, 8, 9), hole, similarity)


def test_the_published_size_equals_the_oracle(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    hole = np.zeros((1, 1, 32, 32), dtype=np.float32)
    hole[..., 8:23, 9:24] = 1.0
    features = feature_like(rng, 1, 512, 32, 32)

    for name in ("torch", "numpy"):  # kernels and function body have tests of this size
        IN_PYTHON[name]().check(features, hole, similarity)


def test_one_channel_equals_the_oracle(
    form: Form, rng: np.random.Generator, similarity: Similarity
) -> None:
    if form.name == "python-loop":
        pytest.skip("the published loop divides by whatever there is")
    features = rng.choice([-1.0, 1.0], size=(2, 1, 6, 7)).astype(np.float32)  # exact scores

    form.check(features, random_hole(rng, 2, 6, 7), similarity)


def test_of_equal_matches_the_one_with_the_smallest_index_is_taken(
    form: Form, rng: np.random.Generator, similarity: Similarity
) -> None:
    axes = rng.integers(0, 3, (1, 64))  # products with unit vectors are exact
    features = np.ascontiguousarray(np.eye(5, dtype=np.float32)[axes].transpose(0, 2, 1))
    form.check(features.reshape(1, 5, 8, 8), random_hole(rng, 1, 8, 8), similarity)

    # The two known positions are equal but for their length: the first is the match.
    filled, _ = form.fill(row_of((2, 0), (4, 0), (1, 0)), holes_at(2, width=3), similarity)

    assert filled[0, 0, 0, 2] == 2


@pytest.mark.parametrize("before", [0, 31, 63], ids=["in a chunk", "after 32", "after 64"])
@pytest.mark.parametrize("sum_", [0.0, 5e-7, -5e-7])
def test_the_match_is_copied_where_the_denominator_vanishes(
    form: Form, similarity: Similarity, before: int, sum_: float
) -> None:
    if form.name == "python-loop":
        pytest.skip("the published loop divides by whatever there is")
    left, right = (sum_ - 1.0, 0.0), (1.0, 0.0)
    vectors = [*[left] * (before + 1), right, left, right]  # the last two are known
    hole = holes_at(*range(before + 2), width=len(vectors))

    filled, _ = form.fill(row_of(*vectors), hole, similarity)

    np.testing.assert_array_equal(filled[0, :, 0, before + 1], right)


@pytest.mark.parametrize("sum_", [1e-2, -1e-2, 1e-3])
def test_a_ratio_near_a_vanishing_denominator_is_not_clamped(form: Form, sum_: float) -> None:
    left, right = (sum_ - 1, 0), (1, 0)
    features, hole = row_of(left, right, left, right), holes_at(0, 1, width=4)

    filled, _ = form.fill(features, hole, "projection")

    (plan,) = reference.plans(features, hole, "projection")
    assert abs(plan.weights[1]) > 90
    # float32 keeps 1e-7 of 1; what is left of a + s is known to 1e-7 / |sum|
    expected = reference.coherent_semantic_attention(features, hole, "projection")
    np.testing.assert_allclose(filled, expected, rtol=1e-6 / abs(sum_))


def test_a_position_is_a_hole_above_one_half(
    form: Form, rng: np.random.Generator, similarity: Similarity
) -> None:
    above = np.nextafter(np.float32(0.5), np.float32(1.0))
    levels = np.array([0.0, 0.25, 0.5, above, 0.75, 3.0], dtype=np.float32)

    form.check(feature_like(rng, 1, 16, 6, 6), rng.choice(levels, size=(1, 1, 6, 6)), similarity)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-6, 1.0, 1e6, 1e12])
def test_wild_features_give_no_nan(
    form: Form, rng: np.random.Generator, similarity: Similarity, scale: float
) -> None:
    if form.name == "python-loop":
        pytest.skip("the published loop divides by whatever there is")
    features = (scale * rng.standard_normal((2, 3, 16, 16))).astype(np.float32)
    hole = random_hole(rng, 2, 16, 16, share=0.7)

    filled, _ = form.fill(features, hole, similarity)

    assert np.isfinite(filled).all()
    assert scale or not filled.any()
    known = np.broadcast_to(hole == 0, features.shape)
    np.testing.assert_array_equal(filled[known], features[known])


def test_vectors_of_zero_among_the_others_equal_the_oracle(
    form: Form, rng: np.random.Generator, similarity: Similarity
) -> None:
    if form.name == "python-loop":
        pytest.skip("the published loop divides by whatever there is")
    features = feature_like(rng, 2, 8, 9, 11)
    features[:, :, rng.random((9, 11)) < 0.3] = 0.0  # known ones and holes

    form.check(features, random_hole(rng, 2, 9, 11), similarity)
