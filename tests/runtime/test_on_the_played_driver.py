"""The tests of the device and of the session, in a process that has no GPU and does not know."""

import importlib.util
from pathlib import Path

import pytest
from helpers.played_driver import run_python

FILES = (
    "test_device.py",
    "test_device_context.py",
    "test_engine_session.py",
    "test_engine_trouble.py",
)
PARTS = [
    pytest.param(file, adapter, id=f"{file}-{adapter}")
    for file in FILES
    for adapter in ("cuda-python", "pycuda")
]


@pytest.mark.parametrize(("file", "adapter"), PARTS)
def test_all_of_it_passes_on_the_played_driver(file: str, adapter: str) -> None:
    module = adapter.replace("cuda-python", "cuda")
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{adapter} is not installed")

    done = run_python("-m", "pytest", "-q", str(Path(__file__).with_name(file)), "-k", adapter)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout.splitlines()[-1], done.stdout
