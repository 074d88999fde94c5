"""A context is given the memory that TensorRT says it needs; 0 may also mean that it failed."""

from types import SimpleNamespace
from typing import Any

import pytest
from csakit.plugins.errors import EngineError
from csakit.runtime.contract import OUTPUT
from csakit.runtime.engine.trt_engine import TensorRtExecutor

SHAPE: Any = SimpleNamespace(inputs={"image": (1,)}, tensors={OUTPUT: (1, 3, 256, 256)})
LIBRARY: Any = SimpleNamespace(title="TensorRT", failure=lambda what, _: EngineError(what))


class Context:
    active_optimization_profile = 0

    def __init__(self, told: int, engine: object) -> None:
        self.engine = engine
        self.told = told
        self.given: list[int] = []

    def set_input_shape(self, *_: object) -> bool:
        return True

    def get_tensor_shape(self, _: str) -> tuple[int, ...]:
        return (1, 3, 256, 256)

    def update_device_memory_size_for_shapes(self) -> int:
        return self.told

    def set_device_memory(self, _: int, size: int) -> None:
        self.given.append(size)


def executor(context: Context) -> TensorRtExecutor:
    scratch = SimpleNamespace(address=256, close=lambda: None)
    device: Any = SimpleNamespace(buffer=lambda _: scratch)
    stream: Any = SimpleNamespace(number=1)
    return TensorRtExecutor(LIBRARY, context, device, stream, shape=SHAPE, addresses={})


@pytest.mark.parametrize(
    ("told", "whole", "given"),
    [
        pytest.param(4096, 8192, [4096], id="what this shape needs"),
        pytest.param(0, 0, [], id="an engine that needs none"),
        pytest.param(0, None, [], id="a version that does not tell what the engine needs"),
    ],
)
def test_it_gets_what_it_asks_for(told: int, whole: int | None, given: list[int]) -> None:
    engine = SimpleNamespace() if whole is None else SimpleNamespace(device_memory_size_v2=whole)
    context = Context(told, engine)

    executor(context)

    assert context.given == given


def test_nothing_for_an_engine_that_needs_memory_is_an_error() -> None:
    with pytest.raises(EngineError, match="reported no memory size"):
        executor(Context(0, SimpleNamespace(device_memory_size_v2=1 << 20)))
