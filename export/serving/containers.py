"""Which releases of Triton's container open an engine: those with the TensorRT that built it.

NVIDIA's frameworks support matrix lists all. The rows here come from its list of containers with
TensorRT-LLM, and none was tried; a server states its version in TRT_VERSION.
"""

from collections.abc import Mapping
from typing import Final

IMAGE: Final = "nvcr.io/nvidia/tritonserver"
SUPPORT_MATRIX: Final = "https://docs.nvidia.com/deeplearning/frameworks/support-matrix/index.html"
OLDEST_FOR_ONNX: Final = "24.04"  # ONNX Runtime 1.17.3; csakit's models need 1.17
# For CPUs and for engines of unknown fit: ONNX Runtime 1.23.1, TensorRT 10.13.3.
USUAL: Final = "25.10"
_RELEASES: Final[Mapping[str, str]] = {
    "10.3.0": "24.08",
    "10.7.0": "24.12",
    "10.9.0": "25.03",
    "10.11.0": "25.06",
    "10.13.3": "25.10",
    "10.14.1": "25.12",
}


def release_for(version: str) -> str | None:
    """Return a release, such as "25.10", that opens engines of a TensorRT; None if unknown."""
    return _RELEASES.get(".".join(version.split(".")[:3]))


def image(release: str) -> str:
    """Name the container of a release."""
    return f"{IMAGE}:{release}-py3"
