"""The converted pair computes what the authors' code computed with the same weights."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import torch
from csakit.train import CSAInpainter, Stages, authors
from csakit.train.attention.operator import match_indices
from torch import Tensor

from .authors_pair import GOLDEN_WIDTH, GoldenCase, golden_case, write_pair

CASES = ["astronaut_centre", "chelsea_strokes", "coffee_blobs", "coffee_wide"]
TOLERANCE = 1e-4  # ten times what rounding alone does, see golden/README.md


class Computed(NamedTuple):
    """A record of the authors' code, and what ours makes of the same input."""

    case: GoldenCase
    stages: Stages


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> CSAInpainter:
    return authors.convert(*write_pair(tmp_path_factory.mktemp("pair"))).requires_grad_(False)


@pytest.fixture(scope="module", params=CASES)
def computed(converted: CSAInpainter, request: pytest.FixtureRequest) -> Computed:
    case = golden_case(request.param)
    # bytes / 255, minus 0.5, divided by 0.5, as the authors' code
    image = (torch.from_numpy(case.image).permute(2, 0, 1)[None].float() / 255 - 0.5) / 0.5
    hole = torch.from_numpy(case.hole)[None, None].float()
    return Computed(case, converted.stages(image, hole))


def flat(stage: Tensor) -> npt.NDArray[np.float32]:
    """Return (C, H * W) of (1, C, H, W)."""
    rows: npt.NDArray[np.float32] = stage[0].flatten(1).numpy()
    return rows


def test_each_network_computes_the_same(computed: Computed) -> None:
    case, stages = computed
    for found, expected in (
        (flat(stages.rough)[:, case.pixels], case.rough),
        (stages.features[0].numpy(), case.features),
        (flat(stages.refined)[:, case.pixels], case.result),
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(np.flatnonzero(stages.feature_hole.numpy()), case.holes)


def test_every_hole_has_the_same_match(computed: Computed) -> None:
    stages = computed.stages

    matches = match_indices(stages.features, stages.feature_hole, "projection")

    np.testing.assert_array_equal(matches[0, computed.case.holes].numpy(), computed.case.matches)


def test_the_attention_computes_the_same(computed: Computed) -> None:
    attended, features = flat(computed.stages.attended), flat(computed.stages.features)
    known = np.setdiff1d(np.arange(attended.shape[1]), computed.case.holes)

    filled = attended[:, computed.case.holes]

    np.testing.assert_allclose(filled, computed.case.filled, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(attended[:, known], features[:, known])


def test_the_configuration_is_that_of_the_pair(converted: CSAInpainter) -> None:
    assert converted.config.width == GOLDEN_WIDTH
    assert converted.config.attention == "csa"
    assert converted.config.similarity == "projection"
    assert not converted.training


def test_the_legacy_file_format_gives_the_same_model(
    converted: CSAInpainter, tmp_path: Path
) -> None:
    legacy = authors.convert(*write_pair(tmp_path, legacy=True)).state_dict()

    assert all(tensor.equal(legacy[name]) for name, tensor in converted.state_dict().items())
