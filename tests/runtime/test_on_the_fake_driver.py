"""The tests of device and session, in a process that has a fake GPU and does not know.

Which of them failed, and why, is in the message.
"""

import re
from pathlib import Path

import pytest
from csakit.runtime.device.open_device import BINDINGS, choose_binding
from helpers.fake_driver import run_python

TESTS = Path(__file__).parents[1]
FILES = (
    "runtime/device/test_device.py",
    "runtime/device/test_device_context.py",
    "runtime/engine/test_engine_session.py",
    "runtime/engine/test_engine_trouble.py",
    "benchmarks/test_engine_overhead.py",
)


@pytest.mark.parametrize("binding", BINDINGS)
def test_all_of_it_passes_on_the_fake_driver(binding: str) -> None:
    choice = choose_binding(binding)
    if choice.binding is None:
        pytest.skip(choice.reason)

    files = [str(TESTS / file) for file in FILES]
    done = run_python("-m", "pytest", "-q", *files, "-k", binding)

    summary = done.stdout.strip().splitlines()[-1:]
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"\d+ passed, \d+ deselected in .*", summary[0]), done.stdout
