"""A child process that inherits an open model by fork: it ends, and cannot use the model."""

import subprocess
import sys

import pytest

from ..conftest import MakeModel

PROGRAM = """
import os, sys, threading, time, gc
import numpy as np
from csakit.plugins.errors import EngineError
from csakit.runtime import Inpainter
model, backend, how = sys.argv[1:]
image = np.zeros((96, 96, 3), np.uint8); hole = np.zeros((96, 96), bool); hole[40:60, 40:60] = True
inpaint = Inpainter.open(model, threads=4, backend=backend)
inpaint(image, hole)
child = os.fork()
if child == 0:
    if how == "run":
        try:
            inpaint(image, hole)
        except EngineError as error:
            os._exit(0 if "does not survive a fork" in str(error) else 4)
        os._exit(5)
    if how == "grandchild" and (child := os.fork()):
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    if how == "forget":
        del inpaint
        gc.collect()
    if how == "close":
        inpaint.close()
    if how == "reopen":
        inpaint.close()
        with Inpainter.open(model, threads=4, backend=backend) as again:
            again(image, hole)
        os._exit(0)
    sys.exit(0)
for _ in range(300):
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        break
    time.sleep(0.1)
else:
    os.kill(child, 9)
    os.waitpid(child, 0)
    sys.exit("the child did not end")
inpaint(image, hole)  # the parent is not disturbed
inpaint.close()
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("how", ["run", "close", "forget", "exit", "grandchild"])
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_forked_child_ends_and_cannot_run_the_model(
    make_model: MakeModel, backend: str, how: str
) -> None:
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(make_model()), backend, how],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr


def test_a_child_may_open_the_model_again(make_model: MakeModel) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(make_model()), "onnxruntime", "reopen"],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
