"""Rivals are checked before and after they are timed, and take turns."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from csakit.benchmarks.latency.cases import Case, reference
from csakit.benchmarks.latency.cold_start import cold_starts
from csakit.benchmarks.latency.plan import Plan
from csakit.benchmarks.latency.race import Entrant, Race
from csakit.benchmarks.latency.subjects import Contender
from csakit.plugins.errors import ParityError
from csakit.runtime.tensors.pixels import Float32
from csakit.train import CSAInpainter


@pytest.fixture
def expected(small_model: CSAInpainter, cases: Sequence[Case]) -> list[Float32]:
    return [reference(small_model, case) for case in cases]


@pytest.fixture
def race(plan: Plan, cases: list[Case], expected: list[Float32], tmp_path: Path) -> Race:
    return Race(plan, cases, expected, tmp_path, say=lambda _: None)


class Recorder:
    """Stands for a process where only the order of requests matters."""

    def __init__(self, name: str, turns: list[tuple[str, str]]) -> None:
        self.name, self.turns = name, turns

    def ask(self, request: str, case: list[str], calls: int, **_: float) -> dict[str, Any]:
        if request == "time":
            self.turns.append((self.name, case[0]))
        return {"samples_ms": [float(len(self.turns))] * calls}


def test_rivals_that_are_right_are_timed(race: Race, contenders: list[Contender]) -> None:
    with race.entered(contenders) as (entrants, absent):
        race.run(entrants)

    assert absent == []
    assert [entrant.name for entrant in entrants] == ["torch", "ort"]
    for entrant in entrants:
        assert [len(samples) for samples in entrant.samples] == [2, 2]
        assert all(parity.passed and parity.max_abs <= 5e-5 for parity in entrant.parities)


def test_a_wrong_result_stops_the_run_before_the_clock(
    race: Race, contenders: list[Contender], expected: list[Float32]
) -> None:
    expected[1][0, 0, 128, 128] += 0.1

    with (
        pytest.raises(ParityError, match=r"torch must compute .* holes 0.4 max abs is 0.1 "),
        race.entered(contenders),
    ):
        pass


def test_a_result_that_became_wrong_while_timed_stops_the_run(
    race: Race, contenders: list[Contender], expected: list[Float32]
) -> None:
    with race.entered(contenders[1:]) as (entrants, _):
        expected[0][0, 0, 128, 128] += 0.1
        with pytest.raises(ParityError, match="holes center"):
            race.run(entrants)


def test_a_rival_that_cannot_open_its_file_is_absent_with_the_reason(
    race: Race, contenders: list[Contender], tmp_path: Path
) -> None:
    broken = tmp_path / "folder" / "broken.onnx"
    broken.parent.mkdir()
    broken.write_bytes(b"no model")

    with race.entered([dataclasses.replace(contenders[1], file=broken), contenders[0]]) as found:
        entrants, absent = found

    assert [entrant.name for entrant in entrants] == ["torch"]
    assert absent[0].rival == "ort"
    assert absent[0].reason.startswith("ContractError: broken.onnx must be a complete ONNX model")


def test_every_rival_has_one_turn_a_round_at_every_case(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Race, "_parity", lambda *_: None)
    turns: list[tuple[str, str]] = []
    names = ("a", "b", "c")
    entrants: Any = [
        Entrant(type("C", (), {"name": name})(), Recorder(name, turns), [[], []], [])  # type: ignore[arg-type]
        for name in names
    ]

    dataclasses.replace(race, plan=dataclasses.replace(race.plan, rounds=8)).run(entrants)

    by_turn = [turns[start : start + 3] for start in range(0, len(turns), 3)]
    assert len(by_turn) == 16
    for index, three in enumerate(by_turn):
        assert {name for name, _ in three} == {*names}
        assert {case for _, case in three} == {race.cases[index % 2].arguments()[0]}
    assert len({tuple(name for name, _ in three) for three in by_turn}) > 3  # orders differ
    assert all(len(samples) == 16 for entrant in entrants for samples in entrant.samples)


def test_cold_starts_are_fresh_processes_timed_part_by_part(
    race: Race, contenders: list[Contender]
) -> None:
    plan = dataclasses.replace(race.plan, cold_starts=2)

    found = cold_starts(contenders[1:], plan, race.cases[0], race.folder, race.say)

    assert found.keys() == {"ort"}
    assert len(found["ort"]) == 2
    for start in found["ort"]:
        parts = (start.import_ms, start.load_ms, start.first_ms)
        assert min(parts) > 0
        assert sum(parts) < start.total_ms  # the interpreter's own start is in the total
        assert start.peak_host_bytes is not None
        assert start.peak_host_bytes > 30 << 20
