"""A child process that inherits an open model by fork: it ends, and cannot use the model."""

import itertools

import pytest
from helpers.python import succeed

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


WAYS = itertools.product(
    ("onnxruntime", "openvino"), ("run", "close", "forget", "exit", "grandchild")
)


@pytest.mark.parametrize(("backend", "how"), [*WAYS, ("onnxruntime", "reopen")])
def test_a_forked_child_ends_and_cannot_run_the_model_unless_it_opens_it_again(
    make_model: MakeModel, backend: str, how: str
) -> None:
    pytest.importorskip(backend)

    succeed(PROGRAM, make_model(), backend, how)
