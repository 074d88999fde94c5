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
    assert [*ExitCode] == [0, 1, 2, 3, 4]
    assert int(ExitCode.OK) == 0
    assert int(ExitCode.CHECK_FAILED) == 1
    assert int(ExitCode.USAGE) == 2
    assert int(ExitCode.ENVIRONMENT) == 3
    assert int(ExitCode.INCONCLUSIVE) == 4


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
