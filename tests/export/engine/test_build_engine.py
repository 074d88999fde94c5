"""TensorRT for RTX builds engines of what csakit exports, without a GPU, and they are described."""

import dataclasses
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from csakit.export.engine.build_engine import Built, build_engine
from csakit.export.engine.config import BuildConfig
from csakit.plugins.errors import ContractError, ExitCode
from csakit.runtime.engine.compatibility import HostCapabilities, diagnose
from csakit.runtime.engine.manifest import Tensor, manifest_path, read_manifest
from csakit.runtime.engine.shapes import Span
from csakit.runtime.files.atomic import sha256
from csakit.runtime.files.engine_header import read_plan_header
from helpers.exported import Subject, set_weight

from ..conftest import Alter

pytestmark = pytest.mark.usefixtures("needs_rtx")

RTX = BuildConfig(builder="tensorrt-rtx", targets=("sm_86",))


def here(built: Built) -> HostCapabilities:
    """A machine that has all that the engine needs."""
    build = built.manifest.build
    return HostCapabilities(gpus=build.targets, modules={build.module: build.version}, plugin=False)


def check(built: Built, subject: Subject) -> None:
    """Compare what is on disk with what was returned and with the model."""
    manifest = read_manifest(manifest_path(built.engine))
    assert manifest == built.manifest
    assert manifest.engine.sha256 == sha256(built.engine)
    assert manifest.engine.bytes == built.engine.stat().st_size
    assert manifest.source.model.sha256 == sha256(subject.path)
    assert manifest.source.checkpoint_sha256 == sha256(subject.checkpoint)
    assert manifest.precision.audited == subject.config.precision
    assert manifest.io == subject.config.io
    assert manifest.parity is None
    assert manifest.build.plugin is None
    assert diagnose(built.engine, here(built)).problems == ()
    header = read_plan_header(built.engine)
    assert header is not None
    assert (header.version, header.bytes) == (manifest.build.version, manifest.engine.bytes)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e30])
def test_weights_that_are_no_numbers_are_refused_before_the_build(
    altered: Alter, tmp_path: Path, value: float
) -> None:
    model = altered(lambda proto: set_weight(proto, value))

    with pytest.raises(ContractError, match=r"weights must be finite.*altered\.onnx"):
        build_engine(model, tmp_path / "a.engine", RTX)

    assert not (tmp_path / "a.engine").exists()


def test_a_fixed_float32_engine(fixed: Subject, tmp_path: Path) -> None:
    said: list[str] = []

    built = build_engine(fixed.path, tmp_path / "a.engine", RTX, said.append)

    check(built, fixed)
    profile = built.manifest.profiles[0]
    assert (profile.batch, profile.size) == ((1, 1, 1), (256, 256, 256))
    assert built.manifest.tensors == (
        Tensor(name="image", role="input", dtype="float32", shape=(1, 3, 256, 256)),
        Tensor(name="mask", role="input", dtype="float32", shape=(1, 1, 256, 256)),
        Tensor(name="output", role="output", dtype="float32", shape=(1, 3, 256, 256)),
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.engine", "a.engine.json"]
    assert said == [
        f"building {tmp_path / 'a.engine'} with TensorRT for RTX {built.manifest.build.version} "
        "for sm_86: --batch 1 --size 256"
    ]


def test_the_float32_fill_of_a_model_that_adds_to_it_does_not_make_its_engine_mixed(
    residual: Subject, tmp_path: Path
) -> None:
    built = build_engine(residual.path, tmp_path / "a.engine", RTX)

    check(built, residual)
    layers = built.manifest.precision.evidence["network"]["layers"]
    assert layers["share"] == (residual.config.precision == "fp16")
    assert 80 < layers["total"] < 100  # of the two networks


def test_a_half_precision_engine_for_several_gpus(half: Subject, tmp_path: Path) -> None:
    config = dataclasses.replace(
        RTX,
        targets=("sm_89", "sm_120"),
        batch=Span(1, 2, 4),
        opt_level=0,
        workspace_bytes=1 << 30,
    )

    built = build_engine(half.path, tmp_path / "a.engine", config)

    check(built, half)
    evidence = built.manifest.precision.evidence
    assert evidence["network"]["layers"]["share"] == 1.0
    assert evidence["network"]["weights"]["share"] == 1.0
    assert evidence["network"]["layers"]["total"] > 80  # both networks
    assert built.manifest.build.targets == ("sm_89", "sm_120")
    assert built.manifest.profiles[0].batch == (1, 2, 4)
    assert built.manifest.build.command == (
        *("csakit", "build", os.path.relpath(half.path, tmp_path), "-o", "a.engine"),
        *("--builder", "tensorrt-rtx", "--batch", "1:2:4", "--size", "256"),
        *("--targets", "sm_89,sm_120", "--workspace", "1073741824", "--opt-level", "0"),
    )


def test_a_free_engine_of_bytes_with_weights_beside_its_model(
    packed: Subject, tmp_path: Path
) -> None:
    built = build_engine(packed.path, tmp_path / "a.engine", RTX)

    check(built, packed)
    assert packed.exported.weights is not None
    (weights,) = built.manifest.source.weights
    assert weights.sha256 == sha256(packed.exported.weights)
    assert (tmp_path / weights.name).resolve() == packed.exported.weights.resolve()
    image = built.manifest.tensors[0]
    assert (image.dtype, image.shape) == ("uint8", (-1, -1, -1, 3))
    assert built.manifest.profiles[0].size == (256, 512, 1024)


def test_a_rebuilt_engine_replaces_the_old_one(ablation: Subject, tmp_path: Path) -> None:
    output = tmp_path / "a.engine"
    output.write_bytes(b"old")
    manifest_path(output).write_text("old")

    check(build_engine(ablation.path, output, RTX), ablation)


def test_an_interruption_between_the_two_files_is_diagnosed(
    ablation: Subject, tmp_path: Path
) -> None:
    built = build_engine(ablation.path, tmp_path / "a.engine", RTX)
    content = bytearray(built.engine.read_bytes())
    content[-1] ^= 1  # the plan of an earlier build, under the manifest of this one
    built.engine.write_bytes(content)

    (problem,) = diagnose(built.engine, here(built)).problems

    assert hashlib.sha256(content).hexdigest()[:12] in problem.text
    assert "its build was interrupted" in problem.text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"targets": ("sm_87",)}, r"builds for sm_75, .*; got 'sm_87'"),
        ({"batch": Span(1, 1, 2)}, r"takes --batch 1 and nothing else"),
    ],
)
def test_wrong_wishes_leave_nothing(
    fixed: Subject, tmp_path: Path, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        build_engine(fixed.path, tmp_path / "a.engine", dataclasses.replace(RTX, **fields))

    assert not list(tmp_path.iterdir())


def test_turing_is_refused_with_the_reason(fixed: Subject, tmp_path: Path) -> None:
    # In a process of its own: after it TensorRT for RTX 1.7 goes on asking for SM 75.
    command = [sys.executable, "-m", "csakit.runtime.cli", "build", str(fixed.path)]
    options = ["-o", str(tmp_path / "a.engine"), "--builder", "tensorrt-rtx", "--targets", "sm_75"]

    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)

    assert done.returncode == ExitCode.ENVIRONMENT, done.stderr
    assert re.search(r"Turing \(SM75\)(.|\n)*Leave sm_75 out of --targets", done.stderr)
    assert not list(tmp_path.iterdir())


def test_an_absent_model_an_absent_folder_and_another_suffix_are_refused(
    fixed: Subject, tmp_path: Path
) -> None:
    with pytest.raises(ContractError, match=r"must be an existing file; got .*x\.onnx"):
        build_engine(tmp_path / "x.onnx", tmp_path / "a.engine", RTX)
    with pytest.raises(ContractError, match="Choose an existing folder"):
        build_engine(fixed.path, tmp_path / "absent" / "a.engine", RTX)
    with pytest.raises(ContractError, match=r"must end in \.engine; got a\.plan"):
        build_engine(fixed.path, tmp_path / "a.plan", RTX)


def test_a_model_without_its_weights_is_refused(packed: Subject, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(packed.path.read_bytes())

    with pytest.raises(ContractError, match=r"keeps its weights in .*\.weights, which is not"):
        build_engine(tmp_path / "a.onnx", tmp_path / "a.engine", RTX)
