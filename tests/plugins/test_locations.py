"""The libraries are searched in the stated order, and only builds of the present sources count."""

import os
import shutil
from pathlib import Path

import pytest
from csakit.plugins import locations
from csakit.plugins.errors import LibraryError
from csakit.plugins.library import find_library
from csakit.plugins.locations import (
    CSRC,
    INCLUDE,
    KINDS,
    LIBRARY_VARIABLE,
    Kind,
    builds_folder,
    cache_folder,
    search_places,
    source_hash,
    stale_builds,
)
from helpers.native import source_files

FRESH = source_hash()[:12]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable, no file in the package, an empty cache."""
    monkeypatch.delenv(LIBRARY_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(locations, "PACKAGE_FOLDER", tmp_path / "package" / "lib")


def put(path: Path, age_s: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (1e9 - age_s, 1e9 - age_s))
    return path


def test_the_places_are_searched_in_the_stated_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = put(tmp_path / "named" / "mine.so")
    known = put(tmp_path / "engine" / "libcsakit.so")
    packaged = put(tmp_path / "package" / "lib" / "libcsakit.so")
    newer = put(builds_folder() / f"{FRESH}-new" / "libcsakit.so")
    older = put(builds_folder() / f"{FRESH}-old" / "libcsakit.so", age_s=60.0)
    monkeypatch.setenv(LIBRARY_VARIABLE, str(named))

    assert find_library(known=known) == named
    monkeypatch.delenv(LIBRARY_VARIABLE)
    assert find_library(known=known) == find_library(known=known.parent) == known
    for expected in (packaged, newer, older):
        assert find_library() == expected
        expected.unlink()


def test_a_path_that_a_manifest_brought_from_elsewhere_is_passed_over(tmp_path: Path) -> None:
    file = put(builds_folder() / f"{FRESH}-any" / "libcsakit.so")

    assert find_library(known=tmp_path / "gone" / "libcsakit.so") == file


def test_a_variable_that_leads_nowhere_is_an_error_though_a_build_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(builds_folder() / f"{FRESH}-any" / "libcsakit.so")
    monkeypatch.setenv(LIBRARY_VARIABLE, str(tmp_path / "gone.so"))

    with pytest.raises(LibraryError, match=r"CSAKIT_LIBRARY must name .*gone\.so\nCorrect"):
        find_library()


@pytest.mark.parametrize(
    ("kind", "stated"),
    [
        *((kind, ".") for kind in KINDS),
        ("csakit_trt", "libcsakit.so"),  # the plugin lies beside the library that is named
    ],
)
def test_a_variable_may_name_a_folder_or_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, stated: str
) -> None:
    file = put(tmp_path / f"lib{kind}.so")
    monkeypatch.setenv(LIBRARY_VARIABLE, str(tmp_path / stated))

    assert find_library(kind) == file


def test_an_empty_variable_is_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    file = put(builds_folder() / f"{FRESH}-any" / "libcsakit.so")
    monkeypatch.setenv(LIBRARY_VARIABLE, "")

    assert find_library() == file


def test_a_missing_library_names_every_place_and_the_command(tmp_path: Path) -> None:
    with pytest.raises(LibraryError) as caught:
        find_library(known=tmp_path / "engine" / "libcsakit.so")

    text = str(caught.value)
    assert text.startswith("libcsakit.so is missing: it is not built; searched\n")
    for place in search_places(known=tmp_path / "engine" / "libcsakit.so"):
        assert f"  {place.path} ({place.why})\n" in text
    assert text.endswith("Build it with: csakit plugin build")


def test_a_missing_plugin_names_the_option_that_it_needs() -> None:
    with pytest.raises(LibraryError, match="csakit plugin build --tensorrt-include DIR"):
        find_library("csakit_trt")


def test_a_build_of_other_sources_is_not_taken() -> None:
    file = put(builds_folder() / "0123456789ab-any" / "libcsakit.so")

    with pytest.raises(LibraryError, match="missing: 1 in the cache are of other sources"):
        find_library()
    assert stale_builds() == [file]


@pytest.mark.parametrize("stated", ["", "relative/cache"])
def test_the_cache_is_in_the_home_unless_an_absolute_path_is_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", stated)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert cache_folder() == tmp_path / ".cache" / "csakit"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources, to be changed."""
    shutil.copytree(INCLUDE, tmp_path / "include")
    return Path(shutil.copytree(CSRC, tmp_path / "csrc"))


def test_every_source_is_in_exactly_one_group() -> None:
    groups = ("kernels", "tensorrt", "trt", "autoreg")
    listed = [path for group in groups for path in source_files(group)]

    present = [path for path in CSRC.rglob("*") if path.suffix in (".cu", ".cpp")]
    assert sorted(listed) == sorted(present)


@pytest.mark.parametrize("name", ["csrc/sources.txt", "csrc/exports.map", "include/csakit.h"])
def test_a_change_of_any_file_changes_the_hash(tree: Path, name: str) -> None:
    assert source_hash(tree) == source_hash()
    path = tree.parent / name
    path.write_text(path.read_text() + "\n")

    assert source_hash(tree) != source_hash()


def test_names_count_in_the_hash_and_what_editors_leave_does_not(tree: Path) -> None:
    (tree / "exports.map~").touch()
    (tree / ".exports.map.swp").touch()
    assert source_hash(tree) == source_hash()
    (tree / "exports.map").rename(tree / "exported.map")
    renamed = source_hash(tree)
    (tree / "more.cuh").touch()

    assert len({source_hash(), renamed, source_hash(tree)}) == 3
