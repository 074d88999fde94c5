"""The modules of TensorRT: found without an import, and compared by version."""

import dataclasses
from pathlib import Path

import pytest
from csakit.plugins import tensorrt_flavours
from csakit.plugins.tensorrt_flavours import FLAVOURS, UNKNOWN


def test_a_module_that_no_distribution_owns_has_an_unknown_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flavour = dataclasses.replace(FLAVOURS["tensorrt"], module="tensorrt_of_a_distribution")
    (tmp_path / "tensorrt_of_a_distribution.py").touch()

    assert flavour.version() is None
    monkeypatch.syspath_prepend(str(tmp_path))
    assert flavour.version() == UNKNOWN


def test_the_first_distribution_states_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"tensorrt-lean-cu12": "10.3.0", "tensorrt-lean-cu13": "11.4.0.22"}
    monkeypatch.setattr(tensorrt_flavours, "installed", there.get)

    assert FLAVOURS["tensorrt_lean"].version() == "11.4.0.22"


@pytest.mark.parametrize(
    ("module", "version", "supported"),
    [
        ("tensorrt", "10.3.0", True),
        ("tensorrt", "10.2.0.post1", False),
        ("tensorrt_lean", "8.6.1", False),
        ("tensorrt", UNKNOWN, True),
        ("tensorrt_rtx", "1.7.1.45", True),
    ],
)
def test_versions_are_supported_from_the_oldest_on(
    module: str, version: str, *, supported: bool
) -> None:
    assert FLAVOURS[module].supports(version) is supported
