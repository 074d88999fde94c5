"""``csakit evaluate``: parse, call one function, print its table."""

import argparse
import contextlib
import dataclasses
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from ...plugins.errors import ContractError, ExitCode
from ...runtime.cli.command import run_command
from ...runtime.files.atomic import staged
from ..evaluation.baselines import open_baselines, open_repair
from ..evaluation.comparison import Watch, compare, draw_comparison
from ..evaluation.margins import markdown
from ..evaluation.models import open_model
from ..evaluation.pairs import Pairs
from ..evaluation.scores import Pair
from .evaluate_arguments import PROGRAM, evaluate_parser, options_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Score models on images with holes; return the exit code."""
    return run_command(evaluate_parser(), _evaluate, arguments)


def _evaluate(args: argparse.Namespace) -> int:
    options = options_of(args)
    if args.grid and args.grid.suffix.lower() != ".png":
        raise ContractError(f"the picture of --grid must be a .png file; got {args.grid}")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_warnings_as_lines())
        # Opened first: a file that cannot be written is refused before the work.
        record = stack.enter_context(staged(args.json)) if args.json else None
        sheet = stack.enter_context(staged(args.grid)) if args.grid else None
        pairs = Pairs(options)
        baselines = open_baselines(args.baselines)
        open_one = open_repair if baselines else partial(open_model, device=args.device)
        models = {
            name: stack.enter_context(open_one(path)) for name, path in _named(args.models).items()
        } | baselines
        with _progress(len(pairs) * len(models)) as watch:
            evaluation = compare(models, pairs, baselines=list(baselines), watch=watch)
        if record:
            text = json.dumps(evaluation.to_json(), indent=1, allow_nan=False)
            record.write_text(text + "\n")
        if sheet:
            Image.fromarray(draw_comparison(evaluation, pairs)).save(sheet)
    print(evaluation.table())
    for name, margins in evaluation.margins().items():
        facts = {kind: dataclasses.asdict(margin) for kind, margin in margins.items()}
        print(f"\n{name} against the best baseline of each image, inside the hole\n")
        print(f"{markdown(facts)}\n")
    for line in evaluation.notes():
        print(line)
    for line in evaluation.failures:
        print(f"FAILED: {line}")
    return ExitCode.OK if evaluation.passed else ExitCode.CHECK_FAILED


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """Name models by their files, as long as that tells them apart."""
    names = {path.name: path for path in paths}
    if len(names) < len(paths):
        names = {str(path): path for path in paths}
    if len(names) < len(paths):
        raise ContractError(f"each model must be given once; got {', '.join(map(str, paths))}")
    return names


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Watch]:
    """Show a bar on a terminal."""
    with tqdm(total=total, unit="image", disable=None, leave=False) as bar:

        def watch(pair: Pair) -> Pair:
            bar.update()
            return pair

        yield watch


class _Lines(logging.Handler):
    """Show the warnings of the library as lines of this command, each once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record. Images are read again for each model and each kind of holes."""
        text = f"{PROGRAM}: {record.levelname.lower()}: {record.getMessage()}"
        if text not in self._shown:
            self._shown.add(text)
            tqdm.write(text, file=sys.stderr)


@contextlib.contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Print warnings while the command runs, and leave logging as it was."""
    logger, handler = logging.getLogger("csakit"), _Lines()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
