"""What the torch model computes, kept in a file, so that no part on the GPU needs torch.

Letters: B images, H W sides in pixels.
"""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from ...export.limits import LIMITS
from ...plugins.errors import ContractError
from ...runtime.contract import RESULT, Precision
from ...runtime.files import staged
from ...runtime.pixels import Bool, Float32
from ..distribution import summarise
from ..record import Scalar

FILE: Final = "reference.npz"
SIZE: Final = 256  # pixels of each side
MAX_BATCH: Final = 2
MODELS: Final[dict[Precision, str]] = {"fp32": "fp32.onnx", "fp16": "fp16.onnx"}
_WARMUP_CALLS: Final = 5
_CALLS: Final = 30

Run = Callable[[Float32, Float32], Float32]


@dataclasses.dataclass(frozen=True)
class Reference:
    """Images, their holes, and what the torch model makes of them.

    Attributes:
        image: (B, 3, H, W) in [-1, 1].
        hole: (B, 1, H, W), 1 = missing.
        result: (B, 3, H, W), float32 on a CPU.
    """

    image: Float32
    hole: Float32
    result: Float32

    def save(self, folder: Path) -> None:
        """Write it to a folder."""
        with staged(folder / FILE) as temporary:
            np.savez(temporary, image=self.image, hole=self.hole, result=self.result)

    @classmethod
    def load(cls, folder: Path) -> "Reference":
        """Read it from a folder.

        Raises:
            ContractError: it is not there, or not what ``save`` wrote.
        """
        path = folder / FILE
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                found = cls(*(arrays[field.name] for field in dataclasses.fields(cls)))
        except Exception as error:  # NumPy, zipfile and zlib raise what they like
            raise ContractError(f"{path} is not a saved reference: {error}") from error
        shapes = found.image.shape, found.hole.shape, found.result.shape
        batch = len(found.image)
        image = (batch, 3, SIZE, SIZE)
        if shapes != (image, (batch, 1, SIZE, SIZE), image) or not batch:
            raise ContractError(f"{path} must hold images of {SIZE} x {SIZE}; got {shapes}")
        return found


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How far a session is from the reference, and how long it takes.

    Attributes:
        max_abs: largest difference.
        psnr_db: least over the images, inside the hole; 999 where nothing differs.
        p50_ms: host time of one image, median.
        broken: rules that were broken, in words; empty if none.
    """

    max_abs: float
    psnr_db: float
    p50_ms: float
    broken: tuple[str, ...]

    def details(self, precision: str) -> dict[str, Scalar]:
        """Give the numbers for a record."""
        return {
            f"{precision}_max_abs": self.max_abs,
            f"{precision}_psnr_db": self.psnr_db,
            f"{precision}_p50_ms": self.p50_ms,
        }


def compare(run: Run, reference: Reference, precision: Precision) -> Comparison:
    """Compare what runs with the torch model, image by image and in batches, and time it.

    Args:
        run: takes (B, 3, H, W) and (B, 1, H, W), gives (B, 3, H, W).
        reference: of the torch model.
        precision: whose limits hold.

    Returns:
        The comparison; the worst of all images counts.
    """
    alone = [run(reference.image[i : i + 1], reference.hole[i : i + 1]) for i in _of(reference)]
    pairs = range(0, len(reference.image), MAX_BATCH)
    together = [
        run(reference.image[i : i + MAX_BATCH], reference.hole[i : i + MAX_BATCH]) for i in pairs
    ]
    found = np.concatenate([*alone, *together]).astype(np.float64)
    known = np.concatenate([reference.hole, reference.hole]) < 0.5
    image = np.concatenate([reference.image, reference.image])
    difference = np.abs(found - np.concatenate([reference.result, reference.result]))
    finite, kept = bool(np.isfinite(found).all()), bool((found == image)[_wide(known)].all())
    max_abs = float(difference.max()) if finite else 1e9
    psnr_db = min(_psnr(d, ~k) for d, k in zip(difference, known, strict=True)) if finite else 0.0
    limit = LIMITS[precision][RESULT]
    rules = {
        "values must be finite": finite,
        "known pixels must be those of the input": kept,
        f"max abs must be at most {limit.max_abs}; got {max_abs:.3g}": limit.max_abs is None
        or max_abs <= limit.max_abs,
        f"PSNR must be at least {limit.psnr_db} dB; got {psnr_db:.1f}": limit.psnr_db is None
        or psnr_db >= limit.psnr_db,
    }
    broken = tuple(rule for rule, held in rules.items() if not held)
    return Comparison(max_abs, round(psnr_db, 1), _median_ms(run, reference), broken)


def _of(reference: Reference) -> range:
    return range(len(reference.image))


def _wide(mask: Bool) -> Bool:
    return np.broadcast_to(mask, (len(mask), 3, *mask.shape[2:]))


def _psnr(difference: npt.NDArray[np.float64], hole: Bool) -> float:
    """Compute it inside the hole, for a range of 2."""
    error = float(np.square(difference[:, hole[0]]).mean())
    return float(10 * np.log10(4 / error)) if error > 0 else 999.0


def _median_ms(run: Run, reference: Reference) -> float:
    """Time one image, the host's clock around the call."""
    samples = []
    for call in range(_WARMUP_CALLS + _CALLS):
        start = time.perf_counter()
        run(reference.image[:1], reference.hole[:1])
        if call >= _WARMUP_CALLS:
            samples.append((time.perf_counter() - start) * 1e3)
    return round(summarise(samples).p50_ms, 3)
