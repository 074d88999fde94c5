"""``csakit verify model.engine`` from the command to the manifest.

An engine opens on a GPU only, so its place is taken by a session of ONNX Runtime on the model
that the engine is said to be built from, or on a spoiled copy of it; all else is as it is.
"""

import dataclasses
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from csakit.export.cli.verify import main
from csakit.export.config import ExportConfig
from csakit.export.parity import verification
from csakit.export.parity.cases import export_cases
from csakit.export.parity.verification import audited_precision, case_size, record_parity
from csakit.plugins.architectures import devices
from csakit.plugins.errors import ContractError
from csakit.runtime.diagnostics.file_report import inspect
from csakit.runtime.engine.compatibility import diagnose
from csakit.runtime.engine.manifest import (
    Manifest,
    Precision,
    Source,
    manifest_path,
    read_manifest,
)
from csakit.runtime.engine.shapes import ShapeRange, Span
from csakit.runtime.files.atomic import sha256
from csakit.runtime.sessions.session import open_session
from helpers.engines import HERE, PLAN, artifact, make_manifest, write_engine
from helpers.exported import Subject, set_weight
from PIL import Image

CASE = export_cases(ExportConfig(size=256))[0]
Opens = Callable[[Path], None]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with one photograph."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photographs").mkdir()
    Image.fromarray(CASE.image).save(tmp_path / "photographs" / "cat.png")
    return tmp_path


@pytest.fixture
def engine(fixed: Subject, folder: Path) -> Path:
    """An engine file whose manifest says that it was built from ``fixed``."""
    (folder / "model.onnx").write_bytes(fixed.path.read_bytes())
    (folder / "model.engine").write_bytes(PLAN)
    manifest = make_manifest(
        io="float",
        precision=Precision(audited="fp32", evidence={}),
        profiles=(ShapeRange(batch=Span(1, 1, 1), size=Span(256, 256, 256)),),
        source=Source(
            model=artifact("model.onnx", fixed.path.read_bytes()),
            weights=(),
            checkpoint_sha256=sha256(fixed.checkpoint),
            attention="csa",
            similarity="projection",
            prediction="absolute",
            trained_hole="",
            csakit="0.1.0",
        ),
    )
    manifest_path(folder / "model.engine").write_text(manifest.text())
    return folder / "model.engine"


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> Opens:
    """Return a function that chooses the model that answers in place of the engine."""

    def choose(model: Path) -> None:
        monkeypatch.setattr(verification, "this_machine", lambda: HERE)
        session = lambda _: open_session(model, cache=False, spin=False, threads=2)  # noqa: E731
        monkeypatch.setattr(verification, "open_session", session)

    return choose


@pytest.fixture
def spoiled(fixed: Subject, folder: Path) -> Path:
    model = onnx.ModelProto()
    model.CopyFrom(fixed.proto)
    set_weight(model)
    onnx.save(model, folder / "spoiled.onnx")
    return folder / "spoiled.onnx"


def stated(engine: Path) -> Manifest:
    return read_manifest(manifest_path(engine))


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_an_engine_is_held_against_its_model_and_the_manifest_says_so(
    engine: Path, fixed: Subject, opens: Opens, capsys: pytest.CaptureFixture[str]
) -> None:
    opens(fixed.path)
    before = stated(engine)

    code = run(engine, "--images", "photographs", "--json", "parity.json")

    captured = capsys.readouterr()
    after = stated(engine)
    parity = after.parity
    assert dataclasses.replace(after, parity=None) == before
    assert diagnose(engine, HERE).problems == ()
    assert (code, captured.err) == (0, "")
    assert "PASSED: 3 images, fp32, float I/O; every limit kept" in captured.out
    assert parity is not None
    assert (parity["passed"], parity["images"], parity["gpu"]) == (True, 3, "sm_86")
    assert parity["module"] == "tensorrt_rtx"
    assert parity["against"] == {"name": "model.onnx", "sha256": sha256(fixed.path)}
    line = inspect(engine, HERE).lines["parity"]
    assert line.startswith("passed on 3 images against model.onnx on sm_86, max abs ")
    assert sorted(path.name for path in engine.parent.iterdir()) == [
        *("model.engine", "model.engine.json", "model.onnx", "parity.json", "photographs")
    ]


def test_an_engine_is_held_against_a_checkpoint_on_request(
    engine: Path, fixed: Subject, opens: Opens
) -> None:
    opens(fixed.path)

    assert run(engine, "--images", "photographs", "--against", fixed.checkpoint) == 0
    parity = stated(engine).parity
    assert parity is not None
    assert parity["against"]["sha256"] == sha256(fixed.checkpoint)
    assert 0 < parity["output"]["max_abs"] < 1e-4


def test_a_failing_engine_is_no_longer_stated_to_have_passed(
    engine: Path,
    fixed: Subject,
    spoiled: Path,
    opens: Opens,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opens(fixed.path)
    assert run(engine, "--images", "photographs") == 0
    opens(spoiled)

    code = run(engine, "--images", "photographs")

    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert lines[-3] == f"  csakit verify {engine} --case failing-cat-centre.npz"
    command = shlex.split(lines[-1])
    assert command[:2] == ["env", "POLYGRAPHY_USE_TENSORRT_RTX=1"]
    assert command[2:8] == ["polygraphy", "run", str(engine), "--trt", "--model-type", "engine"]
    parity = stated(engine).parity
    assert parity is not None
    assert parity["passed"] is False
    assert inspect(engine, HERE).lines["parity"].startswith("FAILED on 3 images")


def test_one_saved_case_that_passes_proves_too_little_for_the_manifest(
    engine: Path, fixed: Subject, opens: Opens
) -> None:
    opens(fixed.path)
    np.savez("case.npz", image=CASE.image, hole=CASE.hole)

    assert run(engine, "--case", "case.npz") == 0
    assert stated(engine).parity is None


def test_a_model_that_is_not_there_must_be_named(
    engine: Path, fixed: Subject, opens: Opens, capsys: pytest.CaptureFixture[str]
) -> None:
    opens(fixed.path)
    (engine.parent / "model.onnx").unlink()

    assert run(engine, "--images", "photographs") == 2
    assert "was built from model.onnx, which is not there" in capsys.readouterr().err
    assert run(engine, "--images", "photographs", "--against", fixed.path) == 0


def test_another_checkpoint_than_the_engines_is_warned_of(
    engine: Path,
    fixed: Subject,
    small_checkpoint: Path,
    opens: Opens,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opens(fixed.path)

    code = run(engine, "--images", "photographs", "--against", small_checkpoint)

    assert code == 1
    assert "was built from a file with SHA-256" in capsys.readouterr().err


def test_a_manifest_that_cannot_be_written_is_a_warning(
    engine: Path,
    fixed: Subject,
    opens: Opens,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opens(fixed.path)
    touch = Path.touch

    def refuse(self: Path, *, exist_ok: bool = True) -> None:
        if self.suffix == ".json":
            raise PermissionError(13, "Permission denied")
        touch(self, exist_ok=exist_ok)

    monkeypatch.setattr(Path, "touch", refuse)

    assert run(engine, "--images", "photographs") == 0
    assert "warning: not in the manifest: cannot write" in capsys.readouterr().err
    assert stated(engine).parity is None


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
