"""What compilers print is read and answered: resources of kernels, names, causes of failures."""

import shutil
from pathlib import Path

import pytest
from csakit.plugins import build as module
from csakit.plugins.build import KernelResources, parse_resources, readable_names
from csakit.plugins.errors import LibraryError
from csakit.plugins.toolchain import explain


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        (
            "host_config.h:137:2: error: #error -- unsupported GNU version! gcc versions later "
            "than 15 are not supported!",
            r"too new for this nvcc\n(.|\n)*Install version 15 or older and name it in NVCC_CCBIN",
        ),
        ("sh: 1: g++: not found", r"apt install g\+\+"),
        (
            "gcc: fatal error: cannot execute 'cc1plus': execvp: No such file or directory",
            r"apt install g\+\+",
        ),
        (
            '#$ INCLUDES="-Icuda/bin/../targets/sbsa-linux/include"\n'
            "<command-line>: fatal error: cuda_runtime.h: No such file or directory",
            r"targets/sbsa-linux is incomplete\nInstall .* cuda-cross-aarch64 or cuda-cross-sbsa",
        ),
        ("ptxas fatal: write: No space left on device", "Free space on the disk"),
        (
            "[1/2] Building a\nFAILED: [code=1] a.o\nnvcc -c a.cu -o a.o\nptxas info : Used 3\n"
            "    0 bytes stack frame, 0 bytes spill stores\nnvcc fatal : No\n",
            "^nvcc fatal : No$",
        ),
    ],
)
def test_known_causes_are_answered_with_their_remedy(printed: str, text: str) -> None:
    with pytest.raises(LibraryError, match=text):
        raise LibraryError(explain(printed))


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

has_filter = pytest.mark.skipif(shutil.which("c++filt") is None, reason="no c++filt")


@has_filter
def test_every_kernel_is_read_once_with_what_its_functions_take() -> None:
    assert parse_resources(LOG + LOG) == [
        KernelResources("scan<float, 64>", "sm_90", 32, 0, 256, 32),
        KernelResources("matchKernel<float>", "sm_75", 10, 256, 8, 8),
    ]
    assert parse_resources("warning: nothing of a kernel\n") == []


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


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("kill -9 $$", "the build failed: sh ended with signal 9 and printed nothing"),
        ("exit 7", "the build failed: sh ended with code 7 and printed nothing"),
        ("echo cause; exit 1", "the build failed: cause"),
    ],
)
def test_a_program_that_dies_without_a_word_is_named(
    tmp_path: Path, command: str, told: str
) -> None:
    with pytest.raises(LibraryError) as failed:
        module._run(["sh", "-c", command], tmp_path / "log")

    assert str(failed.value) == told
