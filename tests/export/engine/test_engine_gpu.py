"""Real engines on a real GPU, from building to the result. Never run so far: no GPU was at hand."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from csakit.export.engine.build_engine import build_engine
from csakit.export.engine.config import BuildConfig, BuilderName
from csakit.export.parity.cases import export_cases
from csakit.plugins.errors import ContractError, EngineError, LibraryError
from csakit.runtime import EngineOptions, Inpainter, open_session
from csakit.runtime.device.open_device import BINDINGS, choose_binding
from csakit.runtime.engine.compatibility import this_machine
from csakit.runtime.engine.engine_session import EngineSession
from csakit.runtime.engine.open_engine import open_engine_session
from csakit.runtime.engine.shapes import Span
from csakit.train.evaluation.metrics import hole_psnr
from helpers.exported import Subject

pytestmark = pytest.mark.gpu

# float32 engines compute products in TF32 unless told otherwise: 10 bits, as half precision has.
LEAST_PSNR_DB = 45.0
BUILDERS: tuple[BuilderName, ...] = ("tensorrt", "tensorrt-rtx")


@pytest.fixture(scope="module", params=BUILDERS)
def engine(
    request: pytest.FixtureRequest, packed: Subject, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """``packed`` for this GPU: bytes in and out, batches of 1 to 4, sides of 256 and 512."""
    config = BuildConfig(
        builder=request.param,
        batch=Span(1, 1, 4),
        size=Span(256, 256, 512),
        opt_level=1,
        plugin=this_machine().plugin,
    )
    path = tmp_path_factory.mktemp("gpu") / "packed.engine"
    try:
        return build_engine(packed.path, path, config).engine
    except LibraryError as error:
        pytest.skip(f"{request.param}: {error}")
    except ContractError as error:  # TensorRT for RTX is for some GPUs only
        pytest.skip(f"{request.param}: {error}")


@pytest.fixture(params=BINDINGS)
def binding(request: pytest.FixtureRequest) -> str:
    choice = choose_binding(request.param)
    if choice.binding is None:
        pytest.skip(choice.reason)
    return choice.binding


@contextlib.contextmanager
def opened(engine: Path, binding: str, contexts: int = 2) -> Iterator[EngineSession]:
    options = EngineOptions(binding=binding, contexts=contexts)
    session = open_engine_session(engine, options=options)
    with contextlib.closing(session):
        yield session


def batches(packed: Subject) -> list[tuple[np.ndarray, np.ndarray]]:
    config = dataclasses.replace(packed.config, size="dynamic")
    return [
        (case.image[None], case.hole[None, ..., None] * np.uint8(1))
        for case in export_cases(config)
    ]


def check(result: np.ndarray, packed: Subject, image: np.ndarray, hole: np.ndarray) -> None:
    expected = packed.run(image, hole)
    np.testing.assert_array_equal(result[hole[..., 0] == 0], image[hole[..., 0] == 0])
    for index in range(len(image)):
        missing = hole[index, ..., 0] != 0
        assert hole_psnr(result[index], expected[index], missing) >= LEAST_PSNR_DB


def test_an_engine_gives_what_its_model_gives(
    engine: Path, packed: Subject, binding: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), opened(engine, binding) as session:
        for image, hole in batches(packed):
            for _ in range(3):  # plainly, and replayed
                check(session.run_uint8(image, hole), packed, image, hole)
        print(session.description, "graphs:", session.uses_graphs, caplog.messages)


def test_each_image_of_a_batch_is_filled_as_by_itself(
    engine: Path, packed: Subject, binding: str
) -> None:
    squares = [pair for pair in batches(packed) if pair[0].shape[1] == pair[0].shape[2]]
    image, hole = (np.concatenate(parts) for parts in zip(*squares, strict=True))

    with opened(engine, binding) as session:
        check(session.run_uint8(image, hole), packed, image, hole)


def test_threads_and_futures_get_their_own(engine: Path, packed: Subject, binding: str) -> None:
    pairs = batches(packed)

    with opened(engine, binding) as session:
        expected = [session.run_uint8(*pair) for pair in pairs]
        with ThreadPoolExecutor(4) as threads:
            results = list(
                threads.map(lambda i: session.run_uint8(*pairs[i % len(pairs)]), range(24))
            )
        futures = [session.submit(*pairs[i % len(pairs)]) for i in range(12)]
        results += [future.result() for future in futures]

    wanted = [*range(24), *range(12)]
    for index, result in zip(wanted, results, strict=True):
        difference = result.astype(int) - expected[index % len(pairs)]
        assert np.abs(difference).max() <= 1  # contexts may choose other kernels


def test_torch_in_the_same_process_keeps_its_context(engine: Path, binding: str) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    before = torch.arange(1000, device="cuda")

    with opened(engine, binding) as session:
        session.prepare(1, (256, 256))
        inside = (before * 2).sum().item()

    assert inside == (before * 2).sum().item() == 999_000


def test_an_inpainter_opens_it_by_its_suffix(engine: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (200, 310, 3), dtype=np.uint8)
    hole = np.zeros((200, 310), dtype=bool)
    hole[50:90, 60:120] = True

    with Inpainter.open(engine, device="cuda:0") as inpaint:
        result = inpaint(image, hole)

    np.testing.assert_array_equal(result[~hole], image[~hole])
    with pytest.raises(EngineError, match="device must be 0 to"):
        open_session(engine, device="cuda:99")
