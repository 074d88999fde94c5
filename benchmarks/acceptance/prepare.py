"""Export the demo model, and keep what torch computes with it: what the parts on a GPU run.

    python -m csakit.benchmarks.acceptance.prepare FOLDER

Needs the extra export. Where the machine with the GPU lacks it, prepare elsewhere, take the folder
there, and say ``make gpu GPU_FLAGS="--prepared FOLDER"``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from ...plugins.errors import ExitCode
from ...runtime.command import run_command
from ...runtime.contract import Io
from ...runtime.pixels import float_from_uint8
from .reference import MAX_BATCH, MODELS, SIZE, Reference

CHECKPOINT: Final = Path(__file__).resolve().parents[2] / "train" / "weights" / "demo.safetensors"
NEEDED: Final = ("torch", "safetensors", "onnx", "onnxscript", "onnxruntime", "skimage")


def prepare(checkpoint: Path, folder: Path) -> None:
    """Write the models and the reference.

    Args:
        checkpoint: what to export.
        folder: that exists; each file in it appears whole.

    Raises:
        ContractError: the checkpoint or the folder cannot be used.
        ParityError: an export differs from the checkpoint.
    """
    import torch  # deferred with all that needs it: other parts do without

    from ...export.cases import export_cases
    from ...export.config import ExportConfig
    from ...export.onnx_export import export_onnx
    from ...train import checkpoint as checkpoints

    for precision, name in MODELS.items():
        io: Io = "uint8" if precision == "fp16" else "float"  # both forms are run
        config = ExportConfig(precision=precision, io=io, size=SIZE, max_batch=MAX_BATCH)
        export_onnx(checkpoint, folder / name, config)
    cases = export_cases(ExportConfig(size=SIZE))[:MAX_BATCH]  # the centre, and strokes
    image = float_from_uint8(np.stack([case.image for case in cases]))
    hole = np.stack([case.hole for case in cases])[:, None].astype(np.float32)
    with torch.inference_mode():
        result = checkpoints.load(checkpoint)(torch.from_numpy(image), torch.from_numpy(hole))
    Reference(image, hole, np.ascontiguousarray(result.numpy())).save(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare a folder; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m csakit.benchmarks.acceptance.prepare")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    return run_command(parser, _main, arguments)


def _main(args: argparse.Namespace) -> int:
    args.folder.mkdir(parents=True, exist_ok=True)
    prepare(args.checkpoint, args.folder)
    print(f"wrote {', '.join(sorted(path.name for path in args.folder.iterdir()))}")
    return ExitCode.OK


if __name__ == "__main__":
    raise SystemExit(main())
