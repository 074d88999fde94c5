"""The exceptions that csakit raises on purpose, and the exit codes that commands map them to.

A message states the rule, the value that broke it, and the remedy.
"""

import enum


class ExitCode(enum.IntEnum):
    """Exit codes of the csakit commands."""

    OK = 0
    CHECK_FAILED = 1  # parity or a regression limit was broken
    USAGE = 2  # wrong arguments or input
    ENVIRONMENT = 3  # something is not installed or cannot run here
    INCONCLUSIVE = 4  # the compared records do not allow a verdict


class CsakitError(Exception):
    """Base of every exception that csakit raises on purpose."""

    exit_code = ExitCode.ENVIRONMENT


class ContractError(CsakitError, ValueError):
    """An argument or a file breaks a documented shape, type, range or format."""

    exit_code = ExitCode.USAGE


class LibraryError(CsakitError, RuntimeError):
    """A library is missing, stale, or reported a failure."""


class EngineError(CsakitError, RuntimeError):
    """A model or an engine cannot be built, loaded or run here."""


class ResourceError(CsakitError, RuntimeError):
    """The machine has run out of a resource: memory, disk space, open files."""


class ParityError(EngineError):
    """A model differs from its source by more than a limit."""

    exit_code = ExitCode.CHECK_FAILED


class PrecisionError(EngineError):
    """An engine computes in another precision than its model states."""

    exit_code = ExitCode.CHECK_FAILED


class DivergenceError(EngineError):
    """Training has diverged: a loss or a weight is not finite."""

    exit_code = ExitCode.CHECK_FAILED
