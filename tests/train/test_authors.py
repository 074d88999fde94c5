"""A pair of the authors' files is read whole, or refused by name; it never runs code."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.train import authors
from torch import Tensor

from .authors_pair import write_pair

Pair = tuple[Path, Path]
State = dict[str, Any]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return write_pair(tmp_path, width=2)


def rewrite(path: Path, change: Callable[[State], object]) -> None:
    """Change the state in a file; a change that returns something replaces it."""
    state = torch.load(path, weights_only=True)
    replaced = change(state)
    torch.save(state if replaced is None else replaced, path)


class Exploit:
    """Unpickling it creates a file."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.witness,)


def test_paths_may_be_text_and_the_width_is_read_off_the_weights(tmp_path: Path) -> None:
    assert authors.convert(*map(str, write_pair(tmp_path, width=3))).config.width == 3


def test_swapped_files_are_refused(pair: Pair) -> None:
    with pytest.raises(ContractError) as caught:
        authors.convert(pair[1], pair[0])

    assert pair[1].name in str(caught.value)
    assert pair[0].name not in str(caught.value)


def test_the_rough_file_given_twice_is_refused(pair: Pair) -> None:
    with pytest.raises(ContractError, match=r"30_net_P\.pth is not a CSA network:\n  \d+ missing"):
        authors.convert(pair[0], pair[0])


@pytest.mark.parametrize("network", [0, 1], ids=["rough", "refinement"])
def test_every_missing_and_unexpected_key_is_named(pair: Pair, network: int) -> None:
    def change(state: State) -> None:
        del state["model.model.3.bias"]
        state["surplus.weight"] = torch.zeros(2)
        state["another.bias"] = torch.zeros(2)

    rewrite(pair[network], change)

    with pytest.raises(ContractError) as caught:
        authors.convert(*pair)

    assert str(caught.value) == (
        f"{pair[network].name} is not a CSA network:\n"
        "  1 missing:\n    model.model.3.bias\n"
        "  2 unexpected:\n    surplus.weight\n    another.bias"
    )


def test_a_tensor_of_another_shape_is_named(pair: Pair) -> None:
    rewrite(pair[1], lambda state: state.update({"model.model.3.bias": torch.zeros(4)}))

    with pytest.raises(ContractError, match=r"model\.model\.3\.bias \(4,\), expected \(3,\)"):
        authors.convert(*pair)


def test_networks_of_two_widths_are_refused(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    _, refinement = write_pair(tmp_path / "other", width=3)

    with pytest.raises(ContractError, match=r"30_net_G\.pth .*\n  \d+ of another shape"):
        authors.convert(pair[0], refinement)


def test_a_width_beyond_the_limit_is_refused(pair: Pair) -> None:
    first = "model.model.0.weight"
    rewrite(pair[0], lambda state: state.update({first: torch.zeros(4096, 3, 4, 4)}))

    with pytest.raises(ContractError, match=r"width must be an integer in 1\.\.128; got 4096"):
        authors.convert(*pair)


@pytest.mark.parametrize("first", [torch.zeros(3), None])
def test_a_state_of_another_network_is_refused(pair: Pair, first: Tensor | None) -> None:
    state = {"conv1.weight": torch.zeros(1)}
    torch.save(state if first is None else state | {"model.model.0.weight": first}, pair[0])

    with pytest.raises(
        ContractError, match=r"not the authors' rough network.*conv1\.weight.*\n--rough takes"
    ):
        authors.convert(*pair)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_code_in_a_file_is_refused_and_not_run(pair: Pair, tmp_path: Path, form: str) -> None:
    witness, works = tmp_path / "the code ran", tmp_path / "the exploit works"
    pickle.loads(pickle.dumps(Exploit(works)))
    if form == "pickle":
        pair[0].write_bytes(pickle.dumps(Exploit(witness), protocol=2))
    else:
        zipped = form == "zip"
        torch.save({"model": Exploit(witness)}, pair[0], _use_new_zipfile_serialization=zipped)

    with pytest.raises(ContractError, match=r"loading it could run code, so it is refused\nSave"):
        authors.convert(*pair)

    assert works.exists()
    assert not witness.exists()


def test_a_whole_pickled_network_is_refused_with_a_remedy(pair: Pair) -> None:
    torch.save(torch.nn.Conv2d(3, 2, 4), pair[0])

    with pytest.raises(ContractError, match=r"more than tensors.*\nSave the bare weights: torch"):
        authors.convert(*pair)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, legacy: bool) -> None:
    rough, refinement = write_pair(tmp_path, width=1, legacy=legacy)
    content = rough.read_bytes()
    size = len(content)
    # the pickled table of tensors is near either end; every byte of the last 300, for legacy
    # files of the last tensor
    lengths = [*range(0, 3000, 41), *range(3000, size, size // 97), *range(size - 300, size, 7)]

    for length in lengths:
        rough.write_bytes(content[:length])
        with pytest.raises(ContractError, match=rough.name):
            authors.convert(rough, refinement)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"not a checkpoint",
        b"PK\x03\x04",
        b"\x80\x02.",
        b"a",
        b"0",
        b"]" * 9,
        b"\x8a\xff",
    ],
)
def test_a_file_of_another_format_is_refused(pair: Pair, content: bytes) -> None:
    pair[0].write_bytes(content)

    with pytest.raises(ContractError, match=pair[0].name):
        authors.convert(*pair)
