"""Names of the acceptance's checks that others look for in its records."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ONNXRUNTIME: Final = "onnxruntime on CUDA"
# The device layer by its bindings, and engines by the module that builds and runs them.
DEVICES: Final[Mapping[str, str]] = MappingProxyType(
    {"PyCUDA": "device pycuda", "cuda-python": "device cuda-python"}
)
ENGINES: Final[Mapping[str, str]] = MappingProxyType(
    {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT for RTX"}
)


def engine_check(module: str) -> str:
    """Name the check of engines.

    Args:
        module: that builds and runs them; a key of ``ENGINES``.

    Returns:
        The name.
    """
    return f"engine {module}"
