"""The sources of the libraries travel in the wheel, so that users can compile them."""

import shutil
import subprocess
import sys
import zipfile

import pytest
from csakit.plugins.locations import CSRC, INCLUDE, PACKAGE

ROOT = PACKAGE.parent
LAYERS = ("plugins", "runtime", "train", "export", "benchmarks")
BUILD = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What the wheel holds; built from a copy, because setuptools writes beside its sources."""
    pytest.importorskip("setuptools", minversion="77.0")
    tree, target = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for layer in LAYERS:
        unwanted = shutil.ignore_patterns("__pycache__", "*.safetensors", "results", "lib")
        shutil.copytree(ROOT / layer, tree / layer, ignore=unwanted)
    shutil.copytree(ROOT / "src", tree / "src", symlinks=True)
    (tree / "plugins" / "lib").mkdir()
    (tree / "plugins" / "lib" / "libcsakit.so").write_text("built before the wheel")
    subprocess.run(
        [sys.executable, "-c", BUILD, str(target)], cwd=tree, check=True, capture_output=True
    )
    (wheel,) = target.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_every_file_that_a_build_reads_is_in_the_wheel(names: set[str]) -> None:
    read = [path for top in (CSRC, INCLUDE) for path in top.rglob("*") if path.is_file()]

    wanted = {f"csakit/{path.relative_to(ROOT).as_posix()}" for path in read}
    assert wanted | {"csakit/plugins/CMakeLists.txt"} <= names


def test_libraries_that_lie_in_the_package_are_in_the_wheel(names: set[str]) -> None:
    assert "csakit/plugins/lib/libcsakit.so" in names


def test_the_page_is_in_the_wheel(names: set[str]) -> None:
    files = [path for path in (ROOT / "runtime/web/static").iterdir() if path.is_file()]

    assert {f"csakit/runtime/web/static/{path.name}" for path in files} <= names
    assert len(files) > 10


def test_the_texts_of_an_export_are_in_the_wheel(names: set[str]) -> None:
    texts = {
        "graph/attention_function.onnxtxt",
        "serving/templates/README.md.jinja",
        "serving/templates/config.pbtxt.jinja",
    }

    assert {f"csakit/export/{text}" for text in texts} <= names


def test_nothing_foreign_is_in_the_wheel(names: set[str]) -> None:
    assert [name for name in names if name.rpartition("/")[2].startswith("Nv")] == []
    assert [name for name in names if not name.startswith(("csakit/", "csakit-"))] == []
