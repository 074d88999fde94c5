"""``csakit train``: parse, train, report."""

import argparse
import logging
from collections.abc import Sequence

from ...runtime.cli.command import run_command
from ..training import resuming
from ..training.config_file import Choice, build, read
from ..training.run_folder import RunFolder
from ..training.shipped import find
from .train_arguments import chosen, train_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a network; return the exit code."""
    return run_command(train_parser(), _train, arguments)


def _train(args: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    choices = [*([read(find(args.config))] if args.config else []), chosen(args)]
    if args.ablations:
        return _ablations(args, choices)
    from ..training.loop import train  # deferred: seconds, and help needs none of it

    if args.resume:
        config = resuming.configuration(args.resume, *choices)
        outcome = train(config, args.resume, resume=True)
    else:
        outcome = train(build(*choices), args.output)
    return outcome.exit_code


def _ablations(args: argparse.Namespace, choices: Sequence[Choice]) -> int:
    from ..training.ablation import FULL, run_ablations  # deferred: as above

    if args.resume:
        config = resuming.configuration(args.resume / FULL, *choices)
    else:
        RunFolder(args.output).require_new()
        config = build(*choices)
    evaluation, code = run_ablations(config, args.resume or args.output)
    if evaluation is not None:
        print(evaluation.table())
    return code
