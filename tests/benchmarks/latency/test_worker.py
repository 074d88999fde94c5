"""A worker process answers every request, goes on after an error, and reports why it died."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from csakit.benchmarks.latency.cases import Case, reference
from csakit.benchmarks.latency.worker import Process
from csakit.plugins.errors import EngineError
from csakit.train import CSAInpainter

Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start workers that end with the test."""
    started: list[Process] = []

    def starting(cpus: list[int] | None = None) -> Process:
        started.append(Process("ort", 1, cpus, tmp_path))
        return started[-1]

    yield starting
    for process in started:
        process.close()
        process.close()  # a second time


def opening(
    file: Path, opener: str = ".torch_backends:open_torch", **session: str
) -> dict[str, Any]:
    return {
        **{"opener": opener, "session": session, "modules": ("numpy",)},
        **{"file": file, "threads": 1},
    }


def test_the_result_is_what_the_model_computes_and_parts_are_timed_apart(
    start: Start, small_checkpoint: Path, small_model: CSAInpainter, cases: list[Case]
) -> None:
    for form in ("eager", "loop"):
        process = start()
        import_ms, load_ms = process.ask("open", **opening(small_checkpoint, form=form))
        process.ask("add_cases", inputs=[(case.image, case.hole) for case in cases])
        for index, case in enumerate(cases):
            (first_ms,) = process.ask("run", case=index)

            # The loop sums in another order; the same model in torch does not.
            found = process.ask("result", case=index)
            np.testing.assert_allclose(found, reference(small_model, case), atol=5e-5)
        assert min(import_ms, load_ms, first_ms) > 0
        assert process.ask("peak_host_bytes") > 50 << 20


def test_untimed_calls_have_no_sample(start: Start, small_onnx: Path, cases: list[Case]) -> None:
    process = start()
    process.ask("open", **opening(small_onnx, "csakit.runtime:open_session"))
    process.ask("add_cases", inputs=[(cases[0].image, cases[0].hole)])

    process.ask("warm_up", case=0, calls=1, seconds=0.1)
    samples = process.ask("run", case=0, lead=1, calls=3)

    assert len(samples) == 3
    assert min(samples) > 0


def test_an_error_is_an_answer_and_the_worker_goes_on(
    start: Start, small_checkpoint: Path, tmp_path: Path
) -> None:
    process = start()

    with pytest.raises(EngineError, match=r"ContractError: .*absent.safetensors"):
        process.ask("open", **opening(tmp_path / "absent.safetensors"))
    with pytest.raises(EngineError, match="ModuleNotFoundError: No module named 'absent'"):
        process.ask("open", **opening(small_checkpoint) | {"modules": ("absent",)})
    with pytest.raises(EngineError, match=r"AttributeError: .*fly"):
        process.ask("fly")
    assert len(process.ask("open", **opening(small_checkpoint))) == 2


def test_a_process_that_died_reports_its_exit_code_and_what_it_printed_is_shown(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fatal.py").write_text("import os\nprint('out of luck', flush=True)\nos._exit(7)")
    monkeypatch.syspath_prepend(str(tmp_path))  # a spawned process has the path of its parent
    process = start()

    with pytest.raises(EngineError, match="the process of ort died with exit code 7"):
        process.ask("open", **opening(tmp_path) | {"modules": ("fatal",)})
    assert "out of luck" in capfd.readouterr().err


def test_a_worker_stays_on_the_processors_it_was_given_and_ends_when_closed(start: Start) -> None:
    allowed = os.sched_getaffinity(0)
    one = min(allowed)

    process = start([one])
    process.ask("peak_host_bytes")
    pid = process._process.pid
    pinned = os.sched_getaffinity(pid)
    process.close()

    assert pinned == {one}
    assert os.sched_getaffinity(0) == allowed
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
