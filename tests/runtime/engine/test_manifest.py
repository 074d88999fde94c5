"""A manifest says what was put into it, and notices when it was changed."""

import json
from pathlib import Path
from typing import Any

import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.engine.manifest import SCHEMA, manifest_path, read_manifest
from helpers.engines import PLUGIN, make_manifest


def write(folder: Path, text: str) -> Path:
    path = folder / "model.engine.json"
    path.write_text(text)
    return path


def test_the_manifest_lies_beside_the_engine() -> None:
    assert manifest_path(Path("a/model.engine")) == Path("a/model.engine.json")


@pytest.mark.parametrize("plugin", [None, PLUGIN])
def test_what_is_written_is_read(tmp_path: Path, plugin: Any) -> None:  # noqa: ANN401
    manifest = make_manifest(build={"plugin": plugin}, parity={"passed": True, "psnr_db": 51.5})

    assert read_manifest(write(tmp_path, manifest.text())) == manifest


def test_the_layout_of_the_file_does_not_matter(tmp_path: Path) -> None:
    values = json.loads(make_manifest().text())
    shuffled = dict(reversed(values.items()))

    assert read_manifest(write(tmp_path, json.dumps(shuffled, indent=7))) == make_manifest()


def test_the_rebuild_command_can_be_pasted() -> None:
    command = ("csakit", "build", "my model.onnx", "-o", "a;rm.engine")

    manifest = make_manifest(build={"command": command})

    assert manifest.rebuild == "csakit build 'my model.onnx' -o 'a;rm.engine'"


@pytest.mark.parametrize("field", ["csakit", "io"])
def test_an_edit_is_noticed(tmp_path: Path, field: str) -> None:
    values = json.loads(make_manifest().text())
    values[field] += "x"

    with pytest.raises(ContractError, match="was edited: its content does not match its checksum"):
        read_manifest(write(tmp_path, json.dumps(values)))


def test_a_manifest_without_checksum_is_refused(tmp_path: Path) -> None:
    values = json.loads(make_manifest().text())
    del values["checksum"]

    with pytest.raises(ContractError, match="was edited"):
        read_manifest(write(tmp_path, json.dumps(values)))


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    text = make_manifest().text().rstrip()

    for length in range(0, len(text), 61):
        with pytest.raises(ContractError, match="must be a JSON file"):
            read_manifest(write(tmp_path, text[:length]))


@pytest.mark.parametrize("schema", [None, "1", 0, True, [1]])
def test_another_file_is_no_manifest(tmp_path: Path, schema: object) -> None:
    with pytest.raises(ContractError, match="is no manifest of an engine: its schema is"):
        read_manifest(write(tmp_path, json.dumps({"schema": schema})))


def test_a_newer_manifest_asks_for_a_newer_csakit(tmp_path: Path) -> None:
    text = make_manifest(schema=SCHEMA + 1).text()

    with pytest.raises(ContractError, match=r"has schema 2; .*pip install --upgrade csakit"):
        read_manifest(write(tmp_path, text))


def test_a_field_of_another_type_is_named(tmp_path: Path) -> None:
    text = make_manifest(tensors=({"name": 3},)).text()

    with pytest.raises(ContractError, match=r"is no manifest of an engine: Expected .*tensors"):
        read_manifest(write(tmp_path, text))


@pytest.mark.parametrize("batch", [[1, 1], [2, 1, 4], [0, 1, 1], ["1", 1, 1]])
def test_a_manifest_states_shapes_as_least_best_and_most(tmp_path: Path, batch: list[Any]) -> None:
    text = make_manifest(profiles=({"batch": batch, "size": [256, 256, 256]},)).text()

    with pytest.raises(ContractError, match=r"is no manifest of an engine: .* at `\$\.profiles"):
        read_manifest(write(tmp_path, text))


def test_a_text_that_would_control_the_terminal_is_refused(tmp_path: Path) -> None:
    text = make_manifest(build={"targets": ("\x1b[2J",)}).text()

    with pytest.raises(ContractError, match=r"texts must be printable; got '.x1b\[2J'"):
        read_manifest(write(tmp_path, text))


@pytest.mark.parametrize("change", [{"build": {"command": ("rm", "-rf")}}, {"profiles": ()}])
def test_a_manifest_has_a_command_of_csakit_and_a_profile(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(ContractError, match="lacks command or profiles"):
        read_manifest(write(tmp_path, make_manifest(**change).text()))
