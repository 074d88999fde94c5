"""Read tensors from ``.pth`` files without unpickling anything else."""

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from ..plugins.errors import ContractError
from ..runtime.files.failures import failure, is_file, stand_in

_COUNTER: Final = "num_batches_tracked"  # an integer beside the weights of each batch norm
# Keys under which training scripts save a state_dict beside other things.
_WRAPPERS: Final = ("state_dict", "model_state_dict", "model", "net", "network", "params")


def read_pth(path: Path) -> dict[str, Tensor]:
    """Return a state_dict, bare or inside a dictionary, on the CPU, possibly memory-mapped.

    Raises:
        ContractError: the file is missing or damaged, or holds anything but named
            floating-point tensors.
    """
    if not is_file(path):
        raise ContractError(f"no checkpoint at {path}")
    content = _load(path)
    if not isinstance(content, dict) or not content:
        raise ContractError(f"{path} must hold a state_dict; it holds {type(content).__name__}")
    weights = {
        name: value
        for name, value in _unwrapped(content).items()
        if not str(name).endswith(_COUNTER)
    }
    for name, value in weights.items():
        if problem := _problem(value):
            raise ContractError(
                f"{path} must hold tensors only; {name!r} {problem}\n"
                "Save the bare weights: torch.save(network.state_dict(), path)."
            )
    return {str(key).removeprefix("module."): value.detach() for key, value in weights.items()}


def _load(path: Path) -> Any:  # noqa: ANN401
    """Unpickle a file, allowing tensors and plain containers only."""
    try:
        # the older of torch's two formats cannot be mapped
        mapped = zipfile.is_zipfile(path)
        if mapped:
            _require_stored(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about types in damaged files
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise stand_in(path) or ContractError(
            f"{path} holds more than tensors, or is not a torch checkpoint; "
            "loading it could run code, so it is refused\n"
            "Save the bare weights: torch.save(network.state_dict(), path)."
        ) from error
    except Exception as error:  # torch raises any type on damaged files
        if problem := failure(error, f"read {path}") or stand_in(path):
            raise problem from error
        raise ContractError(
            f"{path} is damaged or no torch checkpoint: {error}\nCopy or download it again."
        ) from error


def _require_stored(path: Path) -> None:
    """Check that an archive holds a state_dict, uncompressed so that torch can map it."""
    with zipfile.ZipFile(path) as archive:
        files = archive.infolist()
    if any(one.filename.endswith("/constants.pkl") for one in files):
        raise ContractError(
            f"{path} is a TorchScript program; a state_dict is needed\n"
            "Save its weights: torch.save(torch.jit.load(path).state_dict(), new_path)."
        )
    packed = [one.filename for one in files if one.compress_type]
    if packed:
        raise ContractError(
            f"{path} must be stored uncompressed, as torch.save writes it; {packed[0]} in it is "
            "compressed\nUnpack it and pack it again with: zip -0 -r"
        )


def _unwrapped(content: dict[Any, Any]) -> dict[Any, Any]:
    """Return the state_dict in a training script's dictionary, or the dictionary itself."""
    inner = [content[name] for name in _WRAPPERS if isinstance(content.get(name), dict)]
    bare = all(isinstance(value, Tensor) for value in content.values())
    return inner[0] if inner and inner[0] and not bare else content


def _problem(value: object) -> str | None:
    """Return why a value is not usable as a weight, or None."""
    if not isinstance(value, Tensor):
        return "is not a tensor"
    if value.is_nested:
        return "is nested"
    if value.layout != torch.strided:
        return f"is sparse ({value.layout})"
    if value.is_meta:
        return "has no data (device meta)"
    if not value.is_floating_point():
        return f"holds no floating-point numbers ({value.dtype})"
    return None
