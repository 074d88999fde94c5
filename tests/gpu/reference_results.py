"""The demo model exported, and what torch computes with it: what the tests on a GPU compare with.

    python -m gpu.reference_results FOLDER

prepares a folder where the machine with the GPU lacks the extra "export";
the environment variable ``PREPARED`` names it there.

Letters: B images, H W sides in pixels.
"""

import dataclasses
import functools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pytest
from csakit.runtime.contract import OUTPUT, IOFormat, Precision
from csakit.runtime.tensors.pixels import Float32, float_from_uint8

PREPARED: Final = "CSAKIT_PREPARED"  # environment variable: a prepared folder
CHECKPOINT: Final = Path(__file__).parents[2] / "train" / "weights" / "demo.safetensors"
SIZE: Final = 256  # pixels of each side
MAX_BATCH: Final = 2
MODELS: Final[dict[Precision, str]] = {"fp32": "fp32.onnx", "fp16": "fp16.onnx"}
_FILE: Final = "reference.npz"
_NEEDED: Final = ("torch", "safetensors", "onnx", "onnxscript", "onnxruntime", "skimage")
_WARMUP_CALLS: Final = 5
_CALLS: Final = 30

Run = Callable[[Float32, Float32], Float32]


@dataclasses.dataclass(frozen=True)
class Reference:
    """Images (B, 3, H, W) in [-1, 1], holes (B, 1, H, W), and the results of torch on a CPU."""

    image: Float32
    hole: Float32
    result: Float32


def prepare(checkpoint: Path, folder: Path) -> None:
    """Write the models and the reference."""
    import torch
    from csakit.export.config import ExportConfig
    from csakit.export.exporter import export_onnx
    from csakit.export.parity.cases import export_cases
    from csakit.train import checkpoint as checkpoints

    for precision, name in MODELS.items():
        io: IOFormat = "uint8" if precision == "fp16" else "float"  # both forms are run
        config = ExportConfig(precision=precision, io=io, size=SIZE, max_batch=MAX_BATCH)
        export_onnx(checkpoint, folder / name, config)
    cases = export_cases(ExportConfig(size=SIZE))[:MAX_BATCH]  # the centre, and strokes
    image = float_from_uint8(np.stack([case.image for case in cases]))
    hole = np.stack([case.hole for case in cases])[:, None].astype(np.float32)
    with torch.inference_mode():
        result = checkpoints.load(checkpoint)(torch.from_numpy(image), torch.from_numpy(hole))
    np.savez(folder / _FILE, image=image, hole=hole, result=result.numpy())


@functools.cache
def prepared() -> Path:
    """Return the prepared folder: the given one, or one that is prepared here; skip if neither."""
    if given := os.environ.get(PREPARED):
        return Path(given)
    for package in _NEEDED:
        pytest.importorskip(package, reason=f"needs {package}, or {PREPARED}")
    folder = Path(tempfile.mkdtemp(prefix="csakit-prepared-"))
    prepare(CHECKPOINT, folder)
    return folder


def load(folder: Path) -> Reference:
    """Read the reference of a prepared folder."""
    with np.load(folder / _FILE, allow_pickle=False) as arrays:
        return Reference(*(arrays[field.name] for field in dataclasses.fields(Reference)))


def check(run: Run, reference: Reference, precision: Precision) -> dict[str, float]:
    """Compare a session with torch, image by image and as a batch; return what was found.

    Raises:
        AssertionError: a value is not finite, a known pixel changed, or a limit is broken.
    """
    from csakit.export.parity.limits import LIMITS

    images = range(len(reference.image))
    alone = [run(reference.image[i : i + 1], reference.hole[i : i + 1]) for i in images]
    found = np.concatenate([*alone, run(reference.image, reference.hole)]).astype(np.float64)
    image, hole, expected = (
        np.concatenate([array, array])
        for array in (reference.image, reference.hole, reference.result)
    )
    assert np.isfinite(found).all()
    known = np.broadcast_to(hole < 0.5, found.shape)
    np.testing.assert_array_equal(found[known], image[known])
    max_abs = float(np.abs(found - expected).max())
    psnr_db = min(_psnr(d, h > 0.5) for d, h in zip(found - expected, hole, strict=True))
    limit = LIMITS[precision][OUTPUT]
    assert limit.max_abs is None or max_abs <= limit.max_abs
    assert limit.psnr_db is None or psnr_db >= limit.psnr_db
    return {"max_abs": max_abs, "psnr_db": psnr_db, "p50_ms": _median_ms(run, reference)}


def _psnr(difference: npt.NDArray[np.float64], hole: npt.NDArray[np.bool_]) -> float:
    """Compute it inside the hole, for a range of 2; 999 where nothing differs."""
    error = float(np.square(difference[:, hole[0]]).mean())
    return float(10 * np.log10(4 / error)) if error > 0 else 999.0


def _median_ms(run: Run, reference: Reference) -> float:
    """Time one image by the host's clock."""
    samples = []
    for _ in range(_WARMUP_CALLS + _CALLS):
        start = time.perf_counter()
        run(reference.image[:1], reference.hole[:1])
        samples.append((time.perf_counter() - start) * 1e3)
    return float(np.median(samples[_WARMUP_CALLS:]))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    prepare(CHECKPOINT, target)
