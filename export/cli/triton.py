"""``csakit triton``: parse, call one function, print what was written."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ...plugins.errors import ContractError, ExitCode
from ...runtime.cli.command import run_command
from ..serving.options import ServingOptions
from ..serving.repository import MODELS, Repository, write_repository

_EPILOG = """\
examples:
  csakit triton model.onnx -o repository
      ONNX Runtime on the CPU
  csakit triton model.onnx model.engine -o repository --gpu --instances 2 --cuda-graphs
      ONNX Runtime and TensorRT, two instances of each on each GPU

README.md in the output explains how to start the server; client.py sends it a request.
exit codes: 0 written; 2 wrong usage or input; 3 the engine cannot be served.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a model repository for Triton Inference Server; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="csakit triton",
        description="Write a model repository for Triton Inference Server.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL.onnx")
    add("engine", type=Path, nargs="?", metavar="MODEL.engine", help="engine built from it")
    add("-o", "--output", type=Path, required=True, metavar="FOLDER")
    add("--overwrite", action="store_true", help="replace an existing repository")
    text = "prefix of the models, NAME_onnx and NAME_trt (default: %(default)s)"
    add("--name", default=ServingOptions.name, help=text)
    group = parser.add_argument_group("instances")
    add = group.add_argument
    text = "instances per model, on each GPU or on the CPU (default: %(default)s)"
    add("--instances", type=int, default=ServingOptions.instances, metavar="N", help=text)
    device = group.add_mutually_exclusive_group().add_argument
    device("--cpu", action="store_true", help="ONNX Runtime on the CPU (default)")
    device("--gpu", action="store_true", help="ONNX Runtime on CUDA")
    text = "threads per instance on a CPU (default: one per core)"
    add("--threads", type=int, default=ServingOptions.threads, metavar="N", help=text)
    add = parser.add_argument_group("batches").add_argument
    text = "largest batch (default: the model's, or 8)"
    add("--max-batch", type=int, metavar="N", help=text)
    text = "preferred batch sizes, such as 4,8 (default: none)"
    add("--preferred", metavar="LIST", help=text)
    text = "longest queue delay of a request, in microseconds (default: %(default)s)"
    add("--queue-delay", type=int, default=ServingOptions.delay_us, metavar="US", help=text)
    add = parser.add_argument_group("start").add_argument
    text = "side of the warm-up images (default: the one the model is tuned for, or 256)"
    add("--size", type=int, metavar="PX", help=text)
    add("--no-warmup", action="store_true", help="do not warm up")
    text = "capture the engine's runs as CUDA graphs"
    add("--cuda-graphs", action="store_true", help=text)
    return run_command(parser, _write, arguments)


def _write(args: argparse.Namespace) -> int:
    options = ServingOptions(
        name=args.name,
        device="gpu" if args.gpu else "cpu",
        instances=args.instances,
        threads=args.threads,
        max_batch=args.max_batch,
        preferred=_numbers(args.preferred),
        delay_us=args.queue_delay,
        size=args.size,
        warmup=not args.no_warmup,
        cuda_graphs=args.cuda_graphs,
    )
    if args.cuda_graphs and args.engine is None:
        raise ContractError("--cuda-graphs is for engines; name one after the model")
    written = write_repository(
        args.model, args.engine, args.output, options, overwrite=args.overwrite
    )
    _report(written)
    return ExitCode.OK


def _numbers(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ContractError(f"--preferred must be numbers such as 4,8; got {text!r}") from error


def _report(written: Repository) -> None:
    for model in written.models:
        form = model.form
        batches = f"batches up to {form.max_batch}" if form.max_batch else f"batch {form.batch}"
        where = "GPU" if model.on_gpu else "CPU"
        print(f"{model.name}: {model.backend} on {where}, {batches}, sides {form.sides}")
    need = written.plugin
    if need is not None and need.library is None:
        print(f"the plugin library is missing: {need.problem}\nBuild it in {written.folder}:")
        print(f"  {need.command}")
    print(f"wrote {written.folder}: serve {written.folder / MODELS}; see its README.md")
