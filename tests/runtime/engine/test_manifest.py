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


@pytest.mark.parametrize(
    "change", [{"csakit": "0.1.0x"}, {"io": "uint8x"}, {"checksum": None}, {"other": 1}]
)
def test_an_edit_is_noticed(tmp_path: Path, change: dict[str, object]) -> None:
    values = json.loads(make_manifest().text()) | change

    with pytest.raises(ContractError, match="was edited: its content does not match its checksum"):
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


BATCHES = ([1, 1], [2, 1, 4], [0, 1, 1], ["1", 1, 1])  # not least, best and most


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": SCHEMA + 1}, r"has schema 2; .*pip install --upgrade csakit"),
        ({"tensors": ({"name": 3},)}, r"is no manifest of an engine: Expected .*tensors"),
        *(
            (
                {"profiles": ({"batch": batch, "size": [256, 256, 256]},)},
                r"is no manifest of an engine: .* at `\$\.profiles",
            )
            for batch in BATCHES
        ),
        # it would control the terminal
        ({"build": {"targets": ("\x1b[2J",)}}, r"texts must be printable; got '.x1b\[2J'"),
        ({"build": {"command": ("rm", "-rf")}}, "lacks command or profiles"),
        ({"profiles": ()}, "lacks command or profiles"),
    ],
)
def test_what_a_manifest_cannot_state_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        read_manifest(write(tmp_path, make_manifest(**change).text()))
