"""The function body is timed as exported files carry it, with the threads that were asked for."""

import numpy as np
import onnx
import pytest
from csakit.benchmarks.attention import ort_form
from csakit.benchmarks.attention.cases import Case, make_problem
from csakit.benchmarks.attention.ort_form import function_model
from csakit.plugins import spec


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_model_is_one_node_with_its_function(dtype: str) -> None:
    model = function_model("cosine", features=dtype)

    onnx.checker.check_model(model, full_check=True)
    (node,) = model.graph.node
    (function,) = model.functions
    assert node.op_type == function.name == spec.NAME
    assert onnx.helper.get_node_attr_value(node, "similarity") == b"cosine"


def test_a_session_is_opened_once_for_each_type_and_number_of_threads() -> None:
    ort_form._session.cache_clear()
    problem = make_problem(Case(holes=5, channels=16, side=8))

    for threads in (1, 1, 2):
        prepared = ort_form.ort_form(threads).prepare(problem)
        prepared.call()

    assert ort_form._session.cache_info().misses == 2
    assert np.isfinite(prepared.result()).all()
    assert ort_form._session("projection", "float32", 2).get_session_options().intra_op_num_threads
