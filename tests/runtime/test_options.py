"""Options are refused when they are made, with the rule and the value."""

from typing import Any

import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.batch.job import FileOptions
from csakit.runtime.options import InpaintOptions, MaskOptions


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "tile"}, r"strategy must be one of .*'whole'.*; got 'tile'"),
        ({"margin": 7}, "margin must be 8 to 65536 pixels, a whole number; got 7"),
        ({"margin": 64.0}, "got 64.0"),
        ({"blend": "poisson"}, "seamless, none, or feather PX with 1 to 256 .*; got 'poisson'"),
        ({"blend": "feather"}, "got 'feather'"),
        ({"blend": "feather 0"}, "got 'feather 0'"),
        ({"blend": "feather 257"}, "got 'feather 257'"),
        ({"blend": "feather 1.5"}, "got 'feather 1.5'"),
        ({"blend": None}, "got None"),
        ({"max_side": 300}, "max_side must be a multiple of 256; got 300"),
        ({"max_side": 0}, "max_side must be 256 to 2048 pixels"),
        ({"max_side": 2304}, "max_side must be 256 to 2048 pixels"),
    ],
)
def test_inpaint_options_outside_of_their_range_are_refused(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        InpaintOptions(**arguments)


def test_the_pixels_of_a_feather_are_read() -> None:
    assert InpaintOptions(blend="feather 256").feather == 256
    assert InpaintOptions().feather is None


@pytest.mark.parametrize("arguments", [{"threshold": 0}, {"threshold": 256}, {"dilate": -1}])
def test_mask_options_outside_of_their_range_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="a whole number; got"):
        MaskOptions(**arguments)


@pytest.mark.parametrize("quality", [0, 101])
def test_a_quality_that_encoders_do_not_have_is_refused(quality: int) -> None:
    with pytest.raises(ContractError, match=f"quality must be 1 to 100; got {quality}"):
        FileOptions(quality=quality)
