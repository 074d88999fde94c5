"""TensorRT's own ONNX parser makes the plugin from the node that an export has.

TensorRT for RTX has that parser and runs without a GPU, but cannot host plugins: after it made
one it ends the process. So each parse has a process of its own, and its log is what counts.
"""

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from csakit.export.graph.surgery import OPSET
from csakit.plugins import spec
from helpers.trt_plugin import plugin_libraries
from onnx import TensorProto, helper

PARSE = """
import sys, tensorrt_rtx as trt

class Logger(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
    def log(self, severity, text):
        print(text, flush=True)

logger = Logger()
assert trt.get_plugin_registry().load_library(sys.argv[1]) is not None
builder = trt.Builder(logger)
network = builder.create_network(0)
parser = trt.OnnxParser(network, logger)
parsed = parser.parse(open(sys.argv[2], "rb").read())
print("parsed:", parsed)
"""


def write_model(path: Path, **attributes: str) -> Path:
    """Write a model of one CSA node without its function, as TensorRT is given with a plugin."""
    side = ["batch", 1, "height", "width"]
    node = helper.make_node(
        spec.NAME,
        spec.INPUTS,
        spec.OUTPUTS,
        name=spec.NAME,
        domain=spec.DOMAIN,
        plugin_version=spec.VERSION,
        plugin_namespace=spec.NAMESPACE,
        **attributes,
    )
    features, filled = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT16, [side[0], 64, *side[2:]])
        for name in (spec.INPUTS[0], spec.OUTPUTS[0])
    )
    hole = helper.make_tensor_value_info(spec.INPUTS[1], TensorProto.FLOAT, side)
    graph = helper.make_graph([node], "csa", [features, hole], [filled])
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(spec.DOMAIN, 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), path)
    return path


def parse(model: Path) -> str:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    library = plugin_libraries() / "libcsakit_trt.so"
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(library), str(model)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_the_parser_makes_the_plugin_of_an_exported_node(tmp_path: Path, similarity: str) -> None:
    log = parse(write_model(tmp_path / "csa.onnx", similarity=similarity))

    assert f"Successfully created plugin: {spec.NAME}" in log


@pytest.mark.parametrize("attributes", [{}, {"similarity": "cosin"}], ids=["missing", "misspelt"])
def test_the_parser_refuses_a_node_that_the_plugin_refuses(
    tmp_path: Path, attributes: dict[str, str]
) -> None:
    log = parse(write_model(tmp_path / "csa.onnx", **attributes))

    assert "Could not create the plugin" in log
    assert log.endswith("parsed: False\n")
