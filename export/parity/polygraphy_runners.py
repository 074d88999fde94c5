"""Polygraphy runners of an exported model, with inner tensors as outputs.

TensorRT does not fuse across marked tensors, so a rebuilt engine has the precision, plugin and
shapes of the original, but is not bit-identical to it.
"""

import contextlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Final

import onnx

from ...plugins.errors import EngineError
from ...runtime.contract import IMAGE, MASK, IOFormat
from ...runtime.engine.manifest import Manifest
from ...runtime.engine.shapes import CallShape
from ..graph import surgery
from ..graph.attention_function import MATCHES
from .compare import STAGES

_TRT_BACKEND: Final = "polygraphy.backend.trt"  # selects the TensorRT module on import


def mark_stages(model: onnx.ModelProto) -> tuple[str, ...]:
    """Add the stages to the outputs, in place, with the types that TensorRT requires."""
    typed = {value.name: value for value in (*model.graph.value_info, *model.graph.output)}
    typed[MATCHES] = onnx.helper.make_tensor_value_info(MATCHES, onnx.TensorProto.INT64, None)
    if model.functions or not surgery.csa_nodes(model):
        names = surgery.add_probes(model)
    else:
        names = surgery.TRACED_OUTPUTS
    outputs = [onnx.ValueInfoProto(name=name) for name in names]
    for output in outputs:
        output.CopyFrom(typed.get(output.name, output))
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    return names


def onnxruntime_runner(model: onnx.ModelProto, tensors: Sequence[str], name: str) -> Any:  # noqa: ANN401
    """Create a runner of ONNX Runtime on the CPU for a model of ``mark_stages``."""
    from polygraphy.backend.onnx import BytesFromOnnx, ModifyOutputs
    from polygraphy.backend.onnxrt import OnnxrtRunner, SessionFromOnnx

    with quiet("marking outputs"):
        serialized = BytesFromOnnx(ModifyOutputs(model, outputs=list(tensors)))()
    return OnnxrtRunner(SessionFromOnnx(serialized), name=name)


def marked_network(model: onnx.ModelProto, tensors: Sequence[str], module: str) -> Any:  # noqa: ANN401
    """Parse a model with TensorRT and mark stages and float tensors; folded ones are left out."""
    choose_tensorrt(module)
    from polygraphy.backend.trt import ModifyNetworkOutputs, NetworkFromOnnxBytes

    with quiet("parsing the model with TensorRT"):
        parsed = NetworkFromOnnxBytes(model.SerializeToString(), strongly_typed=True)()
        return ModifyNetworkOutputs(parsed, outputs=_visible(parsed[1], tensors))()


def marked_plan(network: Any, manifest: Manifest, gpu: str) -> Any:  # noqa: ANN401
    """Build an engine with the manifest's module and shapes from a network with more outputs."""
    from polygraphy.backend.trt import EngineBytesFromNetwork

    with quiet("building the engine with marked tensors"):
        return EngineBytesFromNetwork(network, config=_config(manifest, gpu))()


def tensorrt_runner(plan: Any, name: str) -> Any:  # noqa: ANN401
    """Create a TensorRT runner of a serialized engine."""
    from polygraphy.backend.trt import EngineFromBytes, TrtRunner

    return TrtRunner(EngineFromBytes(plan), name=name)


def _visible(network: Any, tensors: Sequence[str]) -> list[str]:  # noqa: ANN401
    """Return the names that are stages, or float tensors of the network."""
    kinds = {}
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        for output in map(layer.get_output, range(layer.num_outputs)):
            kinds[output.name] = output.dtype.name
    return [name for name in tensors if name in STAGES or kinds.get(name) in ("FLOAT", "HALF")]


def _config(manifest: Manifest, gpu: str) -> Any:  # noqa: ANN401
    """Translate a manifest's shapes and target into Polygraphy's configuration."""
    from polygraphy.backend.trt import CreateConfig, Profile

    shapes = manifest.profiles[0]
    io: IOFormat = "uint8" if manifest.io == "uint8" else "float"
    spans = zip(shapes.batch, shapes.size, strict=True)
    calls = [CallShape(io, batch, side, side) for batch, side in spans]
    profile = Profile()
    for name in (IMAGE, MASK):
        profile.add(name, *(call.tensors[name] for call in calls))
    if manifest.build.module != "tensorrt_rtx":
        return CreateConfig(profiles=[profile])
    from polygraphy.backend.tensorrt_rtx import CreateConfigRTX

    capability = int(gpu.rpartition("_")[2])
    return CreateConfigRTX(profiles=[profile], compute_capabilities=[divmod(capability, 10)])


@contextlib.contextmanager
def quiet(what: str = "Polygraphy") -> Iterator[None]:
    """Silence Polygraphy, and convert its exceptions to EngineError."""
    from polygraphy.exception import PolygraphyException
    from polygraphy.logger import G_LOGGER

    try:
        with G_LOGGER.verbosity(G_LOGGER.CRITICAL), warnings.catch_warnings():
            # Polygraphy calls functions that TensorRT has deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    except PolygraphyException as error:
        raise EngineError(f"{what} failed: {error}\nSee: csakit doctor") from error


def choose_tensorrt(module: str) -> None:
    """Select the TensorRT module that Polygraphy uses in this process; refuse a second one."""
    from polygraphy import config

    rtx = module == "tensorrt_rtx"
    if _TRT_BACKEND in sys.modules and rtx != config.USE_TENSORRT_RTX:
        raise EngineError(
            f"Polygraphy can use one TensorRT in a process and has loaded the other; got {module}\n"
            "Compare this engine in a process of its own."
        )
    config.USE_TENSORRT_RTX = rtx
