"""A file that is no checkpoint is refused in words, before anything is allocated for it."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from csakit.plugins.errors import ContractError, ResourceError
from csakit.train import CSAInpainter, ModelConfig, checkpoint
from helpers.models import make_model
from safetensors.torch import save_file
from torch import Tensor

HEADER = {"format": 1, "width": 2, "attention": "csa", "similarity": "cosine", "training": {}}
UNREADABLE = (
    r"not a readable safetensors file: .*\nIf it was copied, copy it again; .*`csakit convert`"
)
each_reader = pytest.mark.parametrize("read", [checkpoint.load, checkpoint.read_header])
Reader = Callable[[Path], object]


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return dict(make_model(ModelConfig(width=2)).state_dict())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def with_header(**changes: object) -> dict[str, str]:
    return {"csakit": json.dumps(HEADER | changes)}


@each_reader
@pytest.mark.parametrize("name", ["model.safetensors", "."])
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, read: Reader, name: str) -> None:
    with pytest.raises(ContractError, match="no checkpoint at"):
        read(tmp_path / name)


@each_reader
@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 1000, 0.1, 0.5, 0.999, -1])
def test_a_truncated_file_is_refused(
    path: Path, small_checkpoint: Path, read: Reader, kept: float
) -> None:
    content = small_checkpoint.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])

    with pytest.raises(ContractError, match=UNREADABLE):
        read(path)


@each_reader
@pytest.mark.parametrize("content", [b"PK\x03\x04" + bytes(100), b"\xff" * 100, b"{}" * 50])
def test_a_file_of_another_format_is_refused(path: Path, read: Reader, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(ContractError, match=UNREADABLE):
        read(path)


FOREIGN = "was not written by csakit: no csakit metadata"
NEWER = r"has checkpoint format .*; this csakit reads 1\nUpdate csakit"


@each_reader
@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, FOREIGN),
        ({"format": "pt"}, FOREIGN),
        *(
            ({"csakit": text}, FOREIGN)
            for text in ("", "width 64", "null", "[]", '"format"', "{}", "[" * 100_000)
        ),
        *((with_header(format=version), NEWER) for version in (0, 2, "1", None)),
        *(
            ({"csakit": json.dumps({k: v for k, v in HEADER.items() if k != key})}, key)
            for key in ("width", "attention", "similarity")
        ),
    ],
    ids=itertools.count(),
)
def test_a_header_of_another_program_or_version_is_refused(
    path: Path,
    weights: dict[str, Tensor],
    read: Reader,
    metadata: dict[str, str] | None,
    message: str,
) -> None:
    save_file(weights, path, metadata=metadata)

    with pytest.raises(ContractError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": "2"}, r"width must be an integer in 1\.\.128; got '2'"),
        ({"width": 2.0}, r"width must be an integer in 1\.\.128; got 2\.0"),
        ({"width": True}, r"width must be an integer in 1\.\.128; got True"),
        ({"width": None}, r"width must be an integer in 1\.\.128; got None"),
        ({"width": 0}, r"width must be an integer in 1\.\.128; got 0"),
        ({"width": 10**12}, r"width must be an integer in 1\.\.128; got 1000000000000"),
        ({"attention": "shift"}, r"attention must be one of .*; got 'shift'"),
        ({"attention": []}, r"attention must be one of .*; got \[\]"),
        ({"similarity": "dot"}, r"similarity must be one of .*; got 'dot'"),
    ],
)
def test_a_configuration_that_describes_no_network_is_refused(
    path: Path, weights: dict[str, Tensor], changes: dict[str, object], message: str
) -> None:
    save_file(weights, path, metadata=with_header(**changes))

    with pytest.raises(ContractError, match=message):
        checkpoint.load(path)


def test_the_largest_width_is_compared_before_it_is_allocated(
    path: Path, weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = []

    def build(config: ModelConfig) -> CSAInpainter:
        devices.append(torch.get_default_device().type)
        return CSAInpainter(config)

    monkeypatch.setattr(checkpoint, "CSAInpainter", build)
    save_file(weights, path, metadata=with_header(width=128))

    with pytest.raises(ContractError, match=r"178 of another shape") as caught:
        checkpoint.load(path)

    text = str(caught.value)
    assert text.startswith("model.safetensors is not a CSA network:")
    assert "rough.levels.0.down.weight (2, 3, 4, 4), expected (128, 3, 4, 4)" in text
    assert "... and 170 more" in text
    assert devices == ["meta"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda found: found.pop("refinement.leave.bias"),
            r"1 missing:\n    refinement\.leave\.bias$",
        ),
        (
            lambda found: found.update({"discriminator.weight": torch.zeros(1)}),
            r"1 unexpected:\n    discriminator\.weight$",
        ),
        (
            lambda found: found.update({"rough.levels.7.up.bias": torch.zeros(3, 2)}),
            r"1 of another shape:\n    rough\.levels\.7\.up\.bias \(3, 2\), expected \(16,\)$",
        ),
    ],
    ids=["missing", "unexpected", "of another shape"],
)
def test_tensors_that_are_not_those_of_the_network_are_named(
    path: Path, weights: dict[str, Tensor], change: Callable[[dict[str, Any]], object], message: str
) -> None:
    found = dict(weights)
    change(found)
    save_file(found, path, metadata=with_header())

    with pytest.raises(ContractError, match=message):
        checkpoint.load(path)


def test_all_differences_are_named_at_once(path: Path, weights: dict[str, Tensor]) -> None:
    found = dict(weights, extra=torch.zeros(1))
    found.pop("rough.levels.0.up.bias")
    save_file(found, path, metadata=with_header(attention="conv"))

    with pytest.raises(ContractError) as caught:
        checkpoint.load(path)

    text = str(caught.value)
    assert "3 missing:" in text
    assert "refinement.attention.conv.weight" in text
    assert "1 unexpected:\n    extra" in text


@pytest.mark.parametrize("at", ["first", "last"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.index_fill(0, torch.tensor([0]), torch.nan), "NaN or infinity"),
        (lambda t: t.index_fill(0, torch.tensor([0]), -torch.inf), "NaN or infinity"),
        (lambda t: t.half().index_fill(0, torch.tensor([0]), torch.inf), "NaN or infinity"),
        (lambda t: t.bfloat16().index_fill(0, torch.tensor([0]), torch.nan), "NaN or infinity"),
        (lambda t: t.to(torch.int64), "int64"),
        (lambda t: t > 0, "bool"),
    ],
    ids=["nan", "-inf", "half", "bfloat16", "int64", "bool"],
)
def test_weights_that_are_no_finite_numbers_are_refused_by_name(
    path: Path, weights: dict[str, Tensor], change: Callable[[Tensor], Tensor], told: str, at: str
) -> None:
    name = list(weights)[0 if at == "first" else -1]
    save_file(weights | {name: change(weights[name])}, path, metadata=with_header())

    with pytest.raises(ContractError, match=rf"model\.safetensors: .*'{name}' holds .*{told}"):
        checkpoint.load(path)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("std::bad_alloc")])
def test_too_little_memory_is_no_damage(
    small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError from error

    monkeypatch.setattr(checkpoint, "safe_open", fail)
    with pytest.raises(ResourceError, match="too little memory"):
        checkpoint.load(small_checkpoint)
