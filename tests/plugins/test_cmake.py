"""The CMake build makes the same libraries, and installs what a C program needs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from csakit.plugins.architectures import PTX, SUPPORTED
from csakit.plugins.compiling import FLAGS
from csakit.plugins.headers import find_headers
from csakit.plugins.library import Library
from csakit.plugins.sources import PACKAGE, source_hash
from helpers import native

LISTS = PACKAGE / "CMakeLists.txt"
PROJECT = """cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES C)
find_package(csakit 0.1 REQUIRED)
add_executable(consumer main.c)
set_property(TARGET consumer PROPERTY C_STANDARD 11)
target_compile_options(consumer PRIVATE -Wall -Wextra -Wpedantic -Werror)
target_link_libraries(consumer PRIVATE csakit::csakit)
"""
PROGRAM = """#include <csakit.h>
#include <stdio.h>
int main(void) {
  csakit_attention_desc desc = {sizeof desc, 1, 8, 4, 4, CSAKIT_FLOAT32, CSAKIT_FLOAT32,
                                CSAKIT_COSINE, CSAKIT_NCHW, CSAKIT_AUTO};
  size_t bytes = 0;
  if (csakit_attention_workspace_size(&desc, CSAKIT_FORWARD, &bytes) != CSAKIT_OK) {
    puts(csakit_last_error());
    return 1;
  }
  return csakit_abi_version() == CSAKIT_ABI_VERSION && bytes > 0 ? 0 : 2;
}
"""


def require_cmake() -> None:
    """Skip the test where CMake, nvcc or a generator is missing."""
    native.require_toolchain()
    if shutil.which("cmake") is None or not (shutil.which("ninja") or shutil.which("make")):
        pytest.skip("CMake and ninja or make are not installed")


def cmake(*arguments: object) -> str:
    """Run CMake; show what it printed if it fails."""
    generator = {"CMAKE_GENERATOR": "Ninja"} if shutil.which("ninja") else {}
    done = subprocess.run(
        ["cmake", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **generator},
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The libraries, built and installed by CMake for one architecture."""
    require_cmake()
    folder, headers = tmp_path_factory.mktemp("cmake"), find_headers()
    options = {
        "CMAKE_CUDA_ARCHITECTURES": f"{native.ARCHITECTURE.removeprefix('sm_')}-real",
        "CMAKE_CUDA_COMPILER": native.require_toolchain().nvcc,
        "CMAKE_INSTALL_PREFIX": folder / "prefix",
        "CMAKE_INSTALL_LIBDIR": "lib",
        "CSAKIT_WARNINGS_AS_ERRORS": "ON",
        "CSAKIT_TENSORRT_INCLUDE": headers.folder if headers else "",
    }
    given = (f"-D{name}={value}" for name, value in options.items())
    cmake("-S", PACKAGE, "-B", folder / "build", *given)
    cmake("--build", folder / "build", "--parallel")
    cmake("--install", folder / "build")
    return folder / "prefix"


def test_the_library_is_the_one_that_the_command_builds(installed: Path) -> None:
    info = Library(installed / "lib" / "libcsakit.so").build_info()

    assert info["source_hash"] == source_hash()
    assert info["architectures"] == native.ARCHITECTURE


@pytest.mark.skipif(shutil.which("nm") is None, reason="nm is not installed")
def test_the_libraries_show_the_same_symbols(installed: Path) -> None:
    def shown(path: Path) -> set[str]:
        command = ["nm", "--dynamic", "--defined-only", "--format=posix", str(path)]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return {line.split()[0] for line in listed.splitlines()}

    for library in native.built().libraries:
        assert shown(installed / "lib" / library.name) == shown(library)


def test_a_c_program_finds_it_and_runs(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    (tmp_path / "main.c").write_text(PROGRAM)

    cmake("-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={installed}")
    cmake("--build", tmp_path / "build")

    subprocess.run([tmp_path / "build" / "consumer"], check=True)


def test_a_folder_without_headers_is_refused(tmp_path: Path) -> None:
    require_cmake()

    with pytest.raises(AssertionError, match=r"CSAKIT_TENSORRT_INCLUDE must name the folder"):
        cmake(
            *("-S", PACKAGE, "-B", tmp_path, "-DCMAKE_CUDA_ARCHITECTURES=90"),
            f"-DCSAKIT_TENSORRT_INCLUDE={tmp_path}",
        )


def test_it_is_written_for_the_same_version_architectures_and_options() -> None:
    text = LISTS.read_text()
    if sys.version_info >= (3, 11):
        import tomllib

        project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
        assert f"project(csakit VERSION {project['version']} " in text
    numbers = " ".join(name.removeprefix("sm_") for name in SUPPORTED)
    assert f"set(_supported {numbers})" in text
    assert f"set(_ptx {PTX.removeprefix('compute_')})" in text
    for option in ("-Wall", "-Wextra", "-lineinfo", "-Xfatbin=-compress-all", "-Xptxas=-v"):
        assert option in " ".join(FLAGS)
        assert option in text
