"""The function body of the CSA node: standard operators, for any ONNX runtime.

``attention_function.onnxtxt`` has it in ONNX's text format; constants and what differs between the
similarities are filled in here.

Letters: B images, C channels, N positions, M holes of the fullest image, S = 64 holes of a
chunk. Equations: ``csakit.plugins.reference``; chunked form: ``csakit.train.attention.operator``.

Design:

* A ``Loop`` over chunks of holes, so that the work grows with M. The trip count depends on
  the data but no shape does: TensorRT's parser takes it, and has no NonZero without a plugin.
* ``order`` lists the holes of each image in raster order and then its known positions. An
  image with fewer than M holes continues with known positions, which copy themselves, so
  the masks of a batch may differ and no slot is a special case.
* An image without known positions is returned unchanged, like one without holes.
* The ``Scan`` over the S holes of a chunk is the serial part; it carries one attention row.
  Scan axes are not negative (TensorRT misreads those).
* Arithmetic is float32 between a ``Cast`` and a ``CastLike``, so one body serves float32 and
  float16 graphs.
"""

import string
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

from ...plugins import spec
from ...plugins.spec import Similarity

# Holes. In ONNX Runtime, 512 channels, 32x32, 252 holes, chunks of 16, 32, 64 and 128 took 6.6,
# 5.3, 4.7 and 4.3 ms; one hole took 1.9, 2.0, 2.3 and 2.9 ms.
CHUNK: Final = 64
MATCHES: Final = "matches"  # (B, N) int64 inside the body; parity checks make it an output

_TEXT: Final = Path(__file__).with_suffix(".onnxtxt")

# |y| of a combination `row` of the basis, from the Gram matrix of the basis
_COSINE_ADJACENCY: Final = """
          row_matrix = Unsqueeze (row, axis_1)
          with_basis_matrix = MatMul (row_matrix, gram)
          with_basis = Squeeze (with_basis_matrix, axis_1)
          square_terms = Mul (with_basis, row)
          square = ReduceSum <keepdims = 1> (square_terms, axis_1)
          safe_square = Max (square, zero_f)
          length = Sqrt (safe_square)
          safe_length = Add (length, norm_epsilon)
          a = Div (projection, safe_length)
"""


def attention_function(similarity: Similarity, opset: int) -> onnx.FunctionProto:
    """Return the body of the CSA node for a similarity, in the opset of the model."""
    cosine = similarity == "cosine"
    text = string.Template(_TEXT.read_text(encoding="utf-8"))
    function = onnx.parser.parse_function(
        text.substitute(
            opset=opset,
            domain=spec.DOMAIN,
            name=spec.NAME,
            matches=MATCHES,
            chunk=CHUNK,
            hole_threshold=spec.HOLE_THRESHOLD,
            norm_epsilon=f"{spec.NORM_EPSILON:.1e}",
            denominator_min=f"{spec.DENOMINATOR_MIN:.1e}",
            searched="directions" if cosine else "queries",
            gram="gram = MatMul (basis, basis_t)" if cosine else "",
            projected="projection" if cosine else "a",
            adjacency=_COSINE_ADJACENCY if cosine else "",
        )
    )
    identity = np.eye(CHUNK + 1, dtype=np.float32)
    _set_constant(function, "unit_rows", identity[1:])  # (S, S + 1): e of each match
    _set_constant(function, "only_previous", identity[:1])  # (1, S + 1): e of the carried vector
    _name_nodes(function.node, prefix=spec.NAME)
    return function


def _set_constant(
    function: onnx.FunctionProto, output: str, value: np.ndarray[tuple[int, int], np.dtype]
) -> None:
    node = next(node for node in function.node if node.output[0] == output)
    node.attribute.append(onnx.helper.make_attribute("value", numpy_helper.from_array(value)))


def _name_nodes(nodes: Iterable[onnx.NodeProto], prefix: str) -> None:
    """Name each node after its first output; TensorRT warns of nodes without unique names."""
    for node in nodes:
        node.name = f"{prefix}.{node.output[0]}"
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _name_nodes(attribute.g.node, prefix=node.name)
