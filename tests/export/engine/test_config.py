"""What no builder takes is refused when the configuration is made, with what is allowed."""

from typing import Any

import pytest
from csakit.export.engine.config import BuildConfig, parse_bytes, parse_span
from csakit.plugins.errors import ContractError
from csakit.runtime.engine.shapes import Span

RTX = {"builder": "tensorrt-rtx"}


@pytest.mark.parametrize(
    ("text", "span"), [("4", Span(4, 4, 4)), ("1:2:8", Span(1, 2, 8)), ("3:3:3", Span(3, 3, 3))]
)
def test_a_span_is_one_number_or_three(text: str, span: Span) -> None:
    assert parse_span("--batch", text) == span
    assert parse_span("--batch", str(span)) == span


@pytest.mark.parametrize(
    "text", ["", "x", "1:2", "1:2:3:4", "1:x:3", "-1", "1.5", "1::3", "9999999999"]
)
def test_another_text_is_no_span(text: str) -> None:
    with pytest.raises(ContractError, match="--batch must be N or MIN:OPT:MAX, whole numbers; got"):
        parse_span("--batch", text)


@pytest.mark.parametrize("text", ["0", "2:1:3", "1:9:8", "0:1:1"])
@pytest.mark.parametrize("field", ["batch", "size"])
def test_a_span_of_a_build_ascends(field: str, text: str) -> None:
    span = parse_span(f"--{field}", text)

    with pytest.raises(ContractError, match=rf"--{field} .* 1 <= min <= opt <= max; got {text}"):
        BuildConfig(**{field: span})


@pytest.mark.parametrize(
    ("text", "count"),
    [("2GiB", 2 << 30), ("512 MiB", 512 << 20), ("1KiB", 1024), ("7", 7), ("7B", 7)],
)
def test_sizes_have_binary_units(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "0", "0GiB", "2GB", "-1", "1.5GiB", "GiB", "9" * 16])
def test_another_text_is_no_size(text: str) -> None:
    with pytest.raises(ContractError, match="--workspace must be a size such as 2GiB"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": Span(256, 256, 4096)}, r"up to 2048; got 256:256:4096"),
        ({"opt_level": -1}, r"--opt-level must be 0 to 5; got -1"),
        ({**RTX, "targets": ("sm_86", "")}, r"such as sm_89; got ''"),
        ({**RTX, "targets": ()}, r"must name at least one architecture"),
        ({"embed_plugin": True}, r"--embed-plugin needs --version-compatible and the plugin"),
        ({"embed_plugin": True, "version_compatible": True, "plugin": False}, r"and the plugin"),
    ],
)
def test_what_no_builder_takes_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        BuildConfig(**fields)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [({}, True), ({"plugin": False}, False), (RTX, False), ({**RTX, "plugin": False}, False)],
)
def test_the_plugin_is_for_tensorrt_alone(fields: dict[str, Any], wanted: bool) -> None:
    assert BuildConfig(**fields).wants_plugin is wanted
