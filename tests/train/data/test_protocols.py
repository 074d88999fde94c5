"""Sources describe themselves in what JSON can hold."""

import json
from pathlib import Path

import pytest
from csakit.plugins.errors import ContractError, ExitCode
from csakit.train.data import BrokenImageError, describe, open_images, open_masks
from helpers.pictures import write_mask, write_picture


@pytest.mark.parametrize("spec", ["procedural", "scikit-image", "{0}", "{0}:1,procedural:2"])
def test_images_are_described_without_absolute_paths(tmp_path: Path, spec: str) -> None:
    write_picture(tmp_path / "photos" / "x.png")

    text = json.dumps(describe(open_images(spec.format(tmp_path / "photos"))))

    assert str(tmp_path) not in text
    assert ("photos" in text) == ("{" in spec)


@pytest.mark.parametrize("spec", ["center", "freeform", "{0}"])
def test_masks_are_described_without_absolute_paths(tmp_path: Path, spec: str) -> None:
    write_mask(tmp_path / "strokes" / "x.png", 0.5)

    summary = describe(open_masks(spec.format(tmp_path / "strokes")))

    assert summary["kind"] == {"{0}": "folder"}.get(spec, spec)
    assert str(tmp_path) not in json.dumps(summary)


def test_a_broken_image_is_wrong_input() -> None:
    assert issubclass(BrokenImageError, ContractError)
    assert BrokenImageError.exit_code == ExitCode.USAGE
