"""A checkpoint comes back as it was, and an interrupted one leaves nothing behind."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.plugins.spec import SIMILARITIES
from csakit.train import CSAInpainter, ModelConfig, checkpoint
from csakit.train.config import ATTENTIONS
from helpers.models import make_model
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor


def assert_same_weights(one: CSAInpainter, other: CSAInpainter) -> None:
    ours, theirs = one.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(tensor.equal(theirs[name]) for name, tensor in ours.items())


@pytest.mark.parametrize(
    "config",
    [
        *(
            ModelConfig(width=2, attention=attention, similarity=similarity)
            for attention, similarity in itertools.product(ATTENTIONS, SIMILARITIES)
        ),
        ModelConfig(width=2, fill="interpolated", prediction="residual"),
    ],
)
def test_every_configuration_comes_back(tmp_path: Path, config: ModelConfig) -> None:
    model, path = make_model(config), tmp_path / "model.safetensors"

    checkpoint.save(model, path)
    loaded = checkpoint.load(path)

    assert loaded.config == config
    assert_same_weights(loaded, model)


def test_a_loaded_model_computes_what_the_saved_one_did(
    small_model: CSAInpainter, small_checkpoint: Path
) -> None:
    image, hole = torch.zeros(1, 3, 256, 256), torch.zeros(1, 1, 256, 256)
    hole[..., 68:188, 68:188] = 1.0

    loaded = checkpoint.load(str(small_checkpoint)).requires_grad_(False)

    assert loaded(image, hole).equal(small_model(image, hole))


def test_a_training_model_is_loaded_in_eval_mode_in_float32(tmp_path: Path) -> None:
    model = make_model(ModelConfig(width=2)).train().double()

    checkpoint.save(model, tmp_path / "model.safetensors")
    loaded = checkpoint.load(tmp_path / "model.safetensors")

    assert model.training
    assert not any(module.training for module in loaded.modules())
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_float16_halves_the_file_and_rounds_the_weights(
    tmp_path: Path, small_model: CSAInpainter, small_checkpoint: Path
) -> None:
    path = tmp_path / "half.safetensors"

    checkpoint.save(small_model, path, dtype=torch.float16)
    loaded = checkpoint.load(path)

    with safe_open(path, framework="pt") as file:
        names = [*file.keys()]
        assert {file.get_tensor(name).dtype for name in names} == {torch.float16}
    assert path.stat().st_size < 0.52 * small_checkpoint.stat().st_size
    rounded = make_model()
    rounded.load_state_dict({k: v.half().float() for k, v in small_model.state_dict().items()})
    assert_same_weights(loaded, rounded)


def test_the_header_says_what_the_model_is(tmp_path: Path) -> None:
    config = ModelConfig(width=2, similarity="projection")
    path = tmp_path / "model.safetensors"

    checkpoint.save(make_model(config), path, training={"steps": 7, "recipe": "L1"})

    assert checkpoint.read_header(path) == {
        "format": 1,
        "width": 2,
        "attention": "csa",
        "similarity": "projection",
        "fill": "constant",
        "prediction": "absolute",
        "training": {"steps": 7, "recipe": "L1"},
    }
    with safe_open(path, framework="pt") as file:
        assert [*file.metadata()] == ["csakit"]
        assert json.loads(file.metadata()["csakit"]) == checkpoint.read_header(path)


def test_a_header_without_later_keys_means_the_papers_form(tmp_path: Path) -> None:
    path, old = tmp_path / "model.safetensors", tmp_path / "old.safetensors"
    checkpoint.save(make_model(ModelConfig(width=2)), path)
    header = checkpoint.read_header(path)
    del header["fill"], header["prediction"]
    save_file(load_file(path), old, metadata={"csakit": json.dumps(header)})

    config = checkpoint.load(old).config

    assert (config.fill, config.prediction) == ("constant", "absolute")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *(
            (name, rf"name must end in \.safetensors; got {name}$")
            for name in ("model.pth", "model", "model.safetensors.bak")
        ),
        ("nowhere/model.safetensors", r"cannot write .*\nChoose an existing folder"),
        ("file/model.safetensors", r"cannot write .*Not a directory"),
        ("folder.safetensors", r"the output must be a file; .* is a folder"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(
    tmp_path: Path, small_model: CSAInpainter, name: str, message: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.safetensors").mkdir()
    before = sorted(tmp_path.iterdir())

    with pytest.raises(ContractError, match=message):
        checkpoint.save(small_model, tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("existing", [False, True], ids=["a new file", "an existing file"])
def test_an_interrupted_write_changes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
    existing: bool,
) -> None:
    model, path = make_model(ModelConfig(width=2)), tmp_path / "model.safetensors"
    if existing:
        path.write_bytes(b"the one before")

    def interrupted(weights: Mapping[str, Tensor], target: Path, **_: object) -> None:
        assert weights
        target.write_bytes(b"half a file")
        raise error

    monkeypatch.setattr(checkpoint, "save_file", interrupted)
    with pytest.raises(error):
        checkpoint.save(model, path)

    assert [*tmp_path.iterdir()] == ([path] if existing else [])
    assert not existing or path.read_bytes() == b"the one before"


def test_a_training_summary_that_is_no_json_leaves_no_file(
    tmp_path: Path, small_model: CSAInpainter
) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        checkpoint.save(small_model, tmp_path / "model.safetensors", training={"path": tmp_path})

    assert not [*tmp_path.iterdir()]
