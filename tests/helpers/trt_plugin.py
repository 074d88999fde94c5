"""The TensorRT plugin as tests want it: its libraries, and C++ programs that call it."""

import functools
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from csakit.plugins.toolchain import Headers, find_headers, headers_folder

from .native import built, for_this_gpu, require_toolchain, source_files

ROOT: Final = Path(__file__).parents[2]
CPP: Final = ROOT / "tests" / "plugins" / "cpp"


def require_headers() -> Headers:
    """Return TensorRT's headers, which no package brings, or skip the test."""
    headers = find_headers()
    if headers is None:
        pytest.skip(f"no headers of TensorRT on the system or in {headers_folder()}")
    return headers


def plugin_libraries() -> Path:
    """Return the folder of libcsakit_trt and libcsakit_trt_autoreg, or skip the test."""
    require_headers()
    return built().libraries[0].parent


@functools.cache
def native_plugin() -> Path:
    """Return libcsakit_trt for the GPU of this machine."""
    return for_this_gpu("csakit_trt", require_headers().folder)


def plugin_on_cpu(kernels: Path, output: Path, headers: Path | None = None) -> Path:
    """Link libcsakit_trt with kernels that run on a CPU, as ``simt_library`` compiles them."""
    sources = [*source_files("tensorrt"), *source_files("trt")]
    includes = (f"-I{ROOT}/plugins/{name}" for name in ("include", "csrc"))
    return compile_program(sources, output, "-shared", *includes, str(kernels), headers=headers)


def compile_program(
    sources: Sequence[Path], output: Path, *options: str, headers: Path | None = None
) -> Path:
    """Compile a program or, with "-shared", a library against TensorRT and CUDA."""
    toolchain = require_toolchain()
    headers = headers or require_headers().folder
    run_or_fail(
        [
            *(str(toolchain.nvcc), f"-ccbin={toolchain.host}", "-std=c++17", "-g"),
            *("-isystem", str(headers), "-Xcompiler=-fPIC,-Wall,-Wextra,-Werror"),
            *(str(source) for source in sources),
            *options,
            *("-cudart=static", "-ldl", "-o", str(output)),
        ]
    )
    return output


def compile_against_fake(sources: Sequence[Path], folder: Path) -> Path:
    """Compile a program of the folder ``cpp``, which stands in the place of TensorRT."""
    library = folder / "libfake_tensorrt.so"
    fake = compile_program([CPP / "fake_tensorrt.cpp"], library, "-shared")
    program = folder / sources[0].stem
    return compile_program(sources, program, str(fake), f"-Xlinker=-rpath,{folder}")


def run_or_fail(command: Sequence[str]) -> str:
    """Run a program that must succeed without a word on stderr; return what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout
