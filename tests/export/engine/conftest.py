"""TensorRT for RTX, which builds without a GPU."""

import pytest
from csakit.export.engine.tensorrt_api import open_module
from csakit.runtime.engine.tensorrt_module import TensorRTModule


@pytest.fixture
def needs_rtx() -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")


@pytest.fixture
def module(needs_rtx: None) -> TensorRTModule:
    return open_module("tensorrt-rtx")
