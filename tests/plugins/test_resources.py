"""The report of ptxas is read as it is printed."""

import shutil

import pytest
from csakit.plugins.resources import (
    KernelResources,
    parse_resources,
    readable_names,
    table,
)

SCAN = "_ZN6csakit36_GLOBAL__N__2b982ef6_4_a_cu_9acc09134scanIfLi64EEEvNS0_4ArgsE"
MATCH = "_Z11matchKernelIfEvPKT_PS0_i"
# As nvcc 13.0 prints it; the last kernel calls a function that was not inlined.
LOG = f"""ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '{SCAN}' for 'sm_90'
ptxas info    : Function properties for {SCAN}
    256 bytes stack frame, 12 bytes spill stores, 20 bytes spill loads
ptxas info    : Used 32 registers, used 0 barriers, 256 bytes cumulative stack size
ptxas info    : Compile time = 44.670 ms
ptxas info    : Compiling entry function '{MATCH}' for 'sm_75'
ptxas info    : Function properties for helper
    8 bytes stack frame, 4 bytes spill stores, 4 bytes spill loads
ptxas info    : Function properties for {MATCH}
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 10 registers, used 1 barriers, 256 bytes smem, 372 bytes cmem[0]
ptxas info    : Compile time = 2.131 ms
"""
NAMES = {SCAN: "scan<float, 64>", MATCH: "matchKernel<float>"}

has_filter = pytest.mark.skipif(shutil.which("c++filt") is None, reason="no c++filt")


@has_filter
def test_every_kernel_is_read_with_what_its_functions_take() -> None:
    assert parse_resources(LOG) == [
        KernelResources("scan<float, 64>", "sm_90", 32, 0, 256, 32),
        KernelResources("matchKernel<float>", "sm_75", 10, 256, 8, 8),
    ]


@pytest.mark.parametrize("log", ["", "warning: nothing of a kernel\n"])
def test_a_log_without_kernels_has_none(log: str) -> None:
    assert parse_resources(log) == []
    assert table(parse_resources(log)) == []


@has_filter
def test_names_are_those_of_the_source() -> None:
    assert readable_names([SCAN, MATCH]) == NAMES


@has_filter
@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("_ZN6csakit9runKernelIPFviEEEvT_", "runKernel<void (*)(int)>"),
        ("_ZN6csakit4fillE6float4", "fill"),
        ("plainName", "plainName"),
    ],
)
def test_names_with_brackets_and_without_are_cut_right(symbol: str, name: str) -> None:
    assert readable_names([symbol]) == {symbol: name}


def test_without_a_filter_the_names_are_still_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)

    assert readable_names([SCAN, MATCH]) == {SCAN: "scan", MATCH: "matchKernel"}


def test_the_table_has_one_row_a_kernel_and_names_where_registers_spill() -> None:
    entries = [
        KernelResources("match", "sm_75", 40, 1024, 0, 0),
        KernelResources("match", "sm_90", 64, 1024, 0, 16),
        KernelResources("fill", "sm_90", 20, 0, 0, 0),
    ]

    heading, fill, match = table(entries)

    assert heading.split() == ["kernel", "registers", "shared", "bytes", "stack", "bytes", "spills"]
    assert fill.split() == ["fill", "20", "0", "0", "none"]
    assert match.split(maxsplit=4) == ["match", "40-64", "1024", "0", "16 bytes on sm_90"]
