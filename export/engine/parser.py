"""Parse an exported model with TensorRT, and explain the parser's errors."""

from pathlib import Path
from typing import Any, Final

import onnx

from ...plugins import spec
from ...plugins.errors import EngineError
from ...runtime.engine.tensorrt_module import TensorRTModule, plain
from ..graph.surgery import csa_nodes

# Keywords of the parser's errors, in lower case, and the remedies.
_REMEDIES: Final = (
    (
        "plugin not found",
        "Build the plugin with `csakit plugin build --tensorrt-include DIR`, or use the function "
        "body: --no-plugin.",
    ),
    ("uint8", "Export it again with this csakit: TensorRT only converts bytes."),
    ("external", "Copy the .weights file beside the model, or export it again."),
)
_OTHERWISE: Final = "Try another version of TensorRT, and report this with what it printed."


def parse(module: TensorRTModule, network: Any, model: onnx.ModelProto, path: Path) -> None:  # noqa: ANN401
    """Fill an empty network from a model that ``surgery.for_tensorrt`` prepared."""
    parser = module.trt.OnnxParser(network, module.log)
    module.log.clear()
    if not parser.parse(model.SerializeToString(), str(path)):
        raise EngineError(explain(module.title, path, parser))
    _check_attention(module, network, model, path)


def explain(title: str, path: Path, parser: Any) -> str:  # noqa: ANN401
    """Return an error text of two or more lines: the refused node, the reason, a remedy."""
    if not parser.num_errors:
        return f"{title} cannot read {path}, and gives no reason\n{_OTHERWISE}"
    error = parser.get_error(0)  # the others follow from it
    where = f"node {error.node()}"
    if error.node_name():
        where += f" {error.node_name()!r}"
    if error.node_operator():
        where += f", operator {error.node_operator()}"
    stack = list(error.local_function_stack()) if hasattr(error, "local_function_stack") else []
    if stack:
        where += f", in function {stack[-1]}"
    reason = plain(_first_statement(error.desc()))
    remedy = next((text for key, text in _REMEDIES if key in reason.lower()), _OTHERWISE)
    return f"{title} refuses {path} at {where}: {reason}\n{remedy}"


def _first_statement(text: str) -> str:
    """Return the first cause; the parser repeats the node's name and lists later errors."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Invalid Node - "):
        return lines[1]
    return lines[0] if lines else "no reason given"


def _check_attention(
    module: TensorRTModule,
    network: Any,  # noqa: ANN401
    model: onnx.ModelProto,
    path: Path,
) -> None:
    """Require one plugin layer for each CSA node without a function, and no others."""
    functions = {(function.domain, function.name) for function in model.functions}
    wanted = 0 if (spec.DOMAIN, spec.NAME) in functions else len(csa_nodes(model))
    kinds = [network.get_layer(index).type for index in range(network.num_layers)]
    made = sum("PLUGIN" in str(kind) for kind in kinds)
    if made != wanted:
        raise EngineError(
            f"{module.title} made {made} plugin layers of {path}; this build needs {wanted}\n"
            "Build in a process that has registered no plugins."
        )
