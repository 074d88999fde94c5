"""The build makes the libraries, all or none, and shows of each only what it must."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from csakit.plugins import build as module
from csakit.plugins.build import Build, BuildConfig, build
from csakit.plugins.errors import ContractError, LibraryError
from csakit.plugins.locations import builds_folder, cache_folder, source_hash
from csakit.plugins.toolchain import how_to_get_headers
from helpers.native import ARCHITECTURE, built, require_build_tools
from helpers.small_sources import write_sources

FUNCTIONS = {
    *("csakit_abi_version", "csakit_build_info", "csakit_status_string", "csakit_last_error"),
    *("csakit_attention_workspace_size", "csakit_attention_forward", "csakit_attention_backward"),
}


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "the cache"))
    monkeypatch.delenv("CSAKIT_TENSORRT_INCLUDE", raising=False)


@pytest.fixture
def small(tmp_path: Path) -> BuildConfig:
    """A build that takes seconds."""
    require_build_tools()
    return BuildConfig(architectures=ARCHITECTURE, csrc=write_sources(tmp_path / "source tree"))


def shown(library: Path) -> set[str]:
    """The symbols that a library shows to others."""
    command = ["nm", "--dynamic", "--defined-only", "--format=posix", str(library)]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {line.split()[0] for line in listed.splitlines()}


def needed(library: Path) -> set[str]:
    """The names of the libraries that one needs, but for the loader."""
    command = ["objdump", "--private-headers", str(library)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"NEEDED\s+(?!ld-linux)(\S+?)\.so", printed))


def library_of(build: Build, name: str) -> Path:
    """One of the built libraries; skips the test where headers were missing."""
    found = [path for path in build.libraries if path.name == name]
    if not found:
        pytest.skip(f"{name} was not built. {how_to_get_headers()}")
    return found[0]


@pytest.mark.parametrize(
    ("name", "symbols"),
    [
        ("libcsakit.so", FUNCTIONS),
        ("libcsakit_trt.so", {"getCreators", "setLoggerFinder"}),
        ("libcsakit_trt_autoreg.so", set()),
    ],
)
def test_each_library_shows_what_it_must_and_needs_no_cuda_or_tensorrt_library(
    name: str, symbols: set[str]
) -> None:
    library = library_of(built(), name)
    if shutil.which("nm") is None or shutil.which("objdump") is None:
        pytest.skip("nm and objdump are not installed")

    assert shown(library) == symbols
    system = {"libstdc++", "libgcc_s", "libc", "libm", "libdl", "librt", "libpthread"}
    assert needed(library) <= system


def test_every_kernel_is_reported_for_the_architecture_and_compiles_without_warnings() -> None:
    assert {entry.architecture for entry in built().resources} == {ARCHITECTURE}
    assert all(0 < entry.registers <= 255 for entry in built().resources)
    names = {entry.kernel.partition("<")[0] for entry in built().resources}
    assert {"matchKernel", "gramKernel", "chainKernel", "fillKernel"} <= names
    assert built().warnings == ()


def test_a_second_build_takes_the_objects_of_the_first(small: BuildConfig) -> None:
    told: list[str] = []
    first = build(small, told.append)
    (tree,) = (path for path in (cache_folder() / "trees").iterdir() if path.is_dir())
    made = list(tree.glob("CMakeFiles/csakit_kernels.dir/**/*.o"))
    objects = {path: path.stat().st_mtime_ns for path in made}
    again = build(small)

    assert {path: path.stat().st_mtime_ns for path in made} == objects
    assert len(objects) == 2
    assert again.libraries == first.libraries == tuple(builds_folder().glob("*/libcsakit.so"))
    assert again.resources == first.resources
    (line,) = told
    assert line.startswith(f"compiling for {ARCHITECTURE} with nvcc ")
    record = json.loads((first.libraries[0].parent / "build.json").read_text())
    assert record["schema"] == 1
    assert record["source_hash"] == source_hash(small.csrc)
    assert record["architectures"] == [ARCHITECTURE]
    assert record["libraries"] == ["libcsakit.so"]
    assert record["toolchain"] == first.toolchain
    (resources,) = record["resources"]
    assert (resources["kernel"], resources["spill_bytes"]) == ("addKernel", 0)


def test_builds_of_other_sources_stand_side_by_side(small: BuildConfig) -> None:
    first = build(small)
    for lock in (cache_folder() / "trees").glob("*.lock"):
        os.utime(lock, (1e9, 1e9))  # its objects were not used for a month
    (small.csrc / "shared.h").write_text("constexpr float kAdded = 2.0F;\n")
    other = build(small)

    assert other.libraries != first.libraries
    assert all(path.is_file() for made in (first, other) for path in made.libraries)
    assert len(list((cache_folder() / "trees").glob("*.lock"))) == 1


def test_a_folder_that_is_named_gets_the_libraries_and_the_cache_gets_nothing(
    small: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = BuildConfig(architectures=ARCHITECTURE, csrc=small.csrc, output=Path("my libs"))
    made = build(config)

    before = {path.name: path.read_bytes() for path in Path("my libs").iterdir()}
    assert before.keys() == {"libcsakit.so", "build.json"}
    assert made.libraries == (tmp_path / "my libs" / "libcsakit.so",)
    assert not cache_folder().exists()
    assert shown(made.libraries[0]) == FUNCTIONS  # not internal_function

    (small.csrc / "exports.map").write_text("no version script\n")
    with pytest.raises(
        LibraryError, match=r"the build failed: (.|\n)*exports\.map:1: syntax error"
    ):
        build(config)
    assert {path.name: path.read_bytes() for path in Path("my libs").iterdir()} == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "__global__ void addKernel() { undeclared = 1; }\n",
            r"^the build failed: .*add\.cu\(1\): error: .*undeclar",
        ),
        ("void missing();\nvoid launchAdd() { missing(); }\n", "undefined reference to `missing"),
    ],
)
def test_what_the_compiler_or_the_linker_refuses_is_reported(
    small: BuildConfig, text: str, told: str
) -> None:
    (small.csrc / "add.cu").write_text(text)

    with pytest.raises(LibraryError, match=told):
        build(small)
    (folder,) = builds_folder().iterdir()
    assert list(folder.iterdir()) == []


def test_a_cmake_that_cannot_configure_is_asked_again(
    small: BuildConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = small.csrc.parent / "CMakeLists.txt"
    text = lists.read_text()
    lists.write_text(text.replace("VERSION 3.22)", "VERSION 999.0)"))

    with pytest.raises(
        LibraryError, match=r"^the build failed: CMake Error (.|\n)*999\.0 or higher"
    ):
        build(small)
    lists.write_text(text)
    assert build(small).libraries[0].is_file()


def test_ctrl_c_ends_the_compilers_and_leaves_no_half_file(small: BuildConfig) -> None:
    ninja, told = small.csrc.parent / "ninja", small.csrc.parent / "told"
    ninja.write_text(  # it waits for compilers until it is interrupted
        f'#!/bin/sh\ntrap \'echo ended > "{told}"; exit 2\' INT\n: > "{told}"\n'
        "while :; do sleep 0.1; done\n"
    )
    ninja.chmod(0o755)
    program = (
        "import sys, pathlib, csakit.plugins.build as module\n"
        "module.find_cmake = lambda: ('true', sys.argv[1])\n"
        "csrc = pathlib.Path(sys.argv[2])\n"
        f"module.build(module.BuildConfig(architectures={ARCHITECTURE!r}, csrc=csrc))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(ninja), str(small.csrc)], stderr=subprocess.PIPE
    )
    while not told.exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate()

    assert b"KeyboardInterrupt" in printed
    assert told.read_text() == "ended\n"
    (folder,) = builds_folder().iterdir()
    assert list(folder.iterdir()) == []


def test_headers_that_were_asked_for_must_be_there(small: BuildConfig, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="--tensorrt-include must name a folder"):
        build(BuildConfig(csrc=small.csrc, tensorrt_include=tmp_path))


@pytest.mark.parametrize(
    ("cache", "text"),
    [
        ("file", r"cannot write to .*: Not a directory\n.*--output or .*XDG_CACHE_HOME"),
        ("/proc", r"cannot write to /proc/csakit.*: no folders can be made there\n"),
    ],
)
def test_a_cache_that_cannot_be_written_names_the_remedy(
    small: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str, text: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))  # an absolute one stays as it is

    with pytest.raises(LibraryError, match=text):
        build(small)


def test_a_full_disk_names_what_to_change(
    small: BuildConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full")
    monkeypatch.setattr(module, "_run_cmake", lambda *_: full.write_text("x"))

    with pytest.raises(LibraryError, match=r"No space left on device\n.*--output.*XDG_CACHE_HOME"):
        build(small)


def test_paths_that_nvcc_would_cut_are_refused(small: BuildConfig) -> None:
    with_comma = Path(f"{small.csrc.parent},one")
    small.csrc.parent.rename(with_comma)

    with pytest.raises(LibraryError, match=r"splits its options at commas; .*tree,one has one"):
        build(BuildConfig(architectures=ARCHITECTURE, csrc=with_comma / "csrc"))


@pytest.mark.parametrize(
    ("options", "got"),
    [
        ({"architectures": "sm_87"}, "None and sm_87"),
        ({"architectures": "native", "output": Path("libs")}, "libs and native"),
    ],
)
def test_a_build_for_another_machine_needs_a_folder_and_names_its_gpus(
    small: BuildConfig, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], got: str
) -> None:
    other = dataclasses.replace(module.find_toolchain(), machine="riscv64")
    monkeypatch.setattr(module, "find_toolchain", lambda: other)

    with pytest.raises(ContractError, match=rf"a build for riscv64 on .*; got {got}\nAdd --output"):
        build(BuildConfig(csrc=small.csrc, **options))


def test_no_jobs_are_refused() -> None:
    with pytest.raises(ContractError, match="jobs must be at least 1; got 0"):
        BuildConfig(jobs=0)
