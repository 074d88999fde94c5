"""The arguments of ``csakit inpaint``, and the options that they stand for."""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ...plugins.errors import ContractError
from ..batch.job import FileOptions
from ..batch.ray_cluster import RayOptions
from ..images.encode import OUTPUT_FORMATS
from ..options import CHANNELS, STRATEGIES, InpaintOptions, MaskOptions
from ..sessions.session import BACKENDS

PROGRAM: Final = "csakit inpaint"

_EPILOG: Final = """\
examples:
  csakit inpaint photo.jpg mask.png -o repaired.png
  csakit inpaint photos/ masks/ -o repaired/ --model model.onnx --blend none

In a folder run the mask of cat.jpg is cat.*, cat_mask.* or cat_mask001.* among the masks; one
mask file serves all images. Pixels outside of the mask do not change; only a lossy format (JPEG,
WebP) changes them a little when it encodes the result.

exit codes: 0 all repaired; 2 wrong usage or input, or some images were skipped;
3 something is not installed, or the model failed; 130, 143, 129 ended by a signal.
"""


def inpaint_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. Defaults are those of the option classes."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Repair what a mask marks in white.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    text: dict[str, Any] = {"type": Path}
    parser.add_argument("image", metavar="IMAGE", help="image file, or folder of them", **text)
    parser.add_argument(
        "mask", metavar="MASK", help="mask file (white = missing), or folder of them", **text
    )
    parser.add_argument(
        *("-o", "--output"),
        required=True,
        metavar="OUT",
        help="output file, whose suffix is its format; or folder, for a folder of images",
        **text,
    )
    add_model_option(parser)
    add_run_options(parser.add_argument_group("how the network is run"))
    _add_mask_options(parser.add_argument_group("how masks are read"))
    _add_output_options(parser.add_argument_group("how results are written"))
    _add_ray_options(parser.add_argument_group("how a folder is spread over machines"))
    return parser


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Describe the model."""
    parser.add_argument(
        "--model",
        metavar="MODEL",
        type=Path,
        help=".onnx from `csakit export`, .engine from `csakit build`, or 'demo', the model that "
        "comes along (default: demo)",
    )


def join_blend(arguments: Sequence[str]) -> list[str]:
    """Join into one argument ``feather PX``, which argparse cannot tell from IMAGE and MASK."""
    given = list(arguments)
    for at, pair in enumerate(itertools.pairwise(given[:-1])):
        if pair == ("--blend", "feather") and not given[at + 2].startswith("-"):
            return [*given[:at], f"--blend=feather {given[at + 2]}", *given[at + 3 :]]
    return given


def inpaint_options(args: argparse.Namespace) -> InpaintOptions:
    """Return how an image reaches the network."""
    return InpaintOptions(
        strategy=args.strategy, margin=args.margin, blend=args.blend, max_side=args.max_side
    )


def file_options(args: argparse.Namespace) -> FileOptions:
    """Return how files are read and written."""
    return FileOptions(
        mask=MaskOptions(
            channel=args.mask_channel,
            threshold=args.mask_threshold,
            invert=args.mask_invert,
            dilate=args.dilate,
        ),
        quality=args.quality,
        overwrite=args.overwrite or args.resume,  # what is whole is not begun again
        side_by_side=args.side_by_side,
    )


def runs_on_gpu(args: argparse.Namespace) -> bool:
    """Report whether the model runs on a GPU."""
    engine = args.model is not None and args.model.suffix == ".engine"
    return engine if args.device is None else bool(args.device.startswith("cuda"))


def ray_options(args: argparse.Namespace) -> RayOptions | None:
    """Return the cluster that a folder is repaired on; None is this process.

    Raises:
        ContractError: options do not go together.
    """
    if args.ray is None:
        for flag in ("workers", "gpus_each"):
            if getattr(args, f"ray_{flag}") is not None:
                raise ContractError(f"--ray-{flag.replace('_', '-')} needs --ray")
        return None
    if args.ray_gpus_each is not None and not runs_on_gpu(args):
        raise ContractError("--ray-gpus-each is for models on GPUs; add --device cuda")
    if args.device is not None and args.device.startswith("cuda:"):
        raise ContractError(
            f"--ray gives each worker its GPU; use --device cuda instead of {args.device}"
        )
    return RayOptions(address=args.ray, workers=args.ray_workers, gpus_each=args.ray_gpus_each)


def add_run_options(group: argparse._ArgumentGroup) -> None:
    """Describe ``InpaintOptions``, and what runs the model where."""
    group.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default=InpaintOptions.strategy,
        help="crop: each region with its surroundings, at the scale that the model was trained "
        "for; resize: the whole image, scaled down; whole: the whole image as it is "
        "(default: %(default)s)",
    )
    _number(group, "--margin", InpaintOptions.margin, "PX", "least known surroundings of a region")
    group.add_argument(
        "--blend",
        default=InpaintOptions.blend,
        metavar="HOW",
        help="seamless: continue the network's error at the edge harmonically into the hole; "
        "feather PX: let that correction fade out over so many pixels; none: the network's own "
        "pixels (default: %(default)s)",
    )
    _number(
        *(group, "--max-side", InpaintOptions.max_side, "PX"),
        "longest side of the network's input with --strategy resize, a multiple of 256",
    )
    group.add_argument(
        "--device",
        metavar="NAME",
        help="cpu, cuda or cuda:N; nothing falls back to the CPU (default: cpu for .onnx, cuda "
        "for .engine)",
    )
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        help="what runs an .onnx model; openvino is for CPUs, and needs 'csakit[openvino]' "
        f"(default: {BACKENDS[0]})",
    )
    group.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        help="of openvino: bf16 is several times faster where the CPU has it, and refused where "
        "not (default: that of the model, fp32)",
    )
    group.add_argument("--threads", type=int, metavar="N", help="default: one per physical core")
    group.add_argument(
        "--no-cache",
        action="store_false",
        dest="cache",
        help="keep no copy of the model that is optimised for this processor; without one, every "
        "start optimises anew (it lies in .csakit-cache beside the model, or in ~/.cache/csakit)",
    )


def _add_mask_options(group: argparse._ArgumentGroup) -> None:
    """Describe ``MaskOptions``."""
    group.add_argument(
        "--mask-channel",
        choices=CHANNELS,
        default=MaskOptions.channel,
        help="what marks: grey: white is missing; alpha: what is transparent; red, green, blue: "
        "what is painted in that colour (default: %(default)s)",
    )
    group.add_argument("--mask-invert", action="store_true", help="the other pixels are missing")
    _number(
        *(group, "--mask-threshold", MaskOptions.threshold, "GREY"),
        "missing from this grey level on, 1 to 255",
    )
    _number(group, "--dilate", MaskOptions.dilate, "PX", "grow the hole on all sides")


def _add_output_options(group: argparse._ArgumentGroup) -> None:
    """Describe ``FileOptions`` and the format of folder runs."""
    _number(group, "--quality", FileOptions.quality, "N", "of JPEG and WebP, 1 to 100")
    group.add_argument(
        "--format",
        choices=[suffix[1:] for suffix in OUTPUT_FORMATS],
        help="of all results of a folder (default: that of each input)",
    )
    group.add_argument(
        "--side-by-side",
        action="store_true",
        help="also write input, mask and result in one picture, OUT_side_by_side.png",
    )
    group.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    group.add_argument(
        "--resume",
        action="store_true",
        help="take up a folder run that was interrupted: what is there already is left alone",
    )
    group.add_argument(
        "--recursive",
        action="store_true",
        help="also repair what is in sub-folders, with masks and results in folders of the same "
        "names",
    )


def _add_ray_options(group: argparse._ArgumentGroup) -> None:
    """Describe ``RayOptions``."""
    group.add_argument(
        "--ray",
        metavar="WHERE",
        help="repair a folder on a Ray cluster: local starts one on this machine, auto takes the "
        "one that runs here, ray://HOST:PORT connects to another; needs 'csakit[ray]'",
    )
    group.add_argument(
        "--ray-workers",
        type=int,
        metavar="N",
        help="processes with a model each (default: as many as there is room for)",
    )
    group.add_argument(
        "--ray-gpus-each",
        type=float,
        metavar="F",
        help="GPUs of a worker, 0.5 for two workers on one (default: 1, if the model runs on GPUs)",
    )


def _number(
    group: argparse._ArgumentGroup, flag: str, default: int, metavar: str, text: str
) -> None:
    """Describe one whole number."""
    help_text = f"{text} (default: %(default)s)"
    group.add_argument(flag, type=int, default=default, metavar=metavar, help=help_text)
