"""An engine's result is held against its model, and what was found goes into its manifest.

No engine runs here without a GPU. A session is a session: these tests open ONNX Runtime's.
"""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from csakit.export.cli.verify import main
from csakit.export.config import ExportConfig
from csakit.export.parity.cases import export_cases, oblong_case
from csakit.export.parity.probe import Probe
from csakit.export.parity.report import Report
from csakit.export.parity.verify_engine import (
    audited_precision,
    case_size,
    parity_of,
    record_parity,
)
from csakit.export.parity.verify_model import verify_session
from csakit.plugins.architectures import devices
from csakit.plugins.errors import ContractError
from csakit.runtime.diagnostics.file_report import inspect
from csakit.runtime.engine.compatibility import diagnose
from csakit.runtime.engine.manifest import Precision, manifest_path, read_manifest
from csakit.runtime.engine.shapes import ShapeRange, Span
from csakit.runtime.sessions.session import Session, open_session
from helpers.engines import HERE, artifact, make_manifest, write_engine
from helpers.exported import Subject, set_weight

from ..conftest import Alter

CASES = export_cases(ExportConfig(size=256))


@contextlib.contextmanager
def session_of(path: Path) -> Iterator[Session]:
    with contextlib.closing(open_session(path, cache=False, spin=False, threads=2)) as session:
        yield session


def verified(path: Path, reference: Path, *cases: int) -> Report:
    """Verify a model as if it were an engine of the reference."""
    probe = Probe(reference)
    chosen = [CASES[index] for index in cases]
    with session_of(path) as session:
        return verify_session(session, probe.precision, probe.run, chosen)


def test_the_right_result_passes_by_its_only_stage(fixed: Subject) -> None:
    report = verified(fixed.path, fixed.path, 0, 1)

    assert report.passed
    assert [stage.stage for stage in report.worst()] == ["output"]
    assert report.summary() == "2 images, fp32, float I/O; every limit kept"


def test_a_wrong_result_breaks_the_limit(fixed: Subject, altered: Alter) -> None:
    report = verified(altered(set_weight), fixed.path, 0)

    assert not report.passed
    assert "max abs must be at most 0.0001" in report.table()


def test_cases_fill_the_batch_that_the_engine_is_tuned_for(
    dynamic: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    probe = Probe(dynamic.path)
    cases = [*CASES, oblong_case()]

    with session_of(dynamic.path) as session:
        run = session.run
        monkeypatch.setattr(
            session, "run", lambda image, hole: batches.append(len(image)) or run(image, hole)
        )
        report = verify_session(session, "fp32", probe.run, cases, batch=2)

    assert report.passed
    assert batches == [2, 2, 2]  # three of one size and one of another
    assert [parity.case for parity in report.cases] == cases


def test_an_engine_of_bytes_is_held_against_bytes(packed: Subject) -> None:
    report = verified(packed.path, packed.path, 0)

    assert report.passed
    assert report.io == "uint8"
    assert report.worst()[0].outside_equal


@pytest.mark.parametrize(
    ("size", "expected"),
    [((256, 256, 256), (256, 256)), ((512, 512, 1024), (512, 512)), ((256, 512, 1024), None)],
)
def test_cases_have_sizes_that_the_engine_takes(
    size: tuple[int, ...], expected: tuple[int, int] | None
) -> None:
    assert case_size(ShapeRange(batch=Span(1, 1, 1), size=Span(*size))) == expected


def test_a_precision_without_limits_is_refused_with_the_rebuild_command() -> None:
    mixed = make_manifest(precision=Precision(audited="mixed", evidence={}))

    with pytest.raises(ContractError, match=r"audited as 'mixed'\nBuild it again: csakit build"):
        audited_precision(Path("m.engine"), mixed)


def test_the_parity_is_written_into_the_manifest_which_stays_valid(
    fixed: Subject, tmp_path: Path
) -> None:
    engine = write_engine(tmp_path)
    manifest = read_manifest(manifest_path(engine))
    against = {"name": "model.onnx", "sha256": "a" * 64}
    parity = parity_of(
        verified(fixed.path, fixed.path, 0), module="tensorrt_rtx", gpu="sm_86", against=against
    )

    record_parity(engine, manifest, parity)

    assert diagnose(engine, HERE).problems == ()
    written = read_manifest(manifest_path(engine))
    assert dataclasses.replace(written, parity=None) == manifest
    assert json.dumps(written.parity) == json.dumps(parity)
    assert parity["output"]["max_abs"] < 1e-6
    line = inspect(engine, HERE).lines["parity"]
    assert line.startswith("passed on 1 images against model.onnx on sm_86, max abs ")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("model.engine", "model.engine.json", "model.onnx", "model.weights")
    ]


def test_a_failed_parity_is_told_too(tmp_path: Path) -> None:
    parity = {"passed": False, "images": 3, "against": {}, "output": {"max_abs": 0.5}}
    engine = write_engine(tmp_path, make_manifest(parity=parity))

    assert inspect(engine, HERE).lines["parity"] == "FAILED on 3 images, max abs 0.5 in the hole"


def test_an_engine_that_was_built_again_meanwhile_keeps_its_manifest(tmp_path: Path) -> None:
    engine = write_engine(tmp_path)
    before = make_manifest(engine=artifact("model.engine", b"another plan"))
    text = manifest_path(engine).read_text()

    with pytest.raises(ContractError, match=r"built again while it was verified"):
        record_parity(engine, before, {"passed": True})

    assert manifest_path(engine).read_text() == text


@pytest.mark.skipif(bool(devices()), reason="there is a GPU")
@pytest.mark.parametrize("options", [[], ["--layerwise"]])
def test_without_a_gpu_the_answer_is_the_diagnosis_and_exit_code_3(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    engine = write_engine(tmp_path)
    before = manifest_path(engine).read_text()

    code = main([str(engine), *options])

    assert code == 3
    assert capsys.readouterr().err.startswith("csakit verify: ")
    assert manifest_path(engine).read_text() == before


@pytest.mark.parametrize("options", [[], ["--layerwise"]])
def test_a_damaged_engine_is_refused_everywhere(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    engine = write_engine(tmp_path)
    engine.write_bytes(b"short")

    assert main([str(engine), *options]) == 3
    assert "is truncated: it has 5 of 2048 bytes" in capsys.readouterr().err


def test_an_infinite_psnr_leaves_json_without_infinities(fixed: Subject) -> None:
    report = verified(fixed.path, fixed.path, 0)
    same = dataclasses.replace(report.cases[0].stages[0], psnr_db=np.inf)
    cases = (dataclasses.replace(report.cases[0], stages=(same,)),)

    parity = parity_of(
        dataclasses.replace(report, cases=cases), module=None, gpu="sm_86", against={}
    )

    assert parity["output"]["psnr_db"] is None
