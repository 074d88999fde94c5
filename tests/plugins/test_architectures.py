"""What the user asks for becomes architectures that the compiler knows, or an error."""

import ctypes

import pytest
from csakit.plugins import architectures
from csakit.plugins.architectures import PTX, SUPPORTED, choose, covers, device_architectures
from csakit.plugins.errors import ContractError, LibraryError

EVERY = frozenset((*SUPPORTED, *(name.replace("sm", "compute") for name in SUPPORTED)))
CUDA_12_6 = frozenset(name for name in EVERY if not name.endswith(("_100", "_120")))


@pytest.mark.parametrize(
    ("requested", "offered", "names", "omitted"),
    [
        pytest.param("all", EVERY, [*SUPPORTED, PTX], [], id="machine code, PTX for later"),
        pytest.param(
            *("all", CUDA_12_6),
            ["sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90", "compute_90"],
            ["sm_100", "sm_120"],
            id="an older compiler leaves out what it does not know",
        ),
        pytest.param(
            *("compute_90, sm_120,sm_75,sm_120", EVERY, ["sm_75", "sm_120", "compute_90"], []),
            id="each once, machine code first",
        ),
        pytest.param("sm_90a", frozenset({"sm_90a"}), ["sm_90a"], [], id="with a suffix"),
    ],
)
def test_what_is_requested_is_compiled_for(
    requested: str, offered: frozenset[str], names: list[str], omitted: list[str]
) -> None:
    assert choose(requested, offered) == (names, omitted)


@pytest.mark.parametrize(
    "requested", ["sm_70", "compute_60", "90", "sm90", "", "sm_75,", "all,sm_75"]
)
def test_other_names_are_refused(requested: str) -> None:
    with pytest.raises(ContractError, match=r"must be sm_75 or later .*; got '"):
        choose(requested, EVERY)


def test_an_architecture_that_the_compiler_does_not_know_is_refused_with_those_it_does() -> None:
    with pytest.raises(LibraryError, match=r"does not support sm_120; it supports sm_75, .*90"):
        choose("sm_120", CUDA_12_6)


def test_native_without_a_driver_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", absent)

    assert device_architectures() == []
    with pytest.raises(LibraryError, match=r"`native` needs a GPU .*\nName the architecture"):
        choose("native", EVERY)


@pytest.mark.gpu
def test_the_gpu_of_this_machine_is_native() -> None:
    names = device_architectures()

    assert names
    assert choose("native", frozenset(names)) == (names, [])


def test_each_architecture_is_listed_once_and_each_device_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(architectures, "devices", lambda: ["sm_90", "sm_86", "sm_90"])

    assert architectures.device_architectures() == ["sm_86", "sm_90"]


@pytest.mark.parametrize(
    ("built", "gpu", "runs"),
    [
        (["sm_86"], "sm_86", True),
        (["sm_86"], "sm_89", True),
        (["sm_86"], "sm_80", False),
        (["sm_86"], "sm_90", False),
        (["sm_100", "sm_120"], "sm_110", False),
        (["sm_120", "compute_100"], "sm_110", True),
        (["compute_100"], "sm_90", False),
        (["sm_90a"], "sm_90", True),
        (["compute_90a"], "sm_120", False),
        (["nonsense"], "sm_90", False),
        ([], "sm_90", False),
    ],
)
def test_code_covers_gpus_as_cuda_defines(built: list[str], gpu: str, runs: bool) -> None:
    assert covers(built, gpu) is runs
