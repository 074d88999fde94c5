"""State dicts are read from files of any torch; whatever is more than tensors is refused."""

import zipfile
from pathlib import Path

import pytest
import torch
from csakit.plugins.errors import ContractError, ResourceError
from csakit.train import checkpoint
from csakit.train.pth import read_pth

WEIGHT = torch.arange(6.0).reshape(2, 3)
each_format = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])


@each_format
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"a.weight": WEIGHT, "module.b": WEIGHT.half()}, {"a.weight": WEIGHT, "b": WEIGHT.half()}),
        ({"a": torch.nn.Parameter(WEIGHT)}, {"a": WEIGHT}),
        ({"1.weight": WEIGHT, "1.num_batches_tracked": torch.tensor(0)}, {"1.weight": WEIGHT}),
        *(
            ({"epoch": 3, name: {"module.a": WEIGHT}, "optimizer": {"lr": 0.1}}, {"a": WEIGHT})
            for name in ("state_dict", "model_state_dict", "model", "net", "params")
        ),
    ],
)
def test_tensors_are_read_by_name(
    tmp_path: Path, zipped: bool, content: object, expected: dict[str, torch.Tensor]
) -> None:
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)

    found = read_pth(tmp_path / "w.pth")

    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].equal(tensor)
        assert (found[name].dtype, found[name].requires_grad) == (tensor.dtype, False)


@each_format
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(1)], "must hold a state_dict; it holds list"),
        ({}, "must hold a state_dict; it holds dict"),
        (torch.zeros(1), "must hold a state_dict; it holds Tensor"),
        (None, "must hold a state_dict; it holds NoneType"),
        (
            {"a": torch.ones(1), "epoch": 3},
            "must hold tensors only; 'epoch' is not a tensor\n.*torch.save",
        ),
        ({"state_dict": {}, "epoch": 3}, "must hold tensors only; 'state_dict' is not a tensor\n"),
        ({"a": torch.ones(2).to_sparse()}, "must hold tensors only; 'a' is sparse"),
        ({"a": torch.ones(2, 3, 2).to_sparse(1)}, "must hold tensors only; 'a' is sparse"),
        ({"a": torch.ones(1, device="meta")}, "must hold tensors only; 'a' has no data"),
        ({"a": torch.ones(1).int()}, "must hold tensors only; 'a' holds no floating-point"),
        ({"a": torch.ones(1, dtype=torch.complex64)}, "must hold tensors only; 'a' holds no float"),
        ({"model": {"state_dict": {"a": torch.ones(1)}}}, "must hold tensors only; 'state_dict'"),
        (
            {"netG": {"a": torch.ones(1)}},
            "must hold tensors only; 'netG' is not a tensor\n.*state_dict",
        ),
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


@pytest.mark.filterwarnings("ignore::UserWarning")  # of torch, where they are made
def test_nested_tensors_are_refused(tmp_path: Path) -> None:
    nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    torch.save({"a": nested}, tmp_path / "w.pth")

    with pytest.raises(ContractError, match="must hold tensors only; 'a' is nested"):
        read_pth(tmp_path / "w.pth")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("every", [True, False])
def test_a_file_that_was_packed_again_is_refused(tmp_path: Path, method: int, every: bool) -> None:
    torch.save({"a": torch.zeros(1000)}, tmp_path / "w.pth")
    with (
        zipfile.ZipFile(tmp_path / "w.pth") as before,
        zipfile.ZipFile(tmp_path / "v.pth", "w", method) as after,
    ):
        for one in before.infolist():
            stored = None if every or "/data/" in one.filename else zipfile.ZIP_STORED
            after.writestr(one.filename, before.read(one), stored)

    with pytest.raises(ContractError, match=r"v\.pth must be stored uncompressed.*\n.*zip -0"):
        read_pth(tmp_path / "v.pth")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: out of memory")]
)
def test_too_little_memory_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pth")

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(ResourceError, match="too little memory"):
        read_pth(tmp_path / "w.pth")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of tracing
def test_a_program_is_refused_as_one(tmp_path: Path) -> None:
    torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(tmp_path / "program.pth")

    with pytest.raises(ContractError, match=r"is a TorchScript program.*\n.*state_dict\(\)"):
        read_pth(tmp_path / "program.pth")


@pytest.mark.parametrize("content", [b"version https://git-lfs.github.com/spec/v1\n", b"<html>"])
def test_what_stands_in_for_a_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    for name, read in (("w.pth", read_pth), ("w.safetensors", checkpoint.load)):
        (tmp_path / name).write_bytes(content)

        with pytest.raises(ContractError, match=r"is a pointer of Git LFS|is a web page"):
            read(tmp_path / name)
