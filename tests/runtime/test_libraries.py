"""What commands leave in an empty home, and libraries that cannot be imported."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import LibraryError, ResourceError
from csakit.runtime import libraries
from PIL import Image

from .conftest import MakeModel

COMMANDS = [entry.name for entry in metadata.entry_points(group="csakit.commands")]
INPAINT = ["inpaint", "photo.png", "mask.png", "-o", "out.png", "--model", "model.onnx"]
EXPECTED = (".cache/csakit/", ".config/matplotlib/", ".cache/matplotlib/", ".cache/scikit-image/")


class Home:
    """An empty home, and a working folder beside it."""

    def __init__(self, folder: Path) -> None:
        self.home, self.work = folder / "home", folder / "work"
        self.home.mkdir()
        self.work.mkdir()

    def python(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        unset = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "ORT_DISABLE_TELEMETRY")
        env = {key: value for key, value in os.environ.items() if key not in unset}
        env |= {"HOME": str(self.home), **variables}
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(
            command, cwd=self.work, env=env, capture_output=True, text=True, timeout=300
        )

    def left(self) -> list[str]:
        """List the files that nobody asked for."""
        found = [path.relative_to(self.home) for path in self.home.rglob("*") if path.is_file()]
        return [str(path) for path in found if not str(path).startswith(EXPECTED)]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


MAIN = "import sys; from csakit.runtime.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_leaves_nothing_when_it_is_asked_for_help(home: Home, command: str) -> None:
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
def test_a_command_leaves_only_what_was_asked_for(
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
    ("raised", "expected", "told"),
    [
        (ImportError("libonnxruntime.so: undefined symbol"), LibraryError, "--force-reinstall"),
        (MemoryError(), ResourceError, "too little memory"),
        (ImportError("x.so: failed to map segment from shared object"), ResourceError, "memory"),
        (ImportError("x.so: cannot allocate memory in static TLS"), ResourceError, "memory"),
    ],
)
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_library_that_fails_is_told_as_what_it_is(
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    expected: type[Exception],
    told: str,
    name: str,
) -> None:
    failing(monkeypatch, name, raised)

    with pytest.raises(expected, match=told):
        getattr(libraries, f"import_{name}")()


def test_an_interrupt_inside_an_import_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = ImportError("initialization failed")
    raised.__cause__ = KeyboardInterrupt()
    failing(monkeypatch, "onnxruntime", raised)

    with pytest.raises(KeyboardInterrupt):
        libraries.import_onnxruntime()


def failing(monkeypatch: pytest.MonkeyPatch, name: str, raised: Exception) -> None:
    """Let the import of a module raise."""

    class Finder:
        def find_spec(self, wanted: str, *_: object) -> None:
            if wanted == name:
                raise raised

    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
