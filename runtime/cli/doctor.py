"""``csakit doctor``: what is installed, what can run here, and what to install."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ...plugins.errors import ExitCode
from ...plugins.locations import KINDS
from ..diagnostics import gpu_checks, package_checks
from ..diagnostics.engine_checks import check_engine_backend, check_engines, find_engines
from ..diagnostics.package_checks import Check, Status
from ..engine.compatibility import HostCapabilities, this_machine
from ..host import physical_cores
from .command import new_parser, run_command

_EPILOG = """\
each line begins with
  OK   present and usable
  --   absent and optional; the line has its use and how to install it
  FIX  something to repair; the line has the remedy

exit codes: 0 models can be run here, and every engine that was named would open; 2 a path is
neither an engine nor a folder; 3 otherwise.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    summary = "Check what is installed, what can run here, and what to install."
    parser = new_parser("csakit doctor", summary, _EPILOG)
    text = "engines or folders of engines to check (default: the current folder)"
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help=text)
    return run_command(parser, _work, arguments)


def _work(args: argparse.Namespace) -> int:
    engines = find_engines(args.paths or [Path()])
    machine = this_machine()
    backend = check_engine_backend(machine)
    runtime = package_checks.check_onnxruntime(needed=backend.status is not Status.OK)
    for check in (
        package_checks.check_python(),
        package_checks.check_csakit(),
        package_checks.check_required("numpy"),
        package_checks.check_required("pillow"),
        *runtime,
        package_checks.check_openvino(),
        *map(package_checks.check_optional, package_checks.OPTIONAL),
        gpu_checks.check_driver(),
        *gpu_checks.check_gpus(machine),
        *gpu_checks.check_tensorrt(machine),
        gpu_checks.check_binding(),
        *(gpu_checks.check_library(kind, machine.gpus) for kind in KINDS),
    ):
        print(check)
    backends = [*_check_onnx_backends(runtime[-1], machine), backend]
    print("", *backends, sep="\n", flush=True)
    usable = any(check.status is Status.OK for check in backends)
    for check in check_engines(engines, machine):
        print(check, flush=True)  # at once: engines are large, and reading one takes a while
        usable = usable and (check.status is Status.OK or not args.paths)
    return ExitCode.OK if usable else ExitCode.ENVIRONMENT


def _check_onnx_backends(runtime: Check, machine: HostCapabilities) -> list[Check]:
    if runtime.status is not Status.OK:
        return [Check(runtime.status, ".onnx models", "cannot run: see onnxruntime above")]
    text = f"run on the CPU, with {physical_cores()} threads, by ONNX Runtime"
    checks = [Check(Status.OK, ".onnx models", text)]
    if machine.gpus and "CUDAExecutionProvider" in runtime.text:
        checks.append(Check(Status.OK, ".onnx on GPUs", "run with --device cuda"))
    elif machine.gpus:
        text = "cannot run: pip uninstall -y onnxruntime && pip install 'csakit[gpu]'"
        checks.append(Check(Status.ABSENT, ".onnx on GPUs", text))
    return checks
