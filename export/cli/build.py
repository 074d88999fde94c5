"""``csakit build``: parse, call one function, print what was written."""

import argparse
import functools
import logging
from collections.abc import Sequence
from pathlib import Path

from ...plugins.errors import ExitCode
from ...runtime.cli.command import run_command
from ..engine.config import BUILDERS, PORTABLES, BuildConfig, EngineWeights, parse_bytes, parse_span

_EPILOG = """\
examples:
  csakit build model.onnx -o model.engine
      for the GPU of this machine, with the CSA plugin
  csakit build model.onnx -o model.engine --builder tensorrt-rtx --targets sm_89
      for GeForce RTX 40, on any machine, also without a GPU

The precision is that of the model: export it with --precision fp16 for half precision.
What is built, for what, lies beside the engine as model.engine.json; `csakit inspect` shows it.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build an engine from an exported model; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="csakit build",
        description="Build a TensorRT engine from an exported model, audited, with a manifest.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="MODEL.engine")
    parser.add_argument("--builder", choices=BUILDERS, default=BuildConfig.builder)
    _add_shapes(parser)
    _add_builder_options(parser)
    _add_reach(parser)
    parser.add_argument("--verbose", action="store_true", help="print all that TensorRT says")
    return run_command(parser, _build, arguments)


def _add_shapes(parser: argparse.ArgumentParser) -> None:
    shapes = parser.add_argument_group("shapes", "N, or MIN:OPT:MAX; TensorRT tunes for OPT")
    shapes.add_argument("--batch", metavar="B", help="images a run (default: 1:1:8 where free)")
    shapes.add_argument(
        "--size", metavar="PX", help="of each side (default: 256:512:1024 where free)"
    )


def _add_builder_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("builder")
    group.add_argument("--workspace", metavar="BYTES", help="GPU memory for layers, such as 2GiB")
    group.add_argument("--opt-level", type=int, metavar="0..5", help="how long it searches")
    group.add_argument("--timing-cache", type=Path, metavar="FILE", help="reused and extended")
    group.add_argument(
        "--no-plugin", action="store_true", help="CSA as standard layers: runs anywhere, slower"
    )
    group.add_argument(
        "--tf32", action="store_true", help="let fp32 products drop to TF32: faster, less exact"
    )
    weights = group.add_mutually_exclusive_group()
    weights.add_argument("--refit", action="store_true", help="weights can be exchanged")
    weights.add_argument("--strip-weights", action="store_true", help="weights stay in the model")


def _add_reach(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where the engine runs")
    group.add_argument(
        "--portable", choices=PORTABLES, default=BuildConfig.portable, help="also on other GPUs"
    )
    group.add_argument(
        "--version-compatible", action="store_true", help="also in later versions of TensorRT"
    )
    group.add_argument(
        "--embed-plugin", action="store_true", help="the plugin travels inside the engine"
    )
    group.add_argument(
        "--targets", metavar="SM,...", help="TensorRT for RTX: such as sm_86,sm_89 (default: here)"
    )


def _build(args: argparse.Namespace) -> int:
    config = _config(args)
    from ..engine.build_engine import build_engine
    from ..engine.precision_audit import summary  # deferred: imports onnx

    # What TensorRT says is in the error where there is one; all of it is for reports.
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
    return ExitCode.OK


def _config(args: argparse.Namespace) -> BuildConfig:
    weights: EngineWeights = "full"
    if args.refit:
        weights = "refit"
    if args.strip_weights:
        weights = "strip"
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
        weights=weights,
        targets=None if targets is None else tuple(n.strip() for n in targets.split(",")),
        plugin=not args.no_plugin,
        tf32=args.tf32,
    )
