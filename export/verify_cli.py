"""``csakit verify``: parse, call one function, print its table."""

import argparse
import contextlib
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ..plugins.errors import ExitCode
from ..runtime.command import run_command
from ..runtime.files import sha256, staged


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare an exported model with its checkpoint; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="csakit verify",
        description="Compare an exported model with its checkpoint, stage by stage. "
        "Exit code 1 when a limit is broken.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--against", type=Path, required=True, metavar="MODEL.safetensors")
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder of photographs (default: those that scikit-image ships)",
    )
    parser.add_argument("--case", type=Path, metavar="NPZ", help="compare on one saved case only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the full report")
    return run_command(parser, _verify, arguments)


def _verify(args: argparse.Namespace) -> int:
    from ..train import checkpoint  # deferred: imports torch
    from .cases import load_case, save_case, verify_cases
    from .probe import Probe
    from .verify import verify_model

    # Opened first: a report that cannot be written is refused before the work.
    with staged(args.json) if args.json else contextlib.nullcontext() as record:
        source = checkpoint.load(args.against)
        probe, digest = Probe(args.model), sha256(args.against)
        if probe.checkpoint_sha256 != digest:
            print(
                f"csakit verify: warning: {args.model} was exported from a checkpoint with "
                f"SHA-256 {probe.checkpoint_sha256[:12]}; {args.against} has {digest[:12]}",
                file=sys.stderr,
            )
        cases = [load_case(args.case)] if args.case else verify_cases(probe.size, args.images)
        report = verify_model(probe, source, cases)
        if record:
            origin = {"model_sha256": sha256(args.model), "checkpoint_sha256": digest}
            record.write_text(json.dumps(origin | report.to_json(), indent=1) + "\n")
    print(report.table())
    print(f"{'PASSED' if report.passed else 'FAILED'}: {report.summary()}")
    if report.failing is None:
        return ExitCode.OK
    saved = Path(f"failing-{report.failing.case.name}.npz")
    save_case(report.failing.case, saved)
    command = ["csakit", "verify", args.model, "--against", args.against, "--case", saved]
    print("repeat the first failing case with\n  " + shlex.join(map(str, command)))
    return ExitCode.CHECK_FAILED
