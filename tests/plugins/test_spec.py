"""Words and numbers that exported models, plugins and checkpoints out there rely on."""

from typing import get_args

from csakit.plugins import spec


def test_the_operator_keeps_its_name_in_every_file_ever_written() -> None:
    assert spec.DOMAIN == "csakit"
    assert spec.NAME == "CoherentSemanticAttention"
    assert spec.VERSION == "1"
    assert spec.NAMESPACE == ""
    assert spec.INPUTS == ("features", "hole")
    assert spec.OUTPUTS == ("filled",)
    assert spec.ATTRIBUTE == "similarity"


def test_there_are_two_similarities() -> None:
    assert spec.SIMILARITIES == ("projection", "cosine") == get_args(spec.Similarity)


def test_the_constants_of_the_definition_do_not_move() -> None:
    assert spec.HOLE_THRESHOLD == 0.5
    assert spec.NORM_EPSILON == 1e-8
    assert spec.DENOMINATOR_MIN == 1e-6
