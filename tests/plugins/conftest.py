"""What tests of the kernels take in turn: devices, types, layouts."""

from typing import cast

import pytest
from csakit.plugins.abi import Dtype, Layout
from helpers.kernel_device import Device


@pytest.fixture(params=["simt", "watched", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Device:
    """Each kind of device in turn."""
    return cast(Device, request.getfixturevalue(request.param))


@pytest.fixture(params=Dtype, ids=lambda dtype: dtype.name.lower())
def dtype(request: pytest.FixtureRequest) -> Dtype:
    """Each type in turn."""
    return cast(Dtype, request.param)


@pytest.fixture(params=Layout, ids=lambda layout: layout.name)
def layout(request: pytest.FixtureRequest) -> Layout:
    """Each layout in turn."""
    return cast(Layout, request.param)
