"""The container that is named opens the engine."""

import pytest
from csakit.export.serving.guide import release_for


@pytest.mark.parametrize(
    ("version", "release"),
    [("10.3.0.26", "24.08"), ("10.13.3.9", "25.10"), ("10.13.2.6", None), ("11.4.0", None)],
)
def test_a_release_is_named_only_for_versions_that_are_known(
    version: str, release: str | None
) -> None:
    assert release_for(version) == release
