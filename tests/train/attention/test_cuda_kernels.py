"""Who computes the attention of CUDA tensors is decided openly, and said once."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from csakit.plugins import library, locations
from csakit.plugins.abi import MAX_BATCH, MAX_CHANNELS, MAX_POSITIONS
from csakit.plugins.errors import ContractError, LibraryError
from csakit.plugins.locations import LIBRARY_VARIABLE
from csakit.train.attention import chunked, cuda_kernels
from helpers import native
from helpers.features import feature_like, random_hole
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode


def forget() -> None:
    """Clear the caches, so that the next call searches for the library and warns again."""
    for once in (cuda_kernels._library, cuda_kernels._warn_once, library.load):
        once.cache_clear()


@pytest.fixture(autouse=True)
def _not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No library anywhere, and nothing said yet."""
    monkeypatch.delenv(LIBRARY_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(locations, "PACKAGE_FOLDER", tmp_path / "lib")
    forget()
    yield
    forget()


@pytest.fixture
def given(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    features = torch.from_numpy(feature_like(rng, 2, 8, 6, 7))
    return features, torch.from_numpy(random_hole(rng, 2, 6, 7))


def test_importing_needs_no_gpu_and_opens_nothing() -> None:
    program = """
import ctypes
opened, CDLL = [], ctypes.CDLL
def open(name, *rest, **named):
    opened.append(str(name))
    return CDLL(name, *rest, **named)
ctypes.CDLL = open
import csakit.train
raise SystemExit(str(opened) if any("csakit" in name for name in opened) else 0)
"""
    environment = {"CUDA_VISIBLE_DEVICES": "", LIBRARY_VARIABLE: "/gone/libcsakit.so"}

    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_without_the_library_torch_computes_and_says_so_once(
    given: tuple[Tensor, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    dY = torch.ones_like(given[0])

    for _ in range(2):
        filled = cuda_kernels.fill(*given, "cosine")
        gradient = cuda_kernels.input_gradient(dY, *given, "cosine")
        matches = cuda_kernels.match_positions(*given, "cosine")

    assert filled.equal(chunked.fill(*given, "cosine"))
    assert gradient.equal(chunked.input_gradient(dY, *given, "cosine"))
    assert matches.equal(chunked.match_positions(*given, "cosine"))
    (notice,) = caplog.messages
    assert notice.startswith("coherent semantic attention runs in torch, slower: libcsakit.so is ")
    assert notice.endswith("Build it with: csakit plugin build")


def test_a_library_that_was_asked_for_by_name_must_be_there(
    given: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIBRARY_VARIABLE, "/gone/libcsakit.so")

    with pytest.raises(LibraryError, match="CSAKIT_LIBRARY must name libcsakit"):
        cuda_kernels.fill(*given, "cosine")


def test_a_library_that_is_built_is_taken(
    given: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = native.built().libraries[0]
    monkeypatch.setenv(LIBRARY_VARIABLE, str(path))

    chosen = cuda_kernels._library_for(given[0])

    assert chosen is not None
    assert chosen.path == path
    assert caplog.messages == []


def test_double_precision_runs_in_torch_and_says_so_once(
    given: tuple[Tensor, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    fine = given[0].double()

    for _ in range(2):
        filled = cuda_kernels.fill(fine, given[1], "cosine")

    assert filled.dtype == torch.float64
    assert filled.equal(chunked.fill(fine, given[1], "cosine"))
    (notice,) = caplog.messages
    assert "they compute float32, float16 and bfloat16, not torch.float64" in notice


def test_empty_tensors_need_no_library_and_no_notice(caplog: pytest.LogCaptureFixture) -> None:
    features, hole = torch.zeros(0, 8, 3, 4), torch.zeros(0, 1, 3, 4)

    assert cuda_kernels.fill(features, hole, "cosine").shape == features.shape
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((1, MAX_CHANNELS, 128, 128), None),
        ((MAX_BATCH, 1, 1, 1), None),
        ((MAX_BATCH + 1, 1, 1, 1), "B may be at most 65535, not 65536"),
        ((1, MAX_CHANNELS + 1, 1, 1), "C may be at most 1024, not 1025"),
        ((1, 1, MAX_POSITIONS + 1, 1), r"H * W may be at most 16384, not 16385"),
    ],
)
def test_the_limits_of_the_kernels_decide(
    shape: tuple[int, int, int, int], reason: str | None
) -> None:
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        assert (
            cuda_kernels.unsupported_reason(torch.empty(shape, dtype=dtype, device="meta"))
            == reason
        )


def test_a_gradient_of_another_type_runs_in_torch(given: tuple[Tensor, Tensor]) -> None:
    half = given[0].half()

    reason = cuda_kernels.unsupported_reason(half, given[0])

    assert reason == "the gradient is torch.float32, the features are torch.float16"
    assert cuda_kernels.unsupported_reason(half, half) is None


def test_tracing_foretells_the_layout_of_cuda_tensors_and_refuses_mixed_devices() -> None:
    operator = torch.ops.csakit.coherent_semantic_attention
    backward = torch.ops.csakit.coherent_semantic_attention_backward
    with FakeTensorMode():
        dense = torch.empty(2, 8, 4, 4, device="cuda")
        last = torch.empty(2, 8, 4, 4, device="cuda", memory_format=torch.channels_last)
        strided = torch.empty_strided((2, 8, 4, 4), (256, 32, 8, 2), device="cuda")
        hole = torch.empty(2, 1, 4, 4, device="cuda")

        for features, form in (
            (dense, torch.contiguous_format),
            (last, torch.channels_last),
            (strided, torch.contiguous_format),
        ):
            filled = operator(features, hole, "cosine")
            assert filled.is_contiguous(memory_format=form)
            gradient = backward(dense, features, hole, "cosine")
            assert gradient.is_contiguous(memory_format=form)
        with pytest.raises(ContractError, match="hole must be on the device of features, cuda:0;"):
            operator(dense, torch.empty(2, 1, 4, 4), "cosine")


def test_a_gradient_of_another_shape_is_refused(given: tuple[Tensor, Tensor]) -> None:
    backward = torch.ops.csakit.coherent_semantic_attention_backward

    with pytest.raises(ContractError, match=r"must be \(2, 8, 6, 7\) on cpu.*got \(2, 8, 6, 6\)"):
        backward(given[0][..., :6], *given, "cosine")
