"""The header of a checkpoint is read without its weights, and only of whole files."""

import json
from pathlib import Path
from typing import Any

import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.files.safetensors_header import read_checkpoint_header

TENSORS = {
    "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "b": {"dtype": "F16", "shape": [5], "data_offsets": [24, 34]},
    "c": {"dtype": "F16", "shape": [], "data_offsets": [34, 36]},
}
CONFIG = {"format": 1, "width": 4, "similarity": "cosine"}


def write(folder: Path, header: Any, data: int = 36) -> Path:  # noqa: ANN401
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "x.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * data)
    return path


def test_configuration_and_numbers_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, {"__metadata__": {"csakit": json.dumps(CONFIG)}, **TENSORS})

    header = read_checkpoint_header(path)

    assert header.config == CONFIG
    assert header.parameters == {"F32": 6, "F16": 6}


@pytest.mark.parametrize("metadata", [{}, {"__metadata__": {"other": "x"}}])
def test_a_file_of_others_has_no_configuration(tmp_path: Path, metadata: dict[str, Any]) -> None:
    assert read_checkpoint_header(write(tmp_path, {**metadata, **TENSORS})).config == {}


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (TENSORS, 35),
        ([1], 0),
        (b"{", 0),
        (b"[" * 100_000, 0),
        ({"a": {}}, 0),
        ({"a": {"dtype": "F32", "shape": ["x"], "data_offsets": [0, 1]}}, 8),
        ({"__metadata__": 3}, 0),
        ({"__metadata__": {"csakit": "{"}}, 0),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, header: object, data: int) -> None:
    with pytest.raises(ContractError, match="must be a whole safetensors file"):
        read_checkpoint_header(write(tmp_path, header, data))


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 100])
def test_a_wild_length_allocates_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)

    with pytest.raises(ContractError, match=r"it has a header of \d+ bytes"):
        read_checkpoint_header(tmp_path / "x.safetensors")
