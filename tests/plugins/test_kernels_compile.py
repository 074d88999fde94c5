"""Every kernel compiles for every architecture, without warnings and without spills."""

import os

import pytest
from csakit.plugins.architectures import PTX, SUPPORTED
from csakit.plugins.compiling import Compilation, CompiledObject, compile_objects
from csakit.plugins.resources import KernelResources
from csakit.plugins.sources import source_files
from helpers.alone import CACHE, alone
from helpers.native import require_toolchain

STATIC_SHARED = 48 * 1024  # bytes that a block has without opting in, on every architecture
REGISTERS = 65536  # of a multiprocessor, on every architecture
THREADS = {  # of a block, as the sources launch them
    "prepareKernel": 512,
    "matchKernel": 256,
    "gramKernel": 128,
    "chainKernel": 512,
    "fillKernel": 128,
    "packGradientKernel": 512,
    "reverseKernel": 64,
    "inputGradientKernel": 256,
}


@pytest.fixture(scope="module")
def objects() -> list[CompiledObject]:
    """Everything compiled for everything; a file that compiled before is not compiled again."""
    toolchain = require_toolchain()
    missing = set(SUPPORTED) - toolchain.architectures
    if missing:
        pytest.skip(f"this nvcc does not compile for {', '.join(sorted(missing))}")
    how = Compilation(toolchain=toolchain, architectures=(*SUPPORTED, PTX), warnings_as_errors=True)
    sources = [path for path in source_files("kernels") if path.suffix == ".cu"]
    jobs = len(os.sched_getaffinity(0))
    with alone("all"):
        return compile_objects([(path, how) for path in sources], CACHE / "all", jobs=jobs)


@pytest.fixture(scope="module")
def resources(objects: list[CompiledObject]) -> list[KernelResources]:
    return [entry for made in objects for entry in made.resources]


def test_no_compiler_warns(objects: list[CompiledObject]) -> None:
    assert not [made.log for made in objects if "warning" in made.log]


def test_every_kernel_is_there_for_every_architecture_and_type(
    resources: list[KernelResources],
) -> None:
    for name in THREADS:
        forms = 6 if name in ("chainKernel", "matchKernel") else 3  # types; two similarities, tiles
        for architecture in SUPPORTED:
            found = [e for e in resources if name in e.kernel and e.architecture == architecture]
            assert len(found) == forms, (name, architecture)


def test_nothing_spills(resources: list[KernelResources]) -> None:
    assert not [entry for entry in resources if entry.spill_bytes]


def test_shared_memory_needs_no_opting_in(resources: list[KernelResources]) -> None:
    assert max(entry.shared_bytes for entry in resources) <= STATIC_SHARED


def test_every_block_finds_enough_registers(resources: list[KernelResources]) -> None:
    for entry in resources:
        (threads,) = [count for name, count in THREADS.items() if name in entry.kernel]
        assert entry.registers * threads <= REGISTERS, entry
