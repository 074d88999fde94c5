"""Models to evaluate: a checkpoint in torch, or an exported file in the runtime.

Letters: B images, H W sides in pixels, multiples of 256.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...plugins.errors import ContractError
from ...runtime.contract import META_MAX_BATCH
from ...runtime.files.atomic import sha256
from ...runtime.sessions.session import Session, open_session
from ...runtime.tensors.pixels import Float32
from .scores import Run

if TYPE_CHECKING:
    import torch

CHECKPOINT: Final = ".safetensors"
EXPORTED: Final = (".onnx", ".engine")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """An opened model."""

    path: Path
    sha256: str = ""  # of the file
    backend: str  # "torch", "runtime", or the name of a baseline
    size: tuple[int, int] | None = None  # the one (H, W) it takes; None for all multiples of 256
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # JSON-serialisable
    run: Run  # inpaints a batch of any number of images


@contextlib.contextmanager
def open_model(path: Path, *, device: str = "cpu") -> Iterator[Model]:
    """Open a checkpoint on a torch device, or an exported model, by its suffix."""
    suffix = path.suffix.lower()
    if suffix == CHECKPOINT:
        yield _of_checkpoint(path, device)
    elif suffix in EXPORTED:
        with contextlib.closing(open_session(path)) as session:
            yield _of_session(path, session)
    else:
        raise ContractError(
            f"the suffix of a model must be {CHECKPOINT}, {' or '.join(EXPORTED)}; got "
            f"{path.name!r}\nConvert a .pth pair of the authors to a checkpoint with "
            "`csakit convert`."
        )


def torch_run(network: "torch.nn.Module") -> Run:
    """Return a function that runs a torch network on arrays, on its device, without gradient."""
    import torch  # deferred: exported models need none of it

    device = next(network.parameters()).device

    def run(images: Float32, holes: Float32) -> Float32:
        with torch.inference_mode():
            tensors = (torch.from_numpy(array).to(device) for array in (images, holes))
            numbers: Float32 = network(*tensors).cpu().numpy()
        return numbers

    return run


def session_run(session: Session) -> Run:
    """Return a function that runs a session on any number of images, split or padded to fit."""
    stated = session.metadata.get(META_MAX_BATCH, "")
    most = session.batch or (int(stated) if stated.isdecimal() else None)

    def run(images: Float32, holes: Float32) -> Float32:
        step = most or len(images)
        parts = []
        for start in range(0, len(images), step):
            image, hole = images[start : start + step], holes[start : start + step]
            lacking = step - len(image) if session.batch else 0
            if lacking:
                image = np.concatenate([image, np.repeat(image[-1:], lacking, axis=0)])
                hole = np.concatenate([hole, np.repeat(hole[-1:], lacking, axis=0)])
            parts.append(session.run(image, hole)[: step - lacking])
        return np.concatenate(parts)

    return run


def _of_checkpoint(path: Path, device: str) -> Model:
    from .. import checkpoint

    network = checkpoint.load(path)
    try:
        network.to(device)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ContractError(
            f"the device must be one that torch can use here; got {device!r}: {reason}\n"
            "Use --device cpu."
        ) from error
    header = checkpoint.read_header(path)
    return Model(
        path=path,
        sha256=sha256(path),
        backend="torch",
        facts={key: value for key, value in header.items() if key != "format"},
        run=torch_run(network),
    )


def _of_session(path: Path, session: Session) -> Model:
    return Model(
        path=path,
        sha256=sha256(path),
        backend="runtime",
        size=session.size,
        facts={**session.metadata, "io": session.io},
        run=session_run(session),
    )
