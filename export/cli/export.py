"""``csakit export``: parse, call one function, print what was written."""

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ...plugins.errors import ContractError, ExitCode
from ...runtime.cli.command import run_command
from ..config import IOS, PRECISIONS, TARGETS, ExportConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Export a checkpoint to ONNX; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="csakit export",
        description="Export a checkpoint to one ONNX file, verified against it.",
    )
    add = parser.add_argument
    add("checkpoint", type=Path, metavar="MODEL.safetensors")
    add("-o", "--output", type=Path, required=True, metavar="MODEL.onnx")
    add("--precision", choices=PRECISIONS, default=ExportConfig.precision)
    text = "float: (B,3,H,W) in [-1,1]; uint8: (B,H,W,3) bytes (default: %(default)s)"
    add("--io", choices=IOS, default=ExportConfig.io, help=text)
    text = "side in pixels, a multiple of 256, or 'dynamic' (default: %(default)s)"
    add("--size", default=str(ExportConfig.size), help=text)
    add("--max-batch", type=int, metavar="N", help="1 fixes the batch (default: any batch)")
    text = "ort: rewritten for ONNX Runtime on a CPU (default: %(default)s)"
    add("--target", choices=TARGETS, default=ExportConfig.target, help=text)
    text = "fp16: store float16 weights as such, in half the bytes, without loss (default: "
    add("--weights", choices=PRECISIONS, default=ExportConfig.weights, help=f"{text}%(default)s)")
    text = "write the weights to a second file, which runtimes map instead of reading"
    add("--external-weights", action="store_true", help=text)
    add = parser.add_mutually_exclusive_group().add_argument
    text = "number of photographs to verify on, 1 to 4, each with three masks (default: "
    add("--verify-images", type=int, default=1, metavar="N", help=f"{text}%(default)s)")
    add("--no-verify", action="store_true", help="write the model without comparing it")
    return run_command(parser, _export, arguments)


def _export(args: argparse.Namespace) -> int:
    begin = time.perf_counter()
    if args.verify_images < 1:
        raise ContractError(
            f"--verify-images must be at least 1; got {args.verify_images}\n"
            "--no-verify exports without a comparison."
        )
    config = ExportConfig(
        precision=args.precision,
        io=args.io,
        size=_size(args.size),
        max_batch=args.max_batch,
        target=args.target,
        weights=args.weights,
        external_weights=args.external_weights,
    )
    from ..exporter import export_onnx  # deferred: imports torch's exporter

    exported = export_onnx(
        args.checkpoint,
        args.output,
        config,
        verify_images=0 if args.no_verify else args.verify_images,
        progress=lambda stage: print(f"{stage} ...", file=sys.stderr, flush=True),
    )
    print(exported.report.table() if exported.report else "not verified (--no-verify)")
    files = [path for path in (exported.model, exported.weights) if path]
    sizes = ", ".join(f"{path} ({path.stat().st_size / 1e6:.1f} MB)" for path in files)
    seconds = time.perf_counter() - begin
    print(f"wrote {sizes}: {config.precision}, {config.io}, size {config.size}, {seconds:.0f} s")
    model = shlex.quote(str(exported.model))
    engine = shlex.quote(str(exported.model.with_suffix(".engine")))
    print(f"next: csakit inpaint photo.png mask.png -o repaired.png --model {model}")
    print(f"      csakit build {model} -o {engine}")
    return ExitCode.OK


def _size(text: str) -> int | Literal["dynamic"]:
    if text == "dynamic":
        return "dynamic"
    try:
        return int(text)
    except ValueError as error:
        raise ContractError(f"--size must be a number or 'dynamic'; got {text!r}") from error
