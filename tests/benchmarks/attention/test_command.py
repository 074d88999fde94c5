"""``csakit bench attention``: its arguments, what it prints, its exit codes."""

from pathlib import Path

import pytest
from csakit.benchmarks import cli
from csakit.benchmarks.attention import run as attention_run
from csakit.benchmarks.attention.implementations import HOST
from csakit.benchmarks.cli import main
from csakit.benchmarks.record import Check, read_record
from helpers.operator_records import operator_record, timed

TINY = ["--channels", "16", "--side", "8", "--batch", "1", "--dtype", "float32"]
FAST = ["--threads", "1", "--seconds", "0.01"]


def test_a_small_run_prints_times_and_slopes_and_writes_the_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "attention.json"
    chosen = ["--backends", "oracle,python-loop,torch,ort", "--holes", "1,9,20,64"]

    code = main(["attention", *TINY, *FAST, *chosen, "--json", str(file)])

    printed = capsys.readouterr()
    assert code == 0
    assert "float32, projection, batch 1, 16 channels, 8x8; medians" in printed.out
    assert printed.out.count(" us a hole (R^2 ") == 4
    assert "not run: python-loop: it needs a known position" in printed.out
    assert "target" not in printed.out  # they are stated for a GPU
    record = read_record(file)
    names = {measured.backend for measured in record.measurements}
    assert len(record.measurements) == 4 * 4 - 1
    assert (record.kind, names, record.settings["seed"]) == ("attention", {*HOST}, 2019)
    assert printed.err.startswith(
        "csakit bench: float32 projection, 1 x 16 channels, 8x8, 1 holes\n"
    )


def test_every_combination_of_the_lists_is_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        attention_run, "measure", lambda cases, *_: seen.extend(map(str, cases)) or [record]
    )
    record = operator_record(timed("oracle", 1, 1.0))

    lists = ["--holes", "1,2,2", "--batch", "1,3", "--dtype", "float16,float32"]
    main(["attention", "--backends", "oracle", "--similarity", "cosine", *lists])

    assert len(seen) == len(set(seen)) == 8
    assert "float16 cosine, 3 x 512 channels, 32x32, 2 holes" in seen


@pytest.mark.parametrize(("outcome", "code"), [("failed", 1), ("missed", 0)])
def test_a_wrong_backend_is_exit_code_1_and_a_missed_target_is_not(
    monkeypatch: pytest.MonkeyPatch, outcome: str, code: int
) -> None:
    check = Check(name="ort computes what the oracle does", outcome=outcome)  # type: ignore[arg-type]
    record = operator_record(timed("oracle", 1, 1.0), checks=(check,))
    monkeypatch.setattr(attention_run, "measure", lambda *_: [record])

    assert main(["attention", "--backends", "oracle"]) == code


def test_without_a_gpu_the_rest_is_run_with_a_notice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "device_architectures", list)

    code = main(["attention", *TINY, *FAST, "--holes", "3"])

    printed = capsys.readouterr()
    assert code == 0
    assert "no CUDA device: backends that need one are left out" in printed.err
    names = printed.out.splitlines()[1].replace("|", " ").split()
    assert names == ["oracle", "python-loop", "torch", "ort"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--holes", "2000"], "holes must be in 0..1024"),
        (["--backends", "cudda"], "backends must be of oracle"),
        (["--dtype", "float8"], "dtype must be one of"),
        (["--seconds", "0", "--backends", "oracle"], "more than 0 seconds"),
        (["--threads", "0"], "threads must be at least 1"),
    ],
)
def test_wrong_cases_are_a_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert main(["attention", "--holes", "3", *arguments]) == 2

    assert text in capsys.readouterr().err


def test_a_backend_of_a_gpu_without_one_is_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    assert main(["attention", "--backends", "cuda", "--holes", "3"]) == 3

    assert "must have an NVIDIA GPU" in capsys.readouterr().err
