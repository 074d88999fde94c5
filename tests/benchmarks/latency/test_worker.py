"""A worker answers every request with what it did, and goes on after an error."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from csakit.benchmarks.latency.cases import Case, reference
from csakit.benchmarks.latency.worker import serve
from csakit.train import CSAInpainter


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Leave torch's threads as they were: here the worker lives in this process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def answers(*requests: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    lines = io.StringIO("".join(json.dumps(request) + "\n" for request in requests))
    written = io.StringIO()
    serve(lines, written)
    return [json.loads(line) for line in written.getvalue().splitlines()]


def opening(file: Path, opener: str = "torch_rivals:open_eager") -> tuple[str, dict[str, Any]]:
    return "open", {"opener": opener, "file": str(file), "threads": 1, "cpus": None}


@pytest.mark.parametrize("opener", ["torch_rivals:open_eager", "torch_rivals:open_python_loop"])
def test_what_is_saved_is_what_the_model_computes(
    small_checkpoint: Path,
    small_model: CSAInpainter,
    cases: list[Case],
    tmp_path: Path,
    opener: str,
) -> None:
    output = tmp_path / "result.npy"

    for case in cases:
        answers(
            opening(small_checkpoint, opener),
            ("run", {"case": case.arguments()}),
            ("save", {"case": case.arguments(), "output": str(output)}),
        )

        # The loop sums in another order; the same model in torch does not.
        np.testing.assert_allclose(np.load(output), reference(small_model, case), atol=5e-5)


def test_opening_and_running_are_timed_apart(small_checkpoint: Path, cases: list[Case]) -> None:
    opened, run, memory = answers(
        opening(small_checkpoint), ("run", {"case": cases[0].arguments()}), ("memory", {})
    )

    assert opened.keys() == {"import_ms", "load_ms"}
    assert opened["load_ms"] > 0
    assert run["ms"] > 0
    assert memory["peak_host_bytes"] > 50 << 20
    assert memory["peak_device_bytes"] is None


def test_a_turn_gives_a_sample_for_each_call_that_counts(
    small_checkpoint: Path, cases: list[Case]
) -> None:
    case = cases[0].arguments()

    _, turn, warm, longer = answers(
        opening(small_checkpoint),
        ("time", {"case": case, "lead": 1, "calls": 3}),
        ("warm", {"case": case, "calls": 2, "seconds": 0.0}),
        ("warm", {"case": case, "calls": 1, "seconds": 0.5}),
    )

    assert len(turn["samples_ms"]) == 3
    assert all(sample > 0 for sample in turn["samples_ms"])
    assert warm == {"calls": 2}
    assert longer["calls"] > 1


def test_an_error_is_an_answer_and_the_worker_goes_on(
    small_checkpoint: Path, tmp_path: Path, cases: list[Case]
) -> None:
    absent, unknown, opened = answers(
        opening(tmp_path / "absent.safetensors"), ("fly", {}), opening(small_checkpoint)
    )

    assert absent["error"].startswith("ContractError: ")
    assert "absent.safetensors" in absent["error"]
    assert unknown == {"error": "KeyError: 'fly'"}
    assert "error" not in opened
