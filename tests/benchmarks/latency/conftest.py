"""What tests of the latency benchmark share; tiny networks, exported once."""

import dataclasses
from pathlib import Path

import pytest
from csakit.benchmarks.latency.backends import BACKENDS
from csakit.benchmarks.latency.cases import Case, make_cases
from csakit.benchmarks.latency.models import Candidate
from csakit.benchmarks.latency.plan import QUICK, Plan


@pytest.fixture
def plan() -> Plan:
    """One round of two calls on two cases, on one thread."""
    return dataclasses.replace(QUICK, threads=1, rounds=1, calls=2, lead=1)


@pytest.fixture
def cases(plan: Plan) -> list[Case]:
    return make_cases(plan)


@pytest.fixture
def candidates(small_checkpoint: Path, small_onnx: Path) -> list[Candidate]:
    """The torch model, and its export."""
    options = {"precision": "fp32", "io": "float"}
    return [
        Candidate(name=name, backend=BACKENDS[name], file=file, options=options)
        for name, file in (("torch", small_checkpoint), ("ort", small_onnx))
    ]
