"""The kernels take tensors as torch has them; run on a CPU, they give what torch gives."""

import numpy as np
import pytest
import torch
from csakit.plugins.abi import Direction, Layout
from csakit.plugins.errors import ContractError
from csakit.plugins.spec import Similarity
from csakit.train.attention import chunked
from csakit.train.attention.cuda_kernels import DTYPES, KernelCall, layout_of
from helpers.features import feature_like, random_hole
from helpers.simt_tensors import TensorLibrary
from torch import Tensor

STREAM = 0x5EED  # a handle that only passes through
# float32: two orders of the same sums. Half types: what is stored is rounded once; the reverse
# recurrence sums up to 40 gradients, which differ in that last digit.
TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}

each_dtype = pytest.mark.parametrize("dtype", list(DTYPES), ids=str)


@pytest.fixture
def library() -> TensorLibrary:
    return TensorLibrary()


@pytest.fixture
def features(rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(feature_like(rng, 2, 24, 9, 12))


@pytest.fixture
def hole(rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(random_hole(rng, 2, 9, 12))


def layouts(features: Tensor) -> dict[str, Tensor]:
    """The same values, laid out in memory in every way that torch has."""
    wide = features.new_zeros(2, 48, 9, 24)
    wide[:, ::2, :, ::2] = features
    shifted = features.new_zeros(features.numel() + 1)[1:].view(features.shape)
    shifted.copy_(features)
    return {
        "contiguous": features,
        "channels last": features.to(memory_format=torch.channels_last),
        "transposed": features.transpose(2, 3).contiguous().transpose(2, 3),
        "strided": wide[:, ::2, :, ::2],
        "not aligned": shifted,
    }


@each_dtype
@pytest.mark.parametrize("layout", list(layouts(torch.zeros(2, 24, 9, 12))))
def test_every_type_and_layout_gives_what_torch_gives(
    library: TensorLibrary,
    features: Tensor,
    hole: Tensor,
    dtype: torch.dtype,
    similarity: Similarity,
    layout: str,
) -> None:
    x = layouts(features.to(dtype))[layout]
    dY = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    call = KernelCall(library, x, hole, similarity, stream=STREAM)

    filled, matches, gradient = call.fill(), call.match_positions(), call.input_gradient(dY)

    close = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(filled, chunked.fill(x, hole, similarity), **close)
    expected = chunked.input_gradient(dY, x, hole, similarity)
    torch.testing.assert_close(gradient, expected, **close)
    assert matches.equal(chunked.match_positions(x, hole, similarity))
    assert filled.dtype == gradient.dtype == dtype
    assert {at.arguments["stream"] for at in library.calls} == {STREAM}


@pytest.mark.parametrize("layout", [Layout.NCHW, Layout.NHWC])
def test_both_layouts_pass_without_a_copy_and_come_back_as_they_are(
    library: TensorLibrary, features: Tensor, hole: Tensor, layout: Layout
) -> None:
    form = torch.channels_last if layout is Layout.NHWC else torch.contiguous_format
    x = features.to(memory_format=form)
    dY = torch.ones_like(x)
    call = KernelCall(library, x, hole, "cosine", stream=0)

    filled, gradient = call.fill(), call.input_gradient(dY)

    forward, backward = library.calls
    assert forward.layout == backward.layout == layout
    assert forward.arguments["features"] == backward.arguments["features"] == x.data_ptr()
    assert forward.arguments["hole"] == hole.data_ptr()
    assert backward.arguments["output_gradient"] == dY.data_ptr()
    for made, address in (
        (filled, forward.arguments["output"]),
        (gradient, backward.arguments["input_gradient"]),
    ):
        assert made.data_ptr() == address
        assert made.is_contiguous(memory_format=form)


def test_a_gradient_of_another_layout_is_laid_out_as_the_features(
    library: TensorLibrary, features: Tensor, hole: Tensor
) -> None:
    dY = torch.randn(features.shape, generator=torch.Generator().manual_seed(2))
    call = KernelCall(library, features, hole, "cosine", stream=0)

    expected = call.input_gradient(dY)

    assert call.input_gradient(dY.to(memory_format=torch.channels_last)).equal(expected)


@pytest.mark.parametrize(
    "dtype",
    [torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float64],
    ids=str,
)
def test_the_hole_may_be_of_any_type_and_layout(
    library: TensorLibrary, features: Tensor, hole: Tensor, dtype: torch.dtype
) -> None:
    expected = KernelCall(library, features, hole, "cosine", stream=0).fill()
    strided = hole.to(dtype).transpose(2, 3).contiguous().transpose(2, 3)

    for given in (hole.to(dtype), strided):
        assert KernelCall(library, features, given, "cosine", stream=0).fill().equal(expected)


def test_a_hole_of_float64_is_compared_before_it_is_rounded(
    library: TensorLibrary, features: Tensor
) -> None:
    barely = torch.full((2, 1, 9, 12), 0.0, dtype=torch.float64)
    barely[:, :, 2, 3] = 0.5 + 1e-12  # 0.5 in float32

    filled = KernelCall(library, features, barely, "cosine", stream=0).fill()

    assert (filled != features).any()
    assert filled.equal(KernelCall(library, features, barely > 0.5, "cosine", stream=0).fill())


def test_the_workspace_is_exactly_what_the_library_asks_for(
    library: TensorLibrary, features: Tensor, hole: Tensor
) -> None:
    call = KernelCall(library, features, hole, "cosine", stream=0)

    call.fill()
    call.input_gradient(features)

    given = [at.arguments["workspace_bytes"] for at in library.calls]
    assert given == [library.workspace_bytes(call.desc, direction) for direction in Direction]


def test_what_is_given_is_left_as_it_was(
    library: TensorLibrary, features: Tensor, hole: Tensor
) -> None:
    before = features.clone(), hole.clone()
    call = KernelCall(library, features, hole, "projection", stream=0)

    call.fill().fill_(7.0)
    call.input_gradient(features).fill_(7.0)

    assert (features.equal(before[0]), hole.equal(before[1])) == (True, True)


def test_a_status_becomes_an_exception_that_names_the_argument(library: TensorLibrary) -> None:
    wide = torch.zeros(1, 1025, 2, 2)

    with pytest.raises(ContractError, match=r"unsupported size: .*channels .* 1\.\.1024; got 1025"):
        KernelCall(library, wide, torch.zeros(1, 1, 2, 2), "cosine", stream=0).fill()


def test_layouts_are_told_without_reading_data() -> None:
    features = torch.empty(2, 8, 4, 4, device="meta")

    assert layout_of(features) is Layout.NCHW
    assert layout_of(features.to(memory_format=torch.channels_last)) is Layout.NHWC
    assert layout_of(features[:, :, ::2]) is None
    assert layout_of(torch.empty(2, 8, 1, 1, device="meta")) is Layout.NCHW  # both at once
