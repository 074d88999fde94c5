"""The devices that the tests of the kernels run on."""

import contextlib
from collections.abc import Iterator

import pytest
from helpers.kernel_device import Device


@pytest.fixture(params=["simt", "watched", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """Each kind of device in turn."""
    if request.param != "cuda":
        yield request.getfixturevalue(request.param)
        return
    from helpers.cuda_device import CudaDevice

    with contextlib.closing(CudaDevice()) as cuda:
        yield cuda
