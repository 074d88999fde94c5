"""Every error that csakit raises on purpose is one family, and has its exit code."""

import pytest
from csakit.plugins.errors import (
    ContractError,
    CsakitError,
    EngineError,
    ExitCode,
    LibraryError,
)


def test_exit_codes_are_what_scripts_test_for() -> None:
    names = ["OK", "CHECK_FAILED", "USAGE", "ENVIRONMENT", "INCONCLUSIVE"]
    assert [(code.name, code.value) for code in ExitCode] == [*zip(names, range(5), strict=True)]


@pytest.mark.parametrize(
    ("error", "builtin", "code"),
    [
        (CsakitError, Exception, ExitCode.ENVIRONMENT),
        (ContractError, ValueError, ExitCode.USAGE),
        (LibraryError, RuntimeError, ExitCode.ENVIRONMENT),
        (EngineError, RuntimeError, ExitCode.ENVIRONMENT),
    ],
)
def test_each_error_is_also_the_builtin_one_that_a_stranger_would_catch(
    error: type[CsakitError], builtin: type[Exception], code: ExitCode
) -> None:
    assert issubclass(error, CsakitError)
    assert issubclass(error, builtin)
    assert error.exit_code is code
    assert str(error("rule; got value")) == "rule; got value"
