"""TensorRT's names exist in the libraries that are installed, and a context gets its memory.

The libraries cannot open an engine without a GPU, but they can be asked what their classes have.
"""

import ast
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from csakit.plugins.errors import EngineError
from csakit.runtime.contract import OUTPUT
from csakit.runtime.engine import rtx_engine, tensorrt_module, trt_engine
from csakit.runtime.engine.trt_engine import TensorRtExecutor

# What variables of the runtime's sources hold: a class of TensorRT, or the module.
CLASSES = {
    "trt": "",
    "runtime": "Runtime",
    "engine": "ICudaEngine",
    "context": "IExecutionContext",
    "config": "IRuntimeConfig",
    "cache": "IRuntimeCache",
}
SOURCES = {trt_engine: ("tensorrt_rtx", "tensorrt_lean"), rtx_engine: ("tensorrt_rtx",)}
CASES = [(source, module) for source, modules in SOURCES.items() for module in modules]


def names(source: ModuleType) -> set[str]:
    """Collect "ICudaEngine.num_io_tensors" from ``engine.num_io_tensors``."""
    found = set()
    for node in ast.walk(ast.parse(Path(str(source.__file__)).read_text())):
        if not isinstance(node, ast.Attribute):
            continue
        owner = re.sub(r"^(self\._?|module\.)+", "", ast.unparse(node.value))
        first, *rest = owner.split(".")
        if first in CLASSES:
            found.add(".".join(filter(None, [CLASSES[first], *rest, node.attr])))
    return found


@pytest.mark.parametrize(("source", "module"), CASES, ids=[f"{s.__name__}-{m}" for s, m in CASES])
def test_every_name_exists(source: ModuleType, module: str) -> None:
    trt = pytest.importorskip(module, reason=f"{module} is not installed")

    def exists(name: str) -> bool:
        value: object = trt
        for part in name.split("."):
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True

    missing = sorted(name for name in names(source) if not exists(name))

    assert missing == []


def test_the_names_are_found_in_the_source() -> None:
    assert names(trt_engine) >= {
        "DataType.UINT8",
        "ExecutionContextAllocationStrategy.USER_MANAGED",
        "ICudaEngine.create_execution_context",
        "ICudaEngine.get_tensor_dtype",
        "IExecutionContext.execute_async_v3",
        "IExecutionContext.set_device_memory",
        "IExecutionContext.update_device_memory_size_for_shapes",
        "Runtime.deserialize_cuda_engine",
        "Runtime.engine_host_code_allowed",
    }
    assert "__version__" in names(tensorrt_module)
    assert names(rtx_engine) >= {
        "CudaGraphStrategy.WHOLE_GRAPH_CAPTURE",
        "ICudaEngine.create_runtime_config",
        "IRuntimeCache.deserialize",
        "IRuntimeCache.serialize",
        "IRuntimeConfig.cuda_graph_strategy",
        "IRuntimeConfig.set_runtime_cache",
    }


SHAPE: Any = SimpleNamespace(tensors={"image": (1,), OUTPUT: (1, 3, 256, 256)})
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
