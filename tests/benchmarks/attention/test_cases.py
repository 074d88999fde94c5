"""Cases are refused before they are timed, and their inputs are the same in every run."""

from typing import Any

import numpy as np
import pytest
from csakit.benchmarks.attention.cases import LEAD, Case, DtypeName, make_problem
from csakit.plugins.errors import ContractError
from csakit.plugins.reference import unit


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"holes": -1}, "holes must be in 0..1024"),
        ({"holes": 1025}, "a 32x32 map; got 1025"),
        ({"batch": 0}, "batch must be at least 1; got 0"),
        ({"channels": 0}, "channels must be at least 1; got 0"),
        ({"channels": 1025}, "channels must be at most 1024"),
        ({"side": 0}, "side x side in 1..16384"),
        ({"side": 129}, "got 512 channels and side 129"),
        ({"dtype": "float64"}, "got 'float64' and 'projection'"),
        ({"similarity": "dot"}, "got 'float32' and 'dot'"),
    ],
)
def test_impossible_sizes_are_refused(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ContractError, match=text):
        Case(**{"holes": 1, **wrong})


def test_a_case_describes_itself() -> None:
    case = Case(holes=225, batch=16, dtype="float16")

    assert str(case) == "float16 projection, 16 x 512 channels, 32x32, 225 holes"
    assert (case.positions, case.known) == (1024, 799)


@pytest.mark.parametrize(("holes", "identity"), [(0, True), (1, False), (63, False), (64, True)])
def test_nothing_is_filled_without_holes_or_without_known_positions(
    holes: int, identity: bool
) -> None:
    assert Case(holes=holes, side=8).is_identity is identity


@pytest.mark.parametrize("holes", [0, 1, 15, 50, 64])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_image_has_so_many_holes_in_the_type_of_the_case(
    holes: int, dtype: DtypeName
) -> None:
    problem = make_problem(Case(holes=holes, batch=3, channels=40, side=8, dtype=dtype))

    assert problem.hole.sum(axis=(1, 2, 3)).tolist() == [holes] * 3
    assert set(np.unique(problem.hole)) <= {0.0, 1.0}
    assert problem.features.shape == (3, 40, 8, 8)
    assert problem.features.dtype == dtype


def test_225_holes_are_the_published_square() -> None:
    hole = make_problem(Case(holes=225, channels=64)).hole[0, 0]

    assert hole[8:23, 8:23].all()


def test_images_of_a_batch_have_masks_of_their_own() -> None:
    hole = make_problem(Case(holes=20, batch=4, channels=40, side=16)).hole

    assert len(np.unique(hole.reshape(4, -1), axis=0)) > 1


def test_inputs_are_the_same_every_time_and_features_where_nothing_was_tied() -> None:
    few, more = Case(holes=9, channels=64, side=16), Case(holes=30, channels=64, side=16)

    first, again, other = make_problem(few), make_problem(few), make_problem(more)

    np.testing.assert_array_equal(first.features, again.features)
    differing = (first.features != other.features).any(axis=1)
    assert differing.sum() <= 2


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_no_hole_has_two_matches_that_are_equal_to_rounding(dtype: DtypeName) -> None:
    case = Case(holes=100, channels=24, side=16, dtype=dtype)

    problem = make_problem(case)

    rows = problem.features[0].reshape(24, -1).T.astype(np.float64)
    hole = problem.hole.ravel() > 0
    scores = np.sort(rows[hole] @ unit(rows[~hole]).T, axis=1)
    assert ((scores[:, -1] - scores[:, -2]) >= LEAD * np.abs(scores[:, -1])).all()


def test_features_with_equal_matches_are_refused() -> None:
    with pytest.raises(ContractError, match=r"still have two equal matches\nTake more channels"):
        make_problem(Case(holes=40, channels=1, side=8))
