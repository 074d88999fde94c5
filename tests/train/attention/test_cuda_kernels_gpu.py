"""On a GPU the operator gives what it gives on a CPU, on any stream and in a graph."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.plugins.library import load
from csakit.plugins.locations import LIBRARY_VARIABLE
from csakit.plugins.spec import Similarity
from csakit.train.attention import cuda_kernels
from csakit.train.attention.operator import (
    coherent_semantic_attention,
    coherent_semantic_attention_backward,
    match_indices,
)
from helpers.features import feature_like, random_hole, without_near_ties
from torch import Tensor

pytestmark = pytest.mark.gpu

# float32: the kernels sum in another order than the CPU. Half types: one rounding of what is
# stored, and of the sums over up to 400 holes in the gradient.
TOLERANCE = {torch.float32: 1e-4, torch.float16: 4e-3, torch.bfloat16: 3e-2}

each_dtype = pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
each_format = pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])


@pytest.fixture(autouse=True)
def _library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The library for this GPU; torch may not stand in for it."""
    if not torch.cuda.is_available():
        pytest.skip("this torch is built without CUDA")
    from helpers.cuda_device import native_library

    def refuse(reason: str) -> None:
        raise AssertionError(f"torch computes: {reason}")

    monkeypatch.setenv(LIBRARY_VARIABLE, str(native_library().path))
    monkeypatch.setattr(cuda_kernels, "_warn_once", refuse)
    for once in (cuda_kernels._library, load):
        once.cache_clear()
    yield
    for once in (cuda_kernels._library, load):
        once.cache_clear()


@pytest.fixture
def features(rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(feature_like(rng, 3, 256, 32, 32))


@pytest.fixture
def hole(rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(random_hole(rng, 3, 32, 32))


@each_format
@each_dtype
def test_forward_and_backward_are_those_of_the_cpu(
    features: Tensor,
    hole: Tensor,
    similarity: Similarity,
    dtype: torch.dtype,
    form: torch.memory_format,
) -> None:
    x = features.to(dtype)
    hole = torch.from_numpy(without_near_ties(x.float().numpy(), hole.numpy()))
    on_cpu, on_gpu = x.clone(), x.cuda().to(memory_format=form)
    dY = torch.randn(x.shape, generator=torch.Generator().manual_seed(3)).to(dtype)

    results = []
    for leaf in (on_cpu.requires_grad_(), on_gpu.requires_grad_()):
        filled = coherent_semantic_attention(leaf, hole.to(leaf.device), similarity)
        filled.backward(dY.to(leaf.device))
        results.append((filled.detach(), leaf.grad))

    (filled, gradient), (filled_gpu, gradient_gpu) = results
    close = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(filled_gpu.cpu(), filled, **close, check_stride=False)
    torch.testing.assert_close(gradient_gpu.cpu(), gradient, **close, check_stride=False)
    assert filled_gpu.is_contiguous(memory_format=form)
    known = (hole == 0).expand_as(x)
    assert filled_gpu.cpu()[known].equal(x[known])


@each_dtype
def test_matches_are_those_of_the_same_inputs_in_float32(
    features: Tensor, hole: Tensor, similarity: Similarity, dtype: torch.dtype
) -> None:
    x = features.to(dtype)

    matches = match_indices(x.cuda(), hole.cuda(), similarity).cpu()

    equal = matches == match_indices(x.float(), hole, similarity)
    assert equal.float().mean() >= 0.999  # near ties may fall to either side


def test_the_operator_passes_the_checks_of_torch(features: Tensor, hole: Tensor) -> None:
    for form in (torch.contiguous_format, torch.channels_last):
        x = features[:1, :32].cuda().to(memory_format=form).requires_grad_()

        torch.library.opcheck(coherent_semantic_attention, (x, hole[:1].cuda(), "cosine"))


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
def test_nothing_waits_for_the_gpu(features: Tensor, hole: Tensor) -> None:
    x, h = features.cuda().requires_grad_(), hole.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        coherent_semantic_attention(x, h, "cosine").sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_work_goes_to_the_current_stream(features: Tensor, hole: Tensor) -> None:
    x, h, side = features.cuda(), hole.cuda(), torch.cuda.Stream()
    expected = coherent_semantic_attention(x, h, "cosine")
    late = torch.zeros_like(x)
    torch.cuda.synchronize()

    with torch.cuda.stream(side):
        torch.cuda._sleep(100_000_000)  # cycles: whoever does not wait here reads zeros
        late.copy_(x)
        filled = coherent_semantic_attention(late, h, "cosine")

    side.synchronize()
    assert filled.equal(expected)


def test_streams_do_not_share_a_workspace(features: Tensor, hole: Tensor) -> None:
    x, h = features.cuda(), hole.cuda()
    expected = coherent_semantic_attention(x, h, "cosine")
    streams = [torch.cuda.Stream() for _ in range(4)]
    torch.cuda.synchronize()

    filled = []
    for stream in streams * 4:
        with torch.cuda.stream(stream):
            filled.append(coherent_semantic_attention(x, h, "cosine"))

    torch.cuda.synchronize()
    assert all(one.equal(expected) for one in filled)


def test_a_graph_replays_with_other_features_and_another_hole(
    rng: np.random.Generator, features: Tensor, hole: Tensor
) -> None:
    x, h, dY = features.cuda(), hole.cuda(), torch.ones_like(features).cuda()
    coherent_semantic_attention(x, h, "cosine")  # opens the library; the gradient's kernels are new
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        filled = coherent_semantic_attention(x, h, "cosine")
        gradient = coherent_semantic_attention_backward(dY, x, h, "cosine")

    for share in (0.1, 0.9, 0.0):
        x.copy_(torch.from_numpy(feature_like(rng, 3, 256, 32, 32)))
        h.copy_(torch.from_numpy(random_hole(rng, 3, 32, 32, share=share)))
        graph.replay()

        assert filled.equal(coherent_semantic_attention(x, h, "cosine"))
        assert gradient.equal(coherent_semantic_attention_backward(dY, x, h, "cosine"))


def test_compiling_changes_no_result(features: Tensor, hole: Tensor) -> None:
    x, h = features.cuda().to(memory_format=torch.channels_last), hole.cuda()

    def layer(features: Tensor, hole: Tensor) -> Tensor:
        attended: Tensor = coherent_semantic_attention(features * 2.0, hole, "cosine")
        return attended

    assert torch.compile(layer, backend="aot_eager", fullgraph=True)(x, h).equal(layer(x, h))


def test_a_hole_on_another_device_is_refused(features: Tensor, hole: Tensor) -> None:
    with pytest.raises(ContractError, match="hole must be on the device of features, cuda:0; got"):
        coherent_semantic_attention(features.cuda(), hole, "cosine")
