"""``csakit build``: parse, call one function, print what was written."""

import argparse
import functools
import logging
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...plugins.errors import ExitCode
from ...runtime.cli.command import run_command
from ..engine.config import BUILDERS, PORTABLES, BuildConfig, parse_bytes, parse_span

_EPILOG = """\
examples:
  csakit build model.onnx -o model.engine
      for the GPU of this machine, with the CSA plugin
  csakit build model.onnx -o model.engine --builder tensorrt-rtx --targets sm_89
      for GeForce RTX 40, on any machine, also without a GPU

The engine has the precision of its model: export with --precision fp16 for half precision.
The manifest, model.engine.json, records source, builder and target; `csakit inspect` prints it.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build an engine from an exported model; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="csakit build",
        description="Build a TensorRT engine and its manifest from an exported model.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL.onnx")
    add("-o", "--output", type=Path, required=True, metavar="MODEL.engine")
    add("--builder", choices=BUILDERS, default=BuildConfig.builder)
    add("--verbose", action="store_true", help="print TensorRT's log")
    add = parser.add_argument_group(
        "shapes", "N, or MIN:OPT:MAX; TensorRT tunes for OPT"
    ).add_argument
    add("--batch", metavar="B", help="batch size (default: 1:1:8 if the model allows it)")
    text = "side in pixels (default: 256:512:1024 if the model allows it)"
    add("--size", metavar="PX", help=text)
    _add_builder_options(parser.add_argument_group("builder"))
    _add_compatibility(parser.add_argument_group("compatibility").add_argument)
    return run_command(parser, _build, arguments)


def _add_builder_options(group: "argparse._ArgumentGroup") -> None:
    add, weights = group.add_argument, group.add_mutually_exclusive_group().add_argument
    add("--workspace", metavar="BYTES", help="workspace limit, such as 2GiB")
    add("--opt-level", type=int, metavar="0..5", help="builder optimization level")
    text = "timing cache to read and to update"
    add("--timing-cache", type=Path, metavar="FILE", help=text)
    text = "build CSA from standard layers instead of the plugin; slower"
    add("--no-plugin", action="store_true", help=text)
    add("--tf32", action="store_true", help="allow TF32 for fp32 layers; faster, less exact")
    group.set_defaults(weights=BuildConfig.weights)
    one: dict[str, Any] = {"action": "store_const", "dest": "weights"}
    weights("--refit", const="refit", help="build a refittable engine", **one)
    text = "leave the weights out; they are read from the model"
    weights("--strip-weights", const="strip", help=text, **one)


def _add_compatibility(add: Callable[..., object]) -> None:
    text = "hardware compatibility level (default: %(default)s)"
    add("--portable", choices=PORTABLES, default=BuildConfig.portable, help=text)
    text = "allow later versions of TensorRT to run the engine"
    add("--version-compatible", action="store_true", help=text)
    add("--embed-plugin", action="store_true", help="store the plugin library in the engine")
    text = "TensorRT for RTX: GPU architectures, such as sm_86,sm_89 (default: this GPU)"
    add("--targets", metavar="SM,...", help=text)


def _build(args: argparse.Namespace) -> int:
    config = _config(args)
    from ..engine.build_engine import build_engine
    from ..engine.precision_audit import summary  # deferred: imports onnx

    # Errors quote TensorRT's log; --verbose prints all of it.
    level = logging.INFO if args.verbose else logging.CRITICAL
    logging.basicConfig(level=level, format="TensorRT: %(message)s")
    built = build_engine(
        args.model, args.output, config, progress=functools.partial(print, flush=True)
    )
    manifest = built.manifest
    plugin = manifest.build.plugin
    attention = "function body" if plugin is None else f"{plugin.implementation} plugin"
    print(f"precision: {summary(manifest.precision)}")
    print(f"CSA: {attention}" if manifest.source.attention == "csa" else "no CSA in this model")
    print(f"wrote {args.output} ({manifest.engine.bytes / 1e6:.1f} MB) and its manifest")
    path = shlex.quote(str(args.output))
    print(f"next: csakit verify {path}")
    print(f"      csakit inpaint photo.png mask.png -o repaired.png --model {path}")
    return ExitCode.OK


def _config(args: argparse.Namespace) -> BuildConfig:
    targets = args.targets
    return BuildConfig(
        builder=args.builder,
        batch=None if args.batch is None else parse_span("--batch", args.batch),
        size=None if args.size is None else parse_span("--size", args.size),
        workspace_bytes=None if args.workspace is None else parse_bytes(args.workspace),
        opt_level=args.opt_level,
        timing_cache=args.timing_cache,
        portable=args.portable,
        version_compatible=args.version_compatible,
        embed_plugin=args.embed_plugin,
        weights=args.weights,
        targets=None if targets is None else tuple(n.strip() for n in targets.split(",")),
        plugin=not args.no_plugin,
        tf32=args.tf32,
    )
