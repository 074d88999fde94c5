"""An engine that must not be loaded is refused with the reason and what to do."""

import dataclasses
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from csakit.plugins.architectures import devices
from csakit.plugins.errors import ContractError, EngineError
from csakit.plugins.locations import LIBRARY_VARIABLE
from csakit.plugins.tensorrt_flavours import FLAVOURS
from csakit.plugins.versions import installed
from csakit.runtime.engine.compatibility import UNKNOWN, HostCapabilities, diagnose, this_machine
from csakit.runtime.engine.manifest import manifest_path
from helpers.engines import HERE, MODEL, PLAN, PLUGIN, make_manifest, write_engine
from helpers.python import succeed

REBUILD = "csakit build model.onnx -o model.engine --builder tensorrt-rtx"
TRT = {"module": "tensorrt", "version": "10.3.0", "runtimes": ("tensorrt",)}


def machine(**fields: Any) -> HostCapabilities:  # noqa: ANN401
    return dataclasses.replace(HERE, **fields)


def reasons(engine: Path, here: HostCapabilities = HERE, **options: int) -> list[str]:
    return [str(problem) for problem in diagnose(engine, here, **options).problems]


def test_an_engine_in_order_is_usable(tmp_path: Path) -> None:
    found = diagnose(write_engine(tmp_path), HERE)

    assert found.problems == ()
    assert found.require_usable() == make_manifest()
    assert found.module == "tensorrt_rtx"


def test_the_source_need_not_be_there(tmp_path: Path) -> None:
    engine = write_engine(tmp_path)
    (tmp_path / "model.onnx").unlink()
    (tmp_path / "model.weights").unlink()

    assert not reasons(engine)


def test_an_absent_engine_is_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"must be an existing file; got .*x\.engine"):
        diagnose(tmp_path / "x.engine", HERE)


def test_an_engine_without_manifest_is_refused(tmp_path: Path) -> None:
    engine = write_engine(tmp_path)
    manifest_path(engine).unlink()

    (reason,) = reasons(engine)
    assert "has no manifest (model.engine.json)" in reason
    assert reason.endswith("Build it again: csakit build model.onnx -o model.engine")


def test_the_first_bytes_of_an_unknown_plan_are_told(tmp_path: Path) -> None:
    engine = tmp_path / "model.engine"
    engine.write_bytes(struct.pack("<4s12xQ4B", b"vtrt", 1000, 1, 7, 1, 116).ljust(100, b"\0"))

    (reason,) = reasons(engine)
    assert "of TensorRT for RTX 1.7.1.116, cut off after 100 of 1000 bytes" in reason


def test_a_malformed_manifest_is_refused(tmp_path: Path) -> None:
    engine = write_engine(tmp_path)
    manifest_path(engine).write_text("{")

    found = diagnose(engine, HERE)

    assert found.manifest is None
    with pytest.raises(EngineError, match=r"must be a JSON file(.|\n)*Build it again"):
        found.require_usable()


def test_an_edited_manifest_is_refused(tmp_path: Path) -> None:
    engine = write_engine(tmp_path)
    values = json.loads(manifest_path(engine).read_text())
    values["build"]["targets"] = ["sm_90"]
    manifest_path(engine).write_text(json.dumps(values))

    (reason,) = reasons(engine, machine(gpus=("sm_90",)))
    assert "was edited" in reason


def flipped(at: int) -> bytes:
    return PLAN[:at] + bytes([PLAN[at] ^ 1]) + PLAN[at + 1 :]


PLAN_FILE, END = "model.engine", len(PLAN) - 1
CHANGES = [
    *[(PLAN_FILE, PLAN[:n], f"is truncated: it has {n} of 2048") for n in (0, 1, 1024, END)],
    *[(PLAN_FILE, flipped(at), "was changed, or its build was") for at in (0, 1000, END)],
    (PLAN_FILE, PLAN + b"x", "is not the one its manifest describes"),
    ("model.onnx", MODEL[::-1], "is stale: model.onnx has changed since it was built"),
    ("model.weights", b"sthgiew", "is stale: model.weights has changed since it was built"),
]


@pytest.mark.parametrize(("name", "content", "told"), CHANGES, ids=[told for *_, told in CHANGES])
def test_a_changed_file_is_found(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    engine = write_engine(tmp_path)
    (tmp_path / name).write_bytes(content)

    (reason,) = reasons(engine)
    assert told in reason
    assert reason.endswith(f"\nBuild it again (in {tmp_path}): {REBUILD}")


def test_an_engine_with_tensors_of_other_names_is_refused(tmp_path: Path) -> None:
    tensors = make_manifest().tensors
    renamed = (*tensors[:2], dataclasses.replace(tensors[2], name="result"))
    engine = write_engine(tmp_path, make_manifest(tensors=renamed))

    (reason,) = reasons(engine)
    assert "must have the tensors image, mask and output; got image, mask, result\n" in reason
    assert "Export it again: csakit export CHECKPOINT.safetensors -o model.onnx   then " in reason
    assert reason.endswith(REBUILD)


@pytest.mark.parametrize(
    ("here", "wanted"),
    [
        ({"modules": {}}, "requires TensorRT for RTX 1.7.1.116; it is not installed"),
        ({"modules": {"tensorrt_rtx": "1.7.2.1"}}, "; installed is TensorRT for RTX 1.7.2.1"),
        ({"modules": {"tensorrt": "10.3.0"}}, "pip install 'tensorrt-rtx-cu13==1.7.1.116'"),
        ({"gpus": ()}, "needs an NVIDIA GPU and its driver; none was found"),
        ({"gpus": ("sm_90",)}, "was built for sm_86, sm_89; this GPU is sm_90"),
    ],
)
def test_a_foreign_engine_is_refused(tmp_path: Path, here: dict[str, Any], wanted: str) -> None:
    found = diagnose(write_engine(tmp_path), machine(**here))

    (reason,) = found.incompatible
    assert wanted in str(reason)
    assert not found.corrupt
    with pytest.raises(EngineError):
        found.require_usable()


def test_the_gpu_is_the_one_that_is_asked_for(tmp_path: Path) -> None:
    engine, two = write_engine(tmp_path), machine(gpus=("sm_90", "sm_89"))

    assert "this GPU is sm_90" in reasons(engine, two)[0]
    assert not reasons(engine, two, device=1)
    assert "device must be 0 to 1; got 2" in reasons(engine, two, device=2)[0]


@pytest.mark.parametrize(
    ("version", "usable"),
    [("10.3.0", True), ("10.14.1.48.post1", True), ("11.4.0.106", True), ("10.2.9", False)],
)
@pytest.mark.parametrize("heavier", [{}, {"tensorrt": "10.2.9"}, {"tensorrt": "10.3.0"}])
def test_the_lightest_module_that_is_new_enough_opens_a_version_compatible_engine(
    tmp_path: Path, version: str, usable: bool, heavier: dict[str, str]
) -> None:
    build = {**TRT, "version_compatible": True, "runtimes": ("tensorrt", "tensorrt_lean")}
    engine = write_engine(tmp_path, make_manifest(build=build))

    found = diagnose(engine, machine(modules={**heavier, "tensorrt_lean": version}))

    other = "tensorrt" if heavier.get("tensorrt") == "10.3.0" else None
    assert found.module == ("tensorrt_lean" if usable else other)
    assert found.module or "10.3.0 or newer" in str(found.problems[0])


def test_a_module_of_unknown_version_is_tried(tmp_path: Path) -> None:
    here = machine(modules={"tensorrt_rtx": UNKNOWN})

    assert diagnose(write_engine(tmp_path), here).module == "tensorrt_rtx"


@pytest.mark.parametrize(
    ("gpu", "usable"), [("sm_75", False), ("sm_80", True), ("sm_90", True), ("sm_120", True)]
)
def test_a_portable_engine_runs_from_ampere_on(tmp_path: Path, gpu: str, usable: bool) -> None:
    engine = write_engine(tmp_path, make_manifest(build={"portable": "ampere+"}))

    assert (not reasons(engine, machine(gpus=(gpu,)))) is usable


@pytest.mark.parametrize(
    ("change", "built", "wanted"),
    [
        ({}, False, "needs the CSA plugin, which is not built\ncsakit plugin build"),
        ({}, True, None),
        ({"embedded": True}, False, None),
        ({"version": "2"}, True, "needs version 2 of the plugin; this csakit has 1"),
    ],
)
def test_an_engine_with_the_plugin_needs_it(
    tmp_path: Path, change: dict[str, Any], built: bool, wanted: str | None
) -> None:
    plugin = dataclasses.replace(PLUGIN, **change)
    engine = write_engine(tmp_path, make_manifest(build={"plugin": plugin}))

    found = reasons(engine, machine(plugin=built))

    assert len(found) == (wanted is not None)
    assert wanted is None or wanted in found[0]


def test_the_plugin_may_lie_beside_its_engine(tmp_path: Path) -> None:
    engine = write_engine(tmp_path, make_manifest(build={"plugin": PLUGIN}))
    absent = reasons(engine)
    (tmp_path / "libcsakit_trt.so").touch()

    assert ["the CSA plugin, which is not built" in reason for reason in absent] == [True]
    assert reasons(engine) == []


def test_this_machine_has_what_is_installed() -> None:
    found = this_machine()

    for module, flavour in FLAVOURS.items():
        versions = [v for name in flavour.distributions if (v := installed(name))]
        assert found.modules.get(module) == (versions[0] if versions else None)
    assert found.gpus == tuple(devices())


def test_looking_loads_no_tensorrt() -> None:
    program = (
        "import sys; from csakit.runtime.engine.compatibility import this_machine; this_machine(); "
        "sys.exit(any(name.startswith('tensorrt') for name in sys.modules))"
    )

    succeed(program)


@pytest.mark.parametrize("name", ["libcsakit_trt.so", "libcsakit.so"])
def test_either_library_brings_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(LIBRARY_VARIABLE, str(tmp_path))

    assert not this_machine().plugin
    (tmp_path / name).touch()
    assert this_machine().plugin
