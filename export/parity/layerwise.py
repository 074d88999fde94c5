"""``csakit verify --layerwise``: compare two Polygraphy runners tensor by tensor.

The stages decide, under the limits of every verification. The tensors between them are compared
on request, to locate the first divergence.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ...runtime import contract
from ...runtime.contract import IOFormat, Precision
from ...runtime.engine.compatibility import HostCapabilities, diagnose, this_machine
from ...runtime.engine.manifest import Manifest
from ...runtime.engine.tensorrt_module import TensorRTModule, load_plugin
from ...runtime.files.atomic import sha256
from ...runtime.tensors.conversion import Array
from ..graph import surgery
from ..graph.attention_function import MATCHES
from .cases import Case
from .compare import STAGES, Stages, compare_cases, compare_stage
from .polygraphy_command import Rerun
from .polygraphy_runners import (
    mark_stages,
    marked_network,
    marked_plan,
    onnxruntime_runner,
    quiet,
    tensorrt_runner,
)
from .probe import ExportedModel, as_float, network_input
from .report import Report, StageParity
from .request import VerifyRequest
from .tensor_pairs import describe_tensor, pair_tensors
from .verification import Outcome, audited_precision, case_size, cases_of, source_model


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """One side of the comparison: a model or an engine."""

    name: str  # for messages
    io: IOFormat
    precision: Precision
    size: tuple[int, int] | None  # its fixed (H, W); None if dynamic
    batch: int = 1  # batch size of its runs, copies of one image
    stages: tuple[str, ...]
    runner: Callable[[Sequence[str]], Any]  # creates Polygraphy's runner that returns these tensors


def verify_layerwise(request: VerifyRequest) -> Outcome:
    """Compare stages, and on request all tensors of the first failing case, of two runners."""
    if request.engine:
        model, proto, rerun, against = _engine(request)
    else:
        assert request.against is not None
        model, proto = onnx_side(request.model)
        rerun = Rerun(path=request.model, io=model.io, precision=model.precision)
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
        rerun=rerun,
        expected=lambda case, name: reference_tensor(reference, pairs.get(name, name), case),
        tensors=tensors,
        tensors_of=case.name,
        describe_node=lambda name: describe_tensor(proto, name),
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


def _engine(request: VerifyRequest) -> tuple[Side, onnx.ModelProto, Rerun, Path]:
    """Prepare a rebuild of the requested engine, from its source model."""
    machine = this_machine()
    manifest = diagnose(request.model, machine).require_usable()
    source = source_model(request.model, manifest)
    proto = surgery.read(str(source))
    stated = ExportedModel(source, proto)
    side, prepared = engine_side(request.model, manifest, proto, stated, machine)
    rerun = Rerun(
        path=source,
        io=side.io,
        precision=side.precision,
        runner="trt",
        rtx=manifest.build.module == "tensorrt_rtx",
        plugin=manifest.build.plugin is not None,
    )
    return side, prepared, rerun, request.against or source


def engine_side(
    engine: Path,
    manifest: Manifest,
    proto: onnx.ModelProto,
    stated: ExportedModel,
    machine: HostCapabilities,
) -> tuple[Side, onnx.ModelProto]:
    """Return a rebuild of an engine with marked tensors as a side, and its graph."""
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


def compare_stages(model: Side, reference: Side, cases: Iterable[Case]) -> Report:
    """Compare the stages that both sides have."""
    listed = list(cases)
    names = [name for name in STAGES if {name} <= {*model.stages} & {*reference.stages}]
    expected = _run(reference, names, listed)
    found = _run(model, names, listed)
    precision, io = _limits(model, reference)
    return compare_cases(
        lambda batch: [found[id(case)] for case in batch],
        lambda case: expected[id(case)],
        listed,
        precision=precision,
        io=io,
    )


def compare_tensors(
    model: Side, reference: Side, pairs: Mapping[str, str], case: Case
) -> tuple[StageParity, ...]:
    """Compare the float tensors of one case by pairs of names, in the model and the reference."""
    (expected,) = _run(reference, [*pairs.values()], [case]).values()
    (found,) = _run(model, [*pairs], [case]).values()
    precision, io = _limits(model, reference)
    compared = []
    for name, other in pairs.items():
        if name not in found:
            continue  # TensorRT's parser folded it away
        left, right = expected[other], found[name]
        if name != MATCHES and (left.dtype.kind != "f" or left.shape != right.shape):
            continue  # an integer, or packed differently by one of the exports
        compared.append(compare_stage(name, left, right, case, precision=precision, io=io))
    return tuple(compared)


def reference_tensor(reference: Side, name: str, case: Case) -> Array:
    """Return one tensor of a side in the form that ``compare_stage`` expects."""
    return _run(reference, [name], [case])[id(case)][name]


def _run(side: Side, tensors: list[str], cases: list[Case]) -> dict[int, Stages]:
    """Run all cases on one side; return the tensors of each, by its ``id``."""
    from polygraphy.comparator import Comparator

    feeds = []
    for case in cases:
        case.require_size(side.size, side.name)
        image, hole = (np.repeat(x, side.batch, axis=0) for x in network_input(case, side.io))
        feeds.append({contract.IMAGE: image, contract.MASK: hole})
    with quiet(f"running {side.name}"):
        ((_, results),) = Comparator.run([side.runner(tensors)], data_loader=feeds)
    return {
        id(case): {name: _values(array, name, side.io) for name, array in outputs.items()}
        for case, outputs in zip(cases, results, strict=True)
    }


def _values(array: Array, name: str, io: IOFormat) -> Array:
    """Return the first image of a stage; inner tensors are returned whole."""
    if name not in STAGES:
        return array
    return as_float(array[0]) if name == contract.OUTPUT and io == "uint8" else array[0]


def _limits(model: Side, reference: Side) -> tuple[Precision, IOFormat]:
    """Return the coarser precision of two sides, and bytes where one of them rounds to bytes."""
    precision: Precision = "fp16" if "fp16" in (model.precision, reference.precision) else "fp32"
    return precision, "uint8" if "uint8" in (model.io, reference.io) else "float"
