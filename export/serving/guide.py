"""The README of a model repository: its models, the server, the client.

``templates/README.md.jinja`` has the text.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ...runtime.engine.manifest import Manifest
from .model_config import Model, render
from .plugin import FOLDER, LIBRARY, PluginNeed

Described = Sequence[tuple[Model, Manifest | None]]

OLDEST_FOR_ONNX: Final = "24.04"  # ONNX Runtime 1.17.3; csakit's models need 1.17
# For CPUs and for engines of unknown fit: ONNX Runtime 1.23.1, TensorRT 10.13.3.
USUAL: Final = "25.10"
# Releases of Triton's container by their TensorRT, which opens its own engines and no others. From
# NVIDIA's list of containers with TensorRT-LLM; none was tried, and the support matrix lists all.
_RELEASES: Final[Mapping[str, str]] = {
    "10.3.0": "24.08",
    "10.7.0": "24.12",
    "10.9.0": "25.03",
    "10.11.0": "25.06",
    "10.13.3": "25.10",
    "10.14.1": "25.12",
}


def guide_text(models: Described, need: PluginNeed | None) -> str:
    """Return the README; ``need`` is the plugin library that the engine needs."""
    engine = next((manifest for _, manifest in models if manifest is not None), None)
    release = USUAL if engine is None else release_for(engine.build.version)
    return render(
        "README.md.jinja",
        models=models,
        engine=engine,
        plugin=need,
        library=f"{FOLDER}/{LIBRARY}",
        release=release,
        image=image(release or "YY.MM"),
        usual=USUAL,
        oldest=OLDEST_FOR_ONNX,
    )


def release_for(version: str) -> str | None:
    """Return a release, such as "25.10", that opens engines of a TensorRT; None if unknown."""
    return _RELEASES.get(".".join(version.split(".")[:3]))


def image(release: str) -> str:
    """Return the name of a release's container."""
    return f"nvcr.io/nvidia/tritonserver:{release}-py3"
