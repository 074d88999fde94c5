"""Common code of all ``csakit`` commands: parse, run, report errors, return an exit code."""

import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ...plugins.errors import CsakitError, ExitCode
from ..files.failures import OF_WRITING, failure

if TYPE_CHECKING:
    import argparse

_CONTROLS: Final = re.compile(  # but tabs and line ends; with marks that reverse text
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
_NO_VALUE: Final = re.compile(r"(--[\w-]+)=--|(-\w)--")
_SIGNALLED: Final = 128  # plus the signal's number, as shells expect
INTERRUPTED: Final = _SIGNALLED + signal.SIGINT
_ENDINGS: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class _EndedBySignalError(BaseException):
    """SIGTERM or SIGHUP arrived; an exception, so that unfinished files are removed."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def new_parser(prog: str, description: str, epilog: str) -> "argparse.ArgumentParser":
    """Return the parser of a command; the epilog keeps its line breaks."""
    import argparse  # deferred: `csakit --help` does not need it

    raw = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(prog, None, description, epilog, formatter_class=raw)


def run_command(
    parser: "argparse.ArgumentParser",
    work: "Callable[[argparse.Namespace], int]",
    arguments: Sequence[str] | None = None,
) -> int:
    """Parse the arguments and run ``work`` under ``guard``; return its exit code."""
    return guard(parser.prog, lambda: work(_parse(parser, arguments)))


def _parse(parser: "argparse.ArgumentParser", arguments: Sequence[str] | None) -> Any:  # noqa: ANN401
    """Parse arguments; refuse empty ones, and ``--option=--``, an empty list to older Pythons.

    An empty path would mean the current folder.
    """
    for given in sys.argv[1:] if arguments is None else arguments:
        if match := _NO_VALUE.fullmatch(given):
            parser.error(f"argument {match[1] or match[2]}: expected one argument")
        if not given:
            parser.error("an argument is empty: is a variable of the shell not set?")
    return parser.parse_args(arguments)


def guard(program: str, work: Callable[[], int]) -> int:
    """Run ``work``; report errors of csakit, signals and failures of the machine in one line.

    Any other exception is a defect and keeps its traceback. The exit code is one of ``ExitCode``,
    or 130, 143 or 129 after an interrupt, SIGTERM or SIGHUP.
    """
    _prepare_streams()
    try:
        with _signals_as_exceptions():
            code = work()
    except CsakitError as error:
        code = _report(program, str(error), error.exit_code)
    except KeyboardInterrupt:
        code = _report(program, "interrupted", INTERRUPTED)
    except _EndedBySignalError as error:
        name = signal.Signals(error.number).name
        code = _report(program, f"ended by {name}", _SIGNALLED + error.number)
    except BrokenPipeError:  # `csakit ... | head`
        _discard_output()
        code = ExitCode.OK
    except SystemExit:  # of argparse, after --help and wrong arguments
        if _flush(program, ExitCode.OK) == ExitCode.OK:
            raise
        return ExitCode.ENVIRONMENT
    except Exception as error:
        if _interrupted(error):
            return _report(program, "interrupted", INTERRUPTED)
        path = getattr(error, "filename", None)
        of_writing = getattr(error, "errno", None) in OF_WRITING  # atomic writes name their files
        doing = f"use {path}" if path else "print the output" if of_writing else "go on"
        problem = failure(error, doing)
        if problem is None:
            raise
        code = _report(program, str(problem), problem.exit_code)
    return _flush(program, code)


def _interrupted(error: BaseException | None) -> bool:
    """Report whether Ctrl-C caused an error; imports of native modules wrap it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def printable(text: object) -> str:
    """Return a text without terminal control characters, which file names may contain."""
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], str(text))


def _report(program: str, text: str, code: int) -> int:
    with contextlib.suppress(OSError):  # stderr is closed
        print(f"{program}: {printable(text)}", file=sys.stderr)
    return code


def _flush(program: str, code: int) -> int:
    """Flush the output now rather than when Python exits; return the exit code."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
    except OSError as error:
        _discard_output()
        return _report(program, str(failure(error, "print the output")), ExitCode.ENVIRONMENT)
    return code


def _discard_output() -> None:
    """Redirect stdout to /dev/null, so that Python's flush at exit does not fail."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_streams() -> None:
    """Print unencodable characters as escapes; reopen closed streams on /dev/null."""
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            _fill_descriptor(number)  # otherwise the next opened file would get the output
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
        elif name != "stdin" and hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="backslashreplace")


def _fill_descriptor(number: int) -> None:
    """Open /dev/null as a standard descriptor that is closed."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


@contextlib.contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """Raise on SIGTERM and SIGHUP, unless they are ignored or handled already."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        raise _EndedBySignalError(number)

    ours = []
    if threading.current_thread() is threading.main_thread():
        ours = [one for one in _ENDINGS if signal.getsignal(one) is signal.SIG_DFL]
    for one in ours:
        signal.signal(one, end)
    try:
        yield
    finally:
        for one in ours:
            signal.signal(one, signal.SIG_DFL)
