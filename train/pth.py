"""Read a ``.pth`` file of tensors without ever unpickling more than tensors."""

import pickle
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from ..plugins.errors import ContractError


def read_pth(path: Path) -> dict[str, Tensor]:
    """Read a state_dict, refusing anything that would run code.

    Args:
        path: what ``torch.save(network.state_dict(), path)`` wrote, of any torch.

    Returns:
        Name to tensor, on the CPU, without the ``module.`` that ``nn.DataParallel`` prepends.
        They may be read from the file only when they are used.

    Raises:
        ContractError: the file is missing or damaged, or holds more than named tensors.
    """
    if not path.is_file():
        raise ContractError(f"no checkpoint at {path}")
    try:
        # the older of torch's two formats cannot be mapped
        mapped = zipfile.is_zipfile(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise ContractError(
            f"{path} holds more than tensors, or is not a torch checkpoint; "
            "loading it could run code, so it is refused\n"
            "Save the bare weights: torch.save(network.state_dict(), path)."
        ) from error
    except Exception as error:  # the reader raises what it likes on damaged files
        raise ContractError(
            f"{path} is damaged or no torch checkpoint: {error}\nCopy or download it again."
        ) from error
    if not isinstance(content, dict) or not content:
        raise ContractError(f"{path} must hold a state_dict; it holds {type(content).__name__}")
    wrong = next((k for k, v in content.items() if not isinstance(v, Tensor)), None)
    if wrong is not None:
        raise ContractError(f"{path} must hold tensors only; {wrong!r} is none")
    return {str(key).removeprefix("module."): value for key, value in content.items()}
