"""What is built is told from the library itself, or from the record beside it."""

import json
from pathlib import Path

import pytest
from csakit.plugins.abi import ABI_VERSION
from csakit.plugins.installed import library_status
from csakit.plugins.locations import source_hash
from helpers.native import ARCHITECTURE, built


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the environment names, still empty."""
    monkeypatch.setenv("CSAKIT_LIBRARY", str(tmp_path))
    return tmp_path


def put(folder: Path, record: object) -> Path:
    (folder / "build.json").write_text(json.dumps(record))
    (folder / "libcsakit_trt.so").touch()
    return folder / "libcsakit_trt.so"


def test_a_built_library_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    path = built().libraries[0]
    monkeypatch.setenv("CSAKIT_LIBRARY", str(path))

    status = library_status()

    assert (status.path, status.problem, status.usable) == (path, None, True)
    assert (status.architectures, status.abi) == ((ARCHITECTURE,), ABI_VERSION)
    assert status.source_hash == source_hash()
    assert str(status.compiler).startswith(built().toolchain.partition(" with ")[0])
    assert status.fresh is True
    assert status.freshness.startswith("fresh: ")


def test_of_a_plugin_the_record_is_read(folder: Path) -> None:
    record = {
        **{"libraries": ["libcsakit_trt.so"], "source_hash": "ab" * 32, "abi": 1},
        **{"architectures": ["sm_87"], "toolchain": "nvcc 12.6", "tensorrt": "10.3.0"},
    }
    path = put(folder, record)

    status = library_status("csakit_trt")

    assert (status.path, status.usable, status.architectures) == (path, True, ("sm_87",))
    assert (status.abi, status.compiler, status.tensorrt) == (1, "nvcc 12.6", "10.3.0")
    assert status.fresh is False
    assert status.freshness.startswith("stale: built from abababababab, these are ")


@pytest.mark.parametrize("text", ["{", "null", "[]", "{}", '{"libraries": ["libcsakit.so"]}'])
def test_a_record_of_something_else_is_ignored(folder: Path, text: str) -> None:
    put(folder, None)
    (folder / "build.json").write_text(text)

    status = library_status("csakit_trt")

    assert (status.usable, status.abi, status.fresh) == (True, None, None)
    assert status.freshness.startswith("not known")


def test_a_record_with_other_types_is_not_believed(folder: Path) -> None:
    put(folder, {"libraries": ["libcsakit_trt.so"], "architectures": "sm_75", "abi": "1"})

    status = library_status("csakit_trt")

    assert (status.architectures, status.abi) == ((), None)


def test_a_missing_library_has_a_problem_and_no_path() -> None:
    status = library_status()

    assert (status.path, status.usable, status.fresh) == (None, False, None)
    assert "csakit plugin build" in (status.problem or "")


def test_a_broken_library_has_a_problem_and_its_path(folder: Path) -> None:
    (folder / "libcsakit.so").write_text("no library")

    status = library_status()

    assert (status.path, status.usable) == (folder / "libcsakit.so", False)
    assert "cannot open" in (status.problem or "")


def test_all_of_it_is_json(folder: Path) -> None:
    put(folder, {"libraries": ["libcsakit_trt.so"], "architectures": ["sm_87"]})

    written = json.loads(json.dumps(library_status("csakit_trt").as_json()))

    assert written["path"] == str(folder / "libcsakit_trt.so")
    assert written["architectures"] == ["sm_87"]
    assert written["fresh"] is None
