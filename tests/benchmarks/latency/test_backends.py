"""What can run is told apart from what cannot, and the loop is always there."""

import dataclasses
import importlib
import inspect
from typing import get_type_hints

import pytest
from csakit.benchmarks.latency.backends import BACKENDS, BASELINE, BackendSpec, chosen
from csakit.benchmarks.latency.plan import Plan
from csakit.plugins.errors import ContractError


def test_the_python_loop_is_always_in_the_table_and_first() -> None:
    assert [backend.name for backend in chosen(("ort", "torch", "ort"))] == [
        BASELINE,
        "ort",
        "torch",
    ]
    assert [backend.name for backend in chosen(("torch", BASELINE))] == [BASELINE, "torch"]
    assert chosen(()) == (BACKENDS[BASELINE],)


def test_bfloat16_runs_only_where_it_is_asked_for() -> None:
    plan = Plan()

    assert "openvino-bf16" not in plan.backends
    assert set(BACKENDS) - set(plan.backends) == {"openvino-bf16"}
    assert chosen(("openvino-bf16",))[1].computes == "bf16"


def test_an_unknown_backend_is_refused_with_those_there_are() -> None:
    with pytest.raises(ContractError, match=r"torch-python-loop, torch, .*; got 'tflite'"):
        chosen(("ort", "tflite"))


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=lambda backend: backend.name)
def test_every_opener_exists_and_takes_a_file_and_threads(backend: BackendSpec) -> None:
    module, _, name = backend.opener.partition(":")
    opener = getattr(importlib.import_module(module, "csakit.benchmarks.latency"), name)

    assert inspect.signature(opener).bind("file", threads=1, **backend.session)
    assert callable(get_type_hints(opener)["return"].run)


def test_what_is_not_installed_is_named() -> None:
    backend = dataclasses.replace(BACKENDS["ort"], modules=("onnxruntime", "no_such_module"))

    assert backend.missing() == "no_such_module is not installed"
    assert BACKENDS["ort"].missing() is None


def test_compiling_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")

    assert BACKENDS["torch-compile"].missing() == (
        "it compiles C++, and there is no no-such-compiler"
    )
