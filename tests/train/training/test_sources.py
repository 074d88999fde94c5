"""The data of a run: what is trained on, and fixed pairs of other images to validate with."""

from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ContractError
from csakit.train.training.sources import open_sources
from helpers.training import small_config, write_images


def test_the_validation_has_images_that_are_not_trained_on(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "photos", 6)
    config = small_config(data=str(folder), validation_count=3)

    first, second = open_sources(config), open_sources(config)

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

    sources = open_sources(config)

    assert sources.masks.kind == "freeform"
    assert [int(hole.sum()) for _, _, hole in sources.pairs] == [120 * 120] * 2


def test_strokes_cover_the_share_that_is_asked_for() -> None:
    sources = open_sources(small_config(masks="freeform", mask_buckets="10-20, 20-30"))

    shares = [sources.masks.draw(256, np.random.default_rng(seed)).mean() for seed in range(8)]

    assert all(0.1 < share <= 0.3 for share in shares)


def test_all_images_of_a_validation_of_its_own_are_taken(tmp_path: Path) -> None:
    trained, validated = (write_images(tmp_path / name, 6) for name in ("trained", "validated"))

    sources = open_sources(
        small_config(data=str(trained), validation=str(validated), validation_count=9)
    )

    assert len(sources.pairs) == 6


@pytest.mark.parametrize("key", ["data", "masks", "validation", "validation_masks"])
def test_a_folder_that_is_not_there_is_refused(key: str) -> None:
    with pytest.raises(ContractError, match="'nowhere' does not exist"):
        open_sources(small_config(**{"validation_count": 1, key: "nowhere"}))


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="at least one image"):
        open_sources(small_config(data=str(tmp_path)))
