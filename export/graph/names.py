"""Names of nodes and tensors after the modules that compute them.

The third level's 3x3 convolution is ``/refinement/levels.2/widen/Conv``, and so is its output.
Names of inputs, outputs and probed stages stay; weights have the names of the checkpoint.
"""

import ast
import re
from collections import Counter
from collections.abc import Collection
from typing import Final

import onnx

_SCOPES: Final = "pkg.torch.onnx.name_scopes"  # metadata of a traced node: modules, innermost last
_ROOT: Final = "model."  # the pipeline's attribute in the traced module


def name_by_modules(model: onnx.ModelProto, kept: Collection[str]) -> None:
    """Rename nodes, tensors and weights of a traced graph in place, except tensors in ``kept``."""
    graph = model.graph
    renamed = {}
    constants = 0
    for tensor in graph.initializer:
        if not tensor.name.startswith(_ROOT):
            constants += 1
        plain = tensor.name.removeprefix(_ROOT)
        renamed[tensor.name] = plain if plain != tensor.name else f"constant_{constants}"
        tensor.name = renamed[tensor.name]
    count: Counter[str] = Counter()
    for node in graph.node:
        stem = f"{_scope(node)}/{node.op_type}"
        node.name = f"{stem}_{count[stem]}" if count[stem] else stem
        count[stem] += 1
        for index, output in enumerate(node.output):
            if output and output not in kept:
                renamed[output] = f"{node.name}_output_{index}" if index else node.name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]


def _scope(node: onnx.NodeProto) -> str:
    """Return the innermost module as a path; indices of lists stay with their list."""
    stated = next((entry.value for entry in node.metadata_props if entry.key == _SCOPES), "['']")
    *modules, _ = ast.literal_eval(stated)
    path = modules[-1].removeprefix(_ROOT) if modules else ""
    return "/" + re.sub(r"\.(?!\d)", "/", path) if path else ""
