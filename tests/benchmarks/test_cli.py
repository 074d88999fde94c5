"""``csakit bench`` prints each target beside what was found; a missed one is exit code 1."""

from collections.abc import Iterator

import pytest
from csakit.benchmarks import targets
from csakit.benchmarks.cli import main
from csakit.benchmarks.targets import Measured
from csakit.plugins.errors import EngineError


def measured(name: str, *, met: bool) -> Measured:
    return Measured(what=name, target=f"{name} is fast", found=f"{name} took 1 ms", met=met)


@pytest.mark.parametrize(
    ("outcomes", "code"), [((True, True), 0), ((True, False), 1), ((False, True), 1)]
)
def test_each_target_is_printed_beside_what_was_found(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outcomes: tuple[bool, bool],
    code: int,
) -> None:
    found = [measured(name, met=met) for name, met in zip("ab", outcomes, strict=True)]
    monkeypatch.setattr(targets, "measure", lambda threads: iter(found))

    returned = main(["targets"])

    verdicts = ["met   " if met else "MISSED" for met in outcomes]
    assert returned == code
    assert capsys.readouterr().out.splitlines() == [
        f"{verdicts[0]} a",
        "       target: a is fast",
        "       found:  a took 1 ms",
        f"{verdicts[1]} b",
        "       target: b is fast",
        "       found:  b took 1 ms",
    ]


@pytest.mark.parametrize(("arguments", "threads"), [([], 2), (["--threads", "7"], 7)])
def test_the_number_of_threads_is_handed_on(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], threads: int
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(targets, "measure", lambda given: seen.append(given) or iter(()))

    main(["targets", *arguments])

    assert seen == [threads]


def test_a_measurement_that_cannot_be_trusted_is_a_line_and_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(threads: int) -> Iterator[Measured]:
        yield measured("a", met=True)
        raise EngineError("the operator and the loop must agree")

    monkeypatch.setattr(targets, "measure", measure)

    code = main(["targets"])

    captured = capsys.readouterr()
    assert code == 3
    assert "a took 1 ms" in captured.out
    assert captured.err == "csakit bench: the operator and the loop must agree\n"


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["targets", "--threads", "many"]])
def test_wrong_usage_is_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)

    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: csakit bench")


@pytest.mark.parametrize("threads", ["0", "-1"])
def test_no_threads_are_refused(threads: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["targets", "--threads", threads])

    assert code == 2
    assert capsys.readouterr().err == (f"csakit bench: threads must be at least 1; got {threads}\n")
