"""A command is run to its end or stopped, with all that it started; nothing makes that fail."""

import os
import sys
import time
from pathlib import Path

import pytest
from csakit.benchmarks.acceptance import running
from csakit.benchmarks.acceptance.running import Ended, run


def start(program: str, folder: Path, limit_s: float = 30.0, **variables: str) -> Ended:
    """Run a line of Python."""
    return run(
        [sys.executable, "-c", program],
        limit_s=limit_s,
        folder=folder,
        environment={"PATH": os.environ["PATH"], **variables},
    )


def is_running(pid: int) -> bool:
    """Tell whether a process works; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_code_and_output_of_both_streams_are_kept(tmp_path: Path) -> None:
    ended = start("import sys; print('out', flush=True); sys.exit('err')", tmp_path)

    assert (ended.code, ended.output) == (1, "out\nerr\n")
    assert 0 < ended.seconds < 30


def test_folder_and_variables_are_those_given(tmp_path: Path) -> None:
    ended = start("import os; print(os.getcwd(), os.environ.get('COLOUR'))", tmp_path, COLOUR="red")

    assert ended.output.split() == [str(tmp_path.resolve()), "red"]


def test_a_signal_is_a_negative_code(tmp_path: Path) -> None:
    assert start("import os; os.kill(os.getpid(), 9)", tmp_path).code == -9


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    ended = start("import sys; sys.stdout.buffer.write(b'a\\xffb')", tmp_path)

    assert ended.output == "a\N{REPLACEMENT CHARACTER}b"


def test_what_cannot_be_started_has_the_code_of_a_shell(tmp_path: Path) -> None:
    ended = run(["/no/such/program"], limit_s=1, folder=tmp_path, environment={})

    assert ended.code == 127
    assert ended.output == "cannot run /no/such/program: No such file or directory"


def test_a_command_that_takes_too_long_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    child = f"{sys.executable!r}, '-c', 'import time; time.sleep(60)'"
    program = (
        f"import subprocess, time; print(subprocess.Popen([{child}]).pid, flush=True)\n"
        "time.sleep(60)"
    )

    ended = start(program, tmp_path, limit_s=2.0)

    assert ended.code is None
    assert ended.seconds < 30
    deadline = time.monotonic() + 10
    while is_running(int(ended.output)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(int(ended.output))


def test_a_command_that_will_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_GRACE_SECONDS", 0.2)
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('here', flush=True); time.sleep(60)"
    )

    ended = start(stubborn, tmp_path, limit_s=2.0)

    assert (ended.code, ended.output) == (None, "here\n")
    assert ended.seconds < 30


def test_no_time_left_is_no_time(tmp_path: Path) -> None:
    assert start("import time; time.sleep(60)", tmp_path, limit_s=-1.0).code is None
