"""``csakit train``: train a network, with a flag for every configuration key."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ...plugins.errors import ContractError
from ...runtime.cli.command import run_command
from ..training import config_file
from ..training.run_folder import RunFolder
from .flags import add_flags

PROGRAM: Final = "csakit train"

_EPILOG: Final = """\
examples:
  csakit train --data photos/ --masks freeform --vgg random --steps 2000 --width 16 -o run
  csakit train --config recipe.toml --data places2/ --masks irregular/ -o run --devices 4
  csakit train --resume run
  csakit train --ablations --data photos/ --width 8 --steps 5000 -o ablations

The run's folder holds config.toml, model.safetensors (the newest), best.safetensors (by PSNR
in the hole on the validation images), states/ to resume from, scalars.jsonl, samples.png and
tensorboard/. A resumed run ends with the weights that it would have had without the stop.
Resuming a finished run does nothing; --extend STEPS trains it on.

Ctrl-C and SIGTERM stop after the step that is running and save; a second Ctrl-C stops at once.

exit codes: 0 finished, or --minutes elapsed; 1 a loss is not finite (the batch is saved);
2 invalid usage or input; 3 a package is missing; 130 and 143 stopped by Ctrl-C and SIGTERM.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a network; return the exit code."""
    return run_command(train_parser(), _train, arguments)


def _train(args: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args.extend is not None and (args.ablations or not args.resume):
        raise ContractError("--extend needs --resume, and excludes --ablations")
    choices = [choice_of(args)]
    if args.config:
        choices.insert(0, config_file.read(config_file.find_recipe(args.config)))
    if args.ablations:
        return _ablations(args, choices)
    from ..training.loop import train  # deferred: takes seconds, and help does not need it

    if args.resume:
        config = config_file.read_resumed(args.resume, *choices, extend=args.extend)
        outcome = train(config, args.resume, resume=True)
    else:
        outcome = train(config_file.build(*choices), args.output)
    return outcome.exit_code


def _ablations(args: argparse.Namespace, choices: Sequence[config_file.Choice]) -> int:
    from ..training.ablation import FULL, run_ablations  # deferred: as above

    if args.resume:
        config = config_file.read_resumed(args.resume / FULL, *choices)
    else:
        RunFolder(args.output).require_new()
        config = config_file.build(*choices)
    evaluation, code = run_ablations(config, args.resume or args.output)
    if evaluation is not None:
        print(evaluation.table())
    return code


def train_parser() -> argparse.ArgumentParser:
    """Return the parser; ``choice_of`` reads its results."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Train a CSA network. Flags override the configuration file.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # a new flag must not change what an old script means
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        *("-o", "--output"),
        type=Path,
        metavar="RUN",
        help="folder of a new run; it must be absent or empty",
    )
    where.add_argument("--resume", type=Path, metavar="RUN", help="continue a stopped run")
    parser.add_argument(
        "--extend",
        type=int,
        metavar="STEPS",
        help="with --resume: continue to STEPS, which the learning rate then follows; the weights "
        "equal those of one run of STEPS only if the rate had not begun to fall",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="TOML",
        help="configuration file, or a recipe of the package: "
        f"{', '.join(config_file.recipe_names())}",
    )
    parser.add_argument(
        "--ablations",
        action="store_true",
        help="train the recipe, and then again without CSA, without the consistency loss and "
        "without the feature-patch discriminator, each in a folder below RUN; print a table",
    )
    for section, cls in config_file.SECTIONS.items():
        add_flags(parser.add_argument_group(section), cls, defaults=False)
    return parser


def choice_of(args: argparse.Namespace) -> config_file.Choice:
    """Return the keys whose flags the user gave."""
    choice: config_file.Choice = {}
    for name, section in config_file.SECTION_OF.items():
        if hasattr(args, name):
            value = getattr(args, name)
            choice.setdefault(section, {})[name] = tuple(value) if type(value) is list else value
    return choice
