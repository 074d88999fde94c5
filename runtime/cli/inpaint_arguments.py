"""The arguments of ``csakit inpaint``, and their conversion to option objects."""

import argparse
import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ...plugins.errors import ContractError
from ..batch.job import FileOptions
from ..batch.ray_cluster import RayOptions
from ..images.encode import OUTPUT_FORMATS
from ..inpainter import Inpainter
from ..options import CHANNELS, STRATEGIES, InpaintOptions, MaskOptions
from ..sessions.session import BACKENDS
from .command import new_parser

PROGRAM: Final = "csakit inpaint"

_EPILOG: Final = """\
examples:
  csakit inpaint photo.jpg mask.png -o repaired.png
  csakit inpaint photos/ masks/ -o repaired/ --model model.onnx --blend none

In a folder the mask of cat.jpg is cat.*, cat_mask.* or cat_mask001.*; a single mask file applies
to all images. Pixels outside of the mask do not change; lossy formats (JPEG, WebP) change them
slightly when the result is encoded.

exit codes: 0 all images repaired; 2 invalid usage or input, or images were skipped;
3 a package is missing, or the model failed; 130, 143, 129 terminated by a signal.
"""


def inpaint_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. Defaults are those of the option classes."""
    summary = "Repair the pixels of an image that are white in its mask."
    parser = new_parser(PROGRAM, summary, _EPILOG)
    add = parser.add_argument
    add("image", type=Path, metavar="IMAGE", help="image file, or folder of them")
    add("mask", type=Path, metavar="MASK", help="mask file (white = missing), or folder of them")
    text = "output file, whose suffix is its format; or folder, for a folder of images"
    add("-o", "--output", type=Path, required=True, metavar="OUT", help=text)
    add_model_option(parser)
    add_run_options(parser.add_argument_group("network"))
    _add_mask_options(parser.add_argument_group("mask"))
    _add_output_options(parser.add_argument_group("output"))
    _add_ray_options(parser.add_argument_group("cluster"))
    return parser


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--model``."""
    text = (
        ".onnx from `csakit export`, .engine from `csakit build`, or 'demo', the model in the "
        "package (default: demo)"
    )
    parser.add_argument("--model", metavar="MODEL", type=Path, help=text)


def join_blend(arguments: Sequence[str]) -> list[str]:
    """Join ``feather PX`` into one argument; argparse would take PX for IMAGE or MASK."""
    given = list(arguments)
    for at, pair in enumerate(itertools.pairwise(given[:-1])):
        if pair == ("--blend", "feather") and not given[at + 2].startswith("-"):
            return [*given[:at], f"--blend=feather {given[at + 2]}", *given[at + 3 :]]
    return given


def model_opener(args: argparse.Namespace) -> Callable[..., Inpainter]:
    """Return a function that opens a model; its threads do not spin, as others use the machine."""
    names = (field.name for field in dataclasses.fields(InpaintOptions))
    return functools.partial(
        Inpainter.open,
        options=InpaintOptions(**{name: getattr(args, name) for name in names}),
        device=args.device,
        spin=False,
        backend=args.backend,
        precision=args.precision,
    )


def file_options(args: argparse.Namespace) -> FileOptions:
    """Return the options for reading and writing files."""
    return FileOptions(
        mask=MaskOptions(
            channel=args.mask_channel,
            threshold=args.mask_threshold,
            invert=args.mask_invert,
            dilate=args.dilate,
        ),
        quality=args.quality,
        overwrite=args.overwrite or args.resume,  # resuming skips outputs that exist
        side_by_side=args.side_by_side,
    )


def runs_on_gpu(args: argparse.Namespace) -> bool:
    """Report whether the model runs on a GPU."""
    engine = args.model is not None and args.model.suffix == ".engine"
    return engine if args.device is None else bool(args.device.startswith("cuda"))


def ray_options(args: argparse.Namespace) -> RayOptions | None:
    """Return the options of the cluster; None repairs in this process."""
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
    """Add the options of ``InpaintOptions``, and those that choose backend and device."""
    add, defaults = group.add_argument, InpaintOptions
    text = (
        "crop: each hole with its context, at the scale the model was trained at; resize: the "
        "whole image, scaled down; whole: the whole image, full size (default: %(default)s)"
    )
    add("--strategy", choices=STRATEGIES, default=defaults.strategy, help=text)
    add_number(group, "--margin", defaults.margin, "PX", "context around each hole, in pixels")
    text = (
        "seamless: match colour and brightness at the edge of the hole; feather PX: fade that "
        "correction out over PX pixels; none: the network's pixels (default: %(default)s)"
    )
    add("--blend", default=defaults.blend, metavar="HOW", help=text)
    text = "do not add fine detail of the surroundings to large, smoothly predicted holes"
    add("--no-texture", action="store_false", dest="texture", help=text)
    text = "longest side with --strategy resize, a multiple of 256"
    add_number(group, "--max-side", defaults.max_side, "PX", text)
    text = (
        "cpu, cuda or cuda:N; there is no fallback to the CPU (default: cpu for .onnx, cuda for "
        ".engine)"
    )
    add("--device", metavar="NAME", help=text)
    text = (
        "runtime for an .onnx model; openvino runs on CPUs and needs 'csakit[openvino]' (default: "
        f"{BACKENDS[0]})"
    )
    add("--backend", choices=BACKENDS, help=text)
    text = (
        "precision of the openvino backend; bf16 is several times faster and needs a CPU with "
        "bfloat16 (default: fp32)"
    )
    add("--precision", choices=("fp32", "bf16"), help=text)
    text = "threads of the backend (default: one per physical core)"
    add("--threads", type=int, metavar="N", help=text)
    text = (
        "do not keep an optimised copy of the model for the next start (in .csakit-cache beside "
        "the model, or in ~/.cache/csakit)"
    )
    add("--no-cache", action="store_false", dest="cache", help=text)


def _add_mask_options(group: argparse._ArgumentGroup) -> None:
    text = (
        "grey: white pixels are masked; alpha: transparent ones; red, green, blue: those painted "
        "in that colour (default: %(default)s)"
    )
    group.add_argument("--mask-channel", choices=CHANNELS, default=MaskOptions.channel, help=text)
    text = "invert the mask: black pixels are masked"
    group.add_argument("--mask-invert", action="store_true", help=text)
    text = "pixels at or above this value are masked, 1 to 255"
    add_number(group, "--mask-threshold", MaskOptions.threshold, "GREY", text)
    add_number(group, "--dilate", MaskOptions.dilate, "PX", "grow the mask by PX pixels")


def _add_output_options(group: argparse._ArgumentGroup) -> None:
    text = "quality of JPEG and WebP outputs, 1 to 100"
    add_number(group, "--quality", FileOptions.quality, "N", text)
    formats = [suffix[1:] for suffix in OUTPUT_FORMATS]
    text = "format of the outputs of a folder (default: that of each input)"
    group.add_argument("--format", choices=formats, help=text)
    for flag, text in (
        ("side-by-side", "also write input, mask and result in OUT_side_by_side.png"),
        ("overwrite", "replace existing outputs"),
        ("resume", "continue an interrupted folder run: skip images whose output exists"),
        ("recursive", "include sub-folders; masks and outputs are in folders of the same names"),
    ):
        group.add_argument(f"--{flag}", action="store_true", help=text)


def _add_ray_options(group: argparse._ArgumentGroup) -> None:
    text = (
        "repair a folder on a Ray cluster: local starts one, auto uses the one that runs on this "
        "machine, ray://HOST:PORT connects to another; needs 'csakit[ray]'"
    )
    group.add_argument("--ray", metavar="WHERE", help=text)
    text = "number of workers, each with its own model (default: as many as fit)"
    group.add_argument("--ray-workers", type=int, metavar="N", help=text)
    text = "GPUs per worker; 0.5 runs two on one GPU (default: 1 for models on GPUs)"
    group.add_argument("--ray-gpus-each", type=float, metavar="F", help=text)


def add_number(
    group: argparse._ArgumentGroup, flag: str, default: float, metavar: str | None, text: str
) -> None:
    """Add an option for a number, of its default's type."""
    help_text = f"{text} (default: %(default)s)"
    group.add_argument(flag, type=type(default), default=default, metavar=metavar, help=help_text)
