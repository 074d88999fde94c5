"""``csakit inspect`` says what files are, and which of them are not what they claim."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from csakit.plugins.errors import ContractError, ExitCode
from csakit.runtime.cli import inspect_files
from csakit.runtime.contract import META_VERSION
from csakit.runtime.diagnostics.file_report import inspect
from csakit.runtime.engine.compatibility import this_machine
from csakit.runtime.engine.manifest import manifest_path
from helpers.engines import HERE, PLUGIN, make_manifest, write_engine
from helpers.python import run_program
from onnx import numpy_helper

from ..conftest import METADATA, MakeModel, mean_model


def checkpoint(folder: Path) -> Path:
    header = {"__metadata__": {"csakit": '{"width": 4, "training": {"steps": 10}}'}}
    text = json.dumps(header).encode()
    (folder / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    return folder / "a.safetensors"


def test_an_engine_tells_what_its_manifest_states_and_whether_it_opens(tmp_path: Path) -> None:
    found = inspect(write_engine(tmp_path), HERE)

    assert not found.damaged
    assert dict(found.lines) == {
        "what": f"engine, 0.0 MB, SHA-256 {make_manifest().engine.sha256[:12]}",
        "from": f"model.onnx ({make_manifest().source.model.sha256[:12]}), checkpoint cccccccccccc",
        "built by": "tensorrt_rtx 1.7.1.116, csakit 0.1.0",
        "built for": "sm_86, sm_89",
        "opens in": "tensorrt_rtx",
        "takes": "uint8 images, batch 1:1:8, sides 256:512:1024",
        "precision": "fp16, as audited",
        "CSA": "cosine, function body",
        "weights": "",
        "parity": "not verified",
        "rebuild": make_manifest().rebuild,
        "here": "opens with tensorrt_rtx",
    }


def test_an_engine_with_everything_says_so(tmp_path: Path) -> None:
    plugin = dataclasses.replace(PLUGIN, embedded=True)
    build = {
        "plugin": plugin,
        "portable": "ampere+",
        "version_compatible": True,
        "weights": "strip",
    }
    manifest = make_manifest(build=build, parity={"passed": True})

    lines = inspect(write_engine(tmp_path, manifest), HERE).lines

    assert lines["built for"] == "sm_86, sm_89, portable ampere+, later versions too"
    assert lines["CSA"] == "cosine, c++ plugin 1, inside the engine"
    assert lines["weights"] == "strip"
    assert lines["parity"] == "passed"


def test_a_damaged_engine_is_told_from_one_that_only_cannot_run_here(tmp_path: Path) -> None:
    engine, elsewhere = write_engine(tmp_path), dataclasses.replace(HERE, gpus=())

    foreign = inspect(engine, elsewhere)
    engine.write_bytes(b"cut")
    cut = inspect(engine, HERE)
    manifest_path(engine).unlink()
    bare = inspect(engine, HERE)

    assert (foreign.damaged, cut.damaged, bare.damaged) == (False, True, True)
    assert "needs an NVIDIA GPU" in foreign.lines["here"]
    assert "is truncated" in cut.lines["here"]
    assert bare.lines["what"] == "engine, 0.0 MB"
    assert bare.to_json()["manifest"] is None


def test_a_checkpoint_tells_its_configuration(tmp_path: Path) -> None:
    found = inspect(checkpoint(tmp_path), HERE)

    assert found.kind == "checkpoint"
    assert found.lines["network"] == "width 4"
    assert found.lines["training"] == "steps"
    assert found.to_json()["config"] == {"width": 4, "training": {"steps": 10}}


def test_a_model_tells_what_it_takes_and_gives(make_model: MakeModel) -> None:
    lines = inspect(make_model(io="uint8"), HERE).lines

    assert lines["takes"] == "image uint8 (B, H, W, 3); mask uint8 (B, H, W, 1)"
    assert lines["gives"] == "output uint8 (B, H, W, 3)"
    assert lines["built by"] == "csakit 0.1.0"
    assert lines["CSA"] == "none (none in its place)"
    assert lines["opset"] == "ai.onnx 17"


def test_a_model_of_others_is_told_apart(make_model: MakeModel) -> None:
    assert inspect(make_model(metadata={}), HERE).lines["built by"] == "not exported by csakit"


def test_a_file_cannot_write_to_the_terminal(make_model: MakeModel) -> None:
    path = make_model(metadata={**METADATA, META_VERSION: "\x1b[2J\n"})

    assert inspect(path, HERE).lines["built by"] == "csakit ?[2J?"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("x.onnx", "file not found: "),
        ("link.onnx", "link.onnx, a link to gone, which does not exist"),
        ("folder.onnx", "folder.onnx, a folder"),
        ("x.pth", "suffix must be one of"),
        ("x", "suffix must be one of"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "x.pth").touch()
    (tmp_path / "link.onnx").symlink_to("gone")
    (tmp_path / "folder.onnx").mkdir()

    with pytest.raises(ContractError, match=told):
        inspect(tmp_path / name, HERE)


def test_the_command_goes_on_after_a_bad_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(tmp_path / "absent.onnx"), str(checkpoint(tmp_path))]

    code = inspect_files.main(files)

    out, err = capsys.readouterr()
    assert code == ExitCode.USAGE
    assert "file not found: " in err
    assert out.startswith(f"{files[1]}\n  what       checkpoint")


def test_the_exit_code_tells_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = write_engine(tmp_path)

    assert inspect_files.main([str(engine)]) == ExitCode.OK
    engine.write_bytes(b"cut")
    assert inspect_files.main([str(engine)]) == ExitCode.CHECK_FAILED
    assert "Build it again" in capsys.readouterr().out


def test_json_holds_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect_files.main(["--json", str(write_engine(tmp_path))]) == ExitCode.OK

    (found,) = json.loads(capsys.readouterr().out)
    assert found["kind"] == "engine"
    assert found["manifest"]["build"]["targets"] == ["sm_86", "sm_89"]
    assert found["opens_with"] == (
        "tensorrt_rtx" if "tensorrt_rtx" in this_machine().modules else None
    )


def test_inspecting_loads_no_framework(tmp_path: Path, make_model: MakeModel) -> None:
    files = [str(write_engine(tmp_path)), str(checkpoint(tmp_path)), str(make_model("b.onnx"))]
    program = (
        "import sys; from csakit.runtime.cli.inspect_files import main; "
        f"assert main({files}) == 0; "
        "sys.exit(' '.join({'onnx', 'onnxruntime', 'torch', 'safetensors', 'numpy', 'tensorrt_rtx'}"
        " & sys.modules.keys()))"
    )

    done = run_program(program)

    assert done.stderr.strip() in ("", "numpy")


@pytest.fixture
def outside(make_model: MakeModel) -> tuple[Path, Path]:
    """A model with its weights in a file named by its content."""
    path = make_model()
    model, added = onnx.load(path), np.arange(64, dtype=np.float32)
    named = path.parent / f"model-{hashlib.sha256(added.tobytes()).hexdigest()[:8]}.weights"
    model.graph.initializer.append(numpy_helper.from_array(added, "w"))
    external = {"save_as_external_data": True, "location": named.name, "size_threshold": 128}
    onnx.save(model, path, **external)
    return path, named


def test_a_model_without_its_weights_is_damaged(outside: tuple[Path, Path]) -> None:
    path, weights = outside
    assert not inspect(path, HERE).damaged
    weights.unlink()

    found = inspect(path, HERE)

    assert found.damaged
    assert found.lines["weights"].endswith(f"in {weights.name} (MISSING: {weights.name})")


@pytest.mark.parametrize(
    "change",
    [lambda x: x[:-1], lambda _: b"", lambda x: b"\xff" + x[1:], lambda x: x + b"\0"],
    ids=["cut", "empty", "one byte", "longer"],
)
def test_weights_that_were_cut_or_changed_are_told(
    outside: tuple[Path, Path], change: Callable[[bytes], bytes]
) -> None:
    path, weights = outside
    weights.write_bytes(change(weights.read_bytes()))

    found = inspect(path, HERE)

    assert found.damaged
    assert f"(CUT OR CHANGED: {weights.name})" in found.lines["weights"]
    assert found.values["changed"] == [weights.name]


def test_every_kind_of_file_is_json(outside: tuple[Path, Path], tmp_path: Path) -> None:
    header = b'{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
    checkpoint = tmp_path / "x.safetensors"
    checkpoint.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    functions = mean_model()
    functions.functions.add(name="f", domain="d")
    onnx.save(functions, tmp_path / "f.onnx")

    for path in (outside[0], checkpoint, tmp_path / "f.onnx"):
        read = json.loads(json.dumps(inspect(path, HERE).to_json()))
        assert read["file"] == str(path)
        assert all(isinstance(count, int) for count in read.get("operators", {}).values())
