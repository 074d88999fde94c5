"""Export a checkpoint to one ONNX file: trace, finish, verify, write."""

import contextlib
import copy
import dataclasses
import importlib.metadata
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import onnx
import torch
from torch import Tensor, nn

from ..plugins import spec
from ..plugins.errors import ContractError, ParityError
from ..runtime import contract
from ..runtime.contract import SIZE_MULTIPLE, Precision
from ..runtime.engine.shapes import CallShape
from ..runtime.files.atomic import sha256, staged_folder, written_file
from ..runtime.files.failures import failures_as_errors
from ..runtime.tensors.pixels import HALF_RANGE
from ..train import CoherentSemanticAttention, CSAInpainter, checkpoint
from ..train.masks import largest_hole
from ..train.networks.fill import HarmonicFill
from .config import MAX_SIZE, ExportConfig
from .graph import fill, rewrites, surgery
from .parity.cases import export_cases
from .parity.probe import Probe
from .parity.report import Report
from .parity.verify_model import verify_model

_REMEDY: Final[Mapping[Precision, str]] = {
    "fp32": "Report this, with what `csakit doctor` prints.",
    "fp16": "Half precision is too coarse for these weights; use --precision fp32.",
}
_EXTERNAL_THRESHOLD_BYTES = 1024  # smaller tensors stay in the model file


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exported:
    """The files of an export and their parity."""

    model: Path  # the ONNX file
    weights: Path | None  # the second file; None if the weights are in the first
    # parity with the checkpoint; None if not verified
    report: Report | None


def export_onnx(
    checkpoint_path: str | Path,
    output: str | Path,
    config: ExportConfig | None = None,
    *,
    verify_images: int = 1,
    progress: Callable[[str], object] = lambda stage: None,
) -> Exported:
    """Export a checkpoint to ONNX, verified against the torch model before it is written.

    Args:
        checkpoint_path: written by ``csakit.train.checkpoint.save``.
        output: ends in ``.onnx``; replaced atomically.
        config: export options; None is float32 with dynamic sizes.
        verify_images: photographs to verify on, each with three masks; 0 skips verification.
        progress: called with the name of each stage when it begins.

    Returns:
        The written files and their parity.

    Raises:
        ContractError: the checkpoint is no CSA network, the output cannot be written, or there
            are fewer photographs.
        ParityError: the exported graph breaks a parity limit; nothing is written.
    """
    checkpoint_path, output, config = Path(checkpoint_path), Path(output), config or ExportConfig()
    if output.suffix != ".onnx":
        raise ContractError(f"an exported model's name must end in .onnx; got {output.name}")
    output = written_file(output)
    cases = export_cases(config, verify_images)
    with staged_folder(output) as folder:
        progress(f"loading {checkpoint_path}")
        model = checkpoint.load(checkpoint_path)
        progress("tracing the networks")
        proto = _trace(ExportWrapper(model, config).eval(), config)
        progress("finishing the graph")
        training = checkpoint.read_header(checkpoint_path)["training"]
        metadata = _metadata(model, sha256(checkpoint_path), config, training)
        if config.weights == "fp16":
            surgery.store_in_half(proto)
        free = _free_dimensions(config)
        surgery.finish(proto, metadata, io=config.io, free=free, expand=fill.expand_fills)
        with failures_as_errors(f"write {output.name}"):
            files = _write(proto, folder / output.name, external=config.external_weights)
        report = None
        if cases:
            progress(f"verifying on {len(cases)} images")
            report = verify_model(Probe(folder / output.name), model, cases)
            if not report.passed:
                raise ParityError(
                    f"the exported graph differs from {checkpoint_path}, so nothing was written:\n"
                    f"{report.table()}\n{_REMEDY[config.precision]}"
                )
        for file in files:  # the weights first: a model never lacks its weights
            file.replace(output.parent / file.name)
    weights = output.parent / files[0].name if len(files) > 1 else None
    return Exported(model=output, weights=weights, report=report)


class ExportWrapper(nn.Module):
    """The traced module: a copy of the pipeline with the export's I/O and placeholder nodes."""

    def __init__(self, model: CSAInpainter, config: ExportConfig) -> None:
        super().__init__()
        self.uint8 = config.io == "uint8"
        self.model = copy.deepcopy(model)
        if config.target == "ort":
            rewrites.for_onnxruntime(self.model)
            if config.precision == "fp32":
                rewrites.in_tiles(self.model)
        if config.precision == "fp16":
            self.model.rough.half()
            self.model.refinement.half()
        for parent in list(self.model.modules()):
            for name, layer in parent.named_children():
                if isinstance(layer, CoherentSemanticAttention):
                    attributes = {
                        "similarity": layer.similarity,
                        "plugin_version": spec.VERSION,
                        "plugin_namespace": spec.NAMESPACE,
                    }
                    setattr(parent, name, _Node(spec.NAME, attributes))
                elif isinstance(layer, HarmonicFill):
                    setattr(parent, name, _Node(fill.PLACEHOLDER, {"levels": layer.levels}))

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Inpaint a batch in the configured layout; return ``surgery.TRACED_OUTPUTS``."""
        if self.uint8:
            # Converted first: TensorRT supports no other operation on bytes.
            image = image.float().permute(0, 3, 1, 2) / HALF_RANGE - 1.0
            mask = mask.float().permute(0, 3, 1, 2)  # any non-zero byte is above 0.5
        stages = self.model.stages(image, mask)
        output = stages.result
        if self.uint8:
            # Exact for known pixels: the way through [-1, 1] moves a byte by less than 1e-4.
            output = torch.round((output + 1.0) * HALF_RANGE).permute(0, 2, 3, 1).to(torch.uint8)
        return output, stages.rough, stages.features, stages.attended


class _Node(nn.Module):
    """Placeholder traced as a node of csakit's domain; its output has its first input's shape."""

    def __init__(self, name: str, attributes: Mapping[str, Any]) -> None:
        super().__init__()
        self.name, self.attributes = name, attributes

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        attributes = {**self.attributes}
        if self.name == fill.PLACEHOLDER:
            attributes["channels"] = first.shape[1]
        return torch.onnx.ops.symbolic(
            f"{spec.DOMAIN}::{self.name}",
            (first, second),
            attrs=attributes,
            dtype=first.dtype,
            shape=first.shape,
            version=int(spec.VERSION),
        )


def _trace(wrapper: ExportWrapper, config: ExportConfig) -> onnx.ModelProto:
    """Run torch's exporter on example inputs of the configured layout.

    Only the layers of target "ort" depend on sizes. All others are traced with fixed ones, in a
    quarter of the time of symbolic sizes; ``surgery.finish`` makes them dynamic.
    """
    batch = 1 if config.max_batch == 1 else 2  # a dimension of 1 cannot be traced as dynamic
    height, width = (512, 768) if config.size == "dynamic" else (config.size, config.size)
    shapes = CallShape(config.io, batch, height, width).tensors
    inputs = [contract.IMAGE, contract.MASK]
    dtype = torch.uint8 if config.io == "uint8" else torch.float32
    symbolic = _symbolic_dimensions(config) if config.target == "ort" else {}
    with _quiet_exporter():
        program = torch.onnx.export(
            wrapper,
            tuple(torch.zeros(shapes[name], dtype=dtype) for name in inputs),
            dynamo=True,
            input_names=inputs,
            output_names=list(surgery.TRACED_OUTPUTS),
            dynamic_shapes={"image": symbolic, "mask": symbolic},
            opset_version=surgery.OPSET,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    if proto.ByteSize() >= onnx.checker.MAXIMUM_PROTOBUF:  # protobuf's limit
        raise ContractError(
            f"a model must have less than 2 GiB of weights; got {proto.ByteSize()} bytes\n"
            "Export it in half precision: --precision fp16."
        )
    return proto


def _free_dimensions(config: ExportConfig) -> set[str]:
    """Return which of ``surgery.DIMENSIONS`` are dynamic."""
    batch, height, width = surgery.DIMENSIONS
    free = set() if config.max_batch == 1 else {batch}
    return free | {height, width} if config.size == "dynamic" else free


def _symbolic_dimensions(config: ExportConfig) -> dict[int, Any]:
    """Return the dynamic dimensions in the form of torch's tracer."""
    free: dict[int, Any] = {}
    if config.max_batch != 1:
        free[0] = torch.export.Dim("batch", min=1)
    if config.size == "dynamic":
        rows, columns = (1, 2) if config.io == "uint8" else (2, 3)
        most = MAX_SIZE // SIZE_MULTIPLE
        free[rows] = SIZE_MULTIPLE * torch.export.Dim("rows", min=1, max=most)
        free[columns] = SIZE_MULTIPLE * torch.export.Dim("columns", min=1, max=most)
    return free


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence the messages of torch's exporter; its errors still come through."""
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registry.level
    registry.setLevel(logging.ERROR)  # "torchvision is not installed"; it is not needed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # LeafSpec, inside torch itself
            warnings.filterwarnings("ignore", message="# The axis name")  # both inputs share it
            yield
    finally:
        registry.setLevel(level)


def _metadata(
    model: CSAInpainter, digest: str, config: ExportConfig, training: Mapping[str, Any]
) -> dict[str, str]:
    return {
        contract.META_FORMAT: str(contract.FORMAT_VERSION),
        contract.META_VERSION: importlib.metadata.version("csakit"),
        contract.META_CHECKPOINT: digest,
        contract.META_PRECISION: config.precision,
        contract.META_IO: config.io,
        contract.META_TARGET: config.target,
        contract.META_SIMILARITY: model.config.similarity,
        contract.META_ATTENTION: model.config.attention,
        contract.META_FILL: model.config.fill,
        contract.META_PREDICTION: model.config.prediction,
        contract.META_TRAINED_HOLE: str(largest_hole(training.get("masks", {})) or ""),
        contract.META_WIDTH: str(model.config.width),
        contract.META_MAX_BATCH: str(config.max_batch or ""),
    }


def _write(proto: onnx.ModelProto, path: Path, *, external: bool) -> list[Path]:
    """Write the model; return its files, the model last."""
    if not external:
        onnx.save(proto, path)
        return [path]
    draft = path.with_suffix(".weights")
    onnx.save(
        proto,
        path,
        save_as_external_data=True,
        location=draft.name,
        size_threshold=_EXTERNAL_THRESHOLD_BYTES,
    )
    # Named by content: replacing a model never changes the weights under an older copy of it.
    weights = path.with_name(f"{path.stem}-{sha256(draft)[:8]}.weights")
    draft.rename(weights)
    weights.chmod(path.stat().st_mode)  # onnx makes it private
    light = onnx.load(path, load_external_data=False)
    for tensor in light.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = weights.name
    onnx.save(light, path)
    return [weights, path]
