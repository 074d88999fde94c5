"""A verification that cannot be done is refused before anything is imported for it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from csakit.export.parity.request import VerifyRequest
from csakit.plugins.errors import ContractError

MODEL, ENGINE = Path("m.onnx"), Path("m.engine")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"model": MODEL}, r"--against must name what m\.onnx is compared with"),
        ({"model": MODEL, "against": MODEL}, "Add --layerwise to compare two exports"),
        ({"model": MODEL, "against": ENGINE}, r"--against must be \.safetensors or \.onnx"),
        ({"model": ENGINE, "against": ENGINE}, r"--against must be \.safetensors or \.onnx"),
        (
            {"model": MODEL, "against": Path("m.safetensors"), "layerwise": True},
            r"--layerwise compares with an \.onnx file; got m\.safetensors",
        ),
        ({"model": ENGINE, "backend": "onnxruntime"}, r"are for \.onnx files; got m\.engine"),
        ({"model": ENGINE, "all_tensors": True}, "--all-tensors goes with --layerwise"),
    ],
)
def test_what_cannot_be_compared_is_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ContractError, match=text):
        VerifyRequest(**fields)


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        (
            {"model": MODEL, "against": Path("m.safetensors")},
            "csakit verify m.onnx --against m.safetensors --case c.npz",
        ),
        ({"model": ENGINE}, "csakit verify m.engine --case c.npz"),
        (
            {"model": ENGINE, "layerwise": True, "all_tensors": True},
            "csakit verify m.engine --layerwise --all-tensors --case c.npz",
        ),
    ],
)
def test_the_command_repeats_it_on_one_case(fields: dict[str, Any], command: str) -> None:
    assert " ".join(VerifyRequest(**fields).command(Path("c.npz"))) == command


def test_a_wrong_request_imports_no_framework() -> None:
    program = (
        "import sys; from csakit.export.cli.verify import main; code = main(['m.onnx']); "
        "sys.exit(10 + code if not {'torch', 'onnx', 'polygraphy'} & sys.modules.keys() else 1)"
    )

    finished = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)

    assert finished.returncode == 12
