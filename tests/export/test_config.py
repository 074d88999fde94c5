"""An export configuration is checked when it is made, in words that name the value."""

from typing import Any

import pytest
from csakit.export.config import MAX_SIZE, ExportConfig
from csakit.plugins.errors import ContractError


def test_the_defaults_are_the_most_general_form() -> None:
    config = ExportConfig()

    assert (config.precision, config.io, config.size) == ("fp32", "float", "dynamic")
    assert config.max_batch is None
    assert not config.external_weights


@pytest.mark.parametrize(
    ("form", "match"),
    [
        ({"precision": "int8"}, r"precision must be one of .*fp16.*; got 'int8'"),
        ({"io": "double"}, r"io must be one of .*uint8.*; got 'double'"),
        ({"target": "gpu"}, r"target must be one of .*ort.*; got 'gpu'"),
        ({"size": 100}, r"multiple of 256 up to 2048; got 100"),
        ({"size": 0}, r"multiple of 256 up to 2048; got 0"),
        ({"size": -256}, r"multiple of 256 up to 2048; got -256"),
        ({"size": 2 * MAX_SIZE}, r"multiple of 256 up to 2048; got 4096"),
        ({"size": "any"}, r"'dynamic' or a multiple of 256 up to 2048; got 'any'"),
        ({"size": 256.0}, r"multiple of 256 up to 2048; got 256\.0"),
        ({"max_batch": 0}, r"max_batch must be 1 to 65536; got 0"),
        ({"max_batch": 10**22}, r"max_batch must be 1 to 65536; got 1000"),
    ],
)
def test_what_the_networks_cannot_take_is_refused(form: dict[str, Any], match: str) -> None:
    with pytest.raises(ContractError, match=match):
        ExportConfig(**form)
