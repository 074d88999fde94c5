"""The form that every ONNX runtime can run: the function body of exported files."""

import functools

import numpy as np
import onnxruntime

from ...plugins.spec import Similarity
from .forms import Floats, Form, Prepared
from .function_model import function_model
from .problems import Problem


def ort_form(threads: int) -> Form:
    """Give the form.

    Args:
        threads: processor threads that ONNX Runtime may use.

    Returns:
        It, on the CPU.
    """
    return Form(
        name="ort",
        what="the function body of exported files, in ONNX Runtime on the CPU",
        prepare=functools.partial(_prepare, threads=threads),
    )


def _prepare(problem: Problem, *, threads: int) -> Prepared:
    session = _session(problem.case.similarity, problem.case.dtype, threads)
    feeds = {"features": problem.features, "hole": problem.hole}
    kept: list[Floats] = []

    def call() -> None:
        kept[:] = session.run(None, feeds)

    return Prepared(call, lambda: kept[0].astype(np.float32))


@functools.cache
def _session(similarity: Similarity, dtype: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # The rivals live in one process; threads of one that spin would steal another one's cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        function_model(similarity, features=dtype).SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
    )
