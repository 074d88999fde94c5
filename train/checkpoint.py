"""Checkpoints: safetensors files with the weights, and the configuration in the metadata.

Nothing is unpickled. No weight is loaded before the names and shapes in the file have been
compared with the network that its configuration describes.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..plugins.errors import ContractError
from ..runtime.files.atomic import atomic_write, staged_folder, written_file
from ..runtime.files.failures import failure, is_file, stand_in
from .config import ModelConfig
from .networks.inpainter import CSAInpainter, fill_colour

FORMAT_VERSION: Final = 1  # raised when an older reader would misread the file
_KEY: Final = "csakit"  # the only metadata entry; JSON
_CONFIGURATION: Final = ("width", "attention", "similarity")  # what every header must state
# Values of keys that older headers lack: they describe the paper's network.
PAPERS_FORM: Final = {"fill": "constant", "prediction": "absolute"}
_LISTED: Final = 8  # names that an error shows of a long list


def save(
    model: CSAInpainter,
    path: str | Path,
    *,
    dtype: torch.dtype | None = None,
    training: Mapping[str, Any] | None = None,
) -> None:
    """Write a model to a checkpoint; an interrupted call leaves no partial file.

    Args:
        model: the network.
        path: ends in ``.safetensors``; an existing file is replaced.
        dtype: of the stored weights, such as ``torch.float16``; None keeps the model's own.
        training: a summary of the training, JSON-serialisable.

    Raises:
        ContractError: the path has another suffix or cannot be written.
        ResourceError: there is no space.
    """
    path = Path(path)
    check_output(path)
    header = {
        "format": FORMAT_VERSION,
        **dataclasses.asdict(model.config),
        "training": dict(training or {}),
    }
    weights = {
        name: tensor.detach().to("cpu", dtype).contiguous()
        for name, tensor in model.state_dict().items()
    }
    write_tensors(path, weights, {_KEY: header})


def write_tensors(
    path: Path, tensors: dict[str, Tensor], metadata: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write a safetensors file with JSON metadata; an interrupted call leaves no partial file."""
    texts = {key: json.dumps(value, sort_keys=True) for key, value in metadata.items()}
    with atomic_write(path) as temporary:
        try:
            save_file(tensors, temporary, metadata=texts)
        except (SafetensorError, OSError, MemoryError) as error:
            raise failure(error, f"write {path}") or error from error


def check_output(path: Path) -> None:
    """Check that ``save`` can write to a path, before any work is done."""
    if path.suffix != ".safetensors":
        raise ContractError(f"a checkpoint's name must end in .safetensors; got {path.name}")
    with staged_folder(written_file(path)):
        pass


def load(path: str | Path) -> CSAInpainter:
    """Load a checkpoint as a float32 model in eval mode, on the CPU.

    Raises:
        ContractError: the file is missing, truncated, not from csakit, newer than this version,
            or its tensors do not match its configuration.
    """
    path = Path(path)
    header, shapes = _open(path)
    try:
        config = ModelConfig(**{name: header[name] for name in (*_CONFIGURATION, *PAPERS_FORM)})
    except ContractError as error:
        raise ContractError(f"{path}: {error}") from error
    check_shapes(expected_shapes(config), shapes, source=path.name)
    try:
        with safe_open(path, framework="pt") as file:
            return build(config, {name: file.get_tensor(name) for name in shapes})
    except ContractError as error:
        raise ContractError(f"{path}: {error}") from error
    except (SafetensorError, OSError, MemoryError) as error:
        raise failure(error, f"read {path}") or error from error


def build(config: ModelConfig, weights: Mapping[str, Tensor]) -> CSAInpainter:
    """Create a float32 network in eval mode from copies of weights, without random ones first.

    Names and shapes must match the network, and all values must be finite.
    """
    with torch.device("meta"):
        model = CSAInpainter(config)
    for name, tensor in weights.items():
        if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
            kind = "NaN or infinity" if tensor.is_floating_point() else str(tensor.dtype)
            raise ContractError(
                f"weights must be finite floating-point numbers; {name!r} holds {kind}\n"
                "Take an earlier checkpoint, from before the training diverged."
            )
    copies = {name: tensor.to(torch.float32, copy=True) for name, tensor in weights.items()}
    model.load_state_dict(copies, assign=True)
    model.fill = fill_colour()  # not among the weights
    return model.eval()


def read_header(path: str | Path) -> dict[str, Any]:
    """Return the header of a checkpoint: format, fields of ModelConfig, training summary.

    Raises:
        ContractError: the file is missing, truncated, not from csakit, or newer than this version.
    """
    return _open(Path(path))[0]


def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a network's tensors by name, without allocating them."""
    with torch.device("meta"):
        return shapes_of(CSAInpainter(config).state_dict())


def check_shapes(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], *, source: str
) -> None:
    """Raise ContractError if two tables of shapes by name differ; it lists every difference."""
    differing = [
        f"{name} {found[name]}, expected {shape}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    problems = [
        *_listed("missing", [name for name in expected if name not in found]),
        *_listed("unexpected", [name for name in found if name not in expected]),
        *_listed("of another shape", differing),
    ]
    if problems:
        raise ContractError(f"{source} is not a CSA network:\n" + "\n".join(problems))


def shapes_of(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of tensors by name."""
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def _open(path: Path) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """Read the header and the shapes by name, without loading weights."""
    if not is_file(path):
        raise ContractError(f"no checkpoint at {path}")
    try:
        path.open("rb").close()  # safetensors reports an unreadable file as missing
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, MemoryError) as error:
        raise (
            failure(error, f"read {path}")
            or stand_in(path)
            or ContractError(
                f"{path} is not a readable safetensors file: {error}\n"
                "If it was copied, copy it again; if it is a .pth pair, use `csakit convert`."
            )
        ) from error
    return _header(metadata.get(_KEY), path), shapes


def _header(text: str | None, path: Path) -> dict[str, Any]:
    try:
        header = json.loads(text or "")
        version = header["format"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ContractError(f"{path} was not written by csakit: no csakit metadata") from error
    if version != FORMAT_VERSION:
        raise ContractError(
            f"{path} has checkpoint format {version!r}; this csakit reads {FORMAT_VERSION}\n"
            "Update csakit with `pip install --upgrade csakit`."
        )
    lacking = [name for name in _CONFIGURATION if name not in header]
    if lacking:
        raise ContractError(f"the metadata of {path} must state {', '.join(lacking)}")
    assert isinstance(header, dict)
    return {**PAPERS_FORM, **header}


def _listed(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f"\n    ... and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return [f"  {len(names)} {what}:\n    " + "\n    ".join(names[:_LISTED]) + more]
