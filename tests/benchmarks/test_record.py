"""A record holds times of right results only, survives being written, and is checked when read."""

import dataclasses
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from csakit.benchmarks.record import (
    Absent,
    Check,
    DeviceTimes,
    Model,
    Parity,
    Record,
    read_record,
    timing_warnings,
    without_paths,
    write_record,
)
from csakit.plugins.errors import ContractError, LibraryError
from helpers.records import CENTRE, EXACT, GPU, MACHINE, measured, record_of, strokes

Change = Callable[[dict[str, Any]], object]
STEADY = (100.0, 101.0, 100.0, 101.0)
WILD = (100.0, 180.0, 180.0, 100.0)


@pytest.mark.parametrize(
    ("fields", "passed"),
    [
        ({"max_abs": 1e-4, "max_abs_limit": 1e-4}, True),
        ({"max_abs": 1.1e-4, "max_abs_limit": 1e-4}, False),
        ({"max_abs": math.nan, "max_abs_limit": 1e-4}, False),
        ({"max_abs": math.nan}, False),
        ({"max_abs": math.inf}, False),
        ({"max_abs": 0.5}, True),
        ({"max_abs": 0.5, "psnr_db": 45.0, "psnr_db_limit": 45.0}, True),
        ({"max_abs": 0.5, "psnr_db": 44.9, "psnr_db_limit": 45.0}, False),
        ({"max_abs": 0.5, "psnr_db": math.nan, "psnr_db_limit": 45.0}, False),
        ({"max_abs": 0.0, "psnr_db": None, "psnr_db_limit": 45.0}, True),
    ],
)
def test_parity_passes_within_its_limits_and_never_with_nan(
    fields: dict[str, Any], passed: bool
) -> None:
    assert Parity(reference="torch", images=1, **fields).passed is passed


WRONG = Parity(reference="torch", images=1, max_abs=0.2, max_abs_limit=1e-4)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"parity": WRONG}, "ort failed parity, so its times mean nothing"),
        *(
            ({"samples_ms": samples}, "ort must have")
            for samples in ((), (1.0, math.nan), (1.0, -2.0), (0.0,), (math.inf,))
        ),
        ({"calls_per_round": 3}, "ort must have samples in rounds of 3; got 4"),
        ({"device": DeviceTimes(compute_ms=(1.0,))}, "as many of each kind"),
        *(
            ({"case": CENTRE | {"batch": batch}}, "a batch must have at least 1 image")
            for batch in (0, -1, 2.5, "two", True)
        ),
    ],
)
def test_measurements_of_wrong_results_or_of_no_times_are_refused(
    fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ContractError, match=reason):
        measured("ort", **fields)


def test_the_summary_counts_the_images_of_a_batch() -> None:
    summary = measured("ort", (100.0, 300.0), CENTRE | {"batch": 4}).summary

    assert summary.p50_ms == 200.0
    assert summary.items_per_s == 20.0


def test_a_hash_is_a_hash() -> None:
    fields: dict[str, Any] = {"attention": "csa", "similarity": "cosine", "weights_bytes": 4}

    with pytest.raises(ContractError, match="sha256 must be 64 digits"):
        Model(name="demo", sha256="abc", width=1, **fields)


def test_measurements_are_named_once_and_belong_to_a_backend_of_the_record() -> None:
    with pytest.raises(ContractError, match="every measurement must be named once"):
        record_of(measured("ort"), measured("ort", (5.0,)))
    with pytest.raises(ContractError, match="ort of demo was measured and not described"):
        record_of(measured("ort"), backends=())


def test_an_operator_alone_needs_no_model() -> None:
    record = record_of(measured("torch", model=None, parity=EXACT), kind="attention")

    assert record.models == ()
    assert record.measurements[0].key == (None, "torch", tuple(sorted(CENTRE.items())))


@pytest.fixture
def record() -> Record:
    """One with something in every field."""
    device = DeviceTimes(compute_ms=(1.0, 1.5), kernels_ms={"k": 0.5})
    return record_of(
        measured("ort", (1.5, 2.0, 1.0, 3.0), calls_per_round=2),
        measured("trt", (4.0, 5.0), strokes(0.3), device=device),
        absent=(Absent(backend="rtx", reason="tensorrt_rtx is not installed"),),
        warnings=("load average was 3.2 on 2 cores",),
        checks=(Check(name="a kernel", outcome="skipped", reason="no GPU"),),
        environment=dataclasses.replace(MACHINE, gpu=GPU, cpus_used=None),
    )


def test_a_record_reads_back_as_it_was_written_with_the_percentiles_for_its_readers(
    record: Record, tmp_path: Path
) -> None:
    write_record(record, tmp_path / "record.json")

    text = (tmp_path / "record.json").read_text()
    entry = json.loads(text)["measurements"][0]
    assert read_record(tmp_path / "record.json") == record
    assert (entry["summary"]["p50_ms"], entry["summary"]["max_ms"]) == (1.75, 3.0)
    assert '"samples_ms": [1.5, 2.0, 1.0, 3.0],' in text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda value: value.pop("environment"), "missing required field `environment`"),
        (lambda value: value.pop("checks"), "missing or unknown fields: checks"),
        (lambda value: value.update(extra=1), "missing or unknown fields: extra"),
        (
            lambda value: value["measurements"][0].update(extra=1),
            r"missing or unknown fields: extra - at `\$.measurements\[0\]`",
        ),
        (
            lambda value: value["environment"].update(cpu=3),
            r"Expected `str`, got `int` - at `\$.environment.cpu`",
        ),
        (lambda value: value.update(kind="other"), r"Invalid enum value 'other' - at `\$.kind`"),
        (lambda value: value.update(warnings="none"), r"at `\$.warnings`"),
        (lambda value: value["settings"].update(rounds=[1]), r"at `\$.settings\[...\]`"),
        (lambda value: value.update(libraries=[]), r"at `\$.libraries`"),
        (lambda value: value.update(measurements={}), r"at `\$.measurements`"),
        (lambda value: value["source"].update(dirty="no"), r"at `\$.source.dirty`"),
        (lambda value: value["measurements"][0]["parity"].update(max_abs=0.5), "ort failed parity"),
        (
            lambda value: value["measurements"][0]["samples_ms"].__setitem__(0, 9.0),
            "the summary of ort on .* must follow from its samples",
        ),
        (
            lambda value: value["measurements"][0].pop("summary"),
            "missing required field `calls`",
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
        ("", "must be a JSON file"),
        ("[1, 2]", "must hold a JSON object; got list"),
        ("{}", "it states no schema"),
        ('{"schema": true}', "it states no schema"),
        ('{"schema": 1}', "has schema 1; this version of csakit reads 2\nRead it with"),
        ('{"schema": NaN}', "it states no schema"),
        ("[" * 100_000, "must be a JSON file"),
        ("\xff", "must be a JSON file"),
    ],
)
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(ContractError, match=reason):
        read_record(path)


def test_a_huge_file_and_a_missing_one_are_refused_without_being_parsed(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with pytest.raises(ContractError, match=r"cannot read .*record.json: No such file"):
        read_record(path)
    with path.open("wb") as file:
        file.truncate((32 << 20) + 1)

    with pytest.raises(ContractError, match="must have at most 33554432 bytes"):
        read_record(path)


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


def test_without_msgspec_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_record(record_of(measured("ort")), tmp_path / "record.json")
    monkeypatch.setitem(sys.modules, "msgspec", None)

    with pytest.raises(LibraryError, match="pip install msgspec"):
        read_record(tmp_path / "record.json")


@pytest.mark.parametrize(
    ("load", "samples", "warnings"),
    [
        (0.1, {"ort": STEADY, "torch": STEADY}, []),
        (None, {"ort": STEADY}, []),
        (3.25, {"ort": STEADY}, ["load average was 3.2 on 8 cores before the run"]),
        (
            0.1,
            {"ort": STEADY, "torch": (100.0, 130.0, 130.0, 100.0), "loop": WILD},
            ["coefficient of variation above 10% in 2 of 3 measurements, at worst 33% (loop)"],
        ),
        (
            0.1,
            {"ort": (100.0, 100.0, 108.0, 108.0)},
            [
                "drift between the halves of the run above 5% in 1 of 1 measurements, at worst "
                "8% (ort)"
            ],
        ),
    ],
)
def test_load_variation_and_drift_are_warned_of_with_the_worst(
    load: float | None, samples: dict[str, tuple[float, ...]], warnings: list[str]
) -> None:
    machine = dataclasses.replace(MACHINE, load_average=load)

    assert timing_warnings(machine, [measured(*run) for run in samples.items()]) == warnings
