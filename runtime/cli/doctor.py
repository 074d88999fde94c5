"""``csakit doctor``: what is installed, what can run here, and what to install.

Loads no framework: versions are read from the installed metadata. Only onnxruntime is
imported, because nothing else tells whether it works, and the driver is asked for its GPUs.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ...plugins.errors import ExitCode
from ...plugins.locations import KINDS
from ..diagnostics.engine_checks import backend_fact, engine_facts, engines_in
from ..diagnostics.gpu_checks import (
    binding_fact,
    driver_fact,
    gpu_facts,
    library_fact,
    tensorrt_facts,
)
from ..diagnostics.package_checks import (
    OPTIONAL,
    Check,
    Status,
    csakit_fact,
    onnxruntime_facts,
    openvino_fact,
    optional_fact,
    python_fact,
    required_fact,
)
from ..engine.compatibility import HostCapabilities, this_machine
from ..host import physical_cores
from .command import run_command

_EPILOG = """\
each line begins with
  OK   present and usable
  --   absent and optional; the line says what it is for and how to install it
  FIX  something to repair; the line says how

exit codes: 0 models can be run here, and every engine that was named would open; 2 a path is
neither an engine nor a folder; 3 otherwise.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line; None takes those of this process.

    Returns:
        The exit code; see ``ExitCode``.
    """
    parser = argparse.ArgumentParser(
        prog="csakit doctor",
        description="Say what is installed, what can run here, and what to install.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="engines, or folders of them, to be checked (default: those of the current folder)",
    )
    return run_command(parser, _work, arguments)


def _work(args: argparse.Namespace) -> int:
    """Print all facts."""
    engines = engines_in(args.paths or [Path()])
    machine = this_machine()
    backend = backend_fact(machine)
    runtime = onnxruntime_facts(needed=backend.state is not Status.OK)
    for fact in (
        python_fact(),
        csakit_fact(),
        required_fact("numpy"),
        required_fact("pillow"),
        *runtime,
        openvino_fact(),
        *map(optional_fact, OPTIONAL),
        driver_fact(),
        *gpu_facts(machine),
        *tensorrt_facts(machine),
        binding_fact(),
        *(library_fact(kind, machine.gpus) for kind in KINDS),
    ):
        print(fact)
    backends = [*_onnx_facts(runtime[-1], machine), backend]
    print("", *backends, sep="\n", flush=True)
    usable = any(fact.state is Status.OK for fact in backends)
    opening = [_shown(fact) for fact in engine_facts(engines, machine)]
    sound = usable and (all(opening) or not args.paths)
    return ExitCode.OK if sound else ExitCode.ENVIRONMENT


def _shown(fact: Check) -> bool:
    """Print a fact at once: engines are large, and reading one takes a while."""
    print(fact, flush=True)
    return fact.state is Status.OK


def _onnx_facts(runtime: Check, machine: HostCapabilities) -> list[Check]:
    """Tell what ONNX models run on here, and why not."""
    if runtime.state is not Status.OK:
        return [Check(runtime.state, ".onnx models", "cannot run: see onnxruntime above")]
    text = f"run on the CPU, with {physical_cores()} threads, by ONNX Runtime"
    facts = [Check(Status.OK, ".onnx models", text)]
    if machine.gpus and "CUDAExecutionProvider" in runtime.text:
        facts.append(Check(Status.OK, ".onnx on GPUs", "run with --device cuda"))
    elif machine.gpus:
        text = "cannot run: pip uninstall -y onnxruntime && pip install 'csakit[gpu]'"
        facts.append(Check(Status.ABSENT, ".onnx on GPUs", text))
    return facts
