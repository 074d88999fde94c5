"""The rebuild command of a manifest asks for the same engine again, whatever it was."""

import argparse
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from csakit.export.cli import build
from csakit.export.engine.config import BuildConfig
from csakit.export.engine.manifest_writer import (
    BuildRequest,
    BuildResult,
    describe,
    rebuild_command,
)
from csakit.export.engine.precision_audit import Share, Types, audit
from csakit.plugins.errors import EngineError
from csakit.runtime.engine.manifest import Manifest, Plugin
from csakit.runtime.engine.shapes import ShapeRange, Span
from csakit.runtime.engine.tensorrt_module import LoadedPlugin, TensorRTModule
from helpers.exported import Subject

SHAPES = ShapeRange(batch=Span(1, 1, 8), size=Span(256, 512, 1024))
RTX = {"builder": "tensorrt-rtx", "targets": ("sm_86", "sm_89")}


TYPES = Types(Share(0, 1), Share(0, 1))


def request(config: BuildConfig, subject: Subject) -> BuildRequest:
    module = TensorRTModule("tensorrt", SimpleNamespace(__version__="10.3.0"), log=None)
    return BuildRequest(
        module=module,
        proto=subject.proto,
        path=subject.path,
        config=config,
        shapes=SHAPES,
        targets=config.targets or ("sm_87",),
    )


def described(config: BuildConfig, subject: Subject, **fields: Any) -> Manifest:  # noqa: ANN401
    """Describe a build of a subject with these results."""
    tensors = (("image", "input", "FLOAT", (-1, 3, -1, -1)),)
    given = {"plan": b"a plan", "plugin": None, "types": TYPES, "tensors": tensors} | fields
    result = BuildResult(request=request(config, subject), **given)
    return describe(result, audit("fp32", TYPES, None), engine=Path("x.engine").absolute())


@pytest.mark.parametrize(
    "fields",
    [
        {},
        RTX,
        {**RTX, "weights": "refit"},
        {"workspace_bytes": 3 << 30, "opt_level": 5, "weights": "strip", "plugin": False},
        {"portable": "ampere+", "version_compatible": True, "embed_plugin": True},
        {"portable": "same-cc", "version_compatible": True, "tf32": True},
    ],
)
def test_the_command_asks_for_the_same_again(
    fixed: Subject, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    config = BuildConfig(**fields)
    seen: list[argparse.Namespace] = []
    monkeypatch.setattr(build, "_build", lambda args: seen.append(args) or 0)

    program, command, *arguments = rebuild_command(
        request(config, fixed), model="a b.onnx", engine="x.engine"
    )

    assert (program, command) == ("csakit", "build")
    assert build.main(arguments) == 0
    (args,) = seen
    assert (args.model, args.output) == (Path("a b.onnx"), Path("x.engine"))
    asked = dataclasses.replace(config, batch=SHAPES.batch, size=SHAPES.size)
    assert build._config(args) == asked


@pytest.mark.parametrize(
    ("fields", "runtimes"),
    [({}, ("tensorrt",)), ({"version_compatible": True}, ("tensorrt", "tensorrt_lean"))],
)
def test_later_versions_bring_the_lean_runtime(
    fixed: Subject, fields: dict[str, Any], runtimes: tuple[str, ...]
) -> None:
    assert described(BuildConfig(**fields), fixed).build.runtimes == runtimes


def test_the_plugin_is_described_by_what_it_is_and_not_by_where_it_lies(fixed: Subject) -> None:
    loaded = LoadedPlugin("c++", Path("/home/someone/libcsakit_trt.so"), "f" * 64)
    config = BuildConfig(version_compatible=True, embed_plugin=True)

    manifest = described(config, fixed, plugin=loaded)

    assert manifest.build.plugin == Plugin(
        name="CoherentSemanticAttention",
        version="1",
        namespace="",
        implementation="c++",
        library="libcsakit_trt.so",
        source_hash="f" * 64,
        embedded=True,
    )
    assert "/home" not in manifest.text()


def test_an_input_of_another_type_is_refused(fixed: Subject) -> None:
    tensors = (("image", "input", "INT8", (1, 3, 256, 256)),)

    with pytest.raises(EngineError, match=r"input image must be float32 or uint8; .* INT8"):
        described(BuildConfig(), fixed, tensors=tensors)
