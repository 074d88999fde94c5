"""Packages that the tests make, and a fake ``apt-get``."""

import struct
import subprocess
import zipfile
import zlib
from pathlib import Path


def write_deb(folder: Path, name: str, files: dict[str, bytes], version: str = "1.0-1") -> Path:
    """Build a Debian package in a folder."""
    tree = folder / f"{name}-tree"
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@b.c>\n"
    for path, content in {**files, "DEBIAN/control": f"{control}Description: d\n".encode()}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    built = folder / f"{name}.deb"
    command = ["dpkg-deb", "--root-owner-group", "--build", tree, built]
    subprocess.run(command, check=True, capture_output=True)
    return built.rename(folder / f"{name}_{version.replace(':', '%3a')}_all.deb")  # as apt does


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    """Write a ZIP file."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def resource_file(files: dict[str, bytes], version: int = 1, flags: int = 0) -> bytes:
    """Return a Qt resource file of "folder/name" paths; flag 1 compresses, 4 only says so."""
    names, contents, entries = bytearray(), bytearray(), []

    def add_name(text: str) -> int:
        offset = len(names)
        names.extend(struct.pack(">HI", len(text), 0) + text.encode("utf-16-be"))
        return offset

    folders: dict[str, list[str]] = {}
    for path in files:
        folders.setdefault(path.split("/")[0], []).append(path)
    first = 1 + len(folders)
    entries.append(struct.pack(">IHII", 0, 2, len(folders), 1))
    for folder, paths in folders.items():
        entries.append(struct.pack(">IHII", add_name(folder), 2, len(paths), first))
        first += len(paths)
    for paths in folders.values():
        for path in paths:
            content = files[path]
            if flags == 1:
                content = struct.pack(">I", len(content)) + zlib.compress(content)
            entry = struct.pack(">IHHHI", add_name(path.split("/")[1]), flags, 0, 0, len(contents))
            entries.append(entry)
            contents += struct.pack(">I", len(content)) + content
    tree = b"".join(entry + (bytes(8) if version > 1 else b"") for entry in entries)
    start = 20 if version < 3 else 24
    offsets = (start, start + len(tree), start + len(tree) + len(contents))
    header = struct.pack(">4s4I", b"qres", version, *offsets) + bytes(start - 20)
    return header + tree + bytes(contents) + bytes(names)


APT_GET = """#!/bin/sh
echo "$@" >> "{folder}/calls"
for last in "$@"; do :; done
case "$*" in
  *print-uris*)
    echo "'http://mirror.example/debian-security/dists/x/InRelease' file 0"
    echo "'{site}/dists/bookworm/InRelease' file 0" ;;
  *update*)
    for part in "$@"; do case "$part" in *sourcelist=*) list="${{part#*=}}" ;; esac; done
    cat "$list" >> "{folder}/sources"
    if grep -q ' gone ' "$list"; then
      echo 'W: odd' >&2; echo 'E: no suite gone' >&2; exit 100
    fi ;;
  *download*)
    cp {folder}/"$last"_*.deb . 2>/dev/null && exit 0
    echo "E: Unable to locate package $last" >&2; exit 100 ;;
esac
"""


def play_apt(folder: Path, site: str = "http://mirror.example/debian") -> None:
    """Write an ``apt-get`` that serves the packages of the folder it is in; ``calls`` records."""
    program = folder / "apt-get"
    program.write_text(APT_GET.format(folder=folder, site=site))
    program.chmod(0o755)
