"""Weights of VGG-16 are read from the files that users have, and others are refused in words."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.train.networks.vgg import VGG16Features, load_vgg, random_weights
from safetensors.torch import save_file
from torch import Tensor

CACHED = "vgg16-397923af.pth"
REMEDY = r"\nDownload https://\S+/vgg16-397923af\.pth \(528 MB\) into \S+.*--vgg FILE.*--vgg random"


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """Those of torchvision's file: the features, and a classifier, here a small one."""
    return random_weights(seed=3) | {
        "features.24.weight": torch.ones(2),
        "classifier.0.weight": torch.ones(3),
    }


def save_zip(weights: dict[str, Tensor], path: Path) -> None:
    torch.save(weights, path)


def save_old(weights: dict[str, Tensor], path: Path) -> None:
    """Write torch's format before 1.6, which torchvision's file of VGG-16 has."""
    torch.save(weights, path, _use_new_zipfile_serialization=False)


def save_wrapped(weights: dict[str, Tensor], path: Path) -> None:
    torch.save({f"module.{name}": tensor for name, tensor in weights.items()}, path)


def with_its_hash(path: Path) -> Path:
    """Rename a file as torch.hub does."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path.rename(path.with_name(f"vgg16-{digest[:8]}{path.suffix}"))


@pytest.mark.parametrize(
    ("save", "name"),
    [
        (save_zip, "vgg.pth"),
        (save_zip, "vgg.pt"),
        (save_old, "vgg.pth"),
        (save_wrapped, "vgg.pth"),
        (save_file, "vgg.safetensors"),
    ],
)
def test_each_format_is_read(
    tmp_path: Path, weights: dict[str, Tensor], save: Callable[..., None], name: str
) -> None:
    path = tmp_path / name
    save(weights, path)

    vgg = load_vgg(path)

    assert (vgg.kind, vgg.origin) == ("trained", name)
    expected = VGG16Features(weights, kind="trained", origin="test")
    for ours, theirs in zip(vgg.buffers(), expected.buffers(), strict=True):
        assert ours.equal(theirs)


@pytest.mark.parametrize("name", ["vgg.pth", "vgg.safetensors"])
def test_what_was_read_does_not_change_with_the_file(
    tmp_path: Path, weights: dict[str, Tensor], name: str
) -> None:
    path = tmp_path / name
    (save_zip if path.suffix == ".pth" else save_file)(weights, path)
    vgg = load_vgg(path)

    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))

    expected = VGG16Features(weights, kind="trained", origin="test")
    assert all(a.equal(b) for a, b in zip(vgg.buffers(), expected.buffers(), strict=True))


def test_half_precision_is_read_as_float32(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    save_zip({name: tensor.half() for name, tensor in weights.items()}, tmp_path / "vgg.pth")

    vgg = load_vgg(str(tmp_path / "vgg.pth"))

    assert {buffer.dtype for buffer in vgg.buffers()} == {torch.float32}


def test_without_a_file_torchs_cache_is_read(
    tmp_path: Path, weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    save_old(weights, folder / "draft.pth")
    path = with_its_hash(folder / "draft.pth")
    # no file of ours has torchvision's hash, so its name is given to this one
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
    (save_file if suffix == ".safetensors" else save_zip)(weights, path)
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
