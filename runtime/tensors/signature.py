"""The signature of a model: its inputs, its output and its metadata."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...plugins.errors import ContractError
from .. import contract
from ..contract import FORMAT_VERSION, IMAGE, MASK, OUTPUT, SIZE_MULTIPLE, IOFormat
from ..files.onnx_header import OnnxTensor

_FORMS: Mapping[str, IOFormat] = {"tensor(float)": "float", "tensor(uint8)": "uint8"}


@dataclasses.dataclass(frozen=True)
class Signature:
    """The tensors that a model accepts."""

    io: IOFormat  # "float" for (B, 3, H, W) float32, "uint8" for (B, H, W, 3) uint8
    batch: int | None  # the one B; None is any
    size: tuple[int, int] | None  # the one (H, W); None is any multiple of 256
    max_batch: int | None = None  # the largest B it was exported for; None is any

    def check(self, batch: int, sides: tuple[int, ...]) -> None:
        """Raise ContractError for a B or (H, W) that the model was not exported for."""
        if self.max_batch is not None and batch > self.max_batch:
            raise ContractError(
                f"this model takes batches of at most {self.max_batch}; got {batch}\n"
                "Split the batch, or export again with a larger --max-batch."
            )
        if self.batch not in (None, batch):
            raise ContractError(f"this model takes batches of {self.batch}; got {batch}")
        if self.size not in (None, tuple(sides)):
            raise ContractError(f"this model takes images of {_by(self.size)}; got {_by(sides)}")


def read_signature(
    path: Path,
    metadata: Mapping[str, str],
    *,
    inputs: Sequence[OnnxTensor],
    outputs: Sequence[OnnxTensor],
) -> Signature:
    """Return the signature of a model; ContractError if not of csakit or of a newer format.

    Inputs and outputs are those of an ONNX header, or what onnxruntime describes alike.
    """
    _check_format(path, metadata)
    require_names(path, (item.name for item in inputs), (item.name for item in outputs))
    image = next(item for item in inputs if item.name == IMAGE)
    io = _FORMS.get(image.type)
    if io is None or len(image.shape) != 4 or {item.type for item in inputs} != {image.type}:
        raise _foreign(
            path, f"inputs must be rank 4, float32 or uint8; got {image.type} {image.shape}"
        )
    batch, height, width = (image.shape[axis] for axis in ((0, 2, 3), (0, 1, 2))[io == "uint8"])
    most = metadata.get(contract.META_MAX_BATCH, "")
    return Signature(
        io,
        batch=batch if isinstance(batch, int) else None,
        size=_size(path, height, width),
        max_batch=int(most) if most.isdecimal() else None,
    )


def require_names(path: Path, inputs: Iterable[str], outputs: Iterable[str]) -> None:
    """Check the names of a model's inputs and output; raise ContractError for others."""
    given, returned = sorted(inputs), sorted(outputs)
    if given != sorted((IMAGE, MASK)) or returned != [OUTPUT]:
        raise ContractError(
            f"{path} must have the inputs {IMAGE}, {MASK} and the output {OUTPUT}; got "
            f"{', '.join(given)} and {', '.join(returned)}\n"
            f"Export it again: csakit export CHECKPOINT.safetensors -o {path.name}"
        )


def _check_format(path: Path, metadata: Mapping[str, str]) -> None:
    """Refuse files that csakit did not export, and those of a newer format."""
    stated = metadata.get(contract.META_FORMAT)
    if stated is None or not stated.isdecimal():
        raise _foreign(path, f"its metadata must hold {contract.META_FORMAT}; got {stated!r}")
    if int(stated) > FORMAT_VERSION:
        writer = metadata.get(contract.META_VERSION)
        needed = "--upgrade csakit" if writer is None else f"'csakit>={writer}'"
        raise ContractError(
            f"{path} has format {stated}, written by csakit {writer or 'of a newer version'}; "
            f"this version reads formats up to {FORMAT_VERSION}\nInstall: pip install {needed}"
        )


def _size(path: Path, height: int | str, width: int | str) -> tuple[int, int] | None:
    """Return the fixed size, None if both sides are dynamic."""
    if not isinstance(height, int) and not isinstance(width, int):
        return None
    if isinstance(height, int) and isinstance(width, int):
        sides = (height, width)
        if all(side > 0 and side % SIZE_MULTIPLE == 0 for side in sides):
            return sides
    raise _foreign(
        path,
        f"H and W must both be dynamic, or both multiples of {SIZE_MULTIPLE}; got "
        f"H={height}, W={width}",
    )


def _foreign(path: Path, reason: str) -> ContractError:
    return ContractError(
        f"{path} is not a model exported by csakit: {reason}\nMake one with `csakit export`."
    )


def _by(size: tuple[int, ...] | None) -> str:
    """Return (H, W) as text, width first."""
    height, width = size or (0, 0)
    return f"{width} x {height} (width x height)"
