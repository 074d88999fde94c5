"""``csakit train``: parse, train, report."""

import argparse
import logging
from collections.abc import Sequence

from ..runtime.command import run_command
from .train_arguments import chosen, train_parser
from .training import resuming
from .training.config_file import build, read
from .training.shipped import find


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a network; return the exit code."""
    return run_command(train_parser(), _train, arguments)


def _train(args: argparse.Namespace) -> int:
    from .training.loop import train  # deferred: seconds, and help needs none of it

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    choices = [*([read(find(args.config))] if args.config else []), chosen(args)]
    if args.resume:
        config = resuming.configuration(args.resume, *choices)
        outcome = train(config, args.resume, resume=True)
    else:
        outcome = train(build(*choices), args.output)
    return outcome.exit_code
