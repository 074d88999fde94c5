"""The front end opens the right library only, and turns every status into an exception."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from csakit.plugins.abi import ABI_VERSION, AttentionDesc, Direction, Dtype, attention_desc
from csakit.plugins.architectures import device_architectures
from csakit.plugins.errors import LibraryError
from csakit.plugins.library import Library, load
from csakit.plugins.locations import LIBRARY_VARIABLE
from helpers import native

ADDRESS = 1 << 20  # aligned; never read, because each of these calls fails before
Compile = Callable[[str], Path]

no_gpu = pytest.mark.skipif(bool(device_architectures()), reason="would run on the GPU")


@pytest.fixture
def library() -> Library:
    return native.library()


@pytest.fixture
def compile_c(tmp_path: Path) -> Compile:
    """Compile lines of C to a shared library."""
    compiler = native.require_program("cc", "gcc")

    def compile_c(text: str) -> Path:
        source, target = tmp_path / "foreign.c", tmp_path / "foreign.so"
        source.write_text(text)
        subprocess.run([compiler, "-shared", "-fPIC", "-o", target, source], check=True)
        return target

    return compile_c


def desc(
    batch: int = 2, channels: int = 64, height: int = 8, width: int = 8, **changed: int
) -> AttentionDesc:
    made = attention_desc(
        (batch, channels, height, width),
        dtype=Dtype.FLOAT16,
        hole_dtype=Dtype.FLOAT32,
        similarity="cosine",
    )
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def call(library: Library, direction: Direction, desc: AttentionDesc, **changed: int) -> None:
    """Call with addresses that pass every check, but for those that are changed."""
    out = ("output",) if direction is Direction.FORWARD else ("output_gradient", "input_gradient")
    names = ("features", "hole", *out, "workspace")
    arguments = {name: ADDRESS * (i + 1) for i, name in enumerate(names)}
    arguments |= {"workspace_bytes": ADDRESS, "stream": 0, **changed}
    if direction is Direction.FORWARD:
        library.forward(desc, **arguments)
    else:
        library.backward(desc, **arguments)


each_direction = pytest.mark.parametrize("direction", Direction)


def test_importing_opens_nothing() -> None:
    program = """
import ctypes
def refuse(*_): raise SystemExit("opened")
ctypes.CDLL = refuse
import csakit.plugins.library
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_library_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIBRARY_VARIABLE, str(native.library().path))
    load.cache_clear()

    first = load()
    monkeypatch.delenv(LIBRARY_VARIABLE)

    assert load() is first
    load.cache_clear()


@no_gpu
@each_direction
def test_without_a_gpu_the_call_fails_with_the_reason(
    library: Library, direction: Direction
) -> None:
    with pytest.raises(LibraryError, match=r"CUDA|driver|device"):
        call(library, direction, desc())


def test_a_status_of_the_device_names_what_is_held_and_what_to_build(
    compile_c: Compile,
) -> None:
    path = compile_c(
        f"""#include <stddef.h>
int csakit_abi_version(void) {{ return {ABI_VERSION}; }}
const char* csakit_build_info(void) {{ return "{{\\"architectures\\": \\"sm_75,sm_80\\"}}"; }}
const char* csakit_status_string(int s) {{ return s == 4 ? "no kernel" : NULL; }}
const char* csakit_last_error(void) {{ return "compute capability 9.0"; }}
int csakit_attention_workspace_size(void) {{ return 4; }}
int csakit_attention_forward(void) {{ return 4; }}
int csakit_attention_backward(void) {{ return 99; }}
"""
    )

    with pytest.raises(
        LibraryError, match=r"no kernel: compute capability 9\.0 .*sm_75,sm_80"
    ) as no:
        call(Library(path), Direction.FORWARD, desc())
    assert str(no.value).endswith("machine: csakit plugin build --arch native")
    with pytest.raises(LibraryError, match="compute capability"):  # a status of the future
        call(Library(path), Direction.BACKWARD, desc())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "int csakit_abi_version(void) { return 99; }\n",
            rf"must be {ABI_VERSION}; .*foreign\.so has 99\nBuild it",
        ),
        ("int other;\n", r"foreign\.so is not libcsakit: .*undefined symbol"),
        (
            f"int csakit_abi_version(void) {{ return {ABI_VERSION}; }}\n",
            r"foreign\.so is not libcsakit: .*undefined symbol",
        ),
    ],
)
def test_another_version_and_another_library_are_refused(
    compile_c: Compile, text: str, reason: str
) -> None:
    with pytest.raises(LibraryError, match=reason):
        Library(compile_c(text))


def test_a_file_that_is_no_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "libcsakit.so").write_text("no library")

    with pytest.raises(LibraryError, match=r"cannot open .*libcsakit\.so.*\nBuild it again with"):
        Library(tmp_path / "libcsakit.so")


def test_a_bare_name_is_a_file_of_this_folder_and_no_library_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(LibraryError, match=r"cannot open libc\.so\.6"):
        Library(Path("libc.so.6"))
