"""Pair the tensors of two exported models.

Exports number their inner tensors as they come, so "conv2d_19" of one file is another layer
in the next. Weights are named after their module in every export; a tensor is recognised by
the weights of the node that gives it, and otherwise by its operator and what it is computed
from.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping

import onnx

from .compare import STAGES

_SAME = ("Cast", "Identity")  # give what they take, in another type
_SMALL_BYTES = 4096  # constants up to here are compared by their content


def pair_tensors(model: onnx.ModelProto, reference: onnx.ModelProto) -> dict[str, str]:
    """Pair the tensors that two exports have in common.

    Args:
        model: exported.
        reference: exported from a checkpoint of the same architecture.

    Returns:
        By name in the model, in the order it computes them, the name in the reference; stages
        have the same one. A pair may differ in type and, where one export packs, in shape.
    """
    known = {key: name for name, key in _unique(_keys(reference)).items()}
    return {name: known[key] for name, key in _unique(_keys(model)).items() if key in known}


def describe_tensor(model: onnx.ModelProto, name: str) -> str:
    """Return where a tensor comes from.

    Args:
        model: exported.
        name: of the tensor.

    Returns:
        The operator and, where it has some, its weights; empty where no node gives it.
    """
    for node in model.graph.node:
        if name in node.output:
            weights = [i for i in node.input if "." in i]
            return f"{node.op_type} of {weights[0]}" if weights else str(node.op_type)
    return ""


def _keys(model: onnx.ModelProto) -> dict[str, str]:
    """Return a fingerprint of each tensor that a node of the graph computes."""
    constants = {tensor.name: _content(tensor) for tensor in model.graph.initializer}
    known = {**constants, **{value.name: value.name for value in model.graph.input}}
    found = {}
    for node in model.graph.node:
        if node.op_type in _SAME and node.output[0] not in STAGES:
            known[node.output[0]] = known.get(node.input[0], node.input[0])
            continue
        key = _digest(*_recognised_by(node, known))
        for index in reversed(range(len(node.output))):  # the matches before what is made of them
            output = node.output[index]
            found[output] = known[output] = output if output in STAGES else f"{key}:{index}"
    return found


def _recognised_by(node: onnx.NodeProto, known: Mapping[str, str]) -> list[str]:
    weights = sorted(name for name in node.input if "." in name)
    if weights:
        return weights
    attributes = sorted(a.SerializeToString().hex() for a in node.attribute)
    return [node.op_type, *(known.get(name, name) for name in node.input), *attributes]


def _content(tensor: onnx.TensorProto) -> str:
    if "." in tensor.name or tensor.ByteSize() > _SMALL_BYTES:
        return tensor.name
    array = onnx.numpy_helper.to_array(tensor)
    return _digest(str(array.shape), str(array.astype("float64").tolist()))


def _unique(keys: Mapping[str, str]) -> dict[str, str]:
    """Leave out what cannot be told apart."""
    many = Counter(keys.values())
    return {name: key for name, key in keys.items() if many[key] == 1}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
