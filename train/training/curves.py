"""Curves of several runs as a picture: one panel a scalar, one line a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...plugins.errors import ContractError
from ...runtime.files.atomic import staged

Scalars = Sequence[Mapping[str, float]]
"""Lines of a run's log, each with "step"; see ``metrics_log.read_scalars``."""

_PANELS: Final = {  # key of the log to title
    "reconstruction": "L1 of both results",
    "consistency": "consistency loss",
    "adversarial": "adversarial loss of the generator",
    "discriminators": "loss of the discriminators",
    "validation_hole_psnr_db": "PSNR in the hole, validation (dB)",
}
_COLUMNS: Final = 2
_PANEL_INCHES: Final = (5.0, 3.0)
_DOTS_PER_INCH: Final = 100


def draw_curves(runs: Mapping[str, Scalars], path: Path) -> None:
    """Draw the scalars of runs, and write the picture.

    Args:
        runs: name to log.
        path: ends in ``.png``; an existing file is replaced.

    Raises:
        ContractError: no run has a scalar to draw, or the file cannot be written.
    """
    panels = {
        key: title
        for key, title in _PANELS.items()
        if any(key in line for lines in runs.values() for line in lines)
    }
    if not panels:
        raise ContractError(f"curves need a scalar of one of {', '.join(_PANELS)}; got none")
    rows = -(-len(panels) // _COLUMNS)
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(_COLUMNS * width, rows * height), layout="constrained")
    FigureCanvasAgg(figure)
    for number, (key, title) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, _COLUMNS, number)
        for name, lines in runs.items():
            points = [(line["step"], line[key]) for line in lines if key in line]
            if points:
                axes.plot(*zip(*points, strict=True), label=name, linewidth=1)
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    with staged(path) as temporary:
        figure.savefig(temporary, dpi=_DOTS_PER_INCH)
