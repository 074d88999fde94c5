"""Implementations are found by name, and those of a processor compute what the oracle computes."""

import numpy as np
import pytest
from csakit.benchmarks.attention.cases import DTYPES, Case, DtypeName, make_problem
from csakit.benchmarks.attention.implementations import GPU, HOST, NAMES
from csakit.benchmarks.attention.run import find_implementations, parity
from csakit.plugins.errors import ContractError, LibraryError
from csakit.plugins.reference import coherent_semantic_attention
from csakit.plugins.spec import Similarity


def test_they_come_in_the_order_of_the_tables_whatever_is_asked_for() -> None:
    found = find_implementations(HOST[::-1], threads=1)

    assert [one.name for one in found] == list(HOST)
    assert len({one.description for one in found}) == len(HOST)
    assert not any(one.on_gpu for one in found)
    assert [one.name for one in find_implementations(["ort", "torch"], 1)] == ["torch", "ort"]


def test_names_that_need_a_gpu_are_the_rest() -> None:
    assert {*HOST, *GPU} == {*NAMES}
    assert all("cuda" in name for name in GPU)


@pytest.mark.parametrize(
    ("names", "threads", "text"),
    [
        ([], 1, "backends must be of oracle, python-loop, torch, ort"),
        (["torch", "cudda"], 1, "backends must be of oracle, python-loop, torch, ort"),
        (["oracle"], 0, "threads must be at least 1; got 0"),
    ],
)
def test_unknown_names_and_no_threads_are_refused(
    names: list[str], threads: int, text: str
) -> None:
    with pytest.raises(ContractError, match=text):
        find_implementations(names, threads)


@pytest.mark.parametrize("name", GPU)
def test_one_of_a_gpu_is_refused_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    with pytest.raises(LibraryError, match=f"^{name} must have an NVIDIA GPU"):
        find_implementations([name], threads=1)


@pytest.mark.parametrize("name", HOST)
@pytest.mark.parametrize("dtype", DTYPES)
def test_each_of_a_processor_fills_what_the_oracle_fills(
    name: str, dtype: DtypeName, similarity: Similarity
) -> None:
    case = Case(holes=70, batch=2, channels=48, side=12, dtype=dtype, similarity=similarity)
    problem = make_problem(case)
    (one,) = find_implementations([name], threads=1)

    prepared = one.prepare(problem)
    prepared.call()
    filled = prepared.result()

    expected = coherent_semantic_attention(problem.features, problem.hole, similarity)
    found = parity(problem, filled, expected.astype(np.float32), one.storage or dtype)
    assert found.passed, found
    assert filled.dtype == np.float32


def test_the_loop_alone_needs_a_known_position() -> None:
    full = Case(holes=64, side=8)

    reasons = {one.name: one.refusal(full) for one in find_implementations(HOST, threads=1)}

    assert reasons.pop("python-loop") == "it needs a known position"
    assert set(reasons.values()) == {None}
