"""The function body of exported files, as an implementation in ONNX Runtime."""

import functools
from types import MappingProxyType
from typing import Final

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from ...export.graph.attention_function import attention_function
from ...export.graph.surgery import OPSET
from ...plugins import spec
from ...plugins.spec import Similarity
from .cases import Problem
from .implementations import Floats, Implementation, Prepared

_TYPES: Final = MappingProxyType({"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16})
_IR_VERSION: Final = 10  # the newest that the oldest supported ONNX Runtime reads


def ort_form(threads: int) -> Implementation:
    """Return the implementation in ONNX Runtime on the CPU."""
    description = "the function body of exported files, in ONNX Runtime on the CPU"
    return Implementation("ort", description, functools.partial(_prepare, threads=threads))


def function_model(
    similarity: Similarity,
    *,
    features: str = "float32",
    hole: str = "float32",
    probes: tuple[str, ...] = (),
) -> onnx.ModelProto:
    """Return a model of the CSA node alone; ``probes`` are inner tensors to add to its outputs."""
    function = attention_function(similarity, OPSET)
    function.output.extend(probes)
    node = helper.make_node(
        spec.NAME,
        spec.INPUTS,
        [*spec.OUTPUTS, *probes],
        domain=spec.DOMAIN,
        similarity=similarity,
        plugin_version=spec.VERSION,
        plugin_namespace=spec.NAMESPACE,
    )
    shapes: tuple[list[str | int | None], ...] = ["B", "C", "H", "W"], ["B", 1, "H", "W"]
    kinds = _TYPES[features], _TYPES[hole]
    inputs = [
        helper.make_tensor_value_info(name, kind, shape)
        for name, kind, shape in zip(spec.INPUTS, kinds, shapes, strict=True)
    ]
    outputs = [helper.make_tensor_value_info(spec.OUTPUTS[0], kinds[0], shapes[0])]
    outputs += [onnx.ValueInfoProto(name=name) for name in probes]
    return helper.make_model(
        helper.make_graph([node], "attention", inputs, outputs),
        functions=[function],
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(spec.DOMAIN, 1)],
        ir_version=_IR_VERSION,
    )


def _prepare(problem: Problem, *, threads: int) -> Prepared:
    session = _session(problem.case.similarity, problem.case.dtype, threads)
    feeds = {"features": problem.features, "hole": problem.hole}
    kept: list[Floats] = []

    def call() -> None:
        kept[:] = session.run(None, feeds)

    return Prepared(call, lambda: kept[0].astype(np.float32))


@functools.cache
def _session(similarity: Similarity, dtype: str, threads: int) -> onnxruntime.InferenceSession:
    return cpu_session(function_model(similarity, features=dtype), threads)


def cpu_session(model: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    """Open a model on the CPU, without threads that spin."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Spinning threads of one session would take the cores from another.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
