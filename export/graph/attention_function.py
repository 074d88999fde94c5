"""The function body that lets any ONNX runtime execute CSA with standard operators.

Letters: B images, C channels, N positions, M holes of the fullest image, S = 64 holes of a
chunk. Equations: ``csakit.plugins.reference``; chunked form: ``csakit.train.attention.operator``.

What shaped it:

* A ``Loop`` over chunks of holes, so that the work grows with M. The trip count depends on
  the data but no shape does: TensorRT's parser takes it, and has no NonZero without a plugin.
* ``order`` lists the holes of each image in raster order and then its known positions. An
  image that runs out of holes before the fullest one goes on with known positions, which
  copy themselves: masks of any batch differ freely and no slot needs a special case.
* An image without known positions counts as one without holes: the identity.
* The ``Scan`` over the S holes of a chunk is the serial part; it carries one attention row.
  Scan axes are not negative (TensorRT misreads those).
* Arithmetic is float32 between a ``Cast`` and a ``CastLike``, so one body serves float32 and
  float16 graphs.
"""

from collections.abc import Iterable
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

_TEXT: Final = """
<opset_import: ["" : {opset}], domain: "{domain}">
{name} <similarity, plugin_version, plugin_namespace> (features, hole) => (filled)
{{
  zero = Constant <value_int = 0> ()
  one = Constant <value_int = 1> ()
  chunk = Constant <value_int = {chunk}> ()
  first_axis = Constant <value_ints = [0]> ()
  axis_1 = Constant <value_ints = [1]> ()
  axis_2 = Constant <value_ints = [2]> ()
  all_the_rest = Constant <value_ints = [-1]> ()
  beyond = Constant <value_ints = [9223372036854775807]> ()
  zero_f = Constant <value_float = 0.0> ()
  one_f = Constant <value_float = 1.0> ()
  chunk_f = Constant <value_float = {chunk}.0> ()
  hole_threshold = Constant <value_float = {hole_threshold}> ()
  norm_epsilon = Constant <value_float = {norm_epsilon}> ()
  denominator_min = Constant <value_float = {denominator_min}> ()
  never = Constant <value_float = -3.0e38> ()
  unit_rows = Constant ()
  only_previous = Constant ()
  steps = Range (zero, chunk, one)

  # (B, C, H, W) as unit keys (B, C, N) and as vectors (B * N, C)
  B = Shape <start = 0, end = 1> (features)
  C = Shape <start = 1, end = 2> (features)
  x = Cast <to = 1> (features)
  map_shape = Concat <axis = 0> (B, C, all_the_rest)
  maps = Reshape (x, map_shape)
  norms = ReduceL2 <keepdims = 1> (maps, axis_1)
  safe_norms = Add (norms, norm_epsilon)
  keys = Div (maps, safe_norms)
  rows = Transpose <perm = [0, 2, 1]> (maps)
  vector_shape = Concat <axis = 0> (all_the_rest, C)
  vectors = Reshape (rows, vector_shape)
  N = Shape <start = 1, end = 2> (rows)
  n = Squeeze (N)

  # which positions are filled; none in an image that knows nothing
  hole_shape = Concat <axis = 0> (B, all_the_rest)
  hole_f = Cast <to = 1> (hole)
  hole_rows = Reshape (hole_f, hole_shape)
  marked = Greater (hole_rows, hole_threshold)
  marked_f = Cast <to = 1> (marked)
  marked_count = ReduceSum <keepdims = 1> (marked_f, axis_1)
  n_f = Cast <to = 1> (n)
  has_known = Less (marked_count, n_f)
  is_hole = And (marked, has_known)
  is_hole_f = Cast <to = 1> (is_hole)
  hole_count_f = ReduceSum <keepdims = 1> (is_hole_f, axis_1)
  hole_count = Cast <to = 7> (hole_count_f)
  exclusion_rows = Where (is_hole, never, zero_f)
  exclusion = Unsqueeze (exclusion_rows, axis_1)

  # order (B, N): the holes in raster order, then the known positions
  is_known_f = Sub (one_f, is_hole_f)
  holes_up_to = CumSum (is_hole_f, one)
  known_up_to = CumSum (is_known_f, one)
  after_holes = Add (known_up_to, hole_count_f)
  place_f = Where (is_hole, holes_up_to, after_holes)
  rank_f = Sub (place_f, one_f)
  rank = Cast <to = 7> (rank_f)
  raster = Range (zero, n, one)
  raster_shape = Concat <axis = 0> (B, N)
  positions = Expand (raster, raster_shape)
  order = ScatterElements <axis = 1> (positions, rank, positions)

  # where each image starts among the B * N vectors
  b = Squeeze (B)
  images = Range (zero, b, one)
  starts = Mul (images, n)
  offset = Unsqueeze (starts, axis_1)

  last_position = Sub (n, one)
  most_holes = ReduceMax <keepdims = 0> (hole_count_f)
  chunks_f = Div (most_holes, chunk_f)
  whole_chunks_f = Ceil (chunks_f)
  chunks = Cast <to = 7> (whole_chunks_f)
  always = Constant <value = bool {{1}}> ()
  carry_shape = Concat <axis = 0> (B, axis_1, C)
  nothing = Expand (zero_f, carry_shape)
  row_shape = Concat <axis = 0> (B, axis_1)
  first_rows = Expand (only_previous, row_shape)

  filled_vectors, last_vector, {matches} = Loop (chunks, always, vectors, nothing, positions) <
    body = fill_chunk (
      int64 index, bool again, float[BN, Cs] vectors_in, float[Bs, 1, Cs] previous,
      int64[Bs, Ns] matches_in
    ) => (
      bool again_out, float[BN, Cs] vectors_out, float[Bs, 1, Cs] newest,
      int64[Bs, Ns] matches_out
    ) {{
      again_out = Identity (again)
      first_slot = Mul (index, chunk)
      slots = Add (steps, first_slot)
      is_filled = Less (slots, hole_count)
      safe_slots = Min (slots, last_position)
      at = Gather <axis = 1> (order, safe_slots)
      at_vector = Add (at, offset)

      # searching: (B, S, N) similarities, their maximum and its position
      queries = Gather <axis = 0> (vectors, at_vector)
      query_norms = ReduceL2 <keepdims = 1> (queries, axis_2)
      safe_query_norms = Add (query_norms, norm_epsilon)
      directions = Div (queries, safe_query_norms)
      similarities = MatMul ({searched}, keys)
      candidates = Add (similarities, exclusion)
      score = ReduceMax <keepdims = 1> (candidates, axis_2)
      best = ArgMax <axis = 2, keepdims = 0> (candidates)
      source = Where (is_filled, best, at)
      source_vector = Add (source, offset)
      copies = Gather <axis = 0> (vectors, source_vector)

      # generating: every new vector is a combination of these S + 1
      basis = Concat <axis = 1> (previous, copies)
      basis_t = Transpose <perm = [0, 2, 1]> (basis)
      all_dots = MatMul (directions, basis_t)
      is_filled_f = Cast <to = 1> (is_filled)
      filled_rows = Unsqueeze (is_filled_f, axis_2)
      dots = Mul (all_dots, filled_rows)
      {gram}
      last_row, attention = Scan <
        num_scan_inputs = 3, scan_input_axes = [1, 1, 0], scan_output_axes = [1],
        body = fill_one (
          float[Bs, T] row, float[Bs, T] dot, float[Bs, 1] s, float[T] unit_row
        ) => (float[Bs, T] row_out, float[Bs, T] row_of_hole) {{
          products = Mul (row, dot)
          {projected} = ReduceSum <keepdims = 1> (products, axis_1)
          {adjacency}
          total = Add (a, s)
          magnitude = Abs (total)
          is_defined = GreaterOrEqual (magnitude, denominator_min)
          share = Div (a, total)
          w = Where (is_defined, share, zero_f)
          change = Sub (row, unit_row)
          kept = Mul (w, change)
          row_out = Add (unit_row, kept)
          row_of_hole = Identity (row_out)
        }}
      > (first_rows, dots, score, unit_rows)
      fresh = MatMul (attention, basis)
      newest = Slice (fresh, all_the_rest, beyond, axis_1)
      at_index = Unsqueeze (at_vector, axis_2)
      vectors_out = ScatterND (vectors_in, at_index, fresh)
      matches_out = ScatterElements <axis = 1> (matches_in, at, source)
    }}
  >

  row_form = Concat <axis = 0> (B, N, C)
  filled_rows_all = Reshape (filled_vectors, row_form)
  filled_maps = Transpose <perm = [0, 2, 1]> (filled_rows_all)
  feature_shape = Shape (features)
  filled_f = Reshape (filled_maps, feature_shape)
  filled = CastLike (filled_f, features)
}}
"""

# |y| of a combination `row` of the basis, from the products of the basis with itself
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
    """Build the body of the CSA node for one similarity, of the opset of the model."""
    cosine = similarity == "cosine"
    function = onnx.parser.parse_function(
        _TEXT.format(
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
