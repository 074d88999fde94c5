"""Threads are counted by what machine and container offer; instructions and devices are named."""

from pathlib import Path

import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime import host
from csakit.runtime.host import parse_device


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight logical processors on four cores, without a quota."""
    monkeypatch.setattr(host, "_TOPOLOGY", str(tmp_path / "cpu{}"))
    monkeypatch.setattr(host, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(host, "_allowed", lambda: set(range(8)))
    for index in range(8):
        (tmp_path / f"cpu{index}").write_text(f"{index % 4},{index % 4 + 4}\n")
    return tmp_path


@pytest.mark.usefixtures("machine")
def test_hyper_threads_count_once() -> None:
    assert host.physical_cores() == 4


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", 4), ("150000 100000", 2), ("10000 100000", 1), ("?", 4)]
)
def test_the_quota_of_a_container_is_respected(machine: Path, quota: str, cores: int) -> None:
    (machine / "cpu.max").write_text(quota)

    assert host.physical_cores() == cores


def test_without_a_topology_processors_count(machine: Path) -> None:
    for path in machine.iterdir():
        path.unlink()

    assert host.physical_cores() == 8


def test_the_real_machine_has_a_core() -> None:
    assert host.physical_cores() >= 1


@pytest.mark.usefixtures("machine")
def test_the_first_processors_are_of_different_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_allowed", lambda: {1, 3, 5, 6, 7})

    assert host.core_processors() == [1, 3, 6, 5, 7]


X86 = "processor\t: 0\nmodel name\t: Fast  CPU\nflags\t\t: fpu avx2\ncpu MHz\t: {}\n\n"


def test_the_kind_of_a_processor_names_its_instructions_and_no_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "_KIND", tmp_path / "cpuinfo")
    monkeypatch.setattr(host.platform, "machine", lambda: "x86_64")
    kinds = set()
    for text in (X86.format(1000), X86.format(2000) + "processor: 1\nflags: other\n"):
        (tmp_path / "cpuinfo").write_text(text)
        kinds.add(host.processor_kind())

    assert kinds == {"x86_64; model name: Fast CPU; flags: fpu avx2"}


@pytest.mark.parametrize("text", [None, "", "Hardware: a board\n"])
def test_a_processor_that_does_not_tell_has_no_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    monkeypatch.setattr(host, "_KIND", tmp_path / "cpuinfo")
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)

    assert host.processor_kind() is None


@pytest.mark.parametrize(
    ("flags", "found", "possible"),
    [
        ("sse2 avx512_bf16 avx512_vnni amx_bf16", ("amx_bf16", "avx512_bf16", "avx512_vnni"), True),
        ("sse2 avx2 avx_vnni", ("avx_vnni",), False),
        ("sse2", (), False),
        (None, (), False),
    ],
)
def test_bfloat16_is_possible_where_the_processor_has_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: str | None,
    found: tuple[str, ...],
    possible: bool,
) -> None:
    monkeypatch.setattr(host, "_KIND", tmp_path / "cpuinfo")
    if flags is not None:
        text = f"model name\t: A\nflags\t\t: {flags}\n\nflags\t: none\n"
        (tmp_path / "cpuinfo").write_text(text)

    assert host.low_precision_instructions() == found
    assert host.has_bfloat16() is possible


def test_names_of_processors_are_read() -> None:
    names = {"cpu": ("cpu", 0), "cuda": ("cuda", 0), "cuda:0": ("cuda", 0), "cuda:12": ("cuda", 12)}

    assert {name: parse_device(name) for name in names} == names


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CUDA", "cuda:1 ", "1"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ContractError, match="device must be cpu, cuda or cuda:N; got"):
        parse_device(name)
