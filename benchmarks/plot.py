"""Plots of a latency record: latency against holes, distributions, accuracy against latency.

One row for each model, size and batch of the record.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..plugins.errors import ContractError, LibraryError
from ..runtime.files.atomic import atomic_write
from .latency.plan import CENTRE
from .record import Measurement, Record
from .report import first_case, grouped, heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES: Final = (".png", ".svg")
_ROW_INCHES: Final = (16.0, 4.6)
_DOTS_PER_INCH: Final = 120
_STYLE: Any = {
    "svg.hashsalt": "csakit",  # the same record gives the same file
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def plot(record: Record, output: Path) -> None:
    """Draw a latency record into a ``.png`` or ``.svg`` file, replaced atomically."""
    groups = grouped(record)
    if output.suffix not in SUFFIXES:
        raise ContractError(f"a plot's name must end in {' or '.join(SUFFIXES)}; got {output.name}")
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise LibraryError(
            f"drawing needs matplotlib: {error}\nInstall it with: pip install 'csakit[bench]'"
        ) from error
    with matplotlib.rc_context(_STYLE), atomic_write(output) as temporary:
        size = _ROW_INCHES[0], _ROW_INCHES[1] * len(groups)
        figure = Figure(figsize=size, layout="constrained")
        rows = figure.subplots(len(groups), 3, squeeze=False)
        for group, axes in zip(groups, rows, strict=True):
            colours = {m.backend: f"C{i % 10}" for i, m in enumerate(first_case(group))}
            _draw_holes(axes[0], group, colours)
            _draw_distributions(axes[1], first_case(group), colours)
            _draw_front(axes[2], first_case(group), colours)
        date = {"Date": None} if output.suffix == ".svg" else None  # else it differs every time
        figure.savefig(temporary, dpi=_DOTS_PER_INCH, metadata=date)


def _draw_holes(axes: "Axes", group: Sequence[Measurement], colours: dict[str, str]) -> None:
    """Draw medians, and the 10th to 90th percentile, against the share that is missing."""
    import numpy as np

    for backend, colour in colours.items():
        own = [m for m in group if m.backend == backend]
        own.sort(key=lambda m: float(m.case["hole_ratio"]))
        strokes = [m for m in own if m.case.get("holes") != CENTRE]
        ratios = [100 * float(m.case["hole_ratio"]) for m in strokes]
        low, middle, high = (
            [float(np.percentile(m.samples_ms, p)) for m in strokes] for p in (10, 50, 90)
        )
        axes.plot(ratios, middle, marker="o", markersize=4, color=colour, label=backend)
        axes.fill_between(ratios, low, high, color=colour, alpha=0.2)
        for m in own:
            if m.case.get("holes") == CENTRE:
                point = 100 * float(m.case["hole_ratio"]), m.summary.p50_ms
                axes.plot(*point, marker="s", markersize=7, color=colour, fillstyle="none")
    axes.set(title=heading(group[0]), xlabel="missing, % of the image (square: centre hole)")
    axes.set_ylabel("host latency, ms: median, 10-90 %")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.legend()


def _draw_distributions(
    axes: "Axes", backends: Sequence[Measurement], colours: dict[str, str]
) -> None:
    """Draw the cumulative distribution of the samples."""
    for measured in backends:
        samples = sorted(measured.samples_ms)
        shares = [100 * (i + 1) / len(samples) for i in range(len(samples))]
        axes.step(samples, shares, where="post", color=colours[measured.backend])
        axes.plot(samples, shares, ".", markersize=4, color=colours[measured.backend])
    axes.set(title=f"holes: {backends[0].case.get('holes')}", xlabel="host latency, ms")
    axes.set_ylabel("% of calls within")


def _draw_front(axes: "Axes", backends: Sequence[Measurement], colours: dict[str, str]) -> None:
    """Draw accuracy against latency, and their Pareto front."""
    parities = {m.backend: m.parity for m in backends if m.parity is not None}
    ratios = {name: parity.psnr_db for name, parity in parities.items()}
    top = max((ratio for ratio in ratios.values() if ratio is not None), default=100.0) + 10
    points: list[tuple[float, float]] = []
    for measured in sorted(backends, key=lambda m: m.summary.p50_ms):
        if measured.backend in ratios:
            ratio = ratios[measured.backend]
            label = measured.backend if ratio is not None else f"{measured.backend} (equal)"
            place = measured.summary.p50_ms, top if ratio is None else ratio
            above = len(points) % 2 == 0  # neighbours' names on different sides of their dots
            points.append(place)
            axes.plot(*place, "o", color=colours[measured.backend])
            axes.annotate(label, place, textcoords="offset points", xytext=(5, 5 if above else -13))
    front = sorted(p for p in points if not any(q[0] < p[0] and q[1] >= p[1] for q in points))
    axes.plot([p[0] for p in front], [p[1] for p in front], "--", color="grey", zorder=0)
    axes.set(title="accuracy and latency", xlabel="host latency, ms, median")
    axes.set_ylabel("PSNR in the hole against the torch model, dB")
    axes.margins(0.2)
