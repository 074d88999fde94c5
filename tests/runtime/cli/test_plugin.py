"""``csakit plugin`` builds with the real compiler, and says what is there and what is not."""

import json
from pathlib import Path

import pytest
from csakit.plugins.build import KernelResources
from csakit.plugins.errors import ExitCode
from csakit.plugins.locations import LIBRARY_VARIABLE, builds_folder, search_places, source_hash
from csakit.plugins.toolchain import INCLUDE_VARIABLE
from csakit.runtime.cli import plugin
from csakit.runtime.cli.plugin import main
from helpers import native
from helpers.small_sources import write_sources

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache; nothing named by the environment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable in (LIBRARY_VARIABLE, INCLUDE_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def small_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configure the command to build a tree that compiles in a second, without TensorRT."""
    native.require_build_tools()
    csrc, config = write_sources(tmp_path / "sources"), plugin.BuildConfig

    def small(**options: object) -> plugin.BuildConfig:
        return config(**options, csrc=csrc)  # type: ignore[arg-type]

    small.architectures = config.architectures  # type: ignore[attr-defined]
    monkeypatch.setattr(plugin, "BuildConfig", small)
    monkeypatch.setattr("csakit.plugins.build.find_headers", lambda given: None)
    return csrc


def test_a_build_reports_its_kernels_its_files_and_what_was_left_out(
    small_sources: Path, capsys: Printed
) -> None:
    assert main(["build", "--arch", "sm_90", "--jobs", "1"]) == ExitCode.OK

    out = capsys.readouterr().out
    assert "compiling for sm_90 with nvcc " in out
    assert "kernel     registers  shared bytes  stack bytes  spills\naddKernel " in out
    (library,) = builds_folder().glob("*/libcsakit.so")
    assert f"built {library} (" in out
    assert "not built: the TensorRT plugin, which needs headers" in out
    assert "git clone --depth 1 --branch release/" in out


def test_the_table_has_one_row_a_kernel_and_names_where_registers_spill() -> None:
    entries = [
        KernelResources("match", "sm_75", 40, 1024, 0, 0),
        KernelResources("match", "sm_90", 64, 1024, 0, 16),
        KernelResources("fill", "sm_90", 20, 0, 0, 0),
    ]

    heading, fill, match = plugin.table(entries)

    assert heading.split() == ["kernel", "registers", "shared", "bytes", "stack", "bytes", "spills"]
    assert fill.split() == ["fill", "20", "0", "0", "none"]
    assert match.split(maxsplit=4) == ["match", "40-64", "1024", "0", "16 bytes on sm_90"]
    assert plugin.table([]) == []


def test_a_build_for_a_folder_says_how_to_use_it(
    small_sources: Path, tmp_path: Path, capsys: Printed
) -> None:
    folder = tmp_path / "libs"

    assert main(["build", "--arch", "sm_90", "--output", str(folder)]) == ExitCode.OK

    assert f"To use it: export {LIBRARY_VARIABLE}={folder}\n" in capsys.readouterr().out
    assert (folder / "libcsakit.so").is_file()


def test_a_build_that_a_variable_hides_says_so(
    small_sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv(LIBRARY_VARIABLE, str(tmp_path / "other.so"))

    assert main(["build", "--arch", "sm_90"]) == ExitCode.OK

    assert f"Not used: {LIBRARY_VARIABLE} is {tmp_path}" in capsys.readouterr().out


def test_warnings_are_shown_or_refused(small_sources: Path, capsys: Printed) -> None:
    (small_sources / "add.cu").write_text("void launchAdd() { int unused_number; }\n")

    assert main(["build", "--arch", "sm_90"]) == ExitCode.OK
    assert "unused_number" in capsys.readouterr().err
    refused = main(["build", "--arch", "sm_90", "--warnings-as-errors"])

    assert refused == ExitCode.ENVIRONMENT
    assert capsys.readouterr().err.startswith("csakit plugin: the build failed: ")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--arch", "sm_70"], ExitCode.USAGE, "must be sm_75 or later"),
        (["--jobs", "0"], ExitCode.USAGE, "jobs must be at least 1; got 0"),
        (["--arch", "sm_9999"], ExitCode.ENVIRONMENT, "does not support sm_9999"),
        (["--tensorrt-include", "gone"], ExitCode.ENVIRONMENT, "--tensorrt-include must name"),
    ],
)
def test_bad_input_is_one_message_and_a_code(
    arguments: list[str], code: ExitCode, text: str, capsys: Printed
) -> None:
    native.require_build_tools()

    assert main(["build", *arguments]) == code

    err = capsys.readouterr().err
    assert err.startswith("csakit plugin: ")
    assert text in err
    assert "Traceback" not in err


def test_without_a_compiler_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv("CUDA_HOME", "/nowhere")

    assert main(["build"]) == ExitCode.ENVIRONMENT

    assert "pip install nvidia-cuda-nvcc" in capsys.readouterr().err


def test_where_nothing_is_built_the_places_and_the_command_are_named(capsys: Printed) -> None:
    assert main(["info"]) == ExitCode.ENVIRONMENT

    out = capsys.readouterr().out
    for name in ("libcsakit", "libcsakit_trt", "libcsakit_trt_autoreg"):
        assert f"{name}.so: not built\n" in out
    assert f"(environment variable {LIBRARY_VARIABLE}: not set)" in out
    for place in search_places():
        assert f"{place.path}  ({place.why})" in out
    for tool in ("nvcc", "CMake", "TensorRT headers"):
        assert f"\n{tool}: " in out
    assert out.endswith("Build it with: csakit plugin build\n")


def test_what_is_built_is_described(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    library = native.built().libraries[0]
    monkeypatch.setenv(LIBRARY_VARIABLE, str(library))

    assert main(["info"]) == ExitCode.OK

    out = capsys.readouterr().out
    assert f"  path             {library}\n" in out
    assert f"  architectures    {native.ARCHITECTURE}\n" in out
    assert "  launches         overlap on compute capability 9.0 and later (sm_90)\n" in out
    assert f"fresh: built from the sources of this csakit ({source_hash()[:12]})" in out
    assert f"  1. found {library}  (environment variable {LIBRARY_VARIABLE})\n" in out
    assert "Build it with" not in out


def test_the_same_is_given_as_json(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    library = native.built().libraries[0]
    monkeypatch.setenv(LIBRARY_VARIABLE, str(library))

    assert main(["info", "--json"]) == ExitCode.OK

    told = json.loads(capsys.readouterr().out)
    assert told["libraries"]["csakit"]["path"] == str(library)
    assert told["libraries"]["csakit"]["fresh"] is True
    assert told["libraries"]["csakit"]["architectures"] == [native.ARCHITECTURE]
    assert told["searched"][0]["found"] is True
    assert told["source_hash"] == source_hash()


def test_a_broken_library_is_described_with_its_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    (tmp_path / "libcsakit.so").write_text("no library")
    monkeypatch.setenv(LIBRARY_VARIABLE, str(tmp_path))

    assert main(["info"]) == ExitCode.ENVIRONMENT

    assert "  problem          cannot open " in capsys.readouterr().out


def test_a_variable_that_leads_nowhere_is_to_be_corrected_and_not_built_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv(LIBRARY_VARIABLE, str(tmp_path / "other.so"))

    assert main(["info"]) == ExitCode.ENVIRONMENT

    out = capsys.readouterr().out
    assert out.startswith(f"libcsakit.so: not found in {LIBRARY_VARIABLE}\n")
    assert out.endswith(f"Correct {LIBRARY_VARIABLE}, or unset it and run: csakit plugin build\n")


def test_stale_builds_are_listed_as_not_used(capsys: Printed) -> None:
    folder = builds_folder() / "0123456789ab-0123456789ab"
    folder.mkdir(parents=True)
    (folder / "libcsakit.so").touch()

    assert main(["info"]) == ExitCode.ENVIRONMENT

    assert f"  stale       {folder}  (not used)\n" in capsys.readouterr().out


def test_a_sub_command_is_required(capsys: Printed) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([])

    assert stopped.value.code == ExitCode.USAGE
