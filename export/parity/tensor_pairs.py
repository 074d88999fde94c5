"""Pair the tensors of two exported models, whose inner tensors have different names.

A tensor is recognised by the weights of the node that computes it, named alike in every export, and
otherwise by its operator and inputs.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping

import onnx

from .compare import STAGES

_SAME = ("Cast", "Identity")  # same values, perhaps in another type
_SMALL_BYTES = 4096  # constants up to here are compared by their content


def pair_tensors(model: onnx.ModelProto, reference: onnx.ModelProto) -> dict[str, str]:
    """Map names of tensors to those in the reference, in the order the model computes them."""
    known = {key: name for name, key in _unique(_keys(reference)).items()}
    return {name: known[key] for name, key in _unique(_keys(model)).items() if key in known}


def describe_tensor(model: onnx.ModelProto, name: str) -> str:
    """Return the operator and the weights that compute a tensor; empty where no node does."""
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
    """Return the tensors whose fingerprint no other tensor has."""
    many = Counter(keys.values())
    return {name: key for name, key in keys.items() if many[key] == 1}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
