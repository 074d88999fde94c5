"""The command that repeats a failing comparison in Polygraphy, and the files that it reads.

Polygraphy compares whole tensors, csakit the result inside the hole. Limits are converted for
each case, so that exceeding one here exceeds it there.
"""

import dataclasses
import math
from pathlib import Path
from typing import Final

import numpy as np

from ...plugins.errors import LibraryError
from ...plugins.library import find_library
from ...plugins.locations import file_name
from ...runtime import contract
from ...runtime.contract import IOFormat, Precision
from ...runtime.files.atomic import atomic_write
from ...runtime.tensors.conversion import Array
from ...runtime.tensors.pixels import HALF_RANGE, uint8_from_float
from ..graph.attention_function import MATCHES
from .cases import Case
from .compare import STAGES
from .limits import limit_of
from .polygraphy_runners import quiet
from .probe import network_input
from .report import StageParity

_RTX: Final = ("env", "POLYGRAPHY_USE_TENSORRT_RTX=1")
_DLOPENED: Final = "csakit_trt_autoreg"  # it registers itself; Polygraphy only opens plugins


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rerun:
    """The verified model or engine, and how Polygraphy runs it again."""

    path: Path  # .onnx or .engine
    io: IOFormat
    precision: Precision
    runner: str = "onnxrt"  # "onnxrt" or "trt"
    rtx: bool = False  # whether it is TensorRT for RTX
    plugin: bool = False  # whether the C++ plugin must be opened first


def repeat_command(
    rerun: Rerun, case: Case, broken: StageParity, expected: Array
) -> tuple[str, ...]:
    """Save a failing case for Polygraphy in the working folder; return the command that runs it."""
    values = as_output(expected, broken.stage, rerun.io)
    image, hole = network_input(case, rerun.io)
    given = {contract.IMAGE: image, contract.MASK: hole}
    inputs, outputs = _save(given, {broken.stage: values}, f"failing-{case.name}")
    command = [*(_RTX if rerun.rtx else ()), "polygraphy", "run", str(rerun.path)]
    command.append(f"--{rerun.runner}")
    if rerun.path.suffix == ".engine":
        command += ["--model-type", "engine"]
    elif rerun.runner == "trt":
        command += ["--strongly-typed", "--trt-outputs", broken.stage]
    elif broken.stage != contract.OUTPUT:
        command += ["--onnx-outputs", broken.stage]
    if rerun.plugin:
        command += ["--plugins", _plugin()[0]]
    command += ["--load-inputs", str(inputs), "--load-outputs", str(outputs), "--validate"]
    return (*command, *_tolerances(rerun, case, broken.stage, values))


def notes(rerun: Rerun, stages: tuple[StageParity, ...]) -> list[str]:
    """Return caveats about the command; usually none."""
    found = []
    if all(stage.passed or stage.stage == MATCHES for stage in stages):
        found.append("Polygraphy cannot see the match indices; CSA's output is compared instead.")
    if rerun.plugin and (remedy := _plugin()[1]):
        found.append(f"Polygraphy's --plugins needs a library that is not built: {remedy}")
    if rerun.plugin and rerun.path.suffix == ".onnx":
        found.append("TensorRT before 10.7 prefers the function body in this file to the plugin.")
    return found


def _plugin() -> tuple[str, str | None]:
    """Return the library for ``--plugins`` and, if it is not built, the command that builds it."""
    try:
        return str(find_library(_DLOPENED)), None
    except LibraryError:
        return file_name(_DLOPENED), "csakit plugin build --tensorrt-include DIR"


def as_output(values: Array, stage: str, io: IOFormat) -> Array:
    """Return one image's tensor as a batch of one, in the model's layout and type."""
    if stage not in STAGES:
        return values  # inner tensors are kept as the runner gave them
    if stage == contract.OUTPUT and io == "uint8":
        return uint8_from_float(values[None])
    return values[None]


def _tolerances(rerun: Rerun, case: Case, stage: str, expected: Array) -> list[str]:
    """Convert the limits of a tensor to options, for this case."""
    limit = limit_of(stage, rerun.precision, rerun.io)
    unit = HALF_RANGE if expected.dtype == np.uint8 else 1.0
    scale = max(float(np.abs(expected.astype(np.float64)).max()), 1e-12)
    bounds = (
        ("max", limit.max_abs, unit),
        ("max", limit.max_relative, scale),
        ("mean", limit.mean_relative, scale),
    )
    functions, options = [], []
    for statistic, bound, factor in bounds:
        if bound is not None:  # no tensor has two of them
            functions.append("simple")
            options += ["--atol", f"{bound * factor:.6g}", "--rtol", "0"]
            options += ["--check-error-stat", statistic]
    if limit.psnr_db is not None:
        # Only the hole may differ: 3 values of range 2 at each of its pixels.
        square = (2.0 * unit) ** 2 / 10 ** (limit.psnr_db / 10) * 3 * np.count_nonzero(case.hole)
        functions.append("l2")
        options += ["--l2-threshold", f"{math.sqrt(square):.6g}"]
    return ["--compare", *functions, *options]


def _save(inputs: dict[str, Array], outputs: dict[str, Array], stem: str) -> tuple[Path, Path]:
    """Write both files in Polygraphy's JSON."""
    from polygraphy.comparator import RunResults  # deferred: only failures need it
    from polygraphy.json import save_json

    given, expected = Path(f"{stem}.inputs.json"), Path(f"{stem}.expected.json")
    results = RunResults()
    results.add([outputs], runner_name="reference")
    with quiet(), atomic_write(given) as first, atomic_write(expected) as second:
        save_json([inputs], str(first))
        results.save(str(second))
    return given, expected
