"""Engines: built ones by TensorRT for RTX, and files with a manifest that no one will load."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from csakit.runtime.engine.compatibility import HostCapabilities
from csakit.runtime.engine.manifest import (
    SCHEMA,
    Artifact,
    Build,
    Manifest,
    Plugin,
    Precision,
    Source,
    Tensor,
    manifest_path,
)
from csakit.runtime.engine.shapes import ShapeRange, Span

PLAN = bytes(range(256)) * 8
MODEL = b"an exported model"
PLUGIN = Plugin(
    name="CoherentSemanticAttention",
    version="1",
    namespace="",
    implementation="c++",
    library="libcsakit_trt.so",
    source_hash=None,
    embedded=False,
)
HERE = HostCapabilities(gpus=("sm_86",), modules={"tensorrt_rtx": "1.7.1.116"}, plugin=False)


def artifact(name: str, content: bytes) -> Artifact:
    return Artifact(name=name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def make_manifest(*, build: dict[str, Any] | None = None, **fields: Any) -> Manifest:  # noqa: ANN401
    """Describe ``PLAN`` as built from ``MODEL`` by TensorRT for RTX, but for some fields."""
    command = ("csakit", "build", "model.onnx", "-o", "model.engine", "--builder", "tensorrt-rtx")
    made = Build(
        module="tensorrt_rtx",
        version="1.7.1.116",
        runtimes=("tensorrt_rtx",),
        targets=("sm_86", "sm_89"),
        portable="none",
        version_compatible=False,
        weights="full",
        plugin=None,
        command=command,
    )
    manifest = Manifest(
        schema=SCHEMA,
        csakit="0.1.0",
        engine=artifact("model.engine", PLAN),
        source=Source(
            model=artifact("model.onnx", MODEL),
            weights=(artifact("model.weights", b"weights"),),
            checkpoint_sha256="c" * 64,
            attention="csa",
            similarity="cosine",
            prediction="absolute",
            trained_hole="120",
            csakit="0.1.0",
        ),
        build=dataclasses.replace(made, **build or {}),
        io="uint8",
        tensors=(
            Tensor(name="image", role="input", dtype="uint8", shape=(-1, -1, -1, 3)),
            Tensor(name="mask", role="input", dtype="uint8", shape=(-1, -1, -1, 1)),
            Tensor(name="output", role="output", dtype="uint8", shape=(-1, -1, -1, 3)),
        ),
        profiles=(ShapeRange(batch=Span(1, 1, 8), size=Span(256, 512, 1024)),),
        precision=Precision(audited="fp16", evidence={"network": {}}),
        parity=None,
    )
    return dataclasses.replace(manifest, **fields)


def write_engine(folder: Path, manifest: Manifest | None = None) -> Path:
    """Write ``PLAN`` as ``model.engine`` with its manifest and its model, all in order."""
    engine = folder / "model.engine"
    engine.write_bytes(PLAN)
    (folder / "model.onnx").write_bytes(MODEL)
    (folder / "model.weights").write_bytes(b"weights")
    manifest_path(engine).write_text((manifest or make_manifest()).text())
    return engine
