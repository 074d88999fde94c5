"""``csakit evaluate``: score models on images with holes, and print a table."""

import argparse
import contextlib
import json
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from PIL import Image

from ...plugins.errors import ContractError, ExitCode
from ...runtime.cli.command import run_command
from ...runtime.files.atomic import atomic_write
from ..data import BUCKETS
from ..evaluation.baselines import BASELINES, open_baselines, open_repair
from ..evaluation.comparison import compare, draw_comparison
from ..evaluation.hole_classes import HOLE_CLASSES
from ..evaluation.margins import markdown
from ..evaluation.models import open_model
from ..evaluation.pairs import EvaluationOptions, Pairs
from .flags import add_flags

PROGRAM: Final = "csakit evaluate"
_ALL: Final = "all"

_EPILOG: Final = """\
examples:
  csakit evaluate model.safetensors --data photos/ --masks center,freeform
  csakit evaluate wide.safetensors narrow.onnx --data scikit-image --masks center --grid cases.png
  csakit evaluate demo --data photos/ --masks classes --baselines harmonic,opencv
  csakit evaluate model.onnx --data places2/ --recipe places2 --masks irregular/ --buckets all \\
      --count 1000 --json scores.json

The scored result takes the hole from the model, rounded to 8 bits, and everything else from
the image. Mean L1 and L2 are in per cent of the range and of its square. SSIM has
windows of 7 x 7; inside the hole it is the mean of its map over the missing pixels. The seed and
the image alone decide each hole, so that every model gets the same ones.

exit codes: 0 scored; 1 a model returned NaN or infinity; 2 invalid usage or input;
3 a package is missing, or the model cannot run here.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Score models on images with holes; return the exit code."""
    return run_command(evaluate_parser(), _evaluate, arguments)


def _evaluate(args: argparse.Namespace) -> int:
    from tqdm import tqdm  # deferred: help does not need it

    options = options_of(args)
    if args.grid and args.grid.suffix.lower() != ".png":
        raise ContractError(f"the picture of --grid must be a .png file; got {args.grid}")
    with contextlib.ExitStack() as stack:
        logger, handler = logging.getLogger("csakit"), _Lines()
        logger.addHandler(handler)
        stack.callback(logger.removeHandler, handler)
        # Opened first, so that a path that cannot be written fails before the work.
        record = stack.enter_context(atomic_write(args.json)) if args.json else None
        sheet = stack.enter_context(atomic_write(args.grid)) if args.grid else None
        pairs = Pairs(options)
        baselines = open_baselines(args.baselines)
        open_one = open_repair if baselines else partial(open_model, device=args.device)
        models = {
            name: stack.enter_context(open_one(path)) for name, path in _named(args.models).items()
        } | baselines
        total = len(pairs) * len(models)
        with tqdm(total=total, unit="image", disable=None, leave=False) as bar:
            evaluation = compare(models, pairs, baselines=list(baselines), advance=bar.update)
        if record:
            text = json.dumps(evaluation.to_json(), indent=1, allow_nan=False)
            record.write_text(text + "\n")
        if sheet:
            Image.fromarray(draw_comparison(evaluation, pairs)).save(sheet)
    print(evaluation.table())
    for name, margins in evaluation.margins().items():
        print(f"\n{name} against the best baseline of each image, inside the hole\n")
        print(f"{markdown(margins)}\n")
    for line in evaluation.notes():
        print(line)
    for line in evaluation.failures:
        print(f"FAILED: {line}")
    return ExitCode.OK if evaluation.passed else ExitCode.CHECK_FAILED


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """Return models by file name, or by path if file names repeat."""
    names = {path.name: path for path in paths}
    if len(names) < len(paths):
        names = {str(path): path for path in paths}
    if len(names) < len(paths):
        raise ContractError(f"each model must be given once; got {', '.join(map(str, paths))}")
    return names


class _Lines(logging.Handler):
    """Prints each warning of the library once, as a line of this command."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record unless it repeats: each model and kind of holes reads images again."""
        from tqdm import tqdm

        text = f"{PROGRAM}: {record.levelname.lower()}: {record.getMessage()}"
        if text not in self._shown:
            self._shown.add(text)
            tqdm.write(text, file=sys.stderr)


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
    group = parser.add_argument_group("images")
    add_flags(
        group,
        EvaluationOptions,
        ("data", "split", "recipe", "count", "size"),
        data={"metavar": "SPEC"},
        split={"choices": ("val", _ALL)},
        count={"type": int, "metavar": "N"},
    )
    group = parser.add_argument_group("holes")
    add_flags(
        group,
        EvaluationOptions,
        ("masks", "buckets", "mask_invert", "seed"),
        masks={
            "type": _masks,
            "metavar": "SPEC[,SPEC...]",
            "help": "'center', 'freeform', 'box', a folder of masks where white is missing; "
            f"{', '.join(HOLE_CLASSES)}, or 'classes' for all of these",
        },
        buckets={
            "type": _buckets,
            "metavar": "LIST",
            "help": "a hole of each of these sizes for each image, in per cent of its pixels: some "
            f"of {','.join(BUCKETS)}, or '{_ALL}'; the centre hole has one (default: as drawn)",
        },
        mask_invert={"action": "store_true"},
    )
    group = parser.add_argument_group("run")
    add_flags(group, EvaluationOptions, ("batch",))
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
        help="compare the exported MODEL, run with the runtime's default options ('demo' is "
        f"the packaged model), image by image with some of "
        f"{','.join(BASELINES)}; opencv needs 'csakit[baselines]'",
    )
    group.add_argument("--json", type=Path, metavar="FILE", help="also write all scores by image")
    group.add_argument(
        "--grid",
        type=Path,
        metavar="FILE.png",
        help="also draw the best, the median and the worst case of the first model",
    )
    return parser


def options_of(args: argparse.Namespace) -> EvaluationOptions:
    """Return the options of parsed arguments."""
    names = EvaluationOptions.__dataclass_fields__
    return EvaluationOptions(**{name: getattr(args, name) for name in names})


def _masks(text: str) -> tuple[str, ...]:
    return tuple(
        name for spec in _list(text) for name in (HOLE_CLASSES if spec == "classes" else (spec,))
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _buckets(text: str) -> tuple[str, ...]:
    return BUCKETS if text == _ALL else _list(text)
