"""Rewrite an exported model for OpenVINO's CPU plugin. Imports openvino.

* CSA becomes a custom operator that always computes in float32: scores rounded before their argmax
  choose other matches (29 dB inside the hole with bfloat16 scores, 47 dB with float32).
* The 3x3 transposed convolutions of stride 1 become the equal convolutions. OpenVINO keeps what
  follows the last *convolution* of a model in float32; the decoder would never be computed in
  bfloat16. The 4x4 ones of stride 2 stay: as four convolutions they take twice the time.
"""

import weakref
from pathlib import Path
from typing import Any, Final

import numpy as np
import openvino as ov
from openvino import opset13 as opset
from openvino.frontend.onnx import ConversionExtension

from ...plugins import spec
from ...plugins.spec import Similarity
from .numpy_attention import fill_holes


class _Placeholder:
    """The object that OpenVINO references in place of an operator."""


_PLACEHOLDER: Final = _Placeholder()
# OpenVINO releases references without the GIL: a miscounted one must not free this.
_REFERENCES: Final = (_PLACEHOLDER,) * 10_000


class AttentionOp(ov.Op):  # type: ignore[misc]  # no types that mypy could read
    """CSA as an operator of OpenVINO: features (B, C, H, W) and hole (B, 1, H, W)."""

    def __init__(self, inputs: list[Any], similarity: Similarity, operators: "Operators") -> None:
        # OpenVINO would keep this object, and with it the whole graph, by a reference invisible to
        # the garbage collector; so ``Operators`` keeps it instead.
        super().__init__(_PLACEHOLDER, inputs)
        self._similarity = similarity
        self._operators = weakref.ref(operators)
        operators.add(self)

    def validate_and_infer_types(self) -> None:
        """Declare that the output has the type and the shape of the features."""
        self.set_output_type(0, self.get_input_element_type(0), self.get_input_partial_shape(0))

    def clone_with_new_inputs(self, inputs: list[Any]) -> "AttentionOp":
        """Copy the operator into another graph."""
        operators = self._operators()
        assert operators is not None, "it must outlive the graph"
        return AttentionOp(inputs, self._similarity, operators)

    def evaluate(self, outputs: list[Any], inputs: list[Any]) -> bool:
        """Fill the holes of a batch; OpenVINO passes float32 to custom operators."""
        features, hole = (tensor.data for tensor in inputs)
        outputs[0].data[...] = fill_holes(features, hole, self._similarity)
        return True

    def has_evaluate(self) -> bool:
        """Report that ``evaluate`` is implemented."""
        return True


class Operators:
    """The operators of one compiled model, which live as long as this does."""

    def __init__(self) -> None:
        self._kept: list[AttentionOp] = []
        self._complete = False

    def add(self, operator: AttentionOp) -> None:
        """Keep an operator, unless a call created it to infer shapes."""
        if not self._complete:
            self._kept.append(operator)

    def complete(self) -> None:
        """Stop keeping operators: the model is compiled."""
        self._complete = True


def read_network(core: Any, path: Path, operators: Operators) -> Any:  # noqa: ANN401
    """Read an exported model; ``operators`` must outlive it and the compiled model."""
    weakly = weakref.ref(operators)  # OpenVINO keeps the function below

    def attention(node: Any) -> Any:  # noqa: ANN401
        """Convert the CSA node; its function body in the file is ignored."""
        inputs = [node.get_input(index) for index in range(len(spec.INPUTS))]
        stated = node.get_attribute(spec.ATTRIBUTE)
        similarity = next(known for known in spec.SIMILARITIES if known == stated)
        owner = weakly()
        assert owner is not None
        return AttentionOp(inputs, similarity, owner).outputs()

    core.add_extension(ConversionExtension(spec.NAME, spec.DOMAIN, attention))
    model = core.read_model(str(path))
    for node in model.get_ordered_ops():
        if node.get_type_name() == "ConvolutionBackpropData" and _keeps_size(node):
            _replace(node)
    return model


def _keeps_size(node: Any) -> bool:  # noqa: ANN401
    """Report whether a transposed convolution is 3x3, of stride 1 and padding 1."""
    form = node.get_attributes()
    names = ("strides", "dilations", "pads_begin", "pads_end", "output_padding")
    ones = all(list(form[name]) == [1, 1] for name in names[:4])
    kernel = list(node.input_value(1).get_partial_shape().to_shape())[2:]
    return ones and list(form[names[4]]) == [0, 0] and kernel == [3, 3]


def _replace(node: Any) -> None:  # noqa: ANN401
    """Replace a transposed convolution by the convolution with the flipped kernel."""
    stored = node.input_value(1).get_node()
    if stored.get_type_name() == "Convert":  # half-precision weights
        stored = stored.input_value(0).get_node()
    kernel = stored.data.astype(np.float32)  # (in, out, 3, 3)
    flipped = np.ascontiguousarray(kernel.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1])
    convolution = opset.convolution(
        node.input_value(0), opset.constant(flipped), [1, 1], [1, 1], [1, 1], [1, 1]
    )
    convolution.set_friendly_name(node.get_friendly_name())
    node.output(0).replace(convolution.output(0))
