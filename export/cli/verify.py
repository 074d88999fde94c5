"""``csakit verify``: parse, call one function, print its table."""

import argparse
import contextlib
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...plugins.errors import ExitCode
from ...runtime.cli.command import run_command
from ...runtime.files.atomic import atomic_write
from ...runtime.sessions.session import BACKENDS
from ..parity.request import VerifyRequest

if TYPE_CHECKING:
    from ..parity.verification import Outcome

_EPILOG = """\
MODEL.onnx --against MODEL.safetensors     the stages of an export, against its checkpoint
MODEL.onnx --against MODEL.safetensors --backend openvino [--precision bf16]
                                           the result alone, as `csakit inpaint` computes it
MODEL.engine                               the result of an engine, against its source model
                                           or the model or checkpoint of --against
MODEL.onnx --against OTHER.onnx --layerwise
MODEL.engine --layerwise                   inner tensors in two Polygraphy runners; an engine
                                           is built again with these tensors as outputs

exit codes: 0 all limits met; 1 a limit exceeded; 2 invalid usage or input; 3 the engine cannot run
here.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare a model with its checkpoint, or an engine with its model; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="csakit verify",
        description="Compare an exported model with its checkpoint, or an engine with its model.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help=".onnx or .engine")
    text = "checkpoint (.safetensors) or model (.onnx)"
    add("--against", type=Path, metavar="FILE", help=text)
    add("--layerwise", action="store_true", help="compare intermediate tensors")
    text = "with --layerwise: all tensors instead of those of the stages, on one case"
    add("--all-tensors", action="store_true", help=text)
    text = "folder of photographs (default: those in scikit-image)"
    add("--images", type=Path, metavar="DIR", help=text)
    add("--case", type=Path, metavar="NPZ", help="run one saved case only")
    text = "runtime for MODEL.onnx; only the result is compared"
    add("--backend", choices=BACKENDS, help=text)
    add("--precision", choices=("fp32", "bf16"), help="precision of the openvino backend")
    add("--json", type=Path, metavar="FILE", help="also write the full report")
    return run_command(parser, _verify, arguments)


def _verify(args: argparse.Namespace) -> int:
    request = VerifyRequest(
        model=args.model,
        against=args.against,
        images=args.images,
        case=args.case,
        layerwise=args.layerwise,
        all_tensors=args.all_tensors,
        backend=args.backend,
        precision=args.precision,
    )
    # Opened first, so that an unwritable report fails before the work.
    with atomic_write(args.json) if args.json else contextlib.nullcontext() as record:
        outcome = _run(request)
        if record:
            record.write_text(json.dumps(outcome.to_json(), indent=1) + "\n")
    report = outcome.report
    print(report.table())
    if outcome.tensors:
        print(f"{len(outcome.tensors)} tensors of {outcome.tensors_of} compared")
    if (divergence := outcome.divergence) is not None and request.layerwise:
        though = ", though the stages keep their limits" if report.passed else ""
        print(f"first tensor that diverges{though}: {outcome.describe(divergence)}")
    print(f"{'PASSED' if report.passed else 'FAILED'}: {report.summary()}")
    if report.failing is None:
        return ExitCode.OK
    _print_repeat_commands(request, outcome)
    return ExitCode.CHECK_FAILED


def _run(request: VerifyRequest) -> "Outcome":
    """Import what the request needs; it imports torch, and ONNX Runtime or TensorRT."""
    if request.layerwise:
        from ..parity.layerwise import verify_layerwise

        return verify_layerwise(request)
    from ..parity.verification import verify_built, verify_export

    return verify_built(request) if request.engine else verify_export(request)


def _print_repeat_commands(request: VerifyRequest, outcome: "Outcome") -> None:
    """Save the first failing case, and print the commands that run it here and in Polygraphy."""
    from ..parity.cases import save_case
    from ..parity.polygraphy_command import notes, repeat_command

    failing = outcome.report.failing
    assert failing is not None
    saved = Path(f"failing-{failing.case.name}.npz")
    save_case(failing.case, saved)
    print("repeat the first failing case with\n  " + shlex.join(request.command(saved)))
    if outcome.rerun is None:
        return
    tensor = outcome.visible
    expected = outcome.expected(failing.case, tensor.stage)
    command = repeat_command(outcome.rerun, failing.case, tensor, expected)
    print("or in Polygraphy with\n  " + shlex.join(command))
    for note in notes(outcome.rerun, failing.stages):
        print(note, file=sys.stderr)
