"""C and C++ programs build the library with CMake alone, and find it with find_package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from csakit.plugins.architectures import PTX, SUPPORTED
from csakit.plugins.library import Library
from csakit.plugins.locations import PACKAGE, source_hash
from csakit.plugins.toolchain import find_cmake
from helpers import native

LISTS = PACKAGE / "CMakeLists.txt"
PROJECT = """cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES C)
find_package(csakit 0.2 REQUIRED)
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


def cmake(*arguments: object) -> str:
    """Run CMake; show what it printed if it fails."""
    command, ninja = find_cmake()
    places = os.pathsep.join([str(Path(ninja).parent), os.environ["PATH"]])
    done = subprocess.run(
        [command, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "CMAKE_GENERATOR": "Ninja", "PATH": places},
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library, built and installed by CMake as PTX, which compiles in the shortest time."""
    native.require_build_tools()
    folder = tmp_path_factory.mktemp("cmake")
    options = {
        "CMAKE_CUDA_ARCHITECTURES": "90-virtual",
        "CMAKE_CUDA_COMPILER": native.require_toolchain().nvcc,
        "CMAKE_INSTALL_PREFIX": folder / "prefix",
        "CMAKE_INSTALL_LIBDIR": "lib",
        "CSAKIT_WARNINGS_AS_ERRORS": "ON",
        "CSAKIT_TENSORRT_INCLUDE": "",
    }
    given = (f"-D{name}={value}" for name, value in options.items())
    cmake("-S", PACKAGE, "-B", folder / "build", *given)
    cmake("--build", folder / "build", "--parallel")
    cmake("--install", folder / "build")
    return folder / "prefix"


def test_the_library_states_what_it_was_built_from(installed: Path) -> None:
    info = Library(installed / "lib" / "libcsakit.so").build_info()

    assert (info["source_hash"], info["architectures"]) == (source_hash(), "compute_90")


def test_a_c_program_finds_it_and_runs(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    (tmp_path / "main.c").write_text(PROGRAM)

    cmake("-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={installed}")
    cmake("--build", tmp_path / "build")

    subprocess.run([tmp_path / "build" / "consumer"], check=True)


def test_a_folder_without_headers_is_refused(tmp_path: Path) -> None:
    native.require_build_tools()

    with pytest.raises(AssertionError, match=r"CSAKIT_TENSORRT_INCLUDE must name the folder"):
        cmake(
            *("-S", PACKAGE, "-B", tmp_path, "-DCMAKE_CUDA_ARCHITECTURES=90"),
            f"-DCSAKIT_TENSORRT_INCLUDE={tmp_path}",
        )


def test_it_is_written_for_the_same_version_and_architectures() -> None:
    text = LISTS.read_text()
    if sys.version_info >= (3, 11):
        import tomllib

        project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
        assert f"project(csakit VERSION {project['version']} " in text
    numbers = " ".join(name.removeprefix("sm_") for name in SUPPORTED)
    assert f"set(_supported {numbers})" in text
    assert f"set(_ptx {PTX.removeprefix('compute_')})" in text
