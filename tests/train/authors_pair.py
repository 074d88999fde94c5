"""A deterministic pair of checkpoints in the layout of the authors' published code.

What their network computes with exactly these weights is recorded in ``golden/``, so a port
can be compared with it where neither their code nor their weights are at hand.
``golden/README.md`` says how the records were made.

Letters: w the width of the networks, H W image sides, C = 8w channels where attention runs,
h w its sides (H/8, W/8), M hole positions there, P sampled pixels.

Every value comes from the raw stream of PCG64, which NumPy guarantees for ever (its float
distributions it does not), one stream per key, so neither order nor version changes a weight.
"""

import dataclasses
import hashlib
import json
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch

Net = Literal["P", "G"]  # the authors' letters: P rough network, G refinement network
Floats = npt.NDArray[np.float32]

GOLDEN: Final = Path(__file__).parent / "golden"
EPOCH: Final = "30"  # the one their test notebook loads
GOLDEN_WIDTH: Final = 4  # keeps the records small; the key names are the same at any width
GOLDEN_SEED: Final = 19  # of 0..69, the one whose matches are surest; see golden/README.md

# Scales, all in units of the spread of what enters a layer.
NORMED_GAIN: Final = 0.5  # convolutions before a norm: small, so that the norm's eps shows
OPEN_GAIN: Final = 0.5  # first and last layer of each network, where no norm follows
OPEN_PREFIXES: Final = ("model.model.0.", "model.model.3.")
CONV_BIAS_STD: Final = 0.05
NORM_STD: Final = 0.2  # around 1 for weights, around 0 for biases
# The convolution that feeds the attention. A positive bias correlates the features, without
# which the recurrence is ill-conditioned.
CSA_BIAS_KEY: Final = "model.model.1.model.6.model.6.model.4.bias"
CSA_BIAS: Final = 0.3


@dataclasses.dataclass(frozen=True)
class GoldenCase:
    """What the authors' code computed for one photograph and one hole."""

    image: npt.NDArray[np.uint8]  # (H, W, 3), the photograph
    hole: npt.NDArray[np.bool_]  # (H, W), True where missing
    pixels: npt.NDArray[np.int64]  # (P,) flat positions where the two images below were sampled
    rough: Floats  # (3, P), the rough network's output, everywhere, not composited
    features: Floats  # (C, h, w), what enters the attention
    holes: npt.NDArray[np.int64]  # (M,) flat positions of the holes there, ascending
    matches: npt.NDArray[np.int64]  # (M,) flat position of the best match of each hole
    margins: Floats  # (M,) (best - second best) / best score: how sure the match is
    filled: Floats  # (C, M), the attention's output at the holes; elsewhere it is ``features``
    result: Floats  # (3, P), the refinement network's output, neither composited nor clamped


def keys(net: Net, width: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return kind ("conv", "deconv" or "norm") and shape of every tensor, in their order."""
    rows = json.loads((GOLDEN / "authors_keys.json").read_text())[net]
    return {key: (kind, tuple(_size(side, width) for side in shape)) for key, kind, shape in rows}


def write_pair(
    folder: Path, *, width: int = GOLDEN_WIDTH, legacy: bool = False
) -> tuple[Path, Path]:
    """Write rough and refinement network as the authors' code does, perhaps as torch before 1.6."""
    return _write(folder, "P", width, legacy=legacy), _write(folder, "G", width, legacy=legacy)


def golden_index() -> dict[str, Any]:
    """Read what the records state of themselves: digests, photographs, measurements."""
    index: dict[str, Any] = json.loads((GOLDEN / "index.json").read_text())
    return index


def golden_case(name: str) -> GoldenCase:
    """Load one of the cases that ``golden_index()["cases"]`` lists."""
    import skimage.data

    facts = golden_index()["cases"][name]
    (top, left), (height, width) = facts["corner"], facts["size"]
    picture = getattr(skimage.data, facts["photograph"])()
    image = np.ascontiguousarray(picture[top : top + height, left : left + width])
    if hashlib.sha256(image.tobytes()).hexdigest() != facts["image_sha256"]:
        raise RuntimeError(
            f"skimage.data.{facts['photograph']} must be the picture of the records; this "
            "scikit-image ships another one\ninstall the version that index.json names"
        )
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as record:
        hole = np.unpackbits(record["hole"]).reshape(facts["size"]).astype(bool)
        fields = {key: record[key] for key in record.files if key != "hole"}
    for key in ("pixels", "holes", "matches"):
        fields[key] = fields[key].astype(np.int64)
    return GoldenCase(image=image, hole=hole, **fields)


def _size(side: int | str, width: int) -> int:
    """Convert 3 to 3, "w" to the width and "8w" to eight times the width."""
    return side if isinstance(side, int) else int(side[:-1] or "1") * width


def _values(net: Net, key: str, kind: str, shape: tuple[int, ...]) -> Floats:
    """Draw one tensor; the mean and the spread follow from what it is."""
    unit_spread = _uniform(f"{GOLDEN_SEED}/{net}/{key}", shape)
    if kind == "norm":
        mean = 1.0 if key.endswith(".weight") else 0.0
        return (mean + NORM_STD * unit_spread).astype(np.float32)
    gain = OPEN_GAIN if key.startswith(OPEN_PREFIXES) else NORMED_GAIN
    if key.endswith(".weight"):
        return (gain / math.sqrt(_summands(kind, shape)) * unit_spread).astype(np.float32)
    mean = CSA_BIAS if (net, key) == ("G", CSA_BIAS_KEY) else 0.0
    return (mean + CONV_BIAS_STD * unit_spread).astype(np.float32)


def _summands(kind: str, shape: tuple[int, ...]) -> int:
    """Count the products that one output value of a convolution sums."""
    if kind == "conv":
        return math.prod(shape[1:])
    stride = 2 if shape[2] == 4 else 1  # their transposed convolutions: 4x4 by 2, 3x3 by 1
    return shape[0] * shape[2] * shape[3] // stride**2


def _uniform(stream: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Draw values of mean 0 and standard deviation 1 from the stream of that name."""
    bits = np.random.PCG64(int.from_bytes(hashlib.sha256(stream.encode()).digest()[:8], "little"))
    raw = bits.random_raw(math.prod(shape)) >> np.uint64(40)  # 24 bits: exact in float32 too
    spread: npt.NDArray[np.float64] = (raw * 2.0**-24 - 0.5) * math.sqrt(12.0)
    return spread.reshape(shape)


def _write(folder: Path, net: Net, width: int, *, legacy: bool) -> Path:
    """Save one network as its ``state_dict()`` comes out: an ordered dict with ``_metadata``."""
    tensors = OrderedDict(
        (key, torch.from_numpy(_values(net, key, kind, shape)))
        for key, (kind, shape) in keys(net, width).items()
    )
    vars(tensors)["_metadata"] = OrderedDict({"": {"version": 1}})
    path = folder / f"{EPOCH}_net_{net}.pth"
    torch.save(tensors, path, _use_new_zipfile_serialization=not legacy)
    return path
