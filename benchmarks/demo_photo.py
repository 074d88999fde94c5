"""Write the photograph and the mask of the demo: ``python -m csakit.benchmarks.demo_photo DIR``.

The photograph is ``chelsea`` of scikit-image, which the demo model was never trained on. The
mask is strokes from a fixed seed, and one filled ellipse.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from ..plugins.errors import ExitCode
from ..runtime.cli.command import run_command
from ..runtime.files.atomic import staged
from ..train.masks import freeform_hole

_SEED: Final = 4
_STROKES: Final = (0.06, 0.07)  # share of the photograph
_ELLIPSE: Final = (330, 180, 390, 235)  # left, top, right, bottom: in the fur


def main(arguments: Sequence[str] | None = None) -> int:
    """Write ``photo.png`` and ``mask.png``; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m csakit.benchmarks.demo_photo")
    parser.add_argument("folder", type=Path, metavar="DIR", help="made if it does not exist")
    return run_command(parser, _write, arguments)


def _write(args: argparse.Namespace) -> int:
    import skimage.data  # deferred: slow

    photograph: npt.NDArray[np.uint8] = skimage.data.chelsea()  # type: ignore[no-untyped-call]
    height, width = photograph.shape[:2]
    strokes = freeform_hole(height, width, np.random.default_rng(_SEED), ratio=_STROKES)
    mask = Image.fromarray(np.where(strokes, np.uint8(255), np.uint8(0)))
    ImageDraw.Draw(mask).ellipse(_ELLIPSE, fill=255)
    args.folder.mkdir(parents=True, exist_ok=True)
    for name, picture in (("photo.png", Image.fromarray(photograph)), ("mask.png", mask)):
        with staged(args.folder / name) as temporary:
            picture.save(temporary)
    share = np.asarray(mask).mean() / 255
    print(
        f"wrote {args.folder / 'photo.png'} ({width}x{height}) and {args.folder / 'mask.png'} "
        f"({100 * share:.0f} % missing)"
    )
    return ExitCode.OK


if __name__ == "__main__":
    raise SystemExit(main())
