"""The devices that the tests of the kernels run on."""

from collections.abc import Iterator

import pytest
from helpers.kernel_device import Device, SimtDevice


@pytest.fixture
def simt() -> Iterator[SimtDevice]:
    """The kernels on a CPU, as on Hopper."""
    device = SimtDevice()
    yield device
    device.close()


@pytest.fixture
def watched() -> Iterator[SimtDevice]:
    """The kernels on a CPU, as on Turing; every access of memory is checked."""
    device = SimtDevice(watched=True)
    yield device
    device.close()


@pytest.fixture(params=["simt", "watched", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """Each kind of device in turn."""
    if request.param != "cuda":
        yield request.getfixturevalue(request.param)
        return
    from helpers.cuda_device import CudaDevice

    cuda = CudaDevice()
    yield cuda
    cuda.close()
