"""A repository is complete or absent, and made of files that belong together."""

import dataclasses
import json
import shutil
from pathlib import Path

import onnx
import pytest
from csakit.export.serving import guide
from csakit.export.serving.repository import write_repository
from csakit.plugins.errors import ContractError, EngineError
from csakit.runtime.engine.manifest import manifest_path, read_manifest
from csakit.runtime.files.atomic import sha256
from helpers.exported import Subject, set_weight

from ..conftest import Alter
from .conftest import Engine


def contents(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_a_model_is_served_with_its_weights(packed: Subject, tmp_path: Path) -> None:
    weights = packed.exported.weights
    assert weights is not None

    done = write_repository(packed.path, None, tmp_path / "out")

    assert done.plugin is None
    assert contents(tmp_path / "out") == {
        "README.md",
        "client.py",
        "repository.json",
        "models/csa_onnx/config.pbtxt",
        "models/csa_onnx/1/model.onnx",
        f"models/csa_onnx/1/{weights.name}",
        "models/csa_onnx/warmup/image_256x256.raw",
        "models/csa_onnx/warmup/mask_256x256.raw",
    }
    served = tmp_path / "out/models/csa_onnx/1"
    assert sha256(served / "model.onnx") == sha256(packed.path)
    assert sha256(served / weights.name) == sha256(weights)
    record = json.loads((tmp_path / "out/repository.json").read_text())
    for name, digest in record["files"].items():
        assert sha256(tmp_path / "out" / name) == digest
    assert set(record["files"]) == contents(tmp_path / "out") - {"repository.json"}


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 1e30])
def test_weights_that_are_no_numbers_are_not_served(
    altered: Alter, tmp_path: Path, value: float
) -> None:
    model = altered(lambda proto: set_weight(proto, value))

    with pytest.raises(ContractError, match=r"weights must be finite.*altered\.onnx"):
        write_repository(model, None, tmp_path / "out")

    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_library")
def test_an_engine_is_served_with_its_manifest(engine: Engine, tmp_path: Path) -> None:
    model, plan = engine()

    done = write_repository(model, plan, tmp_path / "out")

    folder = tmp_path / "out/models/csa_trt"
    assert [served.name for served in done.models] == ["csa_onnx", "csa_trt"]
    assert (folder / "1/model.plan").read_bytes() == plan.read_bytes()
    assert read_manifest(folder / "model.engine.json").build.module == "tensorrt"
    assert done.plugin is not None
    assert done.plugin.library is None
    assert not (tmp_path / "out/plugins").exists()


def test_the_library_travels_with_the_engine(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from .test_plugin import hold

    library = hold(tmp_path / "lib", monkeypatch)
    model, plan = engine()

    write_repository(model, plan, tmp_path / "out")

    assert (tmp_path / "out/plugins" / library.name).read_bytes() == library.read_bytes()


def test_an_existing_output_is_replaced_only_when_asked_and_only_if_it_is_ours(
    packed: Subject, fixed: Subject, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    write_repository(packed.path, None, out)  # an empty folder is free

    with pytest.raises(ContractError, match=r"exists\nReplace it with --overwrite"):
        write_repository(fixed.path, None, out)
    write_repository(fixed.path, None, out, overwrite=True)

    assert contents(out / "models/csa_onnx/1") == {"model.onnx"}
    (out / "repository.json").unlink()
    with pytest.raises(ContractError, match="holds something else"):
        write_repository(fixed.path, None, out, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize("full", [False, True])
def test_a_link_to_a_folder_is_written_through(packed: Subject, tmp_path: Path, full: bool) -> None:
    disk, link = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    link.symlink_to("disk")

    for _ in range(1 + full):
        write_repository(packed.path, None, link, overwrite=True)

    assert str(link.readlink()) == "disk"
    assert "repository.json" in contents(disk)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "out"]


def test_a_failure_leaves_the_old_repository_as_it_was(
    packed: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write_repository(packed.path, None, out)
    before = {name: sha256(out / name) for name in contents(out)}

    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(guide, "guide_text", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_repository(packed.path, None, out, overwrite=True)

    assert {name: sha256(out / name) for name in contents(out)} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_outputs_that_cannot_be_written_are_refused(packed: Subject, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ContractError, match=r"the output must be a folder; .* is a file"):
        write_repository(packed.path, None, tmp_path / "file")
    with pytest.raises(ContractError, match=r"cannot write .*\nChoose an existing folder"):
        write_repository(packed.path, None, tmp_path / "absent/out")


def test_models_that_cannot_be_served_are_refused(packed: Subject, tmp_path: Path) -> None:
    alone = tmp_path / "alone.onnx"
    shutil.copyfile(packed.path, alone)
    (tmp_path / "no.onnx").write_bytes(b"no model")
    outside = onnx.load(packed.path, load_external_data=False)
    for tensor in outside.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../secret"
    onnx.save(outside, tmp_path / "outside.onnx")

    for name, text in {
        "absent.onnx": "the model must be an existing file",
        "no.onnx": "must be a whole ONNX file",
        "alone.onnx": "keeps its weights in .*, which is not beside it",
        "outside.onnx": r"must keep its weights beside it; it names '\.\./secret'",
    }.items():
        with pytest.raises(ContractError, match=text):
            write_repository(tmp_path / name, None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("build", "text"),
    [
        ({"module": "tensorrt_rtx"}, "was built by tensorrt_rtx, and Triton opens engines of"),
        ({"weights": "strip"}, "has no weights, and Triton does not refit engines"),
    ],
)
def test_engines_that_triton_cannot_open_are_refused(
    engine: Engine, tmp_path: Path, build: dict[str, str], text: str
) -> None:
    model, plan = engine(build=build)

    with pytest.raises(EngineError, match=text):
        write_repository(model, plan, tmp_path / "out")


def test_engines_that_do_not_belong_to_the_model_are_refused(
    engine: Engine, fixed: Subject, tmp_path: Path
) -> None:
    model, plan = engine()

    with pytest.raises(EngineError, match=r"was built from another model \(model.onnx, SHA-256"):
        write_repository(fixed.path, plan, tmp_path / "out")
    shutil.copyfile(fixed.path, tmp_path / "model.onnx")  # where the manifest says it lies
    with pytest.raises(EngineError, match=r"is stale: model\.onnx has changed"):
        write_repository(model, plan, tmp_path / "out")
    (tmp_path / "model.onnx").unlink()
    plan.write_bytes(plan.read_bytes()[:-1])
    with pytest.raises(EngineError, match="is truncated"):
        write_repository(model, plan, tmp_path / "out")
    manifest_path(plan).unlink()
    with pytest.raises(EngineError, match="has no manifest"):
        write_repository(model, plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_library")
def test_the_guide_says_what_to_start_and_what_is_missing(engine: Engine, tmp_path: Path) -> None:
    model, plan = engine()
    done = write_repository(model, plan, tmp_path / "out")
    manifest = read_manifest(manifest_path(plan))

    text = (tmp_path / "out/README.md").read_text()

    assert "--gpus all" in text
    assert "nvcr.io/nvidia/tritonserver:25.10-py3" in text
    assert "opens in TensorRT 10.13.3.9 and in no other version" in text
    assert "It runs on sm_86 only." in text
    assert "plugins=/csakit/plugins/libcsakit_trt_autoreg.so" in text
    assert "**`plugins/libcsakit_trt_autoreg.so` is missing**" in text
    assert "not compared with its source" in text
    unknown = dataclasses.replace(
        manifest, build=dataclasses.replace(manifest.build, version="10.99.0", plugin=None)
    )
    other = guide.guide_text([(done.models[0], None), (done.models[1], unknown)], None)
    assert "tritonserver:YY.MM-py3" in other
    assert "support matrix" in other
    assert "plugins=" not in other
    compatible = dataclasses.replace(manifest.build, version_compatible=True)
    newer = guide.guide_text(
        [(done.models[1], dataclasses.replace(manifest, build=compatible))], done.plugin
    )
    assert newer.count("--backend-config=tensorrt,version-compatible=true\n") == 1
    assert "opens in TensorRT 10.13.3.9 and newer" in newer


def test_the_guide_for_a_cpu_asks_for_no_gpu(packed: Subject, tmp_path: Path) -> None:
    write_repository(packed.path, None, tmp_path / "out")

    text = (tmp_path / "out/README.md").read_text()

    assert "--gpus" not in text
    assert "tritonserver --model-repository=/csakit/models\n```" in text
    assert "client.py photo.png mask.png -o repaired.png --model csa_onnx" in text
