"""State dicts are read from files of any torch; whatever is more than tensors is refused."""

from pathlib import Path

import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.train.pth import read_pth

each_format = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])


@each_format
def test_tensors_are_read_by_name(tmp_path: Path, zipped: bool) -> None:
    weights = {"a.weight": torch.arange(6.0).reshape(2, 3), "module.b": torch.ones(1).half()}
    path = tmp_path / "weights.pth"
    torch.save(weights, path, _use_new_zipfile_serialization=zipped)

    found = read_pth(path)

    assert list(found) == ["a.weight", "b"]
    assert found["a.weight"].equal(weights["a.weight"])
    assert found["b"].dtype == torch.float16


@each_format
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(1)], "must hold a state_dict; it holds list"),
        ({}, "must hold a state_dict; it holds dict"),
        ({"a": torch.ones(1), "epoch": 3}, "must hold tensors only; 'epoch' is none"),
        ({"a": Path("b")}, "holds more than tensors.*\n.*state_dict"),
    ],
)
def test_other_content_is_refused(
    tmp_path: Path, zipped: bool, content: object, message: str
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)

    with pytest.raises(ContractError, match=rf"weights\.pth {message}"):
        read_pth(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"no checkpoint at .*weights\.pth"):
        read_pth(tmp_path / "weights.pth")
