"""A run starts with new weights or with those of a checkpoint of the same network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.train import CSAInpainter, ModelConfig, checkpoint
from csakit.train.training.initialisation import (
    new_discriminators,
    new_network,
    open_run_data,
    require_same_network,
    start_history,
)
from helpers.models import make_model
from helpers.training import small_config, write_images


@pytest.fixture
def start(tmp_path: Path) -> Path:
    path = tmp_path / "start.safetensors"
    model = make_model(ModelConfig(width=2, similarity="projection"))
    checkpoint.save(model, path, training={"converted_from": "theirs"})
    return path


def test_training_may_start_from_the_weights_of_a_checkpoint(start: Path) -> None:
    config = small_config(start=str(start), similarity="projection")

    network = new_network(config)

    kept = checkpoint.load(start).state_dict()
    assert all(tensor.equal(kept[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert start_history(str(start)) == {"start": {"converted_from": "theirs"}}
    assert start_history(None) == {}


def test_a_checkpoint_of_another_network_is_refused_with_the_flags_that_fit_it(start: Path) -> None:
    with pytest.raises(
        ContractError,
        match=r"this run's width 4, similarity cosine; it has width 2, similarity projection"
        r"\nTrain that network with --width 2 --similarity projection\.",
    ):
        require_same_network(str(start), ModelConfig(width=4))


def test_a_residual_network_may_start_from_one_of_the_papers_form(start: Path) -> None:
    config = small_config(
        start=str(start), similarity="projection", fill="interpolated", prediction="residual"
    )
    image, hole = torch.rand(1, 3, 256, 256) * 2 - 1, torch.zeros(1, 1, 256, 256)
    hole[..., 100:150, 80:120] = 1

    network = new_network(config)

    given = checkpoint.load(start).state_dict()
    weights = network.state_dict()
    entry = weights["rough.levels.0.down.weight"]
    assert entry[:, :3].equal(given["rough.levels.0.down.weight"])
    assert not entry[:, 3].any()
    assert weights["refinement.levels.3.widen.weight"].equal(
        given["refinement.levels.3.widen.weight"]
    )
    with torch.no_grad():
        stages = network.eval().stages(image, hole)
    assert (stages.result - stages.filled).abs().max() < 0.2  # it begins near interpolation


def test_a_residual_network_starts_no_other(tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    checkpoint.save(
        CSAInpainter(ModelConfig(width=2, fill="interpolated", prediction="residual")), path
    )

    with pytest.raises(ContractError, match="--fill interpolated --prediction residual"):
        require_same_network(str(path), ModelConfig(width=2))


def test_discriminators_are_made_where_one_is_trained() -> None:
    assert new_discriminators(small_config(adversarial=0.0)) is None
    discriminators = new_discriminators(small_config())
    assert discriminators is not None
    assert discriminators.feature_patch is None


def test_the_validation_has_images_that_are_not_trained_on(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "photos", 6)
    config = small_config(data=str(folder), validation_count=3)

    first, second = open_run_data(config), open_run_data(config)

    trained = {first.images.name(i) for i in range(len(first.images))}
    validated = {name for name, _, _ in first.pairs}
    assert trained
    assert validated
    assert not trained & validated
    for (_, image, hole), (_, image_again, hole_again) in zip(
        first.pairs, second.pairs, strict=True
    ):
        assert np.array_equal(image, image_again)
        assert np.array_equal(hole, hole_again)


def test_the_validation_may_have_data_and_masks_of_its_own() -> None:
    config = small_config(
        masks="freeform", validation="procedural", validation_masks="center", validation_count=2
    )

    data = open_run_data(config)

    assert data.masks.summary()["kind"] == "freeform"
    assert [int(hole.sum()) for _, _, hole in data.pairs] == [120 * 120] * 2


def test_strokes_cover_the_share_that_is_asked_for() -> None:
    data = open_run_data(small_config(masks="freeform", mask_buckets="10-20, 20-30"))

    shares = [data.masks.draw(256, np.random.default_rng(seed)).mean() for seed in range(8)]

    assert all(0.1 < share <= 0.3 for share in shares)


def test_all_images_of_a_validation_of_its_own_are_taken(tmp_path: Path) -> None:
    trained, validated = (write_images(tmp_path / name, 6) for name in ("trained", "validated"))

    data = open_run_data(
        small_config(data=str(trained), validation=str(validated), validation_count=9)
    )

    assert len(data.pairs) == 6


@pytest.mark.parametrize("key", ["data", "masks", "validation", "validation_masks"])
def test_a_folder_that_is_not_there_is_refused(key: str) -> None:
    with pytest.raises(ContractError, match="'nowhere' does not exist"):
        open_run_data(small_config(**{"validation_count": 1, key: "nowhere"}))
