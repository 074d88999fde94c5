"""Run one command for a limited time, with everything that it starts."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_GRACE_SECONDS: Final = 5.0  # between asking a process to end and ending it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended.

    Attributes:
        code: that it returned; negative for a signal; None if it was stopped for its time.
        output: all that it printed.
        seconds: that it took.
    """

    code: int | None
    output: str
    seconds: float


def run(
    command: Sequence[str], *, limit_s: float, folder: Path, environment: Mapping[str, str]
) -> Ended:
    """Run a command; never fails, whatever the command does.

    Args:
        command: program and arguments.
        limit_s: seconds after which it, and all that it started, is stopped.
        folder: to run it in.
        environment: all variables that it sees.

    Returns:
        How it ended. What cannot be started has the code 127, as in a shell.
    """
    start = time.monotonic()
    # A file and not a pipe: what a stopped command leaves running cannot keep it open.
    with tempfile.TemporaryFile() as printed:
        try:
            process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            text = f"cannot run {command[0]}: {error.strerror}"
            return Ended(code=127, output=text, seconds=time.monotonic() - start)
        try:
            code: int | None = process.wait(timeout=max(limit_s, 0.0))
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _stop(process)
        printed.seek(0)
        output = printed.read().decode(errors="replace")
    return Ended(code=code, output=output, seconds=time.monotonic() - start)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the process and its group; harmless where nothing of it is left."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, kind)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_GRACE_SECONDS)
