"""A build can be interrupted at any time and leaves nothing behind; its failures are explained."""

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from csakit.export.engine.build_engine import build_engine
from csakit.export.engine.builder import remedy_for
from csakit.export.engine.config import BuildConfig
from csakit.plugins.architectures import device_architectures
from csakit.plugins.errors import EngineError
from helpers.exported import Subject

pytestmark = pytest.mark.usefixtures("needs_rtx")

RTX = ["--builder", "tensorrt-rtx", "--targets", "sm_86"]


@contextlib.contextmanager
def default_interrupt() -> Any:  # noqa: ANN401
    """Restore SIGINT for a child; a shell ignores it in background processes."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("delay_s", [0.0, 0.4, 0.8])
def test_ctrl_c_leaves_everything_as_it_was(
    dynamic: Subject, tmp_path: Path, delay_s: float
) -> None:
    before = {"model.engine": b"an engine", "model.engine.json": b"its manifest"}
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-m", "csakit.runtime.cli", "build", str(dynamic.path), *RTX]
    with default_interrupt():
        process = subprocess.Popen(
            [*command, "-o", str(tmp_path / "model.engine")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("building ")

    time.sleep(delay_s)  # into the parsing, the optimisation and the code generation
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "csakit build: interrupted"
    assert "Traceback" not in err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("no tactics to implement the operation within workspace limit", "Raise --workspace"),
        ("Cannot compile 'x' for Turing (SM75)", "Leave sm_75 out of --targets"),
        ("CHECK(status == CUDA_SUCCESS) failed", "This needs a GPU at build time"),
        ("OutOfMemory", "Lower --workspace"),
        ("something new", "Report this"),
    ],
)
def test_a_failure_has_a_remedy(said: str, remedy: str) -> None:
    assert remedy_for(said).startswith(remedy)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"workspace_bytes": 1 << 20}, r"within workspace limit(.|\n)*Raise --workspace"),
        ({"weights": "refit"}, r"CUDA_SUCCESS(.|\n)*needs a GPU at build time"),
        ({"weights": "strip"}, r"CUDA_SUCCESS(.|\n)*needs a GPU at build time"),
    ],
)
def test_what_the_builder_cannot_do_here_is_explained(
    fixed: Subject, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    if "weights" in fields and device_architectures():
        pytest.skip("with a GPU it can")
    config = BuildConfig(builder="tensorrt-rtx", targets=("sm_86",), **fields)

    with pytest.raises(EngineError, match=message):
        build_engine(fixed.path, tmp_path / "a.engine", config)

    assert not list(tmp_path.iterdir())
