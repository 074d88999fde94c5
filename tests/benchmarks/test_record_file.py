"""Records survive being written, and files that are none are refused in words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from csakit.benchmarks.record import Absent, Check, DeviceTimes, Record
from csakit.benchmarks.record_file import read_record, without_paths, write_record
from csakit.plugins.errors import ContractError
from helpers.records import GPU, MACHINE, measured, record_of, strokes

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def record() -> Record:
    """One with something in every field."""
    device = DeviceTimes(
        to_device_ms=(0.1, 0.2), compute_ms=(1.0, 1.5), to_host_ms=(0.0, 0.3), kernels_ms={"k": 0.5}
    )
    return record_of(
        measured("ort", (1.5, 2.0, 1.0, 3.0), calls_per_turn=2),
        measured("trt", (4.0, 5.0), strokes(0.3), device=device),
        absent=(Absent(rival="rtx", reason="tensorrt_rtx is not installed"),),
        warnings=("the machine was busy",),
        checks=(Check(name="a kernel", outcome="skipped", reason="no GPU"),),
        machine=type(MACHINE)(**{**vars(MACHINE), "gpu": GPU, "cpus_used": None}),
    )


def test_a_record_reads_back_as_it_was_written(record: Record, tmp_path: Path) -> None:
    write_record(record, tmp_path / "record.json")

    assert read_record(tmp_path / "record.json") == record


def test_a_file_has_the_percentiles_for_its_readers(record: Record, tmp_path: Path) -> None:
    write_record(record, tmp_path / "record.json")

    text = (tmp_path / "record.json").read_text()
    entry = json.loads(text)["measurements"][0]
    assert entry["summary"]["p50_ms"] == 1.75
    assert entry["summary"]["max_ms"] == 3.0
    assert '"samples_ms": [1.5, 2.0, 1.0, 3.0],' in text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda value: value.pop("machine"), "missing or unknown: .*machine"),
        (lambda value: value.update(extra=1), "missing or unknown: .*extra"),
        (lambda value: value["machine"].update(cpu=3), "record.machine.cpu must be str; got '3'"),
        (lambda value: value.update(kind="other"), r"record.kind must be .*'latency'"),
        (lambda value: value.update(warnings="none"), "record.warnings must be tuple"),
        (lambda value: value["settings"].update(rounds=[1]), "record.settings.rounds must be str"),
        (lambda value: value.update(libraries=[]), "record.libraries must be .*Mapping"),
        (lambda value: value.update(measurements={}), "measurements must be a list of objects"),
        (lambda value: value["source"].update(dirty="no"), "record.source.dirty must be bool"),
        (
            lambda value: value["measurements"][0]["parity"].update(max_abs=0.5),
            "ort computed something else",
        ),
        (
            lambda value: value["measurements"][0]["samples_ms"].__setitem__(0, 9.0),
            "the summary of ort on .* must follow from its samples",
        ),
        (
            lambda value: value["measurements"][0].pop("summary"),
            "must follow from its samples; got None",
        ),
        (
            lambda value: value["measurements"][0]["samples_ms"].__setitem__(0, 10**400),
            r"samples_ms\[0\] must be float",
        ),
    ],
)
def test_a_record_that_was_tampered_with_is_refused(
    record: Record, tmp_path: Path, change: Change, reason: str
) -> None:
    path = tmp_path / "record.json"
    write_record(record, path)
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))

    with pytest.raises(
        ContractError, match=f"record.json is not a valid benchmark record: .*{reason}"
    ):
        read_record(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a benchmark record: Expecting value"),
        ("[1, 2]", "it states no schema"),
        ("{}", "it states no schema"),
        ('{"schema": true}', "it states no schema"),
        ('{"schema": 99}', "has schema 99; this version of csakit reads 1"),
        ('{"schema": NaN}', "numbers must be finite; got NaN"),
        ("[" * 100_000, "is not a benchmark record"),
        ("\xff", "is not a benchmark record"),
    ],
)
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(ContractError, match=reason):
        read_record(path)


def test_a_huge_file_is_refused_without_being_parsed(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with path.open("wb") as file:
        file.truncate((32 << 20) + 1)

    with pytest.raises(ContractError, match="a record has at most 33554432 bytes"):
        read_record(path)


def test_a_missing_file_is_a_contract_error(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"cannot read .*absent.json: No such file"):
        read_record(tmp_path / "absent.json")


def test_absolute_paths_are_not_written(tmp_path: Path) -> None:
    record = record_of(measured("ort"), warnings=("cannot read /home/someone/model.onnx",))

    with pytest.raises(ContractError, match=r"no absolute path; got '/home/someone/model.onnx'"):
        write_record(record, tmp_path / "record.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("cannot load /srv/x/model.onnx: broken", "cannot load model.onnx: broken"),
        ("'/usr/lib/libx.so' (/opt/y/z)", "'libx.so' (z)"),
        ("1/2 of images/s, see https://x.org/a/b", "1/2 of images/s, see https://x.org/a/b"),
        ("train/weights/demo.safetensors", "train/weights/demo.safetensors"),
    ],
)
def test_paths_are_cut_to_their_last_part(text: str, private: str) -> None:
    assert without_paths(text) == private


def test_a_record_is_named_json(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"must end in \.json; got record.txt"):
        write_record(record_of(measured("ort")), tmp_path / "record.txt")
