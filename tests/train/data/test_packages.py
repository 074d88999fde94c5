"""Files out of packages: what is taken, from where, and what is said of broken ones."""

import shutil
import sys
from pathlib import Path

import pytest
from csakit.plugins.errors import ContractError, LibraryError
from csakit.train.data.packages import (
    debian_mirror,
    download_deb,
    extract,
    find_wheel,
    read_resource,
)
from helpers.packed import play_apt, resource_file, write_deb, write_zip

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb")


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    play_apt(folder)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


def extracted(archive: Path, wanted: list[str], folder: Path) -> dict[str, bytes]:
    """Extract; return what is in the folder then, but for the archives on the way."""
    extract(archive, wanted, folder)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: path.read_bytes()
        for name, path in files.items()
        if path.is_file() and not path.name.startswith("packed-")
    }


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("flags", [0, 1])
def test_resource_files_of_all_versions_are_read(version: int, flags: int) -> None:
    files = {"a/x.jpg": b"first", "b/y.jpg": b"second" * 99, "b/z.jpg": b""}
    data = resource_file(files, version, flags)

    assert {path: read_resource(data, path) for path in files} == files
    absent = ("b", "b/x.jpg", "c/x.jpg", "a/x.jpg/x", "")
    assert [read_resource(data, path) for path in absent] == [None] * 5


def test_a_resource_file_that_cannot_be_read_says_why() -> None:
    with pytest.raises(ContractError, match="Zstandard"):
        read_resource(resource_file({"a/x": b"1"}, flags=4), "a/x")
    with pytest.raises(ContractError, match="must start with qres; got b'PK"):
        read_resource(b"PK" + bytes(30), "a/x")


def test_only_what_is_wanted_is_copied(tmp_path: Path) -> None:
    wheel = write_zip(tmp_path / "p-1-py3-none-any.whl", {"a/x.jpg": b"1", "a/y.jpg": b"2"})

    found = extracted(wheel, ["a/y.jpg", "a/z.jpg"], tmp_path / "out")

    assert found == {"a/y.jpg": b"2"}
    assert extracted(tmp_path / "out", ["a/y.jpg", "b"], tmp_path / "copy") == found  # of a folder


@needs_dpkg
def test_paths_lead_through_archives_in_a_debian_package(tmp_path: Path) -> None:
    pk3 = write_zip(tmp_path / "t.pk3", {"tex/x.png": b"2"}).read_bytes()
    rcc = resource_file({"a/x.jpg": b"3"})
    files = {"usr/x.jpg": b"1", "usr/t.pk3": pk3, "usr/r.rcc": rcc, "usr/unwanted": b"4"}
    wanted = ["usr/x.jpg", "usr/t.pk3/tex/x.png", "usr/r.rcc/a/x.jpg"]

    found = extracted(
        write_deb(tmp_path, "p", files),
        [*wanted, "usr/t.pk3/tex/y.png", "usr/none.rcc/a/x.jpg"],
        tmp_path / "out",
    )

    assert found == dict(zip(wanted, [b"1", b"2", b"3"], strict=True))


@pytest.mark.parametrize("name", ["p.whl", "p.rcc", pytest.param("p.deb", marks=needs_dpkg)])
@pytest.mark.parametrize("kept", [0, 9, 0.6])
def test_a_damaged_package_is_named(tmp_path: Path, name: str, kept: float) -> None:
    noise = bytes(range(256)) * 40
    whole = {
        ".whl": lambda: write_zip(tmp_path / "w", {"a/x": noise}).read_bytes(),
        ".rcc": lambda: resource_file({"a/x": noise}, flags=1),
        ".deb": lambda: write_deb(tmp_path, "p", {"a/x": noise}).read_bytes(),
    }[Path(name).suffix]()
    path = tmp_path / name
    path.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])

    with pytest.raises(ContractError, match=f"{name} cannot be read"):
        extract(path, ["a/x"], tmp_path / "out")


@needs_dpkg
def test_apt_gets_settings_of_its_own_and_reads_a_suite_once(apt: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_deb(apt, name, {"x": b"1"}, version="4:2.0-1" if name == "two" else "1.0-1")
        (tmp_path / name).mkdir()

    found = [
        download_deb(name, "trixie", debian_mirror(), tmp_path / "lists", tmp_path / name)
        for name in ("one", "two")
    ]

    assert [version for _, version in found] == ["1.0-1", "4:2.0-1"]
    assert all(path.is_file() for path, _ in found)
    sources = (apt / "sources").read_text().splitlines()
    assert len(sources) == 1
    assert sources[0].endswith("http://mirror.example/debian trixie main")
    calls = (apt / "calls").read_text().splitlines()
    private = f"Dir::State::lists={tmp_path}/lists/trixie/lists"
    assert all(private in call for call in calls if "print-uris" not in call)


def test_what_apt_cannot_get_is_said_in_its_words(apt: Path, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="apt-get failed: E: Unable to locate package absent"):
        download_deb("absent", "trixie", "http://m", tmp_path / "lists", tmp_path)
    with pytest.raises(LibraryError, match="apt-get failed: E: no suite gone"):
        download_deb("absent", "gone", "http://m", tmp_path / "lists", tmp_path)


def test_a_machine_without_a_debian_mirror_is_told_the_option(apt: Path) -> None:
    play_apt(apt, site="http://mirror.example/ubuntu")

    with pytest.raises(LibraryError, match="--mirror ADDRESS"):
        debian_mirror()


def test_a_machine_without_apt_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(LibraryError, match="apt-get is not installed"):
        debian_mirror()


def test_installed_python_packages_are_not_downloaded(tmp_path: Path) -> None:
    folder, version = find_wheel("scikit-image", "skimage/data/brick.png", tmp_path)

    assert (folder / "skimage/data/brick.png").is_file()
    assert version[0].isdigit()


def test_other_python_packages_come_from_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\nfor last in "$@"; do :; done\n> "${10}/$last-2.5-py3-none-any.whl"\n'
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))

    found = find_wheel("not_installed", "x", tmp_path)

    assert found == (tmp_path / "not_installed-2.5-py3-none-any.whl", "2.5")
    python.write_text("#!/bin/sh\necho 'ERROR: No matching distribution' >&2\nexit 1\n")
    with pytest.raises(LibraryError, match="pip failed: ERROR: No matching distribution"):
        find_wheel("not_installed", "x", tmp_path)
