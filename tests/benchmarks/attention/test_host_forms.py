"""The forms of a processor compute what the oracle computes, each in its own type."""

import numpy as np
import pytest
from csakit.benchmarks.attention.forms import HOST, find_forms
from csakit.benchmarks.attention.measure import parity
from csakit.benchmarks.attention.problems import DTYPES, Case, DtypeName, make_problem
from csakit.plugins.reference import coherent_semantic_attention
from csakit.plugins.spec import SIMILARITIES, Similarity


@pytest.mark.parametrize("name", HOST)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_form_fills_what_the_oracle_fills(
    name: str, dtype: DtypeName, similarity: Similarity
) -> None:
    case = Case(holes=70, batch=2, channels=48, side=12, dtype=dtype, similarity=similarity)
    problem = make_problem(case)
    (form,) = find_forms([name], threads=1)

    prepared = form.prepare(problem)
    prepared.call()
    filled = prepared.result()

    expected = coherent_semantic_attention(problem.features, problem.hole, similarity)
    found = parity(problem, filled, expected.astype(np.float32), form.storage or dtype)
    assert found.passed, found
    assert filled.dtype == np.float32


def test_the_loop_alone_needs_a_known_position() -> None:
    full = Case(holes=64, side=8)

    reasons = {form.name: form.refusal(full) for form in find_forms(HOST, threads=1)}

    assert reasons.pop("python-loop") == "it needs a known position"
    assert set(reasons.values()) == {None}
