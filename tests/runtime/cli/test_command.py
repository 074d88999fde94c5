"""Commands turn our errors into a line and a code, and leave other errors alone."""

import argparse

import pytest
from csakit.plugins.errors import ContractError, EngineError, ExitCode
from csakit.runtime.cli.command import INTERRUPTED, run_command


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
