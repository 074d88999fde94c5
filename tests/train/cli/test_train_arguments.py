"""Every key of a configuration has a flag, with its help, its default and nothing of its own."""

import shlex
import sys
from typing import Any

import pytest
from csakit.train.cli.train_arguments import chosen, flag_of, train_parser
from csakit.train.training.config_file import SECTION_OF, SECTIONS, build, from_mapping, text_of
from helpers.training import choice_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# One value for every key, none of them the default.
VALUES: dict[str, tuple[str, Any]] = {
    "data": ("photos", "photos"),
    "masks": ("center", "center"),
    "mask_ratio": ("0.2 0.3", (0.2, 0.3)),
    "mask_buckets": ("10-20,20-30", "10-20,20-30"),
    "mask_invert": ("", True),
    "recipe": ("paris", "paris"),
    "size": ("512", 512),
    "batch": ("3", 3),
    "workers": ("5", 5),
    "validation": ("others", "others"),
    "validation_masks": ("center", "center"),
    "validation_count": ("7", 7),
    "width": ("16", 16),
    "attention": ("conv", "conv"),
    "similarity": ("projection", "projection"),
    "reconstruction": ("2", 2.0),
    "known_weight": ("0.25", 0.25),
    "consistency": ("1e-3", 1e-3),
    "adversarial": ("0", 0.0),
    "patch": ("--no-", False),
    "patch_width": ("32", 32),
    "feature_patch": ("--no-", False),
    "feature_patch_width": ("128", 128),
    "judged": ("composite", "composite"),
    "vgg": ("random", "random"),
    "steps": ("9", 9),
    "learning_rate": ("1e-5", 1e-5),
    "decay_from": ("0.75", 0.75),
    "betas": ("0.9 0.99", (0.9, 0.99)),
    "epsilon": ("1e-6", 1e-6),
    "clip": ("1.5", 1.5),
    "ema": ("0.999", 0.999),
    "seed": ("11", 11),
    "start": ("m.safetensors", "m.safetensors"),
    "accelerator": ("cpu", "cpu"),
    "devices": ("2", 2),
    "nodes": ("2", 2),
    "strategy": ("ddp", "ddp"),
    "precision": ("bf16-mixed", "bf16-mixed"),
    "log_every": ("1", 1),
    "image_every": ("2", 2),
    "validate_every": ("3", 3),
    "save_every": ("4", 4),
    "keep": ("5", 5),
    "minutes": ("6", 6.0),
}


def arguments_of(name: str, text: str) -> list[str]:
    flag = flag_of(name)
    return [flag.replace("--", text, 1)] if text == "--no-" else [flag, *shlex.split(text)]


def parsed(*arguments: str) -> dict[str, dict[str, Any]]:
    return chosen(train_parser().parse_args(["-o", "run", *arguments]))


def test_every_key_is_tried_here() -> None:
    assert set(VALUES) == set(SECTION_OF)


@pytest.mark.parametrize("name", VALUES)
def test_a_flag_chooses_its_key_and_survives_toml(name: str) -> None:
    text, value = VALUES[name]

    choice = parsed(*arguments_of(name, text))

    assert choice == choice_of(**{name: value})
    config = build(choice_of(data="x"), choice)
    section = SECTION_OF[name]
    assert config.to_dict()[section][name] == value
    assert value != SECTIONS[section].__dataclass_fields__[name].default
    assert build(from_mapping(tomllib.loads(text_of(config)), source="text")) == config


def test_no_flag_chooses_nothing() -> None:
    assert parsed() == {}


def test_an_optional_value_of_a_file_can_be_undone() -> None:
    config = build(choice_of(data="x", clip=1.0), parsed("--clip", "none"))

    assert config.optimisation.clip is None


def test_help_describes_every_flag_and_names_its_default() -> None:
    actions = {action.dest: action for action in train_parser()._actions}

    assert [name for name in SECTION_OF if len(actions[name].help or "") < 10] == []
    assert "(default: 0.5 0.999)" in (actions["betas"].help or "")
    assert "(default: 64)" in (actions["width"].help or "")
    assert "per cent" in train_parser().format_help()  # no stray % of argparse's format


@pytest.mark.parametrize(
    "arguments",
    [[], ["-o", "a", "--resume", "b"], ["-o", "a", "--batch", "x"], ["-o", "a", "--wid"]],
)
def test_wrong_usage_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        train_parser().parse_args(arguments)

    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: csakit train")
