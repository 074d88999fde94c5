"""The harmonic fill as ONNX nodes, half as many as tracing it produces.

Letters: B images, C channels, H W sides of a level, M the mask of what is missing.

``csakit.train.networks.fill`` states the method and its constants; here are the same steps in
standard operators. The differences, equal up to rounding:

* Below full size a damped step is one convolution of the edge-padded image, so that nothing flows
  through its border, and then known pixels are restored. At full size its rounding would be
  visible in large holes, so the terms are those of the networks.
* Errors are scaled by the damping, so that sources need no factor of their own.
"""

from typing import Any, Final

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper

from ...plugins import spec
from ...train.networks import fill

PLACEHOLDER: Final = "HarmonicFill"  # node of a traced graph, expanded before writing

_FLOAT: Final = int(onnx.TensorProto.FLOAT)
_HALVE: Final = {"kernel_shape": [2, 2], "strides": [2, 2]}
_EDGE: Final = np.array([0, 0, 1, 1, 0, 0, 1, 1], dtype=np.int64)  # a pixel on each side of H, W
_SCALE: Final = 4  # of the operator on a grid of twice the spacing


def expand_fills(model: onnx.ModelProto) -> None:
    """Replace each placeholder (image, missing) by the nodes that compute it, in place."""
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, onnx.TensorProto] = {}
    for node in model.graph.node:
        if (node.domain, node.op_type) == (spec.DOMAIN, PLACEHOLDER):
            stated = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            writer = _Writer(node.name.rpartition("/")[0], stated["channels"], constants)
            writer.fill(node.input[0], node.input[1], stated["levels"], node.output[0])
            nodes.extend(writer.nodes)
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constants.values())


class _Writer:
    """Appends the nodes of one fill; tensors are referred to by name."""

    def __init__(self, prefix: str, channels: int, constants: dict[str, onnx.TensorProto]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._prefix = prefix
        self._scope = ""
        self._channels = channels
        self._constants = constants
        self._count: dict[str, int] = {}

    def fill(self, image: str, missing: str, levels: int, output: str) -> None:
        """Append the nodes of ``harmonic_fill``: first estimate, V-cycles."""
        known, values, shares = self._coarser_levels(image, missing, levels)
        solution = self._first_estimate(known, values)
        self._scope = "domains"
        domains = [self._op("Cast", self._over(s, fill.MOSTLY), to=_FLOAT) for s in shares]
        scaled = [self._op("Mul", domain, self._number(_SCALE)) for domain in domains]
        grids = list(zip(domains, scaled, strict=True))
        full = self._full_size(missing)
        for cycle in range(fill.CYCLES):
            self._scope = f"cycle{cycle}/level0"
            swept = self._damped(solution, full)
            residual = self._lacking(swept, full)
            error = self._error(residual, grids, f"cycle{cycle}", level=1)
            self._scope = f"cycle{cycle}/level0"
            correction = self._op("Mul", self._hole, self._finer(error))
            solution = self._damped(self._op("Add", swept, correction), full)
        self.nodes[-1].output[0] = output

    def _coarser_levels(
        self, image: str, missing: str, levels: int
    ) -> tuple[list[str], list[str], list[str]]:
        """Return known pixels (from level 1), values (0 in holes) and hole shares, by level."""
        self._scope = "level0"
        weight = self._op("Cast", self._op("Not", missing), to=_FLOAT)
        hole = self._op("Cast", missing, to=_FLOAT)
        self._hole = hole
        values, known, shares = [self._op("Where", missing, self._number(0), image)], [""], []
        for level in range(1, levels + 1):
            self._scope = f"level{level}"
            share = self._op("AveragePool", weight, **_HALVE)
            mean = self._op("AveragePool", values[-1], **_HALVE)
            values.append(self._op("Div", mean, self._op("Max", share, self._number(0.25))))
            known.append(self._over(share, 0))
            weight = self._op("Cast", known[-1], to=_FLOAT)
            hole = self._op("AveragePool", hole, **_HALVE)
            shares.append(hole)
        self._weight = weight
        return known, values, shares

    def _first_estimate(self, known: list[str], values: list[str]) -> str:
        """Return the coarse-to-fine solution."""
        count, total = (
            self._op("ReduceSum", tensor, self._numbers("axes", np.array([2, 3], np.int64)))
            for tensor in (self._weight, values[-1])
        )
        mean = self._op("Div", total, self._op("Max", count, self._number(1)))
        solution = self._op("Where", known[-1], values[-1], mean)
        for level in range(len(known) - 2, 0, -1):
            self._scope = f"estimate/level{level}"
            solution = self._op("Where", known[level], values[level], self._finer(solution))
            for _ in range(fill.SWEEPS):
                step = self._step(solution)
                solution = self._op("Where", known[level], values[level], step)
        self._scope = "estimate/level0"
        return self._op("Add", self._op("Mul", self._hole, self._finer(solution)), values[0])

    def _error(self, residual: str, grids: list[tuple[str, str]], scope: str, level: int) -> str:
        """Return the error of a damped residual, estimated on the next coarser level."""
        self._scope = f"{scope}/level{level}"
        (domain, scaled), *coarser = grids
        error = source = self._op("Mul", scaled, self._op("AveragePool", residual, **_HALVE))
        if not coarser:
            for _ in range(fill.COARSEST_SWEEPS - 1):
                error = self._sourced(error, source, domain)
            return error
        remaining = self._op("Mul", domain, self._step(source))
        correction = self._finer(self._error(remaining, coarser, scope, level + 1))
        self._scope = f"{scope}/level{level}"
        corrected = self._op("Add", error, self._op("Mul", domain, correction))
        return self._sourced(corrected, source, domain)

    def _sourced(self, error: str, source: str, domain: str) -> str:
        return self._op("Mul", domain, self._op("Add", self._step(error), source))

    def _full_size(self, missing: str) -> tuple[str, str, str]:
        """Return the gain, the share of neighbours inside the image, and a step's own weight."""
        self._scope = "level0"
        gain = self._op("Mul", self._hole, self._number(fill.DAMPING))
        everywhere = self._op("Cast", self._op("Or", missing, self._op("Not", missing)), to=_FLOAT)
        inside = self._neighbours(everywhere, 1)
        return gain, inside, self._op("Sub", self._number(1), self._op("Mul", gain, inside))

    def _damped(self, x: str, full: tuple[str, str, str]) -> str:
        gain, _, keep = full
        moved = self._op("Mul", gain, self._neighbours(x, self._channels))
        return self._op("Add", self._op("Mul", keep, x), moved)

    def _lacking(self, x: str, full: tuple[str, str, str]) -> str:
        gain, inside, _ = full
        beside = self._neighbours(x, self._channels)
        return self._op("Mul", gain, self._op("Sub", beside, self._op("Mul", inside, x)))

    def _neighbours(self, x: str, channels: int) -> str:
        cross = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], np.float32)
        weights = self._numbers(f"mean{channels}", np.broadcast_to(cross, (channels, 1, 3, 3)))
        return self._op("Conv", x, weights, group=channels, pads=[1, 1, 1, 1])

    def _step(self, x: str) -> str:
        """Return a damped step at every pixel, with weights that add up to 1 in float32."""
        beside = float(np.float32(fill.DAMPING / 4))
        centre = 1 - 4 * beside
        cross = np.array([[0, beside, 0], [beside, centre, beside], [0, beside, 0]], np.float32)
        kernel = np.broadcast_to(cross, (self._channels, 1, 3, 3))
        padded = self._op("Pad", x, self._numbers("border", _EDGE), mode="edge")
        weights = self._numbers(f"step{self._channels}", kernel)
        return self._op("Conv", padded, weights, group=self._channels)

    def _finer(self, x: str) -> str:
        scales = self._numbers("double", np.array([1, 1, 2, 2], np.float32))
        form = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return self._op("Resize", x, "", scales, **form)

    def _over(self, x: str, threshold: float) -> str:
        return self._op("Greater", x, self._number(threshold))

    def _op(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401
        stem = f"{self._prefix}/{self._scope}/{kind}"
        count = self._count[stem] = self._count.get(stem, -1) + 1
        name = f"{stem}_{count}" if count else stem
        self.nodes.append(onnx.helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def _number(self, value: float) -> str:
        return self._numbers(f"{value:g}", np.array(value, np.float32))

    def _numbers(self, label: str, value: np.ndarray[Any, Any]) -> str:
        name = f"fill/{label}"
        self._constants.setdefault(name, onnx.numpy_helper.from_array(value, name))
        return name
