"""Configurations survive TOML unchanged, and what a file gets wrong is named."""

from pathlib import Path

import pytest
from csakit.plugins.errors import ContractError
from csakit.train.training import config_file
from csakit.train.training.config import LossConfig
from csakit.train.training.config_file import (
    RECIPE_FOLDER,
    SECTION_OF,
    SECTIONS,
    build,
    coerce,
    find_recipe,
    read,
    read_resumed,
    recipe_names,
    write,
)
from helpers.training import choice_of, small_config


def test_every_key_belongs_to_one_section() -> None:
    count = sum(len(cls.__dataclass_fields__) for cls in SECTIONS.values())

    assert len(SECTION_OF) == count


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"data": 'a "quoted" \\ path/é\x7f\n', "masks": "masks dir"},
        {"betas": (0.25, 0.75), "clip": 1e-7, "ema": 0.999, "learning_rate": 1e-05},
        {"patch": True, "minutes": 2.0, "start": "m.safetensors", "seed": 2**62},
    ],
)
def test_what_is_written_reads_the_same(tmp_path: Path, values: dict[str, object]) -> None:
    config = small_config(**values)

    write(config, tmp_path / "config.toml")

    assert build(read(tmp_path / "config.toml")) == config


def test_the_mark_that_editors_of_windows_add_is_no_text(tmp_path: Path) -> None:
    write(small_config(), tmp_path / "config.toml")
    text = (tmp_path / "config.toml").read_text(encoding="utf-8")
    (tmp_path / "config.toml").write_text(text, encoding="utf-8-sig")

    assert build(read(tmp_path / "config.toml")) == small_config()


def test_every_value_that_is_not_none_is_written(tmp_path: Path) -> None:
    write(small_config(), tmp_path / "config.toml")
    text = (tmp_path / "config.toml").read_text(encoding="utf-8")

    missing = [key for key in SECTION_OF if f"\n{key} = " not in text]
    assert missing == [
        *("mask_buckets", "validation", "validation_masks", "clip", "ema", "start", "minutes")
    ]


def test_later_choices_override_earlier_ones_and_leave_the_rest() -> None:
    first = choice_of(data="a", width=8, steps=5)

    config = build(first, choice_of(width=4))

    assert (config.data.data, config.model.width, config.optimisation.steps) == ("a", 4, 5)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[data]\nbatchh = 1", r"got 'batchh'\nDid you mean 'batch' in \[data\]\?"),
        ("[losses]\nwdith = 1", r"got 'wdith'\nDid you mean 'width' in \[model\]\?"),
        ("[data]\nwidth = 1", r"'width' belongs in \[model\]; found it in \[data\]"),
        ("width = 1", r"'width' belongs in the section \[model\]"),
        ("[optimizer]\nsteps = 1", r"got 'optimizer'\nDid you mean 'optimisation'\?"),
        ("[data]\ndata = ", "is not TOML"),
        ("x = " + "[" * 100_000, "is not TOML"),
        (f"[model]\nwidth = {'9' * 5000}", "is not TOML"),
    ],
)
def test_mistakes_are_named_with_the_nearest_valid_name(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)

    with pytest.raises(ContractError, match=complaint) as refused:
        read(path)

    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("section", "line", "complaint"),
    [
        ("model", 'width = "64"', "width must be an integer"),
        ("data", "batch = true", "batch must be a whole number; got True"),
        ("losses", 'judged = "both"', "judged must be one of"),
        ("optimisation", "betas = [0.5]", r"betas must be 2 values.*; got \(0.5,\)"),
        ("data", f"batch = {10**22}", "batch must be a number below"),
        ("optimisation", f"learning_rate = {10**400}", "learning_rate must be a number below"),
        ("optimisation", f"betas = [0.5, {10**400}]", "betas must be a number below"),
        ("optimisation", "clip = 1e400", "clip must be a finite number"),
        ("optimisation", "learning_rate = nan", "learning_rate must be a finite number"),
    ],
)
def test_values_of_a_wrong_kind_are_refused_by_their_class(
    tmp_path: Path, section: str, line: str, complaint: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(f"[{section}]\n{line}\n")

    with pytest.raises(ContractError, match=complaint):
        build(choice_of(data="x"), read(path))


def test_the_data_must_be_stated() -> None:
    with pytest.raises(ContractError, match="the training data must be stated; got none"):
        build(choice_of(width=4))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="cannot read the configuration"):
        read(tmp_path / "absent.toml")


def test_there_are_recipes_for_the_demo_and_the_papers_data_sets() -> None:
    assert recipe_names() == ["demo", "paper-celeba", "paper-paris", "paper-places2"]


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_found_by_its_name_and_valid(name: str) -> None:
    config = build(choice_of(data="folder"), read(find_recipe(Path(name))))

    assert config.data.size == 256


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.startswith("paper-")])
def test_the_recipes_of_the_paper_have_its_numbers(name: str) -> None:
    config = build(choice_of(data="folder"), read(find_recipe(Path(name))))

    assert config.losses == LossConfig()
    assert config.data.recipe == name.removeprefix("paper-")
    assert config.data.batch == 1
    assert (config.model.width, config.model.attention) == (64, "csa")
    assert (config.optimisation.learning_rate, config.optimisation.betas) == (2e-4, (0.5, 0.999))


def test_a_file_of_the_same_name_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_recipe(Path("demo")) == RECIPE_FOLDER / "demo.toml"
    assert find_recipe(Path("other.toml")) == Path("other.toml")

    (tmp_path / "demo").touch()

    assert find_recipe(Path("demo")) == Path("demo")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    config_file.write(small_config(), tmp_path / "config.toml")
    return tmp_path


def test_without_choices_the_configuration_is_that_of_the_run(run: Path) -> None:
    assert read_resumed(run) == small_config()
    assert read_resumed(run, choice_of(width=2, steps=4)) == small_config()


def test_records_and_workers_may_change(run: Path) -> None:
    choice = choice_of(workers=3, minutes=1.5, keep=7)

    assert read_resumed(run, choice) == small_config(workers=3, minutes=1.5, keep=7)


@pytest.mark.parametrize(
    ("key", "value"), [("width", 4), ("steps", 5), ("seed", 1), ("batch", 2), ("devices", 2)]
)
def test_what_changes_the_weights_may_not(run: Path, key: str, value: int) -> None:
    with pytest.raises(ContractError, match=rf"keys differ\n  {key}: .* in the run, {value} now"):
        read_resumed(run, choice_of(**{key: value}))


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"must have a config\.toml; none was found in"):
        read_resumed(tmp_path)


@pytest.mark.parametrize(
    ("hint", "value", "coerced"),
    [
        (float, 1, 1.0),
        (float | None, 1, 1.0),
        (float, True, True),  # left for the class to refuse
        (int, 1.0, 1.0),
        (tuple[float, float], [1, 2.5], (1.0, 2.5)),
        (tuple[float, float], [1], (1,)),
        (str, "1", "1"),
    ],
)
def test_what_files_cannot_say_is_coerced(hint: object, value: object, coerced: object) -> None:
    result = coerce(hint, value)

    assert result == coerced
    assert type(result) is type(coerced)
