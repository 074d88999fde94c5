"""Fixtures that every folder of tests may use. Nothing heavy is imported before it is needed."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from csakit.plugins.spec import SIMILARITIES, Similarity

if TYPE_CHECKING:
    from csakit.train import CSAInpainter
    from helpers.cuda_device import CudaDevice
    from helpers.exported import Subject
    from helpers.kernel_device import SimtDevice

# Threads that wait for each other sleep instead of spinning. On a machine that others use too,
# a spinning one burns the time slice of the one it waits for: 20 times slower, measured.
# Read when torch is imported, and inherited by the commands that tests start.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes: a thread each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A run that nohup or a shell's "&" started ignores these, and so would the commands that tests
# interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The same examples everywhere and every time: a red run can be repeated. No deadline: the
# first example of a test pays for imports.
with contextlib.suppress(ModuleNotFoundError):  # on a GPU machine: the tests for it need it not
    import hypothesis

    hypothesis.settings.register_profile("csakit", derandomize=True, deadline=None)
    hypothesis.settings.load_profile("csakit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked ``gpu`` where there is none, with the reason."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked:
        from csakit.plugins.architectures import device_architectures

        if not device_architectures():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(2019)


@pytest.fixture(params=SIMILARITIES)
def similarity(request: pytest.FixtureRequest) -> Similarity:
    """Each similarity in turn."""
    return cast(Similarity, request.param)


@pytest.fixture
def simt() -> "Iterator[SimtDevice]":
    """The kernels on a CPU, as on Hopper."""
    from helpers.kernel_device import SimtDevice

    with contextlib.closing(SimtDevice()) as device:
        yield device


@pytest.fixture
def watched() -> "Iterator[SimtDevice]":
    """The kernels on a CPU, as on Turing; every access of memory is checked."""
    from helpers.kernel_device import SimtDevice

    with contextlib.closing(SimtDevice(watched=True)) as device:
        yield device


@pytest.fixture
def cuda() -> "Iterator[CudaDevice]":
    """The kernels on the GPU of this machine, for tests marked so."""
    from helpers.cuda_device import CudaDevice

    with contextlib.closing(CudaDevice()) as device:
        yield device


@pytest.fixture(scope="session")
def small_model() -> "Iterator[CSAInpainter]":
    """A width-4 network with cosine CSA, for reading only; ``helpers.models`` makes others."""
    from helpers.models import make_model

    model = make_model().requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    yield model
    changed = [name for name, t in model.state_dict().items() if not t.equal(before[name])]
    assert not changed, f"a test changed the shared small_model: {changed}"


@pytest.fixture(scope="session")
def small_checkpoint(small_model: "CSAInpainter", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of ``small_model``, for reading only."""
    from csakit.train import checkpoint

    path = tmp_path_factory.mktemp("small") / "small.safetensors"
    checkpoint.save(small_model, path)
    return path


@pytest.fixture(scope="session")
def dynamic_export(
    small_model: "CSAInpainter", small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> "Subject":
    """``small_model`` as a file: any batch and size, float32, network numbers."""
    from helpers.exported import export_subject

    return export_subject(small_model, small_checkpoint, tmp_path_factory.mktemp("dynamic"))
