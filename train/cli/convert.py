"""``csakit convert``: the authors' checkpoint pair to one safetensors file."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from ...plugins.errors import ExitCode
from ...runtime.cli.command import run_command
from ...runtime.files.atomic import sha256


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert the authors' checkpoint pair; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="csakit convert",
        description="Convert the authors' checkpoint pair to one safetensors file.",
    )
    parser.add_argument(
        "--rough", type=Path, required=True, metavar="PTH", help="the authors' *_net_P.pth"
    )
    parser.add_argument(
        "--refine", type=Path, required=True, metavar="PTH", help="the authors' *_net_G.pth"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="SAFETENSORS", help="file to write"
    )
    return run_command(parser, _convert, arguments)


def _convert(args: argparse.Namespace) -> int:
    from .. import authors, checkpoint  # deferred: help needs no torch

    checkpoint.check_output(args.output)
    model = authors.convert(args.rough, args.refine)
    source = {"rough_sha256": sha256(args.rough), "refine_sha256": sha256(args.refine)}
    checkpoint.save(model, args.output, training={"converted_from": source})
    config = model.config
    print(f"wrote {args.output}: width {config.width}, similarity {config.similarity}")
    print(f"next: csakit export {shlex.quote(str(args.output))} -o model.onnx")
    return ExitCode.OK
