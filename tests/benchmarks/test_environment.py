"""The environment of a record is true, and names neither host nor folders."""

import dataclasses
import importlib.metadata
import json
import platform
import re
import subprocess
from pathlib import Path

import pytest
from csakit.benchmarks import environment
from csakit.benchmarks.record import without_paths


def test_the_source_is_this_checkout() -> None:
    source = environment.source()

    head = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert source.version == importlib.metadata.version("csakit")
    assert source.commit == (head.stdout.strip() or None)
    assert (source.dirty is None) == (source.commit is None)


@pytest.mark.parametrize(
    ("answers", "expected", "count"),
    [
        ({"ls-files": "file\n", "rev-parse": "abc\n", "status": " M a.py\n"}, ("abc", True), 3),
        ({"ls-files": "file\n", "rev-parse": "abc\n", "status": ""}, ("abc", False), 3),
        ({"ls-files": ""}, (None, None), 1),  # a checkout of something else
    ],
)
def test_changed_sources_are_dirty_and_an_untracked_file_has_no_commit(
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, str],
    expected: tuple[str | None, bool | None],
    count: int,
) -> None:
    asked: list[str] = []

    def output(command: list[str], _: Path) -> str:
        asked.extend(word for word in command if word in answers)
        return answers[asked[-1]]

    monkeypatch.setattr(environment, "_output", output)

    source = environment.source()

    assert (source.commit, source.dirty) == expected
    assert len(asked) == count


def test_the_machine_is_described_without_its_name() -> None:
    described = environment.environment((1, 0))

    text = json.dumps(dataclasses.asdict(described))
    assert described.cpus_used == (0, 1)
    assert described.logical_cpus >= 1
    assert described.ram_bytes is not None
    assert described.ram_bytes > 1 << 28
    assert platform.release() in described.system
    assert without_paths(text) == text
    host = platform.node()
    assert len(host) < 4 or host not in text


def test_the_driver_s_tool_names_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "NVIDIA H200, 143771, 9.0, 580.95.05\nNVIDIA H200, 143771, 9.0, 580.95.05\n"
    monkeypatch.setattr(environment, "_output", lambda command, _: line)

    gpu = environment.first_gpu()

    assert gpu == environment.Gpu(
        name="NVIDIA H200", memory_bytes=143771 << 20, compute_capability="9.0", driver="580.95.05"
    )


@pytest.mark.parametrize("answer", ["", "No devices were found\n", "a, [N/A], 9.0, 5\n"])
def test_without_a_gpu_there_is_none(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(environment, "_output", lambda command, _: answer)

    assert environment.first_gpu() is None


def test_a_tool_that_is_absent_or_fails_has_no_output(tmp_path: Path) -> None:
    assert environment._output(["no-such-tool"], tmp_path) == ""
    assert environment._output(["false"], tmp_path) == ""


def test_versions_are_of_what_is_installed() -> None:
    found = environment.libraries(("numpy", "no-such-library"))

    assert set(found) == {"python", "numpy"}
    assert found["python"] == platform.python_version()


def test_the_time_is_utc_to_the_second() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", environment.now())
