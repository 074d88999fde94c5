"""One command trains the paper's ablations, which differ in one part each, and compares them."""

import json
from pathlib import Path
from typing import Any

import pytest
from csakit.plugins.errors import ContractError
from csakit.train import checkpoint
from csakit.train.cli.train import main
from csakit.train.training.ablation import variants
from csakit.train.training.run_folder import RunFolder
from helpers.training import flags_of, small_config
from PIL import Image

NAMES = ["full", "convolution", "no-consistency", "no-feature-patch"]
WHOLE: dict[str, Any] = {
    "consistency": 0.01,
    "feature_patch": True,
    "feature_patch_width": 8,
    "vgg": "random",
}


def test_each_variant_lacks_one_part_and_is_the_full_recipe_otherwise() -> None:
    found = {name: config.to_dict() for name, config in variants(small_config(**WHOLE)).items()}

    full = found["full"]
    changes = {
        name: {
            f"{section}.{key}": value
            for section, values in config.items()
            for key, value in values.items()
            if value != full[section][key]
        }
        for name, config in found.items()
    }
    assert changes == {
        "full": {},
        "convolution": {"model.attention": "conv"},
        "no-consistency": {"losses.consistency": 0.0},
        "no-feature-patch": {"losses.feature_patch": False},
    }


@pytest.mark.parametrize(
    ("values", "lacking"),
    [
        ({"consistency": 0.0}, "--consistency above 0"),
        ({"attention": "none"}, "--attention csa"),
        ({"adversarial": 0.0}, "--feature-patch with --adversarial above 0"),
        ({"feature_patch": False}, "--feature-patch with --adversarial above 0"),
    ],
)
def test_a_recipe_that_lacks_a_part_is_refused(values: dict[str, Any], lacking: str) -> None:
    with pytest.raises(ContractError, match=f"it lacks {lacking}$"):
        variants(small_config(**WHOLE | values))


def test_several_processes_are_refused() -> None:
    with pytest.raises(ContractError, match="ablations run in one process"):
        variants(small_config(**WHOLE, devices=2))


def test_a_stopped_ablation_goes_on_and_ends_with_table_pictures_and_curves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "ablations"
    flags = flags_of(**WHOLE, width=1, steps=2, validation_count=1, validate_every=9)

    stopped = main(["--ablations", "-o", str(folder), *flags, "--minutes", "1e-9"])
    begun = sorted(path.name for path in folder.iterdir())
    finished = main(["--ablations", "--resume", str(folder), "--minutes", "none"])

    assert (stopped, begun, finished) == (0, ["full"], 0)
    table = (folder / "ablations.txt").read_text()
    assert capsys.readouterr().out == table
    record = json.loads((folder / "ablations.json").read_text())
    assert [model["name"] for model in record["models"]] == NAMES
    assert all(name in table for name in NAMES)
    for name in NAMES:
        header = checkpoint.read_header(RunFolder(folder / name).model)
        assert header["training"]["steps"] == 2
        assert header["attention"] == ("conv" if name == "convolution" else "csa")
    for picture in ("ablations.png", "curves.png"):
        Image.open(folder / picture).verify()
