"""What every ``csakit`` sub-command does around its work: parse, run, report, exit code."""

import argparse
import sys
from collections.abc import Callable, Sequence

from ...plugins.errors import CsakitError, ExitCode

INTERRUPTED = 130  # 128 + SIGINT, what shells expect


def run_command(
    parser: argparse.ArgumentParser,
    work: Callable[[argparse.Namespace], int],
    arguments: Sequence[str] | None = None,
) -> int:
    """Parse the arguments, do the work, and turn what went wrong into a line and a code.

    Only errors that csakit raises on purpose are turned into text; an unexpected exception
    keeps its traceback, because it is a defect to report.

    Args:
        parser: of the sub-command; its ``prog`` starts every message.
        work: takes the parsed arguments, returns the exit code.
        arguments: of the command line; None takes those of this process.

    Returns:
        The exit code; see ``ExitCode``.
    """
    args = parser.parse_args(arguments)
    try:
        return work(args)
    except CsakitError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `csakit ... | head`
        sys.stderr.close()
        return ExitCode.OK
