"""VGG-16 up to relu4_3, frozen, as the feature network of the losses.

Letters: B images, H W sides in pixels. Images are normalised as in the training of the weights,
which the published CSA code omits.
"""

import functools
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ...plugins.errors import ContractError
from ...runtime.files.atomic import sha256
from ..pth import read_pth

# Channels of each 3x3 convolution, followed by a ReLU; "max" is 2x2 max pooling.
_LAYERS: Final = (64, 64, "max", 128, 128, "max", 256, 256, 256, "max", 512, 512, 512)
_RELU3_3: Final = 16  # layers up to and including it
RELU3_3_CHANNELS: Final = 256
RELU4_3_CHANNELS: Final = 512

# Of ImageNet's RGB values in [0, 1]; the weights were trained on images normalised by them.
_MEAN: Final = (0.485, 0.456, 0.406)
_STD: Final = (0.229, 0.224, 0.225)
_RANDOM_SEED: Final = 0
FILE_NAME: Final = "vgg16-397923af.pth"  # torchvision's; the digits start its SHA-256
_HASH_IN_NAME: Final = re.compile(r"-([0-9a-f]{8,64})\.")  # torch.hub's convention

Kind = Literal["trained", "random"]


class Features(NamedTuple):
    """Two activations of VGG-16 for a batch of images."""

    relu3_3: Tensor  # (B, 256, H/4, W/4), not negative; the feature-patch discriminator's input
    relu4_3: Tensor  # (B, 512, H/8, W/8), not negative; the target of the consistency loss


class VGG16Features(nn.Module):
    """The first ten convolutions of VGG-16, frozen; other weights are ignored.

    ``kind`` and ``origin`` go into checkpoints. Losses of "random" weights are meaningless.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, weights: Mapping[str, Tensor], *, kind: Kind, origin: str) -> None:
        super().__init__()
        self.kind: Final[Kind] = kind
        self.origin: Final = origin
        self.features = _layers()
        self.load_state_dict({name: weights[name].float() for name in shapes()}, assign=True)
        self.register_buffer("mean", _channels(_MEAN), persistent=False)
        self.register_buffer("std", _channels(_STD), persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor) -> Features:
        """Return relu3_3 and relu4_3 of (B, 3, H, W) RGB images in [-1, 1], with gradient.

        Values outside are not clamped: a network that overshoots needs its gradient.
        """
        shallow = self.relu3_3(image)
        # max pooling comes next, so no in-place ReLU overwrites relu3_3
        return Features(shallow, self.features[_RELU3_3:](shallow))

    def relu3_3(self, image: Tensor) -> Tensor:
        """Return relu3_3 alone, two thirds of the work; see ``forward``."""
        shallow: Tensor = self.features[:_RELU3_3](((image + 1) / 2 - self.mean) / self.std)
        return shallow


def load_vgg(weights: str | Path) -> VGG16Features:
    """Load VGG-16 from a file or "cache" (torch's downloads); "random" draws fixed weights."""
    if weights == "random":
        return VGG16Features(random_weights(), kind="random", origin=f"random, seed {_RANDOM_SEED}")
    path = _downloads() / FILE_NAME if weights == "cache" else Path(weights)
    return VGG16Features(_read(path), kind="trained", origin=path.name)


def random_weights(seed: int = _RANDOM_SEED) -> dict[str, Tensor]:
    """Draw weights that keep the scale of features, as He et al. (2015) derive for ReLUs."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes().items():
        tensor = torch.zeros(shape)
        if name.endswith("weight"):
            tensor.normal_(0.0, math.sqrt(2 / math.prod(shape[1:])), generator=generator)
        weights[name] = tensor
    return weights


@functools.cache
def shapes() -> dict[str, tuple[int, ...]]:
    """Return the shapes of the ten convolutions' tensors, by torchvision's names."""
    state = _layers().state_dict()
    return {f"features.{name}": tuple(tensor.shape) for name, tensor in state.items()}


def _layers() -> nn.Sequential:
    """Create the layers on the meta device, numbered as in torchvision."""
    layers: list[nn.Module] = []
    channels = 3
    for entry in _LAYERS:
        if isinstance(entry, int):
            layers.append(nn.Conv2d(channels, entry, kernel_size=3, padding=1, device="meta"))
            layers.append(nn.ReLU(inplace=True))
            channels = entry
        else:
            layers.append(nn.MaxPool2d(kernel_size=2))
    return nn.Sequential(*layers)


def _read(path: Path) -> dict[str, Tensor]:
    """Read the ten convolutions as float32, after checking the hash in the file's name."""
    if not path.is_file():
        raise ContractError(f"no VGG-16 weights at {path}\n{_remedy()}")
    _check_hash(path)
    if path.suffix == ".safetensors":
        found = _read_safetensors(path)
    elif path.suffix in (".pth", ".pt"):
        found = {name: t for name, t in read_pth(path).items() if name in shapes()}
    else:
        raise ContractError(
            f"a file of VGG-16 weights must end in .pth, .pt or .safetensors; got {path.name}"
        )
    _check(path, found)
    return {name: found[name].to(torch.float32, copy=True) for name in shapes()}


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


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys() if name in shapes()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ContractError(
            f"{path} is not a readable safetensors file: {error}\n{_remedy()}"
        ) from error


def _check(path: Path, found: Mapping[str, Tensor]) -> None:
    """Check that the tensors are VGG-16's, and name the first that is wrong."""
    for name, shape in shapes().items():
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


def _downloads() -> Path:
    """Return the folder where torch keeps its downloads."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def _remedy() -> str:
    return (
        f"Download https://download.pytorch.org/models/{FILE_NAME} (528 MB) into {_downloads()}, "
        "or name a file of torchvision's VGG-16 with --vgg FILE. `--vgg random` runs without it, "
        "for smoke tests only."
    )


def _channels(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).reshape(1, -1, 1, 1)
