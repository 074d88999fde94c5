"""Operations on ONNX graphs: finish and read a model, find its CSA node, add probes."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnx.numpy_helper

from ...plugins import spec
from ...plugins.errors import ContractError
from ...runtime.contract import (
    FORMAT_VERSION,
    META_FORMAT,
    META_VERSION,
    OUTPUT,
    SIZE_MULTIPLE,
    IOFormat,
)
from ...runtime.files.failures import failure, stand_in
from ...runtime.tensors.signature import require_names
from .attention_function import MATCHES, attention_function
from .names import name_by_modules

OPSET: Final = 18  # the newest that TensorRT 10.3 and every ONNX Runtime since 1.17 take
IR_VERSION: Final = 9  # the newest that ONNX Runtime 1.17 takes; functions need 8

# Outputs of the traced module, in order. All but the first become inner tensors again
# under the same names, by which parity checks read them.
TRACED_OUTPUTS: Final = (OUTPUT, "rough", "features", "attended")

_FEWEST: Final = 256  # elements of what ``store_in_half`` converts; constants have fewer
DIMENSIONS: Final = ("batch", "height", "width")  # names of dynamic dimensions

_GRAPH_DOC: Final = (
    "Repairs the missing pixels of an image (coherent semantic attention, arXiv:1905.12384). "
    "Known pixels are returned unchanged."
)
_DOCS: Final = {  # by io: of image, mask, output
    "float": (
        "RGB planes in [-1, 1], which is byte / 127.5 - 1.",
        "1 where a pixel is missing, 0 where it is known; above 0.5 counts as missing.",
        "RGB planes in [-1, 1].",
    ),
    "uint8": (
        "RGB bytes, channels last.",
        "Not 0 where a pixel is missing, 0 where it is known.",
        "RGB bytes, channels last.",
    ),
}
_SIDES_DOC: Final = f" Height and width must be multiples of {SIZE_MULTIPLE}."


def finish(
    model: onnx.ModelProto,
    metadata: Mapping[str, str],
    *,
    io: IOFormat,
    free: Collection[str],
    expand: Callable[[onnx.ModelProto], None] = lambda _model: None,
) -> None:
    """Convert a traced graph to the documented file format, in place.

    Nodes are named by module, the tracer's annotations (with local paths) are removed, placeholders
    are expanded, CSA gets its function body, inner outputs become inner tensors, the dimensions in
    ``free`` get names, and shapes are inferred. ``expand`` replaces placeholders in place; it is a
    parameter because its module needs torch, which engine builds do without.
    """
    graph = model.graph
    ends = [value.name for value in (*graph.input, *graph.output)]
    name_by_modules(model, kept={*ends, *TRACED_OUTPUTS})
    _drop_annotations(model)
    expand(model)
    del graph.output[1 : len(TRACED_OUTPUTS)]
    axes = (0, 1, 2) if io == "uint8" else (0, 2, 3)
    for value, text in zip((*graph.input, *graph.output), _DOCS[io], strict=True):
        value.doc_string = text + (_SIDES_DOC if "height" in free else "")
        for axis, name in zip(axes, DIMENSIONS, strict=True):
            if name in free:
                value.type.tensor_type.shape.dim[axis].dim_param = name
    graph.name = "csa_inpainting"
    graph.doc_string = _GRAPH_DOC
    model.producer_name, model.producer_version = "csakit", metadata.get(META_VERSION, "")
    model.ir_version = IR_VERSION
    for node in csa_nodes(model):
        node.name = spec.NAME
        model.functions.append(attention_function(_similarity(node), OPSET))
    onnx.helper.set_model_props(model, dict(metadata))
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    model.CopyFrom(inferred)
    onnx.checker.check_model(model, full_check=True)


def store_in_half(model: onnx.ModelProto) -> None:
    """Store float32 weights as float16, each widened by a Cast, in place; refuse any loss."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or math.prod(tensor.dims) < _FEWEST:
            continue
        wide = onnx.numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            narrow = wide.astype(np.float16)
        if not np.array_equal(narrow.astype(np.float32), wide):
            raise ContractError(
                f"weights 'fp16' need a checkpoint of float16 weights; got others in "
                f"{tensor.name}\nUse --precision fp16 to round them, or leave out --weights."
            )
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(narrow, f"{name}.half"))
        casts.append(
            onnx.helper.make_node(
                "Cast", [tensor.name], [name], name=f"{name}.widened", to=onnx.TensorProto.FLOAT
            )
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def read(path: str, *, weights: bool = True) -> onnx.ModelProto:
    """Read an exported model; without ``weights``, external ones stay in their file.

    Raises:
        ContractError: the file cannot be parsed, csakit did not export it, a newer one did, or
            its inputs and output have other names.
    """
    try:
        model = onnx.load(path, load_external_data=False)
        if weights:
            _load_weights(model, Path(path).parent)
    except Exception as error:  # protobuf's DecodeError has no stable import path
        doing = f"read {getattr(error, 'filename', None) or path}"
        if problem := failure(error, doing) or stand_in(Path(path)):
            raise problem from error
        raise ContractError(
            f"{path} is not a readable ONNX file: {error}\nExport it again with `csakit export`."
        ) from error
    version = metadata_of(model).get(META_FORMAT)
    if version is None:
        raise ContractError(
            f"{path} was not exported by csakit: it has no {META_FORMAT} in its metadata\n"
            "Export a checkpoint with `csakit export MODEL.safetensors -o MODEL.onnx`."
        )
    if version != str(FORMAT_VERSION):
        raise ContractError(
            f"{path} has model format {version!r}; this csakit reads {FORMAT_VERSION}\n"
            "Update csakit with `pip install --upgrade csakit`."
        )
    graph = model.graph
    require_names(Path(path), (t.name for t in graph.input), (t.name for t in graph.output))
    return model


def _load_weights(model: onnx.ModelProto, folder: Path) -> None:
    """Read external weights, also through links, which onnx refuses."""
    for tensor in model.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        stated = {entry.key: entry.value for entry in tensor.external_data}
        name = Path(stated["location"])
        if name.is_absolute() or ".." in name.parts:
            raise ValueError(f"its weights must lie in its folder; got {name}")
        with (folder / name).open("rb") as file:
            file.seek(int(stated.get("offset", 0)))
            tensor.raw_data = file.read(int(stated.get("length", -1)))
        if len(tensor.raw_data) != int(stated.get("length", len(tensor.raw_data))):
            raise ValueError(f"{name} ends too early")
        del tensor.external_data[:]
        tensor.data_location = onnx.TensorProto.DEFAULT


def metadata_of(model: onnx.ModelProto) -> dict[str, str]:
    """Return the ``metadata_props`` of a model as a dictionary."""
    return {entry.key: entry.value for entry in model.metadata_props}


def csa_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the CSA nodes of a model: one, or none in an ablation."""
    return [node for node in model.graph.node if (node.domain, node.op_type) == _OPERATOR]


def without_function(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy without CSA's function body, whose node then needs a kernel or plugin."""
    stripped = onnx.ModelProto()
    stripped.CopyFrom(model)
    kept = [f for f in model.functions if (f.domain, f.name) != _OPERATOR]
    del stripped.functions[:]
    stripped.functions.extend(kept)
    return stripped


def for_tensorrt(model: onnx.ModelProto, *, plugin: bool) -> onnx.ModelProto:
    """Return a copy with CSA as a plugin only or as a function only.

    TensorRT 10.7 and 10.15 changed which of the two a parser prefers, and TensorRT for RTX ends the
    process if it finds a plugin.
    """
    if plugin:
        return without_function(model)
    prepared = onnx.ModelProto()
    prepared.CopyFrom(model)
    for node in csa_nodes(prepared):
        if not any((f.domain, f.name) == _OPERATOR for f in prepared.functions):
            raise ContractError(
                f"{spec.NAME} has no function body in this model, so nothing but the plugin can "
                "run it\nBuild from the model as `csakit export` wrote it."
            )
        kept = [a for a in node.attribute if a.name != "plugin_namespace"]
        del node.attribute[:]
        node.attribute.extend(kept)
    return prepared


def external_files(model: onnx.ModelProto) -> list[str]:
    """Return the external weight files of a model, relative to its folder."""
    locations = (
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    )
    return list(dict.fromkeys(locations))


def add_probes(model: onnx.ModelProto) -> tuple[str, ...]:
    """Add the inner stages to the outputs, in place; return the names of all outputs.

    The match indices are inside CSA's body, which therefore gets a second output.
    """
    produced = {name for node in model.graph.node for name in node.output}
    names = [name for name in TRACED_OUTPUTS if name in produced]
    for node in csa_nodes(model):
        body = next((f for f in model.functions if (f.domain, f.name) == _OPERATOR), None)
        if body is None:
            raise ContractError(
                f"{spec.NAME} has no function body in this model, so nothing can run it here\n"
                "Compare the model as `csakit export` wrote it."
            )
        body.output.append(MATCHES)
        node.output.append(MATCHES)
        names.append(MATCHES)
    inner = [onnx.ValueInfoProto(name=name) for name in names if name != OUTPUT]
    model.graph.output.extend(inner)
    return tuple(names)


_OPERATOR: Final = (spec.DOMAIN, spec.NAME)


def _similarity(node: onnx.NodeProto) -> spec.Similarity:
    value = next(a.s.decode() for a in node.attribute if a.name == "similarity")
    return next(known for known in spec.SIMILARITIES if known == value)


def _drop_annotations(model: onnx.ModelProto) -> None:
    graph = model.graph
    del graph.value_info[:]
    annotated: Iterable[onnx.NodeProto | onnx.ValueInfoProto | onnx.TensorProto]
    for annotated in (graph.node, graph.input, graph.output, graph.initializer):
        for item in annotated:
            del item.metadata_props[:]
            item.doc_string = ""
    del graph.metadata_props[:]
    graph.doc_string = model.doc_string = ""
