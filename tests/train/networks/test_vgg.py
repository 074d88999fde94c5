"""VGG-16 computes torchvision's layers, lets gradients through, and reads the files users have."""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.train.networks.vgg import VGG16Features, load_vgg, random_weights
from helpers.features import image_like
from safetensors.torch import save_file
from torch import Tensor, nn

# configuration D of the paper, as far as relu4_3; M is a maximum over 2x2
CONFIGURATION = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512)
RELU3_3, RELU4_3 = 16, 23  # layers up to and with it, as torchvision counts


@pytest.fixture(scope="module")
def vgg() -> VGG16Features:
    return load_vgg("random")


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.from_numpy(image_like(np.random.default_rng(0), 2, 64, 96))


def plain_vgg(weights: dict[str, Tensor]) -> nn.Sequential:
    """Build it as the paper's table reads, independently of the code under test."""
    layers: list[nn.Module] = []
    channels = 3
    for entry in CONFIGURATION:
        if isinstance(entry, int):
            layers += [nn.Conv2d(channels, entry, kernel_size=3, padding=1), nn.ReLU()]
            channels = entry
        else:
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    network = nn.Sequential(*layers)
    network.load_state_dict({k.removeprefix("features."): v for k, v in weights.items()})
    return network


def test_it_computes_the_layers_of_a_plain_vgg16(vgg: VGG16Features, image: Tensor) -> None:
    weights = {name: tensor.clone() for name, tensor in random_weights().items()}
    generator = torch.Generator().manual_seed(1)
    for name in (name for name in weights if name.endswith("bias")):
        weights[name].normal_(0.0, 0.1, generator=generator)
    vgg = VGG16Features(weights, kind="trained", origin="test")
    # as torchvision documents: in [0, 1], less the mean of ImageNet, over its deviation
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (((image + 1) / 2).movedim(1, -1) - mean) / std

    features = vgg(image)

    plain, given = plain_vgg(weights), normalised.movedim(-1, 1)
    torch.testing.assert_close(features.relu3_3, plain[:RELU3_3](given), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(features.relu4_3, plain[:RELU4_3](given), rtol=1e-4, atol=1e-4)
    assert vgg.relu3_3(image).equal(features.relu3_3)


def test_gradient_flows_through_it_to_the_image(vgg: VGG16Features, image: Tensor) -> None:
    for layer in range(2):
        given = image.clone().requires_grad_()

        torch.autograd.backward(vgg(given)[layer].sum())

        assert given.grad is not None
        assert given.grad.isfinite().all()
        assert (given.grad != 0).float().mean() > 0.9  # maxima drop a few


def test_images_beyond_the_range_are_not_clamped(vgg: VGG16Features, image: Tensor) -> None:
    assert not torch.allclose(vgg(image + 2).relu4_3, vgg((image + 2).clamp(-1, 1)).relu4_3)


def test_it_is_not_trained(vgg: VGG16Features) -> None:
    assert not vgg.training
    assert not any(parameter.requires_grad for parameter in vgg.parameters())


def test_random_weights_say_so_and_are_the_same_always(vgg: VGG16Features, image: Tensor) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        again = load_vgg("random")

    assert (vgg.kind, vgg.origin) == ("random", "random, seed 0")
    assert again(image).relu4_3.equal(vgg(image).relu4_3)


def test_random_weights_keep_the_scale_of_features(vgg: VGG16Features, image: Tensor) -> None:
    for layer in vgg(image):
        size = layer.square().mean().sqrt().item()

        # the input's is near 1; maxima raise it; with a wrong gain, factors of 2 ** (10 / 2) appear
        assert 0.5 < size < 4


CACHED = "vgg16-397923af.pth"
REMEDY = r"\nDownload https://\S+/vgg16-397923af\.pth \(528 MB\) into \S+.*--vgg FILE.*--vgg random"


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """Those of torchvision's file: the features, and a classifier, here a small one."""
    return random_weights(seed=3) | {
        "features.24.weight": torch.ones(2),
        "classifier.0.weight": torch.ones(3),
    }


# torch's format before 1.6, which torchvision's file of VGG-16 has
save_old = functools.partial(torch.save, _use_new_zipfile_serialization=False)


def save_wrapped(weights: dict[str, Tensor], path: Path) -> None:
    torch.save({f"module.{name}": tensor for name, tensor in weights.items()}, path)


@pytest.mark.parametrize(
    ("save", "name"),
    [
        (torch.save, "vgg.pth"),
        (torch.save, "vgg.pt"),
        (save_old, "vgg.pth"),
        (save_wrapped, "vgg.pth"),
        (save_file, "vgg.safetensors"),
    ],
)
def test_each_format_is_read_and_may_change_afterwards(
    tmp_path: Path, weights: dict[str, Tensor], save: Callable[..., None], name: str
) -> None:
    path = tmp_path / name
    save(weights, path)

    vgg = load_vgg(path)

    with path.open("r+b") as file:  # in place, as a mapped file would notice
        file.write(bytes(path.stat().st_size))
    assert (vgg.kind, vgg.origin) == ("trained", name)
    expected = VGG16Features(weights, kind="trained", origin="test")
    for ours, theirs in zip(vgg.parameters(), expected.parameters(), strict=True):
        assert ours.equal(theirs)


def test_half_precision_is_read_as_float32(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    torch.save({name: tensor.half() for name, tensor in weights.items()}, tmp_path / "vgg.pth")

    vgg = load_vgg(str(tmp_path / "vgg.pth"))

    assert {parameter.dtype for parameter in vgg.parameters()} == {torch.float32}


def test_without_a_file_torchs_cache_is_read(
    tmp_path: Path, weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    save_old(weights, folder / "draft.pth")
    digest = hashlib.sha256((folder / "draft.pth").read_bytes()).hexdigest()
    # no file of ours has torchvision's hash, so it is looked for under its own, as torch.hub names
    path = (folder / "draft.pth").rename(folder / f"vgg16-{digest[:8]}.pth")
    monkeypatch.setattr("csakit.train.networks.vgg.FILE_NAME", path.name)

    assert load_vgg("cache").origin == path.name


def test_an_empty_cache_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / CACHED

    with pytest.raises(ContractError, match=rf"no VGG-16 weights at {cached}{REMEDY}") as caught:
        load_vgg("cache")

    assert f"into {cached.parent}," in str(caught.value)


@pytest.mark.parametrize("name", ["missing.pth", "missing.safetensors", ""])
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ContractError, match=rf"no VGG-16 weights at .*{name}{REMEDY}"):
        load_vgg(tmp_path / name)


def test_content_that_is_not_what_the_name_states_is_refused(tmp_path: Path) -> None:
    path = tmp_path / CACHED
    torch.save(random_weights(), path)

    with pytest.raises(
        ContractError, match=rf"must start with 397923af, as its name states; it is .*{REMEDY}"
    ):
        load_vgg(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0, 5, 1000, 10_000_000, -1])
def test_a_damaged_file_is_refused(
    tmp_path: Path, weights: dict[str, Tensor], suffix: str, kept: int
) -> None:
    path = tmp_path / f"vgg{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(weights, path)
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(ContractError, match=r"vgg\.\w+ (is|holds) (damaged|not a|more than) ?.*\n"):
        load_vgg(path)


@pytest.mark.parametrize(
    ("name", "found", "message"),
    [
        ("features.0.weight", None, r"is not torchvision's VGG-16: no features\.0\.weight"),
        ("features.21.bias", None, r"is not torchvision's VGG-16: no features\.21\.bias"),
        (
            "features.5.weight",
            torch.zeros(128, 64, 5, 5),
            r"features\.5\.weight must have shape \(128, 64, 3, 3\); got \(128, 64, 5, 5\)",
        ),
        (
            "features.2.bias",
            torch.zeros(64, dtype=torch.int32),
            r"features\.2\.bias must hold finite floating-point numbers; got torch\.int32\n",
        ),
        (
            "features.2.bias",
            torch.full((64,), torch.nan),
            r"features\.2\.bias must hold finite .* got torch\.float32 with NaN or infinity\n",
        ),
    ],
)
def test_what_is_no_vgg16_is_refused_by_the_name_of_the_tensor(
    tmp_path: Path, weights: dict[str, Tensor], name: str, found: Tensor | None, message: str
) -> None:
    changed = {key: tensor for key, tensor in weights.items() if key != name}
    if found is not None:
        changed[name] = found
    save_file(changed, tmp_path / "vgg.safetensors")

    with pytest.raises(ContractError, match=rf"{message}(.|\n)*--vgg FILE"):
        load_vgg(tmp_path / "vgg.safetensors")


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vgg.onnx").write_bytes(b"x")

    with pytest.raises(ContractError, match=r"must end in \.pth, \.pt or \.safetensors; got vgg"):
        load_vgg(tmp_path / "vgg.onnx")
