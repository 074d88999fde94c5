"""On a GPU: an engine built here is verified, and looked into tensor by tensor."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from csakit.export.engine.build_engine import build_engine
from csakit.export.engine.config import BuildConfig
from csakit.export.engine.tensorrt_api import MODULES
from csakit.plugins.architectures import devices
from csakit.plugins.errors import LibraryError
from csakit.plugins.library import find_library
from csakit.runtime.engine.manifest import manifest_path, read_manifest
from helpers.exported import Subject

pytestmark = pytest.mark.gpu


def has_plugin() -> bool:
    try:
        find_library("csakit_trt")
    except LibraryError:
        return False
    return True


@pytest.fixture(params=sorted(MODULES))
def engine(request: pytest.FixtureRequest, half: Subject, tmp_path: Path) -> Path:
    """An fp16 engine of this machine's GPU, with the plugin where it is built."""
    if importlib.util.find_spec(MODULES[request.param]) is None:
        pytest.skip(f"{MODULES[request.param]} is not installed")
    targets = tuple(devices()[:1]) if request.param == "tensorrt-rtx" else None
    config = BuildConfig(builder=request.param, targets=targets, plugin=has_plugin())
    build_engine(half.path, tmp_path / "model.engine", config)
    return tmp_path / "model.engine"


@pytest.mark.parametrize("options", [[], ["--layerwise"]], ids=["output", "layerwise"])
def test_an_engine_built_here_is_right(engine: Path, options: list[str]) -> None:
    program = "import sys; from csakit.export.cli.verify import main; sys.exit(main())"

    done = subprocess.run(  # a process of its own: Polygraphy takes one TensorRT in each
        [sys.executable, "-c", program, str(engine), *options],
        cwd=engine.parent,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    parity = read_manifest(manifest_path(engine)).parity
    assert options or (parity is not None and parity["passed"])
