"""The best, the median and the worst case of an evaluation, as a picture."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from ...plugins.errors import ContractError
from .grid import Cell, with_hole
from .metrics import hole_psnr
from .scores import ImageScore, Pair, Report, Run, composites

_RANKS: Final = ("best", "median", "worst")


def chosen_cases(report: Report) -> dict[str, ImageScore]:
    """Choose the cases to show, "best", "median" and "worst", by the PSNR inside the hole.

    Of an even number the lower median counts. A result that is not finite is worse than any
    other. Of equal ones the first is the better. Of fewer than three images each is shown once.
    """
    order = sorted(report.images, key=_badness)
    last = len(order) - 1
    cases = {"best": order[0], "worst": order[last], "median": order[(last + 1) // 2]}
    shown: dict[str, ImageScore] = {}
    for rank, case in cases.items():
        if case not in shown.values():
            shown[rank] = case
    return {rank: shown[rank] for rank in _RANKS if rank in shown}


def draw_cases(
    runs: Mapping[str, Run], pairs: Iterable[Pair], cases: Mapping[str, ImageScore], *, title: str
) -> list[list[Cell]]:
    """Draw chosen cases, a row each: the image with its hole, each model's result, the truth.

    All models are run on them again; ``title`` ends the label of each row.

    Raises:
        ContractError: the pairs are not those that the cases were scored on, from the start.
    """
    found = _found(pairs, [case.position for case in cases.values()])
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


def _found(pairs: Iterable[Pair], positions: Sequence[int]) -> dict[int, Pair]:
    """Take the pairs at some positions, and read no further than the last of them."""
    found: dict[int, Pair] = {}
    for position, pair in enumerate(pairs):
        if position in positions:
            found[position] = pair
        if len(found) == len(set(positions)):
            break
    return found


def _badness(score: ImageScore) -> tuple[bool, float]:
    return (False, -score.inside.psnr_db) if score.finite else (True, 0.0)
