"""Parity of an engine: its result against the model it was built from, inside the hole.

An engine shows nothing but its result; ``csakit verify --layerwise`` looks inside of a build of
the same model. Limits are those of the precision that the build audited.

Letters: B images, H W sides in pixels.
"""

import dataclasses
import importlib.metadata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...plugins.errors import ContractError
from ...runtime import contract
from ...runtime.contract import Precision
from ...runtime.engine.manifest import Manifest, manifest_path, read_manifest
from ...runtime.engine.shapes import ShapeRange
from ...runtime.files.atomic import atomic_write
from ...runtime.sessions.session import Session
from ..config import PRECISIONS
from .cases import Case
from .compare import compare_stage
from .probe import Array, as_float, network_input
from .report import CaseParity, Report

_SMALL, _TALL = 256, 512  # sides of the cases for models of any size


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
    """Return the (H, W) of an engine's cases; None where it takes those of any size."""
    least, best, most = shapes.size
    return None if least <= _SMALL and most >= _TALL else (best, best)


def verify_engine(
    session: Session,
    manifest: Manifest,
    reference: Callable[[Case], Array],
    cases: Iterable[Case],
    precision: Precision,
) -> Report:
    """Compare what an engine gives with what it should give.

    Args:
        session: of the engine, open.
        manifest: of the engine.
        reference: gives the right result of a case, (3, H, W) in [-1, 1].
        cases: what to compare on, of sizes that the engine takes.
        precision: whose limits hold.

    Returns:
        The report, of the stage "output" alone; a broken limit is no error here.

    Raises:
        ContractError: the engine does not take the size of a case.
        EngineError: the engine failed.
    """
    results: list[CaseParity] = []
    for batch in _batches(list(cases), manifest.profiles[0].batch[1]):
        for case, found in zip(batch, _run(session, batch), strict=True):
            if any(case is done.case for done in results):
                continue  # it only filled up the batch
            stage = compare_stage(
                *(contract.OUTPUT, reference(case), found, case),
                precision=precision,
                io=session.io,
            )
            results.append(CaseParity(case=case, stages=(stage,)))
    return Report(precision=precision, io=session.io, cases=tuple(results))


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


def _run(session: Session, batch: list[Case]) -> list[Array]:
    """Run cases of one size together; give their results as floats."""
    laid_out = [network_input(case, session.io) for case in batch]
    image, hole = (np.concatenate(arrays) for arrays in zip(*laid_out, strict=True))
    if session.io == "uint8":
        return [as_float(result) for result in session.run_uint8(image, hole)]
    return list(session.run(image, hole))


def _batches(cases: list[Case], count: int) -> Iterator[list[Case]]:
    """Group cases by size into batches, the last one filled up by its own cases."""
    sizes: dict[tuple[int, ...], list[Case]] = {}
    for case in cases:
        sizes.setdefault(case.hole.shape, []).append(case)
    for group in sizes.values():
        for start in range(0, len(group), count):
            chosen = group[start : start + count]
            yield [chosen[index % len(chosen)] for index in range(count)]
