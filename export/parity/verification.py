"""Run a verification: open both sides, compare them, return the outcome.

Letters: H W sides in pixels.
"""

import contextlib
import dataclasses
import functools
import importlib.metadata
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from ...plugins.errors import ContractError
from ...runtime import contract
from ...runtime.contract import IOFormat, Precision
from ...runtime.engine.compatibility import diagnose, this_machine
from ...runtime.engine.manifest import Manifest, manifest_path, read_manifest
from ...runtime.engine.shapes import ShapeRange
from ...runtime.files.atomic import atomic_write, sha256
from ...runtime.sessions.session import open_session
from ...runtime.tensors.conversion import Array
from ...train import checkpoint
from ..config import PRECISIONS
from ..graph.attention_function import MATCHES
from .cases import Case, load_case, verify_cases
from .compare import Stages
from .polygraphy_command import Rerun
from .probe import Probe, torch_stages
from .report import Report, StageParity, record
from .request import CHECKPOINT, VerifyRequest
from .verify_model import require_same_architecture, verify_model, verify_session

_OUTWARD: Final = ("attended", contract.OUTPUT)  # stages that depend on the matches
_SMALL, _TALL = 256, 512  # sides of the cases for models of any size


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a verification, and what Polygraphy needs to repeat it."""

    report: Report
    origin: Mapping[str, str]  # hashes of the files
    # None if Polygraphy has no runner for it
    rerun: Rerun | None
    expected: Callable[[Case, str], Array]  # returns the reference's tensor, by name
    # all tensors of one case, in the order of computation
    tensors: tuple[StageParity, ...] = ()
    tensors_of: str = ""  # the name of that case
    describe_node: Callable[[str], str] | None = None  # by tensor

    @property
    def divergence(self) -> StageParity | None:
        """The first tensor that breaks a limit."""
        failing = self.report.failing
        stages = () if failing is None else failing.stages
        return next((t for t in self.tensors or stages if not t.passed), None)

    @property
    def visible(self) -> StageParity:
        """The first broken tensor of the failing case that Polygraphy can see.

        Match indices are hidden inside CSA; if only they exceed a limit, this is CSA's output.
        """
        failing = self.report.failing
        assert failing is not None
        candidates = [t for t in self.tensors or failing.stages if t.stage != MATCHES]
        broken = (t for t in candidates if not t.passed)
        return next(broken, next(t for t in candidates if t.stage in _OUTWARD))

    def describe(self, tensor: StageParity) -> str:
        """Return a line about the tensor and the limit it exceeds."""
        made_by = "" if self.describe_node is None else self.describe_node(tensor.stage)
        return f"{tensor.stage}{made_by and f' ({made_by})'}: {tensor.broken[0]}"

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as JSON values."""
        values = {**self.origin, **self.report.to_json()}
        if self.tensors:
            values["tensors"] = [record(tensor) for tensor in self.tensors]
        if self.divergence is not None:
            values["first_divergence"] = self.divergence.stage
        return values


def verify_export(request: VerifyRequest) -> Outcome:
    """Compare an exported model with its checkpoint: all stages, or the result in a backend."""
    assert request.against is not None
    with contextlib.ExitStack() as stack:
        session = None
        if request.backend or request.precision:
            opened = open_session(
                request.model, backend=request.backend, precision=request.precision
            )
            session = stack.enter_context(contextlib.closing(opened))
        probe = Probe(request.model)  # first, to refuse other files at once
        cases = cases_of(request, probe.size)
        source, digest = checkpoint.load(request.against), sha256(request.against)
        _warn(request.model, "exported", probe.checkpoint_sha256, request.against, digest)
        reference = functools.partial(torch_stages, source, io=probe.io)
        if session is None:
            report = verify_model(probe, source, cases)
        else:
            require_same_architecture(probe, source)
            precision = request.precision or probe.precision
            report = verify_session(session, precision, reference, cases)
    rerun = Rerun(path=request.model, io=probe.io, precision=probe.precision)
    return Outcome(
        report=report,
        origin={"model_sha256": sha256(request.model), "checkpoint_sha256": digest},
        rerun=rerun if session is None else None,  # Polygraphy has no other backend
        expected=lambda case, stage: reference(case)[stage],
    )


def verify_built(request: VerifyRequest) -> Outcome:
    """Compare the result of an engine with its model's, and record it in the manifest.

    One saved case that passes proves little and is not recorded.
    """
    machine = this_machine()
    found = diagnose(request.model, machine)
    with contextlib.closing(open_session(request.model)) as session:
        manifest = found.require_usable()
        precision = audited_precision(request.model, manifest)
        against = request.against or source_model(request.model, manifest)
        reference = _reference(against, manifest, session.io, request.model)
        cases = cases_of(request, case_size(manifest.profiles[0]))
        batch = manifest.profiles[0].batch.best
        report = verify_session(session, precision, reference, cases, batch=batch)
        io = session.io
    origin = {"engine_sha256": manifest.engine.sha256, "against_sha256": sha256(against)}
    if request.case is None or not report.passed:
        held = {"name": against.name, "sha256": origin["against_sha256"]}
        parity = parity_of(report, module=found.module, gpu=machine.gpus[0], against=held)
        try:
            record_parity(request.model, manifest, parity)
        except ContractError as error:  # the result still holds
            print(f"csakit verify: warning: not in the manifest: {error}", file=sys.stderr)
    plugin = manifest.build.plugin
    return Outcome(
        report=report,
        origin=origin,
        rerun=Rerun(
            path=request.model,
            io=io,
            precision=precision,
            runner="trt",
            rtx=manifest.build.module == "tensorrt_rtx",
            plugin=plugin is not None and not plugin.embedded,
        ),
        expected=lambda case, stage: reference(case)[stage],
    )


def cases_of(request: VerifyRequest, size: tuple[int, int] | None) -> Iterable[Case]:
    """Return the saved case of a request, or all cases for the (H, W) of a model."""
    return [load_case(request.case)] if request.case else verify_cases(size, request.images)


def source_model(engine: Path, manifest: Manifest) -> Path:
    """Return the path of the model that an engine was built from."""
    path = engine.parent / manifest.source.model.name
    if path.is_file():
        return path
    raise ContractError(
        f"{engine} was built from {manifest.source.model.name}, which is not there\n"
        "Copy it there, or name the model or its checkpoint with --against."
    )


def _reference(
    against: Path, manifest: Manifest, io: IOFormat, engine: Path
) -> Callable[[Case], Stages]:
    """Return the reference of an engine: its model or checkpoint, ready to run."""
    if against.suffix == CHECKPOINT:
        source = checkpoint.load(against)
        _warn(engine, "built", manifest.source.checkpoint_sha256, against, sha256(against))
        return functools.partial(torch_stages, source, io=io)
    probe = Probe(against)
    _warn(engine, "built", manifest.source.model.sha256, against, sha256(against))
    return probe.run


def audited_precision(engine: Path, manifest: Manifest) -> Precision:
    """Return the audited precision of an engine, which decides its limits."""
    for known in PRECISIONS:
        if known == manifest.precision.audited:
            return known
    raise ContractError(
        f"limits are stated for {' and '.join(PRECISIONS)}; {engine} was audited as "
        f"{manifest.precision.audited!r}\nBuild it again: {manifest.rebuild}"
    )


def case_size(shapes: ShapeRange) -> tuple[int, int] | None:
    """Return the (H, W) of an engine's cases; None if it takes the usual ones."""
    least, best, most = shapes.size
    return None if least <= _SMALL and most >= _TALL else (best, best)


def parity_of(
    report: Report, *, module: str | None, gpu: str, against: Mapping[str, str]
) -> dict[str, Any]:
    """Return a verification as JSON values for the manifest."""
    (worst,) = report.to_json()["worst"]
    return {
        "passed": report.passed,
        "csakit": importlib.metadata.version("csakit"),
        "module": module,
        "gpu": gpu,
        "against": dict(against),
        "images": len(report.cases),
        "precision": report.precision,
        contract.OUTPUT: worst,
    }


def record_parity(engine: Path, verified: Manifest, parity: Mapping[str, object]) -> None:
    """Write the parity of an engine into its manifest, unless it was built again meanwhile."""
    path = manifest_path(engine)
    if read_manifest(path).engine != verified.engine:
        raise ContractError(
            f"{engine} was built again while it was verified\nVerify it again: csakit verify"
        )
    with atomic_write(path) as temporary:
        temporary.write_text(dataclasses.replace(verified, parity=parity).text())


def _warn(model: Path, made: str, stated: str, against: Path, digest: str) -> None:
    if stated != digest:
        print(
            f"csakit verify: warning: {model} was {made} from a file with SHA-256 "
            f"{stated[:12]}; {against} has {digest[:12]}",
            file=sys.stderr,
        )
