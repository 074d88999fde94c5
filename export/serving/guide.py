"""The README of a model repository: what is in it, how to serve it, how to ask it.

``guide.md`` has the text. A line that begins with ``?NAME?`` is left out where that fact is empty.
"""

import collections
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ...runtime.engine.manifest import Manifest
from .model_config import Model
from .plugin import FOLDER, LIBRARY, PluginNeed

Described = Sequence[tuple[Model, Manifest | None]]

_TEXT: Final = Path(__file__).with_name("guide.md")
_LINE: Final = re.compile(r"(?:\?(\w+)\?)?(.*)")
_REACH: Final = {"none": " only", "ampere+": " and on all GPUs from Ampere on"}

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
    """Write the README."""
    engine = next((manifest for _, manifest in models if manifest is not None), None)
    release = USUAL if engine is None else release_for(engine.build.version)
    facts: dict[str, Any] = collections.defaultdict(str)
    facts |= _facts(models) | (
        {"no_engine": True} if engine is None else _engine_facts(engine, need)
    )
    facts |= {"release": engine and release, "no_release": not release}
    facts |= {"image": image(release or "YY.MM"), "usual": USUAL, "oldest": OLDEST_FOR_ONNX}
    lines = []
    for line in _TEXT.read_text(encoding="utf-8").splitlines():
        ((condition, text),) = _LINE.findall(line)[:1]
        if not condition or facts[condition]:
            lines.append(text.format_map(facts))
    return "\n".join(lines) + "\n"


def release_for(version: str) -> str | None:
    """Return a release, such as "25.10", that opens engines of a TensorRT; None if unknown."""
    return _RELEASES.get(".".join(version.split(".")[:3]))


def image(release: str) -> str:
    """Name the container of a release."""
    return f"nvcr.io/nvidia/tritonserver:{release}-py3"


def _facts(models: Described) -> dict[str, Any]:
    """Return what is stated of all models, the last of which is asked."""
    first, last = models[0][0], models[-1][0]
    options, uint8 = first.options, first.form.io == "uint8"
    height, width = last.form.warm_size
    sizes = ", ".join(map(str, last.batches))
    captured = f"{width} x {height} pixels and batches of {sizes}"
    return {
        "rows": "\n".join(f"| {' | '.join(_cells(*described))} |" for described in models),
        "missing": "other than 0" if uint8 else "1",
        "layout": "(B, H, W, C) bytes" if uint8 else "(B, C, H, W) float32 in [-1, 1]",
        "on_gpu": any(model.on_gpu for model, _ in models),
        "name": last.name,
        "instances": options.instances,
        "per_gpu": " on each GPU" if first.on_gpu else "",
        "batching": any(model.form.max_batch > 1 for model, _ in models),
        "delay": options.delay_us,
        "warmup": options.warmup,
        "graphs": captured if options.cuda_graphs and len(models) > 1 else "",
    }


def _cells(model: Model, manifest: Manifest | None) -> tuple[str, ...]:
    form, sides = model.form, model.form.sides
    batches = f"1 to {form.max_batch}" if form.max_batch else f"{form.batch}, fixed"
    free = f"{sides.least} to {sides.most}, warm at {sides.best}"
    size = free if sides.least != sides.most else f"{sides.most}, fixed"
    where, backend = "GPU" if model.on_gpu else "CPU", str(model.backend)
    if manifest is not None:
        backend = f"tensorrt {manifest.build.version}"
        where += f" {', '.join(manifest.build.targets)}"
    return f"`{model.name}`", backend, model.facts["csakit_precision"], batches, size, where


def _engine_facts(engine: Manifest, need: PluginNeed | None) -> dict[str, Any]:
    """Return what is stated of an engine, and of the plugin that it needs."""
    build, option = engine.build, " \\\n    --backend-config=tensorrt,"
    options = f"{option}plugins=/csakit/{FOLDER}/{LIBRARY}" if need else ""
    options += f"{option}version-compatible=true" if build.version_compatible else ""
    return {
        "engine": True,
        "version": build.version,
        "compatible": build.version_compatible,
        "exact": not build.version_compatible,
        "options": options,
        "targets": ", ".join(build.targets),
        "reach": _REACH.get(build.portable, ""),
        "unverified": not engine.parity,
        "library": need and need.library,
        "problem": need and need.problem,
        "command": need and need.command,
    }
