"""The command line says what the options are, and their defaults are those of the class."""

import re

import pytest
from csakit.train.cli.evaluate_arguments import evaluate_parser, options_of
from csakit.train.data import BUCKETS
from csakit.train.evaluation.pairs import EvaluationOptions

LEAST = ("m.onnx", "--data", "photos", "--masks", "center")


def test_without_flags_the_options_are_the_defaults() -> None:
    options = options_of(evaluate_parser().parse_args(LEAST))

    assert options == EvaluationOptions(data="photos", masks=("center",))


def test_every_option_has_a_flag() -> None:
    words = (
        *("a.onnx", "b.onnx", "--data", "photos", "--masks", "freeform, masks/", "--size", "512"),
        *("--seed", "3", "--count", "7", "--batch", "2", "--buckets", "0-10,10-20"),
        *("--recipe", "celeba", "--split", "all", "--mask-invert"),
    )

    options = options_of(evaluate_parser().parse_args(words))

    assert options == EvaluationOptions(
        data="photos",
        masks=("freeform", "masks/"),
        size=512,
        seed=3,
        count=7,
        batch=2,
        buckets=("0-10", "10-20"),
        recipe="celeba",
        split="all",
        mask_invert=True,
    )


def test_all_buckets_can_be_asked_for_at_once() -> None:
    args = evaluate_parser().parse_args([*LEAST, "--buckets", "all"])

    assert options_of(args).buckets == BUCKETS


def test_the_help_says_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evaluate_parser().parse_args(["--help"])

    text = " ".join(capsys.readouterr().out.split())
    for name in ("size", "seed", "batch", "split", "recipe"):
        default = getattr(EvaluationOptions, name)
        assert re.search(rf"--{name} [^-].*?\(default: {default}\)", text)
