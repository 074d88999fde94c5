"""``csakit doctor``: what is installed, what can run here, and what to install.

Loads no framework: versions are read from the installed metadata. Only onnxruntime is
imported, because nothing else tells whether it works.
"""

import argparse
from collections.abc import Sequence

from ..plugins.errors import ExitCode
from .command import run_command
from .cpu import physical_cores
from .facts import (
    DISTRIBUTION,
    OPTIONAL,
    Fact,
    State,
    csakit_fact,
    driver_fact,
    installed,
    library_fact,
    onnxruntime_facts,
    optional_fact,
    python_fact,
    required_fact,
)

_EPILOG = """\
each line begins with
  OK   present and usable
  --   absent and optional; the line says what it is for and how to install it
  FIX  something to repair; the line says how

exit codes: 0 at least one backend can run models here; 3 none can.
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
    return run_command(parser, _work, arguments)


def _work(_: argparse.Namespace) -> int:
    """Print all facts."""
    runtime = onnxruntime_facts()
    for fact in (
        python_fact(),
        csakit_fact(),
        required_fact("numpy"),
        required_fact("pillow"),
        *runtime,
        *map(optional_fact, OPTIONAL),
        driver_fact(),
        library_fact("csakit"),
        library_fact("csakit_trt"),
    ):
        print(fact)
    backends = _backends(usable=runtime[-1].state is State.OK)
    print()
    for fact in backends:
        print(fact)
    usable = any(fact.state is State.OK for fact in backends)
    return ExitCode.OK if usable else ExitCode.ENVIRONMENT


def _backends(*, usable: bool) -> list[Fact]:
    """Tell which models can be run here, and why not."""
    cores = physical_cores()
    onnx = (
        Fact(State.OK, ".onnx models", f"run on the CPU, with {cores} threads, by ONNX Runtime")
        if usable
        else Fact(State.FIX, ".onnx models", "cannot run: see onnxruntime above")
    )
    version = installed(DISTRIBUTION) or "this version"
    missing = f"cannot run: csakit {version} has no TensorRT backend yet; run the .onnx file"
    return [onnx, Fact(State.ABSENT, ".engine models", missing)]
