"""Every name of TensorRT that the runtime uses exists in the libraries that are installed.

They cannot open an engine without a GPU, but they can be asked what their classes have.
"""

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest
from csakit.runtime.engine import rtx_engine, tensorrt_module, trt_engine

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
