"""Open the two sides of ``csakit verify --layerwise``: files of ONNX, or an engine and a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from ...runtime.engine.compatibility import HostCapabilities, diagnose, this_machine
from ...runtime.engine.manifest import Manifest
from ...runtime.engine.tensorrt_module import TensorRTModule, load_plugin
from ...runtime.files.atomic import sha256
from ..graph import surgery
from .layerwise import Side, compare_stages, compare_tensors, reference_tensor
from .polygraphy_command import Suspect
from .polygraphy_runners import (
    mark_stages,
    marked_network,
    marked_plan,
    onnxruntime_runner,
    tensorrt_runner,
)
from .probe import ExportedModel
from .report import StageParity
from .request import VerifyRequest
from .tensor_pairs import describe_tensor, pair_tensors
from .verification import Outcome, cases_of, source_model
from .verify_engine import audited_precision, case_size


def verify_layerwise(request: VerifyRequest) -> Outcome:
    """Compare stages, and on request all tensors of the first failing case, of two runners."""
    if request.engine:
        model, proto, suspect, against = _engine(request)
    else:
        assert request.against is not None
        model, proto = onnx_side(request.model)
        suspect = Suspect(path=request.model, io=model.io, precision=model.precision)
        against = request.against
    reference, other = onnx_side(against, batch=model.batch)
    cases = list(cases_of(request, model.size or reference.size))
    report = compare_stages(model, reference, cases)
    pairs = pair_tensors(proto, other)
    tensors: tuple[StageParity, ...] = ()
    case = cases[0] if report.failing is None else report.failing.case
    if request.all_tensors:
        tensors = compare_tensors(model, reference, pairs, case)
    return Outcome(
        report=report,
        origin={"model_sha256": sha256(request.model), "against_sha256": sha256(against)},
        suspect=suspect,
        expected=lambda case, name: reference_tensor(reference, pairs.get(name, name), case),
        tensors=tensors,
        tensors_of=case.name,
        whence=lambda name: describe_tensor(proto, name),
    )


def onnx_side(path: Path, batch: int = 1) -> tuple[Side, onnx.ModelProto]:
    """Return a model in ONNX Runtime as a side, and its graph with the stages marked."""
    proto = surgery.read(str(path))
    stated = ExportedModel(path, proto)
    stages = mark_stages(proto)
    return Side(
        name=str(path),
        io=stated.io,
        precision=stated.precision,
        size=stated.size,
        batch=batch,
        stages=stages,
        runner=lambda tensors: onnxruntime_runner(proto, tensors, str(path)),
    ), proto


def _engine(request: VerifyRequest) -> tuple[Side, onnx.ModelProto, Suspect, Path]:
    """Prepare an engine like the one that is asked about, from the same model."""
    machine = this_machine()
    manifest = diagnose(request.model, machine).require_usable()
    source = source_model(request.model, manifest)
    proto = surgery.read(str(source))
    stated = ExportedModel(source, proto)
    side, prepared = engine_side(request.model, manifest, proto, stated, machine)
    suspect = Suspect(
        path=source,
        io=side.io,
        precision=side.precision,
        runner="trt",
        rtx=manifest.build.module == "tensorrt_rtx",
        plugin=manifest.build.plugin is not None,
    )
    return side, prepared, suspect, request.against or source


def engine_side(
    engine: Path,
    manifest: Manifest,
    proto: onnx.ModelProto,
    stated: ExportedModel,
    machine: HostCapabilities,
) -> tuple[Side, onnx.ModelProto]:
    """Return a build of an engine's model with marked tensors, and the graph it is built from."""
    plugin = manifest.build.plugin is not None
    prepared = surgery.for_tensorrt(proto, plugin=plugin)
    stages = mark_stages(prepared)
    module = TensorRTModule.load(manifest.build.module)
    if plugin:
        load_plugin(module, known=engine.parent)
    gpu = machine.gpus[0]

    def runner(tensors: Sequence[str]) -> Any:  # noqa: ANN401
        network = marked_network(prepared, tensors, manifest.build.module)
        return tensorrt_runner(marked_plan(network, manifest, gpu), str(engine))

    side = Side(
        name=str(engine),
        io=stated.io,
        precision=audited_precision(engine, manifest),
        size=case_size(manifest.profiles[0]),
        batch=manifest.profiles[0].batch[1],
        stages=stages,
        runner=runner,
    )
    return side, prepared
