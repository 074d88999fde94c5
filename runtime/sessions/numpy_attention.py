"""CSA in NumPy float32, for runtimes that can compute a node in Python.

Letters: K known positions, M holes. Equations and tests: ``csakit.plugins.reference``. M steps of a
few vectors of C numbers take 3 us each: 5 ms for 225 holes of 512 channels on one core.
"""

import math

import numpy as np

from ...plugins.spec import DENOMINATOR_MIN, HOLE_THRESHOLD, NORM_EPSILON, Similarity
from ..tensors.pixels import Float32


def fill_holes(features: Float32, hole: Float32, similarity: Similarity) -> Float32:
    """Fill holes (B, 1, H, W) > 0.5 of features (B, C, H, W) from each image's known positions."""
    filled: Float32 = np.array(features, dtype=np.float32, order="C")
    missing = hole.reshape(len(hole), -1) > HOLE_THRESHOLD
    for vectors, is_hole in zip(filled.reshape(*filled.shape[:2], -1), missing, strict=True):
        if is_hole.any() and not is_hole.all():
            holes = np.ascontiguousarray(vectors[:, is_hole].T)
            known = np.ascontiguousarray(vectors[:, ~is_hole].T)
            vectors[:, is_hole] = _generated(holes, known, similarity).T
    return filled


def _generated(holes: Float32, known: Float32, similarity: Similarity) -> Float32:
    """Generate (M, C) vectors for the holes in raster order, from the (K, C) known ones."""
    cosine = similarity == "cosine"
    directions = _unit(holes)
    similarities = (directions if cosine else holes) @ _unit(known).T
    matches = known[similarities.argmax(axis=1)]
    scores = similarities.max(axis=1).tolist()
    generated: Float32 = np.empty_like(matches)
    generated[0] = previous = matches[0]
    for i in range(1, len(matches)):
        adjacency = float(directions[i].dot(previous))
        if cosine:
            adjacency /= math.sqrt(float(previous.dot(previous))) + NORM_EPSILON
        total = adjacency + scores[i]
        share = adjacency / total if abs(total) >= DENOMINATOR_MIN else 0.0
        np.subtract(previous, matches[i], out=generated[i])
        generated[i] *= share
        generated[i] += matches[i]
        previous = generated[i]
    return generated


def _unit(vectors: Float32) -> Float32:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Float32 = vectors / (lengths + np.float32(NORM_EPSILON))
    return scaled
