"""The verification of an engine: the limits and cases it takes, and the record in its manifest.

Letters: H W sides in pixels.
"""

import dataclasses
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...plugins.errors import ContractError
from ...runtime import contract
from ...runtime.contract import Precision
from ...runtime.engine.manifest import Manifest, manifest_path, read_manifest
from ...runtime.engine.shapes import ShapeRange
from ...runtime.files.atomic import atomic_write
from ..config import PRECISIONS
from .report import Report

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
