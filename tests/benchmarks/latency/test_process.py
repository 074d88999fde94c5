"""A worker process answers, says why it died, and ends with its block."""

import os
from pathlib import Path

import pytest
from csakit.benchmarks.latency.process import Process, started
from csakit.plugins.errors import EngineError


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_answers_and_ends_with_its_block(tmp_path: Path) -> None:
    with started("ort", 1, tmp_path) as process:
        answer = process.ask("memory")
        pid = process._process.pid
        assert running(pid)

    assert answer["peak_host_bytes"] > 1 << 20
    assert not running(pid)
    process.close()  # a second time


def test_what_a_worker_could_not_do_is_an_error_of_ours(tmp_path: Path) -> None:
    with started("ort", 1, tmp_path) as process:
        with pytest.raises(EngineError, match="ModuleNotFoundError: No module named"):
            process.ask("open", opener="absent:open", file="x", threads=1, cpus=None)
        assert process.ask("memory")


def test_a_process_that_died_says_so_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("csakit.benchmarks.latency.process._MODULE", "csakit.no_such_module")
    with started("ort", 1, tmp_path) as process:
        process._process.wait()

        with pytest.raises(EngineError, match=r"the process of ort died: .*no_such_module"):
            process.ask("memory")


def test_a_process_that_was_killed_says_its_exit_code(tmp_path: Path) -> None:
    with started("ort", 1, tmp_path) as process:
        process.ask("memory")
        process._process.kill()

        with pytest.raises(EngineError, match="exit code -9, and it printed nothing"):
            process.ask("memory")


def test_a_worker_stays_on_the_processors_it_was_given(tmp_path: Path, small_onnx: Path) -> None:
    allowed = os.sched_getaffinity(0)
    one = min(allowed)

    with started("ort", 1, tmp_path) as process:
        process.ask(
            "open", opener="ort_rival:open_onnx", file=str(small_onnx), threads=1, cpus=[one]
        )
        pinned = os.sched_getaffinity(process._process.pid)

    assert pinned == {one}
    assert os.sched_getaffinity(0) == allowed


def test_an_error_in_the_block_ends_the_process(tmp_path: Path) -> None:
    workers: list[Process] = []

    def interrupted() -> None:
        with started("ort", 1, tmp_path) as process:
            workers.append(process)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not running(workers[0]._process.pid)
