"""Audit of an engine's precision, from two kinds of evidence.

The types in the strongly typed network are always available; the layers of the built engine, from
TensorRT's inspector, need a GPU that can open it.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ...plugins.errors import EngineError, PrecisionError
from ...runtime.engine.manifest import Precision
from ...runtime.engine.tensorrt_module import TensorRTModule

_HALF, _FLOAT = "fp16", "fp32"
# How the inspector writes types: "Half" or "Row major linear FP16 format", by version.
_SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    _HALF: ("half", "fp16"),
    _FLOAT: ("float", "fp32"),
}
_KINDS: Final = ("CONVOLUTION", "DECONVOLUTION", "NORMALIZATION")  # layers with most arithmetic
_CLASSES: Final = {"CONVOLUTION": "IConvolutionLayer", "DECONVOLUTION": "IDeconvolutionLayer"}
_STENCIL_MAX: Final = 27  # elements; kernels of the harmonic fill, which are always float32


@dataclasses.dataclass(frozen=True)
class Share:
    """A count in half precision, and the total in half or single precision."""

    half: int
    total: int

    def to_json(self) -> dict[str, int | float]:
        """Return the numbers and their ratio."""
        return {"half": self.half, "total": self.total, "share": round(self.ratio, 4)}

    @property
    def ratio(self) -> float:
        """The share in half precision; 0 if the total is 0."""
        return self.half / self.total if self.total else 0.0


@dataclasses.dataclass(frozen=True)
class Types:
    """Half-precision shares of compute layers and of weights, the latter by element."""

    layers: Share
    weights: Share


def network_types(module: TensorRTModule, network: Any) -> Types:  # noqa: ANN401
    """Count convolutions and normalisations of a parsed network, and their weights, by type."""
    layers, weights = [], []
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        kind = layer.type.name
        if kind not in _KINDS:
            continue
        if kind in _CLASSES:
            layer.__class__ = getattr(module.trt, _CLASSES[kind])  # how its bindings downcast
            kernel = layer.kernel  # an array, or Weights without values
            if kernel.size <= _STENCIL_MAX:
                continue
            weights.append((str(kernel.dtype).lower().endswith(("float16", "half")), kernel.size))
        layers.append((layer.get_output(0).dtype.name == "HALF", 1))
    return Types(_share(layers), _share(weights))


def engine_types(text: str) -> Types:
    """Count the layers in the inspector's JSON by the types of their outputs and weights."""
    try:
        listed = json.loads(text)["Layers"]
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"the engine inspector must return JSON with Layers: {error}") from error
    layers = [layer for layer in listed if isinstance(layer, dict)]  # only names: not detailed
    outputs = [_output_types(layer) for layer in layers]
    typed = [(_HALF in found, 1) for found in outputs if found]
    return Types(_share(typed), _share(_weights(layers)))


def inspect_plan(
    module: TensorRTModule, plan: bytes, gpus: list[str], targets: tuple[str, ...]
) -> str | None:
    """Return the inspector's report of a plan; None if this machine has no target GPU."""
    if not gpus or gpus[0] not in targets:
        return None
    runtime = module.trt.Runtime(module.log)
    if hasattr(runtime, "engine_host_code_allowed"):
        runtime.engine_host_code_allowed = True  # our own, built a moment ago
    module.log.clear()
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise module.failure("cannot open what it has just built", "See: csakit doctor")
    inspector = engine.create_engine_inspector()
    return str(inspector.get_engine_information(module.trt.LayerInformationFormat.JSON))


def audit(stated: str, network: Types, engine: Types | None) -> Precision:
    """Return the audited precision; raise PrecisionError if it differs from ``stated``."""
    evidence = {
        "network": _to_json(network),
        "engine": None if engine is None else _to_json(engine),
    }
    found = _conclude(network)
    if found != stated:
        raise PrecisionError(
            f"the model states {stated or 'nothing'}; {_percent(network.layers)} of the layers and "
            f"{_percent(network.weights)} of the weights that TensorRT was given are half precision"
            "\nExport it again with `csakit export`, which writes metadata that match the file."
        )
    if engine is not None and (wrong := _contradiction(stated, engine)):
        raise PrecisionError(
            f"the model states {stated}; {wrong} of the built engine are half precision\n"
            "Report this with the versions that `csakit doctor` prints."
        )
    return Precision(audited=found, evidence=evidence)


def summary(precision: Precision) -> str:
    """Return the findings in one line."""
    parts = []
    for name in ("network", "engine"):
        if (types := precision.evidence[name]) is not None:
            layers, weights = types["layers"]["share"], types["weights"]["share"]
            parts.append(f"{name}: {layers:.0%} of layers and {weights:.0%} of weights half")
    if precision.evidence["engine"] is None:
        parts.append("engine: cannot be opened without its GPU")
    return f"{precision.audited} ({'; '.join(parts)})"


def _conclude(network: Types) -> str:
    """Return the common precision of layers and weights, or "mixed" or "unknown"."""
    ratios = {network.layers.ratio, network.weights.ratio}
    if not network.layers.total:
        return "unknown"
    return {frozenset({1.0}): _HALF, frozenset({0.0}): _FLOAT}.get(frozenset(ratios), "mixed")


def _contradiction(stated: str, engine: Types) -> str | None:
    """Return the share that contradicts the stated precision: of weights or, without any, layers.

    A half-precision engine has float32 layers too (inputs, outputs, masks, and CSA, whose function
    body has most of the layers), so layers contradict it only if all are float32.
    """
    what, share, least = "weights", engine.weights, 0.5
    if not share.total:
        what, share, least = "layers", engine.layers, 1 / max(engine.layers.total, 1)
    if not share.total:
        return None  # no evidence
    wrong = share.ratio < least if stated == _HALF else share.half > 0
    return f"{_percent(share)} of the {what}" if wrong else None


def _weights(layers: list[dict[str, Any]]) -> Iterator[tuple[bool, int]]:
    """Read entries such as "Weights": {"Type": "Half", "Count": 9408}."""
    for layer in layers:
        entry = layer.get("Weights")
        if isinstance(entry, dict) and isinstance(entry.get("Count"), int):
            kind = _type(entry.get("Type"))
            if kind is not None:
                yield kind == _HALF, entry["Count"]


def _output_types(layer: Mapping[str, Any]) -> set[str]:
    """Return the floating-point types among the outputs of a layer."""
    outputs = layer.get("Outputs")
    formats = [o.get("Format/Datatype") for o in outputs or [] if isinstance(o, dict)]
    return {kind for text in formats if (kind := _type(text))}


def _type(text: object) -> str | None:
    words = str(text).lower().split()
    for kind, spellings in _SPELLINGS.items():
        if any(word.strip(".,") in spellings for word in words):
            return kind
    return None


def _share(items: Any) -> Share:  # noqa: ANN401 - an iterable of (is half, how many)
    pairs = list(items)
    return Share(sum(many for half, many in pairs if half), sum(many for _, many in pairs))


def _to_json(types: Types) -> dict[str, Any]:
    return {"layers": types.layers.to_json(), "weights": types.weights.to_json()}


def _percent(share: Share) -> str:
    return f"{100 * share.ratio:.0f} %"
