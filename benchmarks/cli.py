"""``csakit bench``: which benchmarks there are. Each adds its own arguments and does its work."""

import argparse
from collections.abc import Sequence

from ..runtime.cli.command import run_command
from . import (
    attention_cli,
    cold_start_cli,
    compare_cli,
    latency_cli,
    plot_cli,
    table_cli,
    targets_cli,
    training_cli,
)

_BENCHMARKS = (
    latency_cli,
    attention_cli,
    training_cli,
    cold_start_cli,
    targets_cli,
    compare_cli,
    plot_cli,
    table_cli,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a benchmark; return the exit code."""
    parser = argparse.ArgumentParser(prog="csakit bench", description="Measure csakit.")
    benchmarks = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    for benchmark in _BENCHMARKS:
        benchmark.add_to(benchmarks)
    return run_command(parser, lambda args: int(args.work(args)), arguments)
