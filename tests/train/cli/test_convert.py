"""``csakit convert`` writes one file and says so, or writes none and says why."""

from collections.abc import Callable
from pathlib import Path

import pytest
from csakit.plugins.errors import ExitCode
from csakit.runtime.files.atomic import sha256
from csakit.train import authors, checkpoint
from csakit.train.cli.convert import main

from ..authors_pair import write_pair

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "authors").mkdir()
    return write_pair(tmp_path / "authors", width=2)


@pytest.fixture
def convert(pair: tuple[Path, Path]) -> Callable[[Path], int]:
    rough, refinement = map(str, pair)
    return lambda output: main(["--rough", rough, "--refine", refinement, "-o", str(output)])


def test_a_pair_becomes_one_checkpoint(
    convert: Callable[[Path], int], pair: tuple[Path, Path], tmp_path: Path, capsys: Capture
) -> None:
    output = tmp_path / "model.safetensors"

    code = convert(output)

    assert code == ExitCode.OK
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        f"wrote {output}: width 2, similarity projection",
        f"next: csakit export {output} -o model.onnx",
    ]
    assert printed.err == ""
    weights = checkpoint.load(output).state_dict()
    expected = authors.convert(*pair).state_dict()
    assert all(tensor.equal(weights[name]) for name, tensor in expected.items())
    assert checkpoint.read_header(output)["training"] == {
        "converted_from": {"rough_sha256": sha256(pair[0]), "refine_sha256": sha256(pair[1])}
    }


def test_a_damaged_pair_is_reported_and_leaves_no_file(
    convert: Callable[[Path], int], pair: tuple[Path, Path], tmp_path: Path, capsys: Capture
) -> None:
    pair[1].write_bytes(pair[1].read_bytes()[:1000])

    code = convert(tmp_path / "model.safetensors")

    assert code == ExitCode.USAGE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"csakit convert: {pair[1]} is damaged or no torch checkpoint:")
    assert printed.err.endswith("Copy or download it again.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["authors"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.pth", "a checkpoint's name must end in .safetensors; got model.pth"),
        ("nowhere/model.safetensors", "No such file or directory"),
        ("authors", "must end in .safetensors"),
    ],
)
def test_an_output_that_cannot_be_written_is_reported(
    convert: Callable[[Path], int], tmp_path: Path, capsys: Capture, name: str, message: str
) -> None:
    code = convert(tmp_path / name)

    assert code == ExitCode.USAGE
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["authors"]


@pytest.mark.parametrize("arguments", [[], ["--rough", "a.pth", "-o", "b.safetensors"], ["--what"]])
def test_wrong_arguments_print_the_usage(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("usage: csakit convert")
