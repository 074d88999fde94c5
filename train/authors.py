"""Convert checkpoints of the authors' code: a pair ``*_net_P.pth`` and ``*_net_G.pth``.

Their networks are nested blocks, each an ``nn.Sequential`` whose entries are numbered and whose
middle entry is the next block. ``model.model.1.model.3.model.5.weight`` is entry 1 of the outermost
block, entry 3 of that, and there entry 5: a transposed convolution. Entries without weights
(activations, CSA, the loss taps) count in the numbering.

Source: ``networks.py`` of the published code.
"""

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

# Entries of each kind of block: names of our layers, NEXT for the next block, "-" for no weights.
_ROUGH_OUTERMOST: Final = "down NEXT - up -"
_ROUGH_MIDDLE: Final = "- down down_norm NEXT - up up_norm"
_ROUGH_INNERMOST: Final = "- down - up up_norm"
_REFINE_OUTERMOST: Final = "enter NEXT - leave"
_REFINE_MIDDLE: Final = (
    "- shrink shrink_norm - widen widen_norm NEXT - narrow narrow_norm - grow grow_norm"
)
_REFINE_ATTENTION: Final = (  # CSA and its loss tap follow widen, another loss tap follows NEXT
    "- shrink shrink_norm - widen - - widen_norm NEXT - - narrow narrow_norm - grow grow_norm"
)
_REFINE_INNERMOST: Final = "- shrink - grow grow_norm"

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
    """Convert a pair of the authors' checkpoints to a network in eval mode.

    ``rough`` is their ``*_net_P.pth``, ``refine`` their ``*_net_G.pth``. The width is that of
    the first convolution; the similarity is "projection", as in the published code.

    Raises:
        ContractError: a file is missing, unreadable, holds more than tensors, or differs from
            the network in keys or shapes; the message lists every difference.
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
    """Yield our key and the authors' key of every tensor of one network."""
    prefix = "model.model"
    for level, block in _ROUGH if stage == "rough" else _REFINE:
        parts = block.split()
        for entry, part in enumerate(parts):
            for kind in ("weight", "bias"):
                key = ".".join(filter(None, (stage, level, part, kind)))
                if key in shapes:
                    yield key, f"{prefix}.{entry}.{kind}"
        if "NEXT" in parts:
            prefix = f"{prefix}.{parts.index('NEXT')}.model"


def _width(weights: Mapping[str, Tensor], path: Path) -> int:
    first = weights.get(_WIDTH_KEY)
    if first is None or first.ndim != 4:
        raise ContractError(
            f"{path} is not the authors' rough network: no 4-dimensional {_WIDTH_KEY}; "
            f"its first keys are {', '.join(list(weights)[:3])}\n"
            "--rough takes the file *_net_P.pth and --refine the file *_net_G.pth."
        )
    return int(first.shape[0])
