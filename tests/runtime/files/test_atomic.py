"""Outputs appear whole or not at all."""

import hashlib
from pathlib import Path

import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.files.atomic import sha256, staged


def test_the_output_gets_its_name_when_all_went_well(tmp_path: Path) -> None:
    output = tmp_path / "model.onnx"
    output.write_text("old")

    with staged(output) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".onnx"
        assert output.read_text() == "old"

    assert output.read_text() == "new"
    assert list(tmp_path.iterdir()) == [output]


def test_a_writer_that_makes_files_private_does_not_make_the_output_so(tmp_path: Path) -> None:
    (ordinary := tmp_path / "ordinary").touch()

    with staged(tmp_path / "x.safetensors") as temporary:
        temporary.unlink()
        temporary.touch(mode=0o600)

    assert (tmp_path / "x.safetensors").stat().st_mode == ordinary.stat().st_mode


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_run_leaves_no_half_file(tmp_path: Path, error: type[BaseException]) -> None:
    def run() -> None:
        with staged(tmp_path / "x.png") as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        run()

    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_output_and_an_absent_one_has_none(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="must be a file"), staged(tmp_path):
        pass
    with (
        pytest.raises(ContractError, match="Choose an existing folder"),
        staged(tmp_path / "absent/x.png"),
    ):
        pass


def test_the_hash_is_the_well_known_one(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000  # more than one block
    (tmp_path / "x").write_bytes(content)

    assert sha256(tmp_path / "x") == hashlib.sha256(content).hexdigest()
