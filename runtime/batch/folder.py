"""A folder of images with a folder of masks, or with one mask for all.

Every entry of the folder of images becomes a job, or is named with the reason why not.
"""

import contextlib
import dataclasses
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ...plugins.errors import ContractError, CsakitError
from ..files.failures import failure, is_file, is_folder
from ..images.decode import INPUT_SUFFIXES, OTHER_SUFFIXES
from ..images.encode import OUTPUT_FORMATS
from .job import Job

_MASK_ENDING: Final = re.compile(r"(.+)_mask\d*", re.DOTALL)  # LaMa numbers its masks
_DEFAULT_SUFFIX: Final = ".png"  # of outputs whose input format (GIF, PPM) is not written
_SYSTEM_FILES: Final = ("._", ".csakit", ".DS_Store")  # of macOS, and ours


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """What a folder holds.

    Attributes:
        jobs: in the order of names.
        skipped: what cannot be repaired, with the reason.
        ignored: files that are not images by their suffix, or hidden.
        folders: sub-folders that were not entered.
        unused: masks that belong to no image.
    """

    jobs: list[Job] = dataclasses.field(default_factory=list)
    skipped: list[tuple[Path, str]] = dataclasses.field(default_factory=list)
    ignored: list[Path] = dataclasses.field(default_factory=list)
    folders: list[Path] = dataclasses.field(default_factory=list)
    unused: list[Path] = dataclasses.field(default_factory=list)


def list_jobs(
    images: Path, masks: Path, output: Path, suffix: str | None = None, *, recursive: bool = False
) -> Listing:
    """Find the mask and name the output of every image in a folder.

    The mask of ``cat.jpg`` is ``cat.*``, ``cat_mask.*`` or ``cat_mask001.*`` in the folder of
    masks. If the masks lie among the images, not the first. Accents may be encoded in two ways,
    and the case may differ where no other image has that mask.

    Args:
        images: the folder.
        masks: the folder of masks, or the one mask file for all images.
        output: the folder of results; it need not exist.
        suffix: of all outputs, as ".png"; None takes that of each input.
        recursive: also repair what is in sub-folders, with masks and results in sub-folders of
            the same names.

    Raises:
        ContractError: there is no image, or a folder cannot be read, or the output folder is one
            of the others.
    """
    _check_folders(images, masks, output)
    listing, taken = Listing(), _Taken(output)
    single = masks if is_file(masks) else None
    shared = single is None and masks.samefile(images)
    apart = [output] if shared or single else [output, masks]
    for folder in _folders(images, listing, apart) if recursive else [images]:
        place = folder.relative_to(images)
        found = _images(folder, listing, enter=recursive)
        if single is not None:  # it may lie among the images
            pairs = {path: [single] for path in found if not path.samefile(single)}
        else:
            pairs = _match(found, masks / place, listing, shared=shared)
        for image, several in pairs.items():
            target = output / place / _output_name(image, suffix)
            if len(several) != 1:
                reason = _mask_problem(image, masks / place, several, shared=shared)
                listing.skipped.append((image, reason))
            elif (first := taken.first(target, image)) is not image:
                listing.skipped.append((image, f"its result would replace that of {first.name}"))
            else:
                listing.jobs.append(Job(image=image, mask=several[0], output=target))
    if not (listing.jobs or listing.skipped):
        raise ContractError(f"a folder of images must hold at least one; got none in {images}")
    return listing


def make_folder(folder: Path) -> None:
    """Create the folder of results and its parents, if it does not exist.

    Raises:
        ContractError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise failure(error, f"create the folder {folder}") or error from error


def _check_folders(images: Path, masks: Path, output: Path) -> None:
    """Refuse folders that cannot be read, and an output folder that holds inputs."""
    if not (is_file(masks) or is_folder(masks)):
        raise ContractError(f"masks must be an existing file or folder; got {masks}")
    if output.suffix.lower() in OUTPUT_FORMATS or is_file(output):
        raise ContractError(f"the output of a folder must be a folder; got {output}")
    if is_folder(output) and any(
        is_folder(folder) and output.samefile(folder) for folder in (images, masks)
    ):
        raise ContractError(f"results need a folder of their own; got that of inputs, {output}")


def _scan(folder: Path) -> list[Path]:
    """Return the entries of a folder by name."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise failure(error, f"read the folder {folder}") or error from error


def _folders(root: Path, listing: Listing, apart: list[Path]) -> Iterator[Path]:
    """Walk over a folder and its sub-folders, but not through links, and not into ``apart``."""
    yield root
    for path in _scan(root):
        with contextlib.suppress(CsakitError):  # named when its folder is listed
            if not is_folder(path) or path.name.startswith("."):
                continue
            if path.is_symlink():
                listing.folders.append(path)
            elif not any(is_folder(other) and path.samefile(other) for other in apart):
                try:
                    yield from _folders(path, listing, apart)
                except CsakitError as error:
                    listing.skipped.append((path, str(error)))


def _images(folder: Path, listing: Listing, *, enter: bool) -> list[Path]:
    """Return the images of a folder; every other entry is put into the listing."""
    images = []
    for path in _scan(folder):
        suffix, hidden = path.suffix.lower(), path.name.startswith(".")
        if path.name.startswith(_SYSTEM_FILES):
            continue
        try:
            if is_folder(path):
                if not enter and not hidden:
                    listing.folders.append(path)
            elif suffix not in INPUT_SUFFIXES | OTHER_SUFFIXES or hidden:
                listing.ignored.append(path)
            elif path.is_symlink() and not path.exists():
                gone = f"it is a link to {path.readlink()}, which does not exist"
                listing.skipped.append((path, gone))
            elif not is_file(path):
                listing.ignored.append(path)
            elif suffix in OTHER_SUFFIXES:
                listing.skipped.append((path, f"the format {suffix} is not read; convert it"))
            else:
                images.append(path)
        except (CsakitError, OSError) as error:
            listing.skipped.append((path, str(failure(error, f"open {path}") or error)))
    return images


class _Taken:
    """The names of results, as the file system that gets them compares names."""

    def __init__(self, output: Path) -> None:
        self._folds = _folds_case(output)
        self._images: dict[str, Path] = {}

    def first(self, target: Path, image: Path) -> Path:
        """Return the image that has the name of a result: this one if it is the first."""
        name = str(target)
        key = unicodedata.normalize("NFC", name).casefold() if self._folds else name
        return self._images.setdefault(key, image)


def _folds_case(folder: Path) -> bool:
    """Report whether "A" and "a" are one file there, as far as can be seen without writing."""
    with contextlib.suppress(OSError):
        folder = folder.absolute()
        while not folder.exists():
            folder = folder.parent
        with os.scandir(folder) as found:
            inside = [folder / entry.name for entry, _ in zip(found, range(64), strict=False)]
        for path in (*inside, folder):
            other = path.with_name(path.name.swapcase()) if path.name else path
            if other.name != path.name:
                return other.exists() and other.samefile(path)
    return False


def _mask_files(folder: Path) -> list[Path]:
    """Return the files that may be masks; none where the folder does not exist."""
    return [
        path
        for path in (_scan(folder) if is_folder(folder) else [])
        if path.suffix.lower() in INPUT_SUFFIXES and not path.name.startswith(".")
    ]


def _key(path: Path) -> str:
    """Return the stem of a name; accents have two encodings."""
    return unicodedata.normalize("NFC", path.stem)


def _masked(path: Path) -> str | None:
    """Return the stem of the image that a file is the mask of by its name."""
    match = _MASK_ENDING.fullmatch(_key(path))
    return match[1] if match else None


def _match(
    images: list[Path], masks: Path, listing: Listing, *, shared: bool
) -> dict[Path, list[Path]]:
    """Return the masks of each image: by its exact name, else by one that differs in case."""
    candidates = _mask_files(masks)
    if shared:
        names = {_key(path) for path in images}
        images = [path for path in images if _masked(path) not in names]
    exact: dict[str, list[Path]] = {}
    for path in candidates:
        for name in {_masked(path), None if shared else _key(path)} - {None}:
            exact.setdefault(str(name), []).append(path)
    found = {image: exact.get(_key(image), []) for image in images}
    used = {mask for several in found.values() for mask in several}
    folded: dict[str, list[Path]] = {}
    for name, paths in exact.items():
        folded.setdefault(name.casefold(), []).extend(path for path in paths if path not in used)
    found = {image: own or folded.get(_key(image).casefold(), []) for image, own in found.items()}
    if not shared:
        used = {mask for several in found.values() for mask in several}
        listing.unused.extend(path for path in candidates if path not in used)
    return found


def _mask_problem(image: Path, masks: Path, found: list[Path], *, shared: bool) -> str:
    """Return why there is not one mask."""
    if found:
        return f"more than one mask: {', '.join(path.name for path in found)}"
    own = "" if shared else f"{image.stem}.* or "
    return f"no mask {own}{image.stem}_mask.* in {masks}"


def _output_name(image: Path, suffix: str | None) -> str:
    """Return the file name of the result of an image."""
    own = image.suffix if image.suffix.lower() in OUTPUT_FORMATS else _DEFAULT_SUFFIX
    return image.stem + (suffix or own)
