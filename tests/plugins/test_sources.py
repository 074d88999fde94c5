"""One list names all sources, and their hash changes when any of them does."""

import shutil
from pathlib import Path

import pytest
from csakit.plugins.sources import CSRC, GROUPS, INCLUDE, source_files, source_hash


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources, to be changed."""
    shutil.copytree(INCLUDE, tmp_path / "include")
    return Path(shutil.copytree(CSRC, tmp_path / "csrc"))


def test_every_source_is_in_exactly_one_group() -> None:
    listed = [path for group in GROUPS for path in source_files(group)]

    present = [path for path in CSRC.rglob("*") if path.suffix in (".cu", ".cpp")]
    assert sorted(listed) == sorted(present)


def test_every_row_of_the_list_has_a_known_group() -> None:
    rows = [line.split() for line in (CSRC / "sources.txt").read_text().splitlines()]

    groups = {row[0] for row in rows if row and not row[0].startswith("#")}
    assert groups == set(GROUPS)


def test_no_kernel_file_needs_tensorrt_or_torch() -> None:
    for path in source_files("kernels"):
        assert "NvInfer" not in path.read_text()
        assert "torch/" not in path.read_text()


def test_a_copy_has_the_same_hash(tree: Path) -> None:
    assert source_hash(tree) == source_hash()


@pytest.mark.parametrize("name", ["csrc/sources.txt", "csrc/exports.map", "include/csakit.h"])
def test_a_change_of_any_file_changes_the_hash(tree: Path, name: str) -> None:
    path = tree.parent / name
    path.write_text(path.read_text() + "\n")

    assert source_hash(tree) != source_hash()


def test_a_new_name_and_a_new_file_change_the_hash(tree: Path) -> None:
    (tree / "exports.map").rename(tree / "exported.map")
    renamed = source_hash(tree)
    (tree / "more.cuh").touch()

    assert len({source_hash(), renamed, source_hash(tree)}) == 3


def test_what_editors_leave_does_not_change_the_hash(tree: Path) -> None:
    (tree / "exports.map~").touch()
    (tree / ".exports.map.swp").touch()

    assert source_hash(tree) == source_hash()
