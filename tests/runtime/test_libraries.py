"""What commands leave in an empty home, and libraries that cannot be imported."""

import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import LibraryError, ResourceError
from csakit.runtime import libraries
from helpers.home import MAIN, Home
from PIL import Image

from .conftest import MakeModel

COMMANDS = [entry.name for entry in metadata.entry_points(group="csakit.commands")]
INPAINT = ["inpaint", "photo.png", "mask.png", "-o", "out.png", "--model", "model.onnx"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_leaves_nothing(home: Home, command: str) -> None:
    done = home.python("-c", MAIN, command, "--help")

    assert done.returncode == 0, done.stderr
    assert home.left() == [] == list(home.work.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor"],
        ["inspect", "model.onnx", "--json"],
        INPAINT,
        [*INPAINT, "--backend", "openvino"],
        ["verify", "model.onnx", "--against", "model.onnx", "--layerwise"],
    ],
    ids=lambda arguments: "-".join(arguments[:1] + arguments[7:]),
)
def test_a_command_leaves_only_its_outputs(
    home: Home, make_model: MakeModel, arguments: list[str]
) -> None:
    make_model().rename(home.work / "model.onnx")
    Image.fromarray(np.full((64, 64, 3), 99, np.uint8)).save(home.work / "photo.png")
    Image.fromarray(np.eye(64, dtype=np.uint8) * 255).save(home.work / "mask.png")
    asked = {"model.onnx", "photo.png", "mask.png", "out.png", ".csakit-cache"}

    done = home.python("-c", MAIN, *arguments)

    assert "Traceback" not in done.stderr
    assert home.left() == []
    assert {path.name for path in home.work.iterdir()} <= asked


@pytest.mark.parametrize(
    "module",
    [
        "csakit.runtime",
        "csakit.benchmarks.targets",
        "csakit.export.parity.probe",
        "csakit.benchmarks.attention.ort_form",
    ],
)
def test_no_module_imports_onnxruntime_with_its_telemetry_on(home: Home, module: str) -> None:
    done = home.python("-c", f"import {module}, onnxruntime, time; time.sleep(0.5)")

    assert done.returncode == 0, done.stderr
    assert home.left() == []


def test_openvino_leaves_the_telemetry_of_others_alone(home: Home) -> None:
    program = """
import sys, openvino_telemetry as before
from csakit.runtime.libraries import import_openvino
print(import_openvino().__name__, sys.modules["openvino_telemetry"] is before)
"""
    pytest.importorskip("openvino")

    done = home.python("-c", program)

    assert done.stdout.split() == ["openvino", "True"], done.stderr
    assert home.left() == []


@pytest.mark.parametrize(
    "program",
    [
        "from csakit.runtime import Inpainter; Inpainter.open({model!r}, backend='openvino')",
        "from csakit.runtime import open_session as o; o({model!r}, backend='openvino').close()",
        "from concurrent.futures import ThreadPoolExecutor as T; {model!r}; from csakit.runtime."
        "libraries import import_openvino as i; list(T(8).map(lambda _: i(), range(8)))",
    ],
    ids=["Inpainter", "open_session", "threads"],
)
def test_a_program_that_uses_openvino_leaves_nothing(
    home: Home, make_model: MakeModel, program: str
) -> None:
    pytest.importorskip("openvino")
    code = program.format(model=str(make_model())) + "; import time; time.sleep(0.5)"

    done = home.python("-c", code)

    assert done.returncode == 0, done.stderr
    assert home.left() == []


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (ImportError("libonnxruntime.so: undefined symbol"), LibraryError, "--force-reinstall"),
        (MemoryError(), ResourceError, "too little memory"),
        (ImportError("x.so: failed to map segment from shared object"), ResourceError, "memory"),
        (ImportError("x.so: cannot allocate memory in static TLS"), ResourceError, "memory"),
    ],
)
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_library_that_fails_is_reported_with_its_cause(
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    expected: type[Exception],
    message: str,
    name: str,
) -> None:
    failing(monkeypatch, name, raised)

    with pytest.raises(expected, match=message):
        getattr(libraries, f"import_{name}")()


def test_an_interrupt_inside_an_import_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = ImportError("initialization failed")
    raised.__cause__ = KeyboardInterrupt()
    failing(monkeypatch, "onnxruntime", raised)

    with pytest.raises(KeyboardInterrupt):
        libraries.import_onnxruntime()


def failing(monkeypatch: pytest.MonkeyPatch, name: str, raised: Exception) -> None:
    """Replace a module by one whose import raises."""

    class Finder:
        def find_spec(self, wanted: str, *_: object) -> None:
            if wanted == name:
                raise raised

    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
