"""Every kernel compiles for every architecture, without warnings and without spills."""

import os
from unittest import mock

import pytest
from csakit.plugins.architectures import SUPPORTED
from csakit.plugins.build import Build, BuildConfig, KernelResources, build
from helpers.alone import CACHE
from helpers.native import require_build_tools

STATIC_SHARED = 48 * 1024  # bytes that a block has without opting in, on every architecture
REGISTERS = 65536  # of a multiprocessor, on every architecture
THREADS = {  # of a block, as the sources launch them
    "prepareKernel": 512,
    "matchKernel": 256,
    "gramKernel": 128,
    "chainKernel": 512,
    "fillKernel": 128,
    "packGradientKernel": 512,
    "reverseKernel": 32,
    "inputGradientKernel": 256,
}


@pytest.fixture(scope="module")
def made() -> Build:
    """Everything compiled for everything; only once while the sources stay as they are."""
    missing = set(SUPPORTED) - require_build_tools().architectures
    if missing:
        pytest.skip(f"this nvcc does not compile for {', '.join(sorted(missing))}")
    with mock.patch.dict(os.environ, {"XDG_CACHE_HOME": str(CACHE)}):
        return build(BuildConfig(warnings_as_errors=True))


@pytest.fixture(scope="module")
def resources(made: Build) -> tuple[KernelResources, ...]:
    return made.resources


def test_no_compiler_warns(made: Build) -> None:
    assert made.warnings == ()


def test_every_kernel_is_there_for_every_architecture_and_type(
    resources: tuple[KernelResources, ...],
) -> None:
    for name in THREADS:
        forms = 6 if name in ("chainKernel", "matchKernel") else 3  # types; two similarities, tiles
        for architecture in SUPPORTED:
            found = [e for e in resources if name in e.kernel and e.architecture == architecture]
            assert len(found) == forms, (name, architecture)


def test_nothing_spills(resources: tuple[KernelResources, ...]) -> None:
    assert not [entry for entry in resources if entry.spill_bytes]


def test_shared_memory_needs_no_opting_in(resources: tuple[KernelResources, ...]) -> None:
    assert max(entry.shared_bytes for entry in resources) <= STATIC_SHARED


def test_every_block_finds_enough_registers(resources: tuple[KernelResources, ...]) -> None:
    for entry in resources:
        (threads,) = [count for name, count in THREADS.items() if name in entry.kernel]
        assert entry.registers * threads <= REGISTERS, entry
