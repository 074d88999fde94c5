"""Read the weights that the authors' code writes: a pair ``*_net_P.pth`` and ``*_net_G.pth``.

Their networks are nested blocks, each an ``nn.Sequential`` whose entries are numbered and whose
middle entry is the next block. ``model.model.1.model.3.model.5.weight`` is entry 1 of the outermost
block, entry 3 of that, and there entry 5: a transposed convolution. So the map needs, for each kind
of block, which entry is which part and which holds the next block. Entries without weights
(activations, CSA, the loss taps) count in the numbering.

Source: the published code's ``networks.py``, read for its facts.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from torch import Tensor

from ..plugins.errors import ContractError
from .checkpoint import build, check_shapes, expected_shapes, shapes_of
from .config import ModelConfig
from .networks.generators import ATTENTION_LEVEL, MULTIPLIERS
from .networks.inpainter import CSAInpainter
from .pth import read_pth


@dataclasses.dataclass(frozen=True)
class _Block:
    """Which entry of one of their blocks is which of our parts, and where the next block is."""

    parts: Mapping[str, int]
    next_block: int | None


def _parts(*entries: int) -> dict[str, int]:
    """Return which entries of a middle block of the refinement network are which parts."""
    names = (f"{part}{kind}" for part in ("shrink", "widen", "narrow", "grow") for kind in _KINDS)
    return dict(zip(names, entries, strict=True))


_KINDS: Final = ("", "_norm")
# rough: [conv, NEXT, relu, deconv, tanh]
_ROUGH_OUTERMOST: Final = _Block({"down": 0, "up": 3}, 1)
# rough: [relu, conv, norm, NEXT, relu, deconv, norm]
_ROUGH_MIDDLE: Final = _Block({"down": 1, "down_norm": 2, "up": 5, "up_norm": 6}, 3)
# rough: [relu, conv, relu, deconv, norm]
_ROUGH_INNERMOST: Final = _Block({"down": 1, "up": 3, "up_norm": 4}, None)

# refinement: [conv, NEXT, relu, deconv]
_REFINE_OUTERMOST: Final = _Block({"enter": 0, "leave": 3}, 1)
# refinement: [relu, conv4, norm, relu, conv3, norm, NEXT, relu, deconv3, norm, relu, deconv4, norm]
_REFINE_MIDDLE: Final = _Block(_parts(1, 2, 4, 5, 8, 9, 11, 12), 6)
# refinement: as above with CSA and its loss tap after conv3, and a loss tap after NEXT
_REFINE_ATTENTION: Final = _Block(_parts(1, 2, 4, 7, 11, 12, 14, 15), 8)
# refinement: [relu, conv4, relu, deconv4, norm]
_REFINE_INNERMOST: Final = _Block({"shrink": 1, "grow": 3, "grow_norm": 4}, None)

_LAST: Final = len(MULTIPLIERS) - 1
_ROUGH: Final = [
    ("levels.0", _ROUGH_OUTERMOST),
    *((f"levels.{i}", _ROUGH_MIDDLE) for i in range(1, _LAST)),
    (f"levels.{_LAST}", _ROUGH_INNERMOST),
]
_REFINE: Final = [
    ("", _REFINE_OUTERMOST),
    *(
        (f"levels.{i}", _REFINE_ATTENTION if i == ATTENTION_LEVEL else _REFINE_MIDDLE)
        for i in range(_LAST)
    ),
    ("innermost", _REFINE_INNERMOST),
]
_WIDTH_KEY: Final = "model.model.0.weight"  # the first convolution: (w, 3, 4, 4)


def convert(rough: str | Path, refine: str | Path) -> CSAInpainter:
    """Build the network, in eval mode, that a pair of the authors' checkpoints describes.

    ``rough`` is their ``*_net_P.pth``, ``refine`` their ``*_net_G.pth``. The width is read off the
    first convolution; the similarity is "projection", what the published code computes.

    Raises:
        ContractError: a file is missing, unreadable, holds more than tensors, or its keys
            or shapes are not those of the network; every difference is named.
    """
    rough, refine = Path(rough), Path(refine)
    theirs = {"rough": read_pth(rough), "refinement": read_pth(refine)}
    config = ModelConfig(width=_width(theirs["rough"], rough), similarity="projection")
    shapes = expected_shapes(config)
    ours = {}
    for stage, path in (("rough", rough), ("refinement", refine)):
        names = dict(_key_map(stage, shapes))
        expected = {their_key: shapes[our_key] for our_key, their_key in names.items()}
        check_shapes(expected, shapes_of(theirs[stage]), source=path.name)
        ours.update({our_key: theirs[stage][their_key] for our_key, their_key in names.items()})
    return build(config, ours)


def _key_map(stage: str, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, str]]:
    """Pair each of our keys of one network with the authors' key."""
    prefix = "model.model"
    for level, block in _ROUGH if stage == "rough" else _REFINE:
        for part, entry in block.parts.items():
            for kind in ("weight", "bias"):
                key = ".".join(filter(None, (stage, level, part, kind)))
                if key in shapes:
                    yield key, f"{prefix}.{entry}.{kind}"
        prefix = f"{prefix}.{block.next_block}.model"


def _width(weights: Mapping[str, Tensor], path: Path) -> int:
    first = weights.get(_WIDTH_KEY)
    if first is None or first.ndim != 4:
        raise ContractError(
            f"{path} is not the authors' rough network: no 4-dimensional {_WIDTH_KEY}; "
            f"its first keys are {', '.join(list(weights)[:3])}\n"
            "--rough takes the file *_net_P.pth and --refine the file *_net_G.pth."
        )
    return int(first.shape[0])
