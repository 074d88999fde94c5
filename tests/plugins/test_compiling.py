"""A source is compiled once; what a compiler refuses becomes an error with a remedy."""

from collections.abc import Callable
from pathlib import Path

import pytest
from csakit.plugins import compiling
from csakit.plugins.compiling import Compilation, CompiledObject, compile_objects, run_compiler
from csakit.plugins.errors import LibraryError
from helpers.native import ARCHITECTURE, require_toolchain
from helpers.small_sources import write_sources

Compile = Callable[..., CompiledObject]


@pytest.fixture
def csrc(tmp_path: Path) -> Path:
    return write_sources(tmp_path / "source tree")


@pytest.fixture
def compile_one(csrc: Path, tmp_path: Path) -> Compile:
    """Compile one source of the small tree."""
    toolchain = require_toolchain()

    def compile_one(name: str = "add.cu", **options: object) -> CompiledObject:
        how = Compilation(
            toolchain=toolchain,
            architectures=(ARCHITECTURE,),
            csrc=csrc,
            **options,  # type: ignore[arg-type]
        )
        (made,) = compile_objects([(csrc / name, how)], tmp_path / "objects", jobs=2)
        return made

    return compile_one


def refuse(*_: object) -> str:
    raise AssertionError("a compiler was started")


def test_an_object_is_compiled_once(compile_one: Compile, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compile_one()
    monkeypatch.setattr(compiling, "run_compiler", refuse)

    second = compile_one()

    assert second == first
    assert [entry.kernel for entry in second.resources] == ["addKernel"]


@pytest.mark.parametrize("name", ["add.cu", "shared.h"])
def test_a_changed_source_or_header_is_compiled_again(
    compile_one: Compile, csrc: Path, name: str
) -> None:
    first = compile_one()
    (csrc / name).write_text((csrc / name).read_text() + "// changed\n")

    assert compile_one().path != first.path


def test_of_a_header_included_before_the_first_line_the_contents_count(
    compile_one: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here.h", tmp_path / "there.h"
    here.write_text("#define UNUSED 1\n")
    there.write_text("#define UNUSED 1\n")

    first = compile_one(preinclude=here)

    assert compile_one(preinclude=there).path == first.path
    there.write_text("#define UNUSED 2\n")
    assert compile_one(preinclude=there).path != first.path


def test_a_variable_that_changes_nvcc_changes_the_object(
    compile_one: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compile_one()
    monkeypatch.setenv("NVCC_APPEND_FLAGS", "-DUNUSED")

    assert compile_one().path != first.path


def test_a_source_that_does_not_compile_is_named_with_its_line_and_leaves_nothing(
    compile_one: Compile, csrc: Path, tmp_path: Path
) -> None:
    (csrc / "add.cu").write_text("__global__ void addKernel() { undeclared = 1; }\n")

    with pytest.raises(LibraryError, match=r"add\.cu\(1\): error: .*undeclared"):
        compile_one()
    assert list((tmp_path / "objects").iterdir()) == []


def test_warnings_are_kept_or_refused(compile_one: Compile, csrc: Path) -> None:
    (csrc / "add.cu").write_text("void launch() { int unused_number; }\n")

    assert "unused_number" in compile_one().log
    with pytest.raises(LibraryError, match="unused_number"):
        compile_one(warnings_as_errors=True)


def test_warnings_of_foreign_headers_are_not_ours(
    compile_one: Compile, csrc: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "foreign.h").write_text("inline int f(int ignored) { return 0; }\n")
    (csrc / "add.cu").write_text("#include <foreign.h>\n")

    assert "ignored" not in compile_one(system_includes=(foreign,), warnings_as_errors=True).log


def test_paths_that_nvcc_would_cut_are_refused(csrc: Path) -> None:
    with pytest.raises(LibraryError, match=r"splits its options at commas; .*one,two has one"):
        Compilation(
            toolchain=require_toolchain(),
            architectures=(ARCHITECTURE,),
            csrc=csrc,
            system_includes=(Path("/one,two"),),
        )


def test_a_folder_that_cannot_be_made_names_what_to_change(csrc: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(LibraryError, match=r"cannot write to .*file/objects: Not a directory\n.*"):
        compile_objects([], tmp_path / "file" / "objects", jobs=1)


def test_a_place_that_takes_no_folders_names_what_to_change() -> None:
    if not Path("/proc").exists():
        pytest.skip("no /proc")

    with pytest.raises(LibraryError, match=r"cannot write to /proc/csakit: no folders can be made"):
        compile_objects([], Path("/proc/csakit"), jobs=1)


def test_a_full_disk_names_what_to_change(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full")

    with (
        pytest.raises(LibraryError, match=r"No space left on device\n.*--output.*XDG_CACHE_HOME"),
        compiling.writable(tmp_path),
    ):
        full.write_text("x")


def test_other_errors_of_the_system_pass_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), compiling.writable(tmp_path):
        (tmp_path / "gone").read_text()


@pytest.mark.parametrize(
    ("printed", "remedy"),
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
        ("ptxas fatal: write: No space left on device", "Free space on the disk"),
        (
            "ptxas info : Used 3\n    0 bytes stack frame, 0 bytes spill stores\nnvcc fatal : No",
            "^sh failed: nvcc fatal : No$",
        ),
    ],
)
def test_known_causes_are_answered_with_their_remedy(
    tmp_path: Path, printed: str, remedy: str
) -> None:
    (tmp_path / "printed").write_text(printed)

    with pytest.raises(LibraryError, match=remedy):
        run_compiler(["sh", "-c", "cat printed; exit 1"], tmp_path)


def test_a_compiler_that_is_gone_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="cannot run /gone/nvcc: No such file or directory\nIns"):
        run_compiler(["/gone/nvcc"], tmp_path)
