"""Several models on the same images and the same holes."""

from collections.abc import Callable, Mapping, Sequence

from ...plugins.errors import ContractError
from ...runtime.tensors.pixels import Uint8
from .grid import draw_grid
from .models import Model
from .pairs import Pairs
from .pictures import chosen_cases, draw_cases
from .report import Evaluation
from .scores import Pair, evaluate

Watch = Callable[[Pair], Pair]
"""Is handed each pair as it is taken, and hands it on."""


def compare(
    models: Mapping[str, Model],
    pairs: Pairs,
    *,
    baselines: Sequence[str] = (),
    watch: Watch = lambda pair: pair,
) -> Evaluation:
    """Evaluate models, by name, on the same pairs; ``watch`` sees each pair, for a progress bar.

    ``baselines`` are the names of those models that the others are compared with.

    Raises:
        ContractError: a model does not take images of that size, or nothing can be scored.
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
        kind: [
            evaluate(model.run, map(watch, pairs.of(kind)), batch=batch)
            for model in models.values()
        ]
        for kind in pairs.kinds
    }
    return Evaluation(
        data=pairs.summary(),
        models=models,
        reports=reports,
        baselines=baselines,
        broken=pairs.broken,
    )


def draw_comparison(evaluation: Evaluation, pairs: Pairs) -> Uint8:
    """Draw the best, median and worst case of each kind of holes, as the first model has them.

    The models of the evaluation are still open; the pairs are those that it was made on.
    """
    runs = {name: model.run for name, model in evaluation.models.items()}
    rows = [
        row
        for kind, reports in evaluation.reports.items()
        for row in draw_cases(runs, pairs.of(kind), chosen_cases(reports[0]), title=kind)
    ]
    return draw_grid(rows)
