"""Every value of a configuration is checked where it is made; the defaults are the paper's."""

import dataclasses
import math
from typing import Any, Literal

import pytest
from csakit.plugins.errors import ContractError
from csakit.train.fields import help_texts, require_types
from csakit.train.training.config import (
    DataConfig,
    EngineConfig,
    LossConfig,
    OptimisationConfig,
    RecordsConfig,
    TrainConfig,
)


def test_the_defaults_are_the_papers() -> None:
    config = TrainConfig(data=DataConfig(data="photos"))

    assert config.data.batch == 1
    assert (config.model.width, config.model.attention) == (64, "csa")
    losses = config.losses
    assert (losses.reconstruction, losses.consistency, losses.adversarial) == (1.0, 0.01, 0.002)
    assert losses.patch
    assert losses.feature_patch
    assert (config.optimisation.learning_rate, config.optimisation.betas) == (2e-4, (0.5, 0.999))


@pytest.mark.parametrize(
    ("cls", "values", "rule"),
    [
        (DataConfig, {"data": " "}, "data must be a folder or a source"),
        (DataConfig, {"data": "x", "masks": ""}, "masks must be"),
        (DataConfig, {"data": "x", "size": 250}, "size must be a positive multiple of 256"),
        (DataConfig, {"data": "x", "size": 0}, "size must be a positive multiple of 256"),
        (DataConfig, {"data": "x", "batch": 0}, "batch must be at least 1; got 0"),
        (DataConfig, {"data": "x", "workers": -1}, "workers must be at least 0"),
        (DataConfig, {"data": "x", "validation_count": -1}, "validation_count must be"),
        (DataConfig, {"data": "x", "mask_ratio": (0.5, 0.1)}, "mask_ratio must be two shares"),
        (DataConfig, {"data": "x", "mask_ratio": (0.0, 0.1)}, "mask_ratio must be two shares"),
        (DataConfig, {"data": "x", "recipe": "imagenet"}, "recipe must be one of"),
        (LossConfig, {"consistency": -1.0}, "consistency must be at least 0"),
        (LossConfig, {"vgg": ""}, "vgg must be"),
        (
            LossConfig,
            {"reconstruction": 0.0, "consistency": 0.0, "adversarial": 0.0},
            "the losses must be more than none",
        ),
        (OptimisationConfig, {"steps": 0}, "steps must be at least 1"),
        (OptimisationConfig, {"learning_rate": 0.0}, "learning_rate must be positive"),
        (OptimisationConfig, {"decay_from": 1.5}, "decay_from must be in 0..1"),
        (OptimisationConfig, {"betas": (0.5, 1.0)}, "betas must be in"),
        (OptimisationConfig, {"epsilon": 0.0}, "epsilon must be positive"),
        (OptimisationConfig, {"clip": 0.0}, "clip must be positive"),
        (OptimisationConfig, {"ema": 1.0}, "ema must be between 0 and 1"),
        (OptimisationConfig, {"seed": -1}, "seed must be in"),
        (EngineConfig, {"devices": 0}, "devices must be at least 1"),
        (EngineConfig, {"nodes": 0}, "nodes must be at least 1"),
        (EngineConfig, {"nodes": 10**11}, "nodes must be 65536 at most"),
        (EngineConfig, {"devices": 10**7}, "devices must be 65536 at most"),
        (DataConfig, {"data": "x", "cache": 2**63}, "cache must be a number below"),
        (LossConfig, {"texture": 10**400}, "texture must be a number below"),
        (RecordsConfig, {"save_every": 10**30}, "save_every must be a number below"),
        (EngineConfig, {"precision": "16"}, "precision must be one of"),
        (RecordsConfig, {"keep": 0}, "keep must be at least 1"),
        (RecordsConfig, {"minutes": 0.0}, "minutes must be positive"),
    ],
)
def test_what_cannot_be_trained_is_refused(cls: type, values: dict[str, Any], rule: str) -> None:
    with pytest.raises(ContractError, match=f"^{rule}"):
        cls(**values)


@pytest.mark.parametrize(
    ("values", "discriminators", "vgg"),
    [
        ({}, True, True),
        ({"consistency": 0.0}, True, True),
        ({"feature_patch": False}, True, True),
        ({"consistency": 0.0, "feature_patch": False}, True, False),
        ({"adversarial": 0.0}, False, True),
        ({"adversarial": 0.0, "consistency": 0.0}, False, False),
        ({"patch": False, "feature_patch": False, "consistency": 0.0}, False, False),
    ],
)
def test_only_what_a_loss_needs_is_built(
    values: dict[str, Any], discriminators: bool, vgg: bool
) -> None:
    losses = LossConfig(**values)

    assert (losses.needs_discriminators, losses.needs_vgg) == (discriminators, vgg)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """An example.

    Attributes:
        count: a number, told
            on two lines
        share: another.
    """

    count: int = 1
    share: float = 0.5
    on: bool = True
    word: str = "x"
    choice: Literal["a", "b"] = "a"
    pair: tuple[float, float] = (0.0, 1.0)
    limit: float | None = None


def test_help_comes_from_the_docstring() -> None:
    assert help_texts(Example) == {"count": "a number, told on two lines", "share": "another."}


def test_values_of_the_stated_types_are_taken() -> None:
    require_types(Example(count=3, share=2, on=False, word="", choice="b"))
    require_types(Example(pair=(1, 2.5), limit=3.0))
    require_types(Example(limit=3))


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("count", 1.0, "a whole number"),
        ("count", True, "a whole number"),
        ("count", None, "a whole number"),
        ("share", "1", "a finite number"),
        ("share", math.nan, "a finite number"),
        ("share", math.inf, "a finite number"),
        ("on", 1, "true or false"),
        ("word", 1, "a text"),
        ("choice", "c", r"one of \('a', 'b'\)"),
        ("pair", (1.0,), "2 values, each a finite number"),
        ("pair", [1.0, 2.0], "2 values, each a finite number"),
        ("limit", "none", "a finite number, or nothing"),
    ],
)
def test_anything_else_is_refused_with_the_rule(name: str, value: object, rule: str) -> None:
    with pytest.raises(ContractError, match=rf"^{name} must be {rule}; got "):
        require_types(Example(**{name: value}))  # type: ignore[arg-type]
