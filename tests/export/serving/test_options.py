"""Options that Triton would refuse are refused before anything is written."""

from typing import Any

import pytest
from csakit.export.serving.options import ServingOptions
from csakit.plugins.errors import ContractError


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": "../csa"}, "--name must be 1 to 64 letters"),
        ({"name": ""}, "--name must be 1 to 64 letters"),
        ({"name": "ü"}, "--name must be 1 to 64 letters"),
        ({"instances": 0}, "--instances must be 1 to 64; got 0"),
        ({"threads": -1}, "--threads must be 0 to 1024; got -1"),
        ({"delay_us": -1}, "--queue-delay must be 0 to 10000000; got -1"),
        ({"max_batch": 0}, "--max-batch must be 1 to 1024; got 0"),
        ({"size": 300}, "--size must be a multiple of 256 up to 2048; got 300"),
        ({"size": 4096}, "--size must be a multiple of 256 up to 2048; got 4096"),
        ({"preferred": (4, 0)}, "--preferred must be of at least 1; got 4,0"),
    ],
)
def test_options_that_mean_nothing_are_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ContractError, match=text):
        ServingOptions(**fields)
