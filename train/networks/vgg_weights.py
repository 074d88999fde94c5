"""Find, check and read a file of VGG-16 weights as torchvision publishes them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...plugins.errors import ContractError
from ...runtime.files.atomic import sha256
from ..pth import read_pth

FILE_NAME: Final = "vgg16-397923af.pth"  # torchvision's; the digits start its SHA-256
_URL: Final = f"https://download.pytorch.org/models/{FILE_NAME}"
_HASH_IN_NAME: Final = re.compile(r"-([0-9a-f]{8,64})\.")  # torch.hub's convention

HOW_TO_GET: Final = (
    f"Download {_URL} (528 MB) into {{folder}}, or name a file of torchvision's VGG-16 with "
    "--vgg FILE. `--vgg random` runs without it, for smoke tests only."
)


def cached_weights() -> Path:
    """Return torchvision's file of weights in torch's cache of downloads."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / FILE_NAME
    if not path.is_file():
        raise ContractError(f"no VGG-16 weights at {path}\n{_remedy()}")
    return path


def read_weights(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Return the tensors of ``shapes`` as float32, after comparing a hash in the file's name."""
    if not path.is_file():
        raise ContractError(f"no VGG-16 weights at {path}\n{_remedy()}")
    _check_hash(path)
    if path.suffix == ".safetensors":
        found = _read_safetensors(path, shapes)
    elif path.suffix in (".pth", ".pt"):
        found = {name: t for name, t in read_pth(path).items() if name in shapes}
    else:
        raise ContractError(
            f"a file of VGG-16 weights must end in .pth, .pt or .safetensors; got {path.name}"
        )
    _check(path, shapes, found)
    return {name: found[name].to(torch.float32, copy=True) for name in shapes}


def _check_hash(path: Path) -> None:
    stated = _HASH_IN_NAME.search(path.name)
    if stated is None:
        return
    found = sha256(path)
    if not found.startswith(stated[1]):
        raise ContractError(
            f"the SHA-256 of {path} must start with {stated[1]}, as its name states; "
            f"it is {found[:16]}...: the file is damaged or another one\n{_remedy()}"
        )


def _read_safetensors(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys() if name in shapes}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ContractError(
            f"{path} is not a readable safetensors file: {error}\n{_remedy()}"
        ) from error


def _check(path: Path, shapes: Mapping[str, tuple[int, ...]], found: Mapping[str, Tensor]) -> None:
    """Check that the tensors are VGG-16's, and name the first that is wrong."""
    for name, shape in shapes.items():
        if name not in found:
            raise ContractError(f"{path} is not torchvision's VGG-16: no {name}\n{_remedy()}")
        tensor = found[name]
        if tuple(tensor.shape) != shape:
            raise ContractError(
                f"{path} is not torchvision's VGG-16: {name} must have shape {shape}; "
                f"got {tuple(tensor.shape)}\n{_remedy()}"
            )
        if not tensor.is_floating_point() or not tensor.isfinite().all():
            raise ContractError(
                f"{path}: {name} must hold finite floating-point numbers; got {tensor.dtype}"
                f"{' with NaN or infinity' if tensor.is_floating_point() else ''}\n{_remedy()}"
            )


def _remedy() -> str:
    return HOW_TO_GET.format(folder=Path(torch.hub.get_dir()) / "checkpoints")
