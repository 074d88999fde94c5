"""Compare models on the same images and holes; draw the best, median and worst case."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ...plugins.errors import ContractError
from ...runtime.tensors.pixels import Uint8
from .grid import Cell, draw_grid, with_hole
from .metrics import hole_psnr
from .models import Model
from .pairs import Pairs
from .report import Evaluation
from .scores import ImageScore, Pair, Report, Run, composites, evaluate


def compare(
    models: Mapping[str, Model],
    pairs: Pairs,
    *,
    baselines: Sequence[str] = (),
    advance: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Evaluate models, by name, on the same pairs; ``advance`` is called once a pair.

    ``baselines`` names the models that the others are compared with.
    """
    size, batch = pairs.options.size, pairs.options.batch
    for name, model in models.items():
        if model.size not in (None, (size, size)):
            height, width = model.size or (0, 0)
            raise ContractError(
                f"{name} takes images of {width} x {height} only; got --size {size}\n"
                f"Use --size {width}, or export with --size dynamic."
            )
    reports = {
        kind: {
            name: evaluate(model.run, _counted(pairs.of(kind), advance), batch=batch)
            for name, model in models.items()
        }
        for kind in pairs.kinds
    }
    return Evaluation(
        data=pairs.summary(),
        models=models,
        reports=reports,
        baselines=baselines,
        broken=pairs.broken,
    )


def _counted(pairs: Iterable[Pair], advance: Callable[[], object]) -> Iterator[Pair]:
    for pair in pairs:
        advance()
        yield pair


def draw_comparison(evaluation: Evaluation, pairs: Pairs) -> Uint8:
    """Draw the best, median and worst case of the first model, for each kind of holes."""
    runs = {name: model.run for name, model in evaluation.models.items()}
    rows = [
        row
        for kind, reports in evaluation.reports.items()
        for row in draw_cases(
            runs, pairs.of(kind), chosen_cases(next(iter(reports.values()))), title=kind
        )
    ]
    return draw_grid(rows)


def chosen_cases(report: Report) -> dict[str, ImageScore]:
    """Choose "best", "median" and "worst" by the PSNR in the hole, each image at most once."""
    order = sorted(  # ties keep the order of the images
        report.images, key=lambda score: -score.inside.psnr_db if score.finite else math.inf
    )
    cases = {"best": order[0]}
    if len(order) > 2:
        cases["median"] = order[len(order) // 2]  # the worse of two middle ones
    if len(order) > 1:
        cases["worst"] = order[-1]
    return cases


def draw_cases(
    runs: Mapping[str, Run], pairs: Iterable[Pair], cases: Mapping[str, ImageScore], *, title: str
) -> list[list[Cell]]:
    """Draw one row per case: the image with its hole, the result of each model, the truth."""
    positions = {case.position for case in cases.values()}
    read = itertools.islice(pairs, max(positions) + 1)  # not beyond the last of them
    found = {position: pair for position, pair in enumerate(read) if position in positions}
    rows = []
    for rank, case in cases.items():
        pair = found.get(case.position)
        if pair is None or pair[0] != case.name:
            raise ContractError(
                f"the pairs must be those that were scored; {case.name!r} is not at its place"
            )
        rows.append(_row(f"{rank}, {title}: {Path(case.name).name}", runs, pair))
    return rows


def _row(label: str, runs: Mapping[str, Run], pair: Pair) -> list[Cell]:
    _, image, hole = pair
    cells = [Cell(picture=with_hole(image, hole), label=label)]
    for name, run in runs.items():
        (result,) = composites(run, [pair])
        if result is None:
            cells.append(Cell(picture=np.zeros_like(image), label=f"not finite  {name}"))
        else:
            decibels = hole_psnr(result, image, hole)
            cells.append(Cell(picture=result, label=f"{decibels:.2f} dB  {name}"))
    return [*cells, Cell(picture=image, label="truth")]
