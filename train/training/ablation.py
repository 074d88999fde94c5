"""The paper's ablations: the same training without one part each, and a table of the results.

All else is equal: seed, data and their order, steps, evaluation.
"""

import contextlib
import dataclasses
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from PIL import Image

from ...plugins.errors import ContractError
from ...runtime.files.atomic import atomic_write
from ..evaluation.comparison import compare, draw_comparison
from ..evaluation.models import open_model
from ..evaluation.pairs import EvaluationOptions, Pairs
from ..evaluation.report import Evaluation
from .config import TrainConfig
from .config_file import read_resumed
from .loop import train
from .metrics_log import draw_curves, read_scalars
from .run_folder import RunFolder

FULL: Final = "full"
_TABLE: Final = "ablations.txt"
_JSON: Final = "ablations.json"
_GRID: Final = "ablations.png"
_CURVES: Final = "curves.png"

logger = logging.getLogger(__name__)


def variants(config: TrainConfig) -> dict[str, TrainConfig]:
    """Return the full recipe and those that lack one part each, by name."""
    losses = config.losses
    parts = {
        "--attention csa": config.model.attention == "csa",
        "--consistency above 0": losses.consistency > 0,
        "--feature-patch with --adversarial above 0": losses.needs_discriminators
        and losses.feature_patch,
    }
    lacking = [name for name, there in parts.items() if not there]
    if lacking:
        raise ContractError(f"ablations start from the full recipe; it lacks {', '.join(lacking)}")
    if config.engine.devices * config.engine.nodes > 1:
        raise ContractError(
            "ablations run in one process; got several --devices or --nodes\n"
            "Train each variant by itself, with its flags, to use them."
        )

    def changed(section: str, **values: object) -> TrainConfig:
        part = dataclasses.replace(getattr(config, section), **values)
        return dataclasses.replace(config, **{section: part})

    return {
        FULL: config,
        "convolution": changed("model", attention="conv"),
        "no-consistency": changed("losses", consistency=0.0),
        "no-feature-patch": changed("losses", feature_patch=False),
    }


def run_ablations(config: TrainConfig, folder: Path) -> tuple[Evaluation | None, int]:
    """Train or resume the variants one by one; return no evaluation if a signal stops a run."""
    configs = variants(config)
    runs = {name: RunFolder(folder / name) for name in configs}
    pairs = Pairs(_evaluation(config))  # fails now, not after hours
    for name, wanted in configs.items():
        logger.info("--- %s", name)
        begun = runs[name].config.is_file()
        variant = read_resumed(runs[name].path, wanted.to_dict()) if begun else wanted
        outcome = train(variant, runs[name].path, resume=begun)
        if outcome.signal or outcome.step < variant.optimisation.steps:
            return None, outcome.exit_code
    draw_curves({name: read_scalars(run.scalars) for name, run in runs.items()}, folder / _CURVES)
    return _compare({name: run.model for name, run in runs.items()}, pairs, folder), 0


def _evaluation(config: TrainConfig) -> EvaluationOptions:
    """Return options for the validation data of the runs, with the centre hole too."""
    data = config.data
    masks = dict.fromkeys(("center", data.validation_masks or data.masks))
    return EvaluationOptions(
        data=data.validation or data.data,
        masks=tuple(masks),
        size=data.size,
        seed=config.optimisation.seed,
        count=data.validation_count or None,
        recipe=data.recipe,
        split="auto" if data.validation else "val",
        mask_invert=data.mask_invert,
    )


def _compare(models: Mapping[str, Path], pairs: Pairs, folder: Path) -> Evaluation:
    with contextlib.ExitStack() as stack:
        opened = {name: stack.enter_context(open_model(path)) for name, path in models.items()}
        evaluation = compare(opened, pairs)
        grid = draw_comparison(evaluation, pairs)
    with atomic_write(folder / _TABLE) as temporary:
        temporary.write_text(evaluation.table() + "\n")
    with atomic_write(folder / _JSON) as temporary:
        temporary.write_text(json.dumps(evaluation.to_json(), indent=1, allow_nan=False) + "\n")
    with atomic_write(folder / _GRID) as temporary:
        Image.fromarray(grid).save(temporary)
    return evaluation
