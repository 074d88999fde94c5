"""``csakit evaluate``: parse, call one function, print its table.

Defaults come from ``EvaluationOptions``.
"""

import argparse
import contextlib
import dataclasses
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from PIL import Image

from ...plugins.errors import ContractError, ExitCode
from ...runtime.cli.command import run_command
from ...runtime.files.atomic import atomic_write
from ..data import BUCKETS, RECIPE_NAMES
from ..evaluation.baselines import BASELINES, open_baselines, open_repair
from ..evaluation.comparison import Watch, compare, draw_comparison
from ..evaluation.hole_classes import HOLE_CLASSES
from ..evaluation.margins import markdown
from ..evaluation.models import open_model
from ..evaluation.pairs import EvaluationOptions, Pairs
from ..evaluation.scores import Pair

PROGRAM: Final = "csakit evaluate"
_ALL: Final = "all"

_EPILOG: Final = """\
examples:
  csakit evaluate model.safetensors --data photos/ --masks center,freeform
  csakit evaluate wide.safetensors narrow.onnx --data scikit-image --masks center --grid cases.png
  csakit evaluate demo --data photos/ --masks classes --baselines harmonic,opencv
  csakit evaluate model.onnx --data places2/ --recipe places2 --masks irregular/ --buckets all \\
      --count 1000 --json scores.json

The result is scored as a user gets it: the hole from the model, rounded to 8 bits, everything
else from the image. Mean L1 and L2 are in per cent of the range and of its square. SSIM has
windows of 7 x 7; inside the hole it is the mean of its map over the missing pixels. The seed and
the image alone decide each hole, so that every model gets the same ones.

exit codes: 0 scored; 1 a model returned NaN or infinity; 2 invalid usage or input;
3 a package is missing, or the model cannot run here.
"""


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
        record = stack.enter_context(atomic_write(args.json)) if args.json else None
        sheet = stack.enter_context(atomic_write(args.grid)) if args.grid else None
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
    """Name models by their files, or by their paths where files are called alike."""
    names = {path.name: path for path in paths}
    if len(names) < len(paths):
        names = {str(path): path for path in paths}
    if len(names) < len(paths):
        raise ContractError(f"each model must be given once; got {', '.join(map(str, paths))}")
    return names


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Watch]:
    """Show a bar on a terminal."""
    from tqdm import tqdm

    with tqdm(total=total, unit="image", disable=None, leave=False) as bar:

        def watch(pair: Pair) -> Pair:
            bar.update()
            return pair

        yield watch


class _Lines(logging.Handler):
    """Prints the warnings of the library as lines of this command, each once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record. Images are read again for each model and each kind of holes."""
        from tqdm import tqdm

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


def evaluate_parser() -> argparse.ArgumentParser:
    """Return the parser; ``options_of`` reads its results."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Score checkpoints and exported models as the paper does: mean L1, mean L2, "
        "SSIM and PSNR, over the whole image and inside the hole, by kind and size of the hole.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "models", nargs="+", type=Path, metavar="MODEL", help=".safetensors, .onnx or .engine"
    )
    _add_images(parser)
    _add_holes(parser)
    _add_run(parser)
    return parser


def options_of(args: argparse.Namespace) -> EvaluationOptions:
    """Return the options of parsed arguments."""
    names = EvaluationOptions.__dataclass_fields__
    return EvaluationOptions(**{name: getattr(args, name) for name in names})


def _add_images(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("images")
    group.add_argument(
        "--data",
        required=True,
        metavar="SPEC",
        help="a folder; 'scikit-image', photographs it ships; 'procedural', drawn ones",
    )
    group.add_argument(
        "--split",
        choices=("val", _ALL),
        help="what the data set keeps apart for validation, or one image in 20 where it keeps "
        "nothing; or all of it" + _default("split"),
        default=EvaluationOptions.split,
    )
    group.add_argument(
        "--recipe",
        choices=RECIPE_NAMES,
        help="how a folder is laid out and cut" + _default("recipe"),
        default=EvaluationOptions.recipe,
    )
    group.add_argument(
        "--count", type=int, metavar="N", help="how many, from the first (default: all)"
    )
    group.add_argument(
        "--size",
        type=int,
        metavar="PX",
        help="of each side, a multiple of 256" + _default("size"),
        default=EvaluationOptions.size,
    )


def _add_holes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("holes")
    group.add_argument(
        "--masks",
        required=True,
        type=_masks,
        metavar="SPEC[,SPEC...]",
        help="'center', 'freeform', 'box', a folder of masks where white is missing; "
        f"{', '.join(HOLE_CLASSES)}, or 'classes' for all of these",
    )
    group.add_argument(
        "--buckets",
        type=_buckets,
        metavar="LIST",
        help="a hole of each of these sizes for each image, in per cent of its pixels: some of "
        f"{','.join(BUCKETS)}, or '{_ALL}'; the centre hole has one size (default: as drawn)",
    )
    group.add_argument("--mask-invert", action="store_true", help="black is missing in folders")
    group.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="of the holes" + _default("seed"),
        default=EvaluationOptions.seed,
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("run")
    group.add_argument(
        "--batch",
        type=int,
        metavar="N",
        help="images of one run" + _default("batch"),
        default=EvaluationOptions.batch,
    )
    group.add_argument(
        "--device",
        metavar="NAME",
        help="where checkpoints run, as torch names it (default: cpu)",
        default="cpu",
    )
    group.add_argument(
        "--baselines",
        type=_list,
        default=(),
        metavar="LIST",
        help="compare what a user gets, the exported MODEL in the runtime with its default "
        f"options ('demo' is the packaged one), picture by picture with some of "
        f"{','.join(BASELINES)}; opencv needs 'csakit[baselines]'",
    )
    group.add_argument("--json", type=Path, metavar="FILE", help="also write all, image by image")
    group.add_argument(
        "--grid",
        type=Path,
        metavar="FILE.png",
        help="also draw the best, the median and the worst case of the first model",
    )


def _default(name: str) -> str:
    return f" (default: {getattr(EvaluationOptions, name)})"


def _masks(text: str) -> tuple[str, ...]:
    return tuple(
        name for spec in _list(text) for name in (HOLE_CLASSES if spec == "classes" else (spec,))
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _buckets(text: str) -> tuple[str, ...]:
    return BUCKETS if text == _ALL else _list(text)
