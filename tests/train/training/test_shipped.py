"""The recipes that come along are valid, and those of the paper have its numbers."""

from pathlib import Path

import pytest
from csakit.train.training import LossConfig
from csakit.train.training.config_file import build, read
from csakit.train.training.shipped import FOLDER, find, names
from helpers.training import choice_of


def test_there_are_recipes_for_the_demo_and_the_papers_data_sets() -> None:
    assert names() == ["demo", "paper-celeba", "paper-paris", "paper-places2"]


@pytest.mark.parametrize("name", names())
def test_a_recipe_is_found_by_its_name_and_valid(name: str) -> None:
    config = build(choice_of(data="folder"), read(find(Path(name))))

    assert config.data.size == 256


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("paper-")])
def test_the_recipes_of_the_paper_have_its_numbers(name: str) -> None:
    config = build(choice_of(data="folder"), read(find(Path(name))))

    assert config.losses == LossConfig()
    assert config.data.recipe == name.removeprefix("paper-")
    assert config.data.batch == 1
    assert (config.model.width, config.model.attention) == (64, "csa")
    assert (config.optimisation.learning_rate, config.optimisation.betas) == (2e-4, (0.5, 0.999))


def test_a_file_of_the_same_name_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find(Path("demo")) == FOLDER / "demo.toml"
    assert find(Path("other.toml")) == Path("other.toml")

    (tmp_path / "demo").touch()

    assert find(Path("demo")) == Path("demo")
