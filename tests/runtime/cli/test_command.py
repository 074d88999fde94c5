"""Commands turn our errors into a line and a code, and leave other errors alone."""

import argparse
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from csakit.plugins.errors import ContractError, EngineError, ExitCode
from csakit.runtime.cli.command import INTERRUPTED, guard, run_command


def run(error: BaseException | None) -> int:
    def work(_: argparse.Namespace) -> int:
        if error is not None:
            raise error
        return ExitCode.CHECK_FAILED

    return run_command(argparse.ArgumentParser(prog="csakit test"), work, [])


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ContractError("rule; got 3"), ExitCode.USAGE, "csakit test: rule; got 3\n"),
        (EngineError("no"), ExitCode.ENVIRONMENT, "csakit test: no\n"),
        (KeyboardInterrupt(), INTERRUPTED, "csakit test: interrupted\n"),
    ],
)
def test_our_errors_are_a_line_and_a_code(
    error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(error) == code
    assert capsys.readouterr().err == text


def test_the_code_of_the_work_is_returned() -> None:
    assert run(None) == ExitCode.CHECK_FAILED


def test_an_unexpected_error_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run(ZeroDivisionError())


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (PermissionError(errno.EACCES, "x", "a/b.png"), ExitCode.USAGE, "use a/b.png: Permission"),
        (OSError(errno.ENAMETOOLONG, "x", "q" * 300), ExitCode.USAGE, "File name too long"),
        (OSError(errno.ENOSPC, "x"), ExitCode.ENVIRONMENT, "No space left on device"),
        (MemoryError(), ExitCode.ENVIRONMENT, "too little memory"),
    ],
)
def test_failures_of_the_machine_are_a_line_and_a_code(
    error: Exception, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(error) == code
    told = capsys.readouterr().err
    assert told.startswith("csakit test: cannot ")
    assert text in told


WORK = """
import argparse, os, signal, sys, time
from csakit.runtime.cli.command import run_command
from csakit.runtime.files.atomic import atomic_write
from pathlib import Path

def work(_):
    {work}
    return 1

sys.exit(run_command(argparse.ArgumentParser(prog="csakit test"), work, {arguments}))
"""


def process(work: str, arguments: str = "[]", **options: Any) -> tuple[int, str, str]:  # noqa: ANN401
    """Run a command in a process: exit code, stdout, stderr."""
    program = [sys.executable, "-c", WORK.format(work=work, arguments=arguments)]
    ended = subprocess.run(program, stderr=subprocess.PIPE, text=True, timeout=60, **options)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_signals_end_with_their_code_and_leave_nothing(
    tmp_path: Path, name: str, code: int
) -> None:
    work = f"""
    with atomic_write(Path({str(tmp_path)!r}) / "x.png"):
        os.kill(os.getpid(), signal.{name})
        time.sleep(30)
    """

    returned, _, err = process(work)

    assert returned == code
    assert err == f"csakit test: {'interrupted' if name == 'SIGINT' else 'ended by ' + name}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_is_ignored_stays_so() -> None:  # nohup
    work = "os.kill(os.getpid(), signal.SIGHUP)"

    returned, _, err = process(
        work, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )

    assert (returned, err) == (1, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("work", "arguments", "code"),
    [
        ("print('x' * 10)", "[]", {0, 1}),
        ("print('x' * 100_000)", "[]", {0}),
        ("pass", "['--help']", {0}),
    ],
)
def test_a_closed_pipe_is_no_error(
    unbuffered: str, work: str, arguments: str, code: set[int]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}

    returned, _, err = process(work, arguments, stdout=writer, env=environment)

    assert err == ""
    assert returned in code


@pytest.mark.parametrize("arguments", [[""], ["--output", ""], ["a", "", "b"]])
def test_an_empty_argument_is_no_folder(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser(prog="csakit test")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--output", type=Path)

    with pytest.raises(SystemExit) as ended:
        run_command(parser, lambda _: pytest.fail("it ran"), arguments)

    assert ended.value.code == ExitCode.USAGE
    assert "an argument is empty: is a variable of the shell not set?" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("work", "arguments"),
    [
        ("print('x')", "[]"),
        ("print('x', flush=True)", "[]"),
        ("print('x' * 100_000)", "[]"),
        ("pass", "['--help']"),
    ],
)
def test_a_full_output_is_a_line(work: str, arguments: str) -> None:
    options = {"env": {**os.environ, "PYTHONUNBUFFERED": ""}}  # or argparse keeps it for itself
    with Path("/dev/full").open("w") as full:
        returned, _, err = process(work, arguments, stdout=full, **options)

    assert returned == ExitCode.ENVIRONMENT
    assert err.startswith("csakit test: cannot print the output: No space left on device\n")
    assert "Traceback" not in err


def test_closed_streams_are_not_given_to_files(tmp_path: Path) -> None:
    work = f"""
    print("printed")
    with open({str(tmp_path / "x")!r}, "w") as file:
        os.write(1, b"of a library")
        file.write("content")
    """

    returned, _, err = process(work, preexec_fn=lambda: os.close(1))

    assert (returned, err) == (1, "")
    assert (tmp_path / "x").read_text() == "content"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_names_that_cannot_be_encoded_are_printed_with_escapes(encoding: str) -> None:
    work = "print('caf\\u0301 \\udcff')"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}

    _, out, err = process(work, stdout=subprocess.PIPE, env=environment)

    assert err == ""
    assert r"\udcff" in out


def test_names_of_files_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> int:
        raise ContractError("got \x1b]0;title\x07\x9b2J\x7f\u202egnp.x\u2066\nUse another\tname.")

    assert guard("csakit", refuse) == 2

    assert capsys.readouterr().err == (
        "csakit: got \\x1b]0;title\\x07\\x9b2J\\x7f\\u202egnp.x\\u2066\nUse another\tname.\n"
    )
