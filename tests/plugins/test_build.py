"""The build makes the libraries, all or none, and shows of each only what it must."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from csakit.plugins.build import Build, BuildConfig, build
from csakit.plugins.errors import ContractError, LibraryError
from csakit.plugins.headers import how_to_get
from csakit.plugins.library import Library
from csakit.plugins.locations import builds_folder, cache_folder
from csakit.plugins.sources import source_hash
from helpers.native import ARCHITECTURE, built, require_toolchain
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
    require_toolchain()
    return BuildConfig(architectures=ARCHITECTURE, csrc=write_sources(tmp_path / "source tree"))


def shown(library: Path) -> set[str]:
    """The symbols that a library shows to others."""
    command = ["nm", "--dynamic", "--defined-only", "--format=posix", str(library)]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {line.split()[0] for line in listed.splitlines()}


def needed(library: Path) -> str:
    """What a library needs of others, as text."""
    command = ["objdump", "--private-headers", str(library)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return "\n".join(line for line in printed.splitlines() if "NEEDED" in line)


def library_of(build: Build, name: str) -> Path:
    """One of the built libraries; skips the test where headers were missing."""
    found = [path for path in build.libraries if path.name == name]
    if not found:
        pytest.skip(f"{name} was not built. {how_to_get()}")
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
    assert not [word for word in ("cudart", "libcuda", "nvinfer") if word in needed(library)]


def test_the_library_says_what_it_was_built_from() -> None:
    info = Library(built().libraries[0]).build_info()

    assert info["source_hash"] == source_hash()
    assert info["architectures"] == ARCHITECTURE
    assert info["compiler"] == built().toolchain


def test_every_kernel_is_reported_for_the_architecture_and_compiles_without_warnings() -> None:
    assert {entry.architecture for entry in built().resources} == {ARCHITECTURE}
    assert all(0 < entry.registers <= 255 for entry in built().resources)
    names = {entry.kernel.partition("<")[0] for entry in built().resources}
    assert {"matchKernel", "gramKernel", "chainKernel", "fillKernel"} <= names
    assert built().warnings == ()


def test_builds_that_differ_stand_side_by_side_and_share_objects(small: BuildConfig) -> None:
    first = build(small)
    again = build(small)
    objects = {path.name for path in (cache_folder() / "objects").glob("add-*.o")}
    (small.csrc / "abi.cpp").write_text((small.csrc / "abi.cpp").read_text() + "\n")
    other = build(small)

    assert again.libraries == first.libraries
    assert other.libraries != first.libraries
    assert all(path.is_file() for made in (first, other) for path in made.libraries)
    assert len(objects) == 1
    assert {path.name for path in (cache_folder() / "objects").glob("add-*.o")} == objects


def test_the_record_beside_the_library_repeats_what_was_built(small: BuildConfig) -> None:
    made = build(small)

    record = json.loads((made.libraries[0].parent / "build.json").read_text())
    assert record["schema"] == 1
    assert record["source_hash"] == source_hash(small.csrc)
    assert record["architectures"] == [ARCHITECTURE]
    assert record["libraries"] == ["libcsakit.so"]
    assert record["toolchain"] == made.toolchain
    (resources,) = record["resources"]
    assert (resources["kernel"], resources["spill_bytes"]) == ("addKernel", 0)


def test_a_folder_that_is_named_gets_the_libraries_and_the_cache_gets_nothing(
    small: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = build(BuildConfig(architectures=ARCHITECTURE, csrc=small.csrc, output=Path("my libs")))

    assert {path.name for path in Path("my libs").iterdir()} == {"libcsakit.so", "build.json"}
    assert made.libraries == (tmp_path / "my libs" / "libcsakit.so",)
    assert not cache_folder().exists()
    assert shown(made.libraries[0]) == FUNCTIONS  # not internal_function


@pytest.mark.parametrize("file", ["add.cu", "exports.map"])
def test_what_fails_to_compile_or_link_leaves_the_libraries_as_they_were(
    small: BuildConfig, tmp_path: Path, file: str
) -> None:
    config = BuildConfig(architectures=ARCHITECTURE, csrc=small.csrc, output=tmp_path / "libs")
    build(config)
    before = {path: path.read_bytes() for path in (tmp_path / "libs").iterdir()}
    (small.csrc / file).write_text("neither C++ nor a version script\n")

    with pytest.raises(LibraryError, match="nvcc failed: "):
        build(config)

    assert {path: path.read_bytes() for path in (tmp_path / "libs").iterdir()} == before


def test_a_function_that_is_nowhere_is_noticed_when_linking(small: BuildConfig) -> None:
    (small.csrc / "add.cu").write_text("void missing();\nvoid launchAdd() { missing(); }\n")

    with pytest.raises(LibraryError, match="undefined reference to `missing"):
        build(small)


def test_headers_that_were_asked_for_must_be_there(small: BuildConfig, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="--tensorrt-include must name a folder"):
        build(BuildConfig(csrc=small.csrc, tensorrt_include=tmp_path))


def test_objects_that_no_build_used_for_a_month_are_removed(small: BuildConfig) -> None:
    build(small)
    folder = cache_folder() / "objects"
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9))
    (folder / "other-0.o").touch()

    build(small)  # uses its objects, and so keeps them

    assert (folder / "other-0.o").exists()
    assert len(list(folder.glob("*.o"))) == 3
    os.utime(folder / "other-0.o", (1e9, 1e9))
    build(small)
    assert len(list(folder.glob("*.o"))) == 2


def test_a_cache_that_cannot_be_written_names_the_remedy(
    small: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    with pytest.raises(LibraryError, match=r"cannot write to .*\n.*--output or .*XDG_CACHE_HOME"):
        build(small)


def test_no_jobs_are_refused() -> None:
    with pytest.raises(ContractError, match="jobs must be at least 1; got 0"):
        BuildConfig(jobs=0)


def test_the_progress_is_told(small: BuildConfig) -> None:
    told: list[str] = []

    build(small, told.append)

    assert told[0].startswith(f"compiling for {ARCHITECTURE} with nvcc ")
    assert told[1:] == ["linking libcsakit.so"]
    assert list(builds_folder().glob("*/libcsakit.so"))
