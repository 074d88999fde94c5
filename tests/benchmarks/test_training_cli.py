"""``csakit bench training`` prints the ratio beside its limit; a missed one is exit code 1."""

import pytest
from csakit.benchmarks import training
from csakit.benchmarks.cli import main
from csakit.benchmarks.targets import Measured


@pytest.mark.parametrize(("met", "code", "verdict"), [(True, 0, "met"), (False, 1, "MISSED")])
def test_the_verdict_is_printed_and_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    met: bool,
    code: int,
    verdict: str,
) -> None:
    seen: list[int] = []
    found = Measured(what="a step", target="at most 1.15 times", found="1.1 times", met=met)
    monkeypatch.setattr(training, "measure", lambda threads: seen.append(threads) or [found])

    assert main(["training", "--threads", "3"]) == code

    assert seen == [3]
    assert capsys.readouterr().out.startswith(verdict)
