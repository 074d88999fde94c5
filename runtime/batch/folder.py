"""Pair a folder of images with a folder of masks, or with one mask for all."""

import contextlib
import dataclasses
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ...plugins.errors import ContractError, CsakitError
from ..files.failures import failure, failures_as_errors, is_file, is_folder, is_same, named
from ..images.decode import INPUT_SUFFIXES, OTHER_SUFFIXES
from ..images.encode import OUTPUT_FORMATS
from .job import Job

_MASK_ENDING: Final = re.compile(r"(.+)_mask\d*", re.DOTALL)  # LaMa's masks are numbered
_DEFAULT_SUFFIX: Final = ".png"  # for inputs in formats that are not written (GIF, PPM)
_SYSTEM_FILES: Final = ("._", ".csakit", ".DS_Store")  # beginnings of names, by macOS and by csakit


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unmatched:
    """An image that cannot be repaired, and why."""

    image: Path  # its file
    reason: str  # why not


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """The jobs and other files of one folder. Only names are kept: 0.35 GB for a million."""

    entries: Iterator[Job | Unmatched]  # one per image, sorted by name, created on demand
    count: int  # number of entries
    ignored: list[Path]  # files that are not images by their suffix, or hidden
    folders: list[Path]  # sub-folders that were not entered
    unused: list[Path]  # masks that belong to no image


def list_folders(
    images: Path, masks: Path, output: Path, suffix: str | None = None, *, recursive: bool = False
) -> Iterator[Listing]:
    """Yield a listing per folder; consume its entries before taking the next listing.

    The mask of ``cat.jpg`` is ``cat.*``, ``cat_mask.*`` or ``cat_mask001.*`` in the folder of
    masks; if the masks lie among the images, not the first. Accents may be encoded in two ways,
    and the case may differ where no other image has that mask. Sub-folders correspond by name.
    """
    _check_folders(images, masks, output)
    single = masks if is_file(masks) else None
    shared = single is None and is_same(masks, images)
    excluded = [output] if shared or single else [output, masks]
    output_names, found = _OutputNames(output), False
    for scanned in _folders(images, excluded, enter=recursive):
        place = scanned.folder.relative_to(images)
        names, own = scanned.images, single.parent if single else _sub_folder(masks, place)
        pairs: dict[str, list[str]] = {}
        unused: list[Path] = []
        if single is not None:  # it may lie among the images
            names = [name for name in names if not is_same(scanned.folder / name, single)]
            pairs = {name: [single.name] for name in names}
        elif not scanned.closed:
            pairs, unused = _match(names, own, shared=shared)
        output_names.enter()
        count = len(scanned.problems) + len(pairs)
        found = found or count > 0
        yield Listing(
            entries=_entries(
                scanned, pairs, own, output / place, output_names, suffix=suffix, shared=shared
            ),
            count=count,
            ignored=scanned.ignored,
            folders=scanned.others,
            unused=unused,
        )
    if not found:
        raise ContractError(f"a folder of images must hold at least one; got none in {images}")


def make_folder(folder: Path) -> None:
    """Create the folder of results and its parents, unless it exists."""
    with failures_as_errors(f"create the folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True)


def _check_folders(images: Path, masks: Path, output: Path) -> None:
    """Refuse folders that cannot be read, and an output folder that holds inputs."""
    if not (is_file(masks) or is_folder(masks)):
        raise ContractError(f"masks must be an existing file or folder; got {named(masks)}")
    if output.suffix.lower() in OUTPUT_FORMATS or is_file(output):
        raise ContractError(f"the output of a folder must be a folder; got {output}")
    if is_folder(output) and any(
        is_folder(folder) and is_same(output, folder) for folder in (images, masks)
    ):
        raise ContractError(f"results need a folder of their own; got that of inputs, {output}")


@dataclasses.dataclass
class _Scanned:
    """The entries of a folder, by kind."""

    folder: Path
    images: list[str] = dataclasses.field(default_factory=list)
    ignored: list[Path] = dataclasses.field(default_factory=list)
    others: list[Path] = dataclasses.field(default_factory=list)
    entered: list[Path] = dataclasses.field(default_factory=list)
    problems: list[Unmatched] = dataclasses.field(default_factory=list)
    closed: bool = False  # it could not be read


@contextlib.contextmanager
def _scan(folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
    """Yield the entries of a folder; most know their kind without another system call."""
    with failures_as_errors(f"read the folder {folder}"), os.scandir(folder) as found:
        yield found


def _folders(root: Path, excluded: list[Path], *, enter: bool) -> Iterator[_Scanned]:
    """Walk over a folder and its sub-folders, but not through links, and not into ``excluded``."""
    scanned = _read_folder(root, excluded, enter=enter)
    yield scanned
    for path in scanned.entered:
        try:
            yield from _folders(path, excluded, enter=enter)
        except CsakitError as error:
            problem = Unmatched(image=path, reason=str(error))
            yield _Scanned(path, problems=[problem], closed=True)


def _read_folder(folder: Path, excluded: list[Path], *, enter: bool) -> _Scanned:
    scanned = _Scanned(folder)
    with _scan(folder) as entries:
        for entry in entries:
            _classify(entry, scanned, excluded, enter=enter)
    for found in (scanned.images, scanned.ignored, scanned.others, scanned.entered):
        found.sort()
    scanned.problems.sort(key=lambda problem: problem.image)
    return scanned


def _classify(
    entry: os.DirEntry[str], scanned: _Scanned, excluded: list[Path], *, enter: bool
) -> None:
    path, hidden = scanned.folder / entry.name, entry.name.startswith(".")
    suffix = path.suffix.lower()
    if entry.name.startswith(_SYSTEM_FILES):
        return
    reason = None
    try:
        gone = entry.is_symlink() and not path.exists()
        if not gone and entry.is_dir():
            inner = enter and any(is_folder(one) and is_same(path, one) for one in excluded)
            if not hidden and not inner:
                inside = enter and not entry.is_symlink()
                (scanned.entered if inside else scanned.others).append(path)
        elif suffix not in INPUT_SUFFIXES | OTHER_SUFFIXES or hidden:
            scanned.ignored.append(path)
        elif gone:
            reason = f"it is {named(path).removeprefix(f'{path}, ')}"
        elif not entry.is_file():
            scanned.ignored.append(path)
        elif suffix in OTHER_SUFFIXES:
            reason = f"the format {suffix} is not read; convert it"
        else:
            scanned.images.append(entry.name)
    except (CsakitError, OSError) as error:
        reason = str(failure(error, f"open {path}") or error)
    if reason is not None:
        scanned.problems.append(Unmatched(image=path, reason=reason))


def _entries(
    scanned: _Scanned,
    pairs: dict[str, list[str]],
    masks: Path,
    output: Path,
    output_names: "_OutputNames",
    *,
    suffix: str | None,
    shared: bool,
) -> Iterator[Job | Unmatched]:
    yield from scanned.problems
    for name, several in pairs.items():
        image = scanned.folder / name
        own = image.suffix if image.suffix.lower() in OUTPUT_FORMATS else _DEFAULT_SUFFIX
        target = output / (image.stem + (suffix or own))
        if len(several) != 1:
            stem = "" if shared else f"{image.stem}.* or "
            reason = f"no mask {stem}{image.stem}_mask.* in {masks}"
            if several:
                reason = f"more than one mask: {', '.join(several)}"
            yield Unmatched(image=image, reason=reason)
        elif (first := output_names.first(target, name)) is not name:
            yield Unmatched(image=image, reason=f"its result would replace that of {first}")
        else:
            yield Job(image=image, mask=masks / several[0], output=target)


class _OutputNames:
    """The names of results, compared as the file system of the output compares names."""

    def __init__(self, output: Path) -> None:
        self._folds = _folds_case(output)
        self._images: dict[str, str] = {}

    def enter(self) -> None:
        """Forget the last folder, unless the next one's results may lie in it."""
        if not self._folds:
            self._images.clear()

    def first(self, target: Path, image: str) -> str:
        """Return the first image whose result has this name, perhaps this one."""
        name = str(target)
        key = unicodedata.normalize("NFC", name).casefold() if self._folds else name
        return self._images.setdefault(key, image)


def _folds_case(folder: Path) -> bool:
    """Report whether a folder ignores case, as far as can be seen without writing."""
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


def _mask_files(folder: Path) -> list[str]:
    """Return the files that may be masks; none where the folder does not exist."""
    if not is_folder(folder):
        return []
    with _scan(folder) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(".")]
    return sorted(name for name in names if Path(name).suffix.lower() in INPUT_SUFFIXES)


def _key(name: str) -> str:
    """Return the stem of a name, in one of the two encodings of accents."""
    return _normalized(Path(name).stem)


def _normalized(name: str) -> str:
    """Return a name with composed accents (NFC), whatever this system's encoding."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "surrogateescape"))


def _sub_folder(root: Path, place: Path) -> Path:
    """Return the entry of this name in a folder, even if its accents are encoded differently."""
    for part in place.parts:
        path = root / part
        if is_folder(root) and not is_folder(path):
            with _scan(root) as entries:
                same = [one.name for one in entries if _normalized(one.name) == _normalized(part)]
            path = root / same[0] if len(same) == 1 else path
        root = path
    return root


def _stem_of_image(name: str) -> str | None:
    """Return the stem of the image whose mask this file is, by its name."""
    match = _MASK_ENDING.fullmatch(_key(name))
    return match[1] if match else None


def _match(
    images: list[str], masks: Path, *, shared: bool
) -> tuple[dict[str, list[str]], list[Path]]:
    """Return the masks of each image, by exact name or else ignoring case; and unused masks."""
    candidates = _mask_files(masks)
    if shared:
        names = {_key(name) for name in images}
        images = [name for name in images if _stem_of_image(name) not in names]
    exact: dict[str, list[str]] = {}
    for name in candidates:
        for stem in {_stem_of_image(name), None if shared else _key(name)} - {None}:
            exact.setdefault(str(stem), []).append(name)
    found = {image: exact.get(_key(image), []) for image in images}
    used = {mask for several in found.values() for mask in several}
    folded: dict[str, list[str]] = {}
    for stem, names_of_stem in exact.items():
        if free := [name for name in names_of_stem if name not in used]:
            folded.setdefault(stem.casefold(), []).extend(free)
    found = {image: own or folded.get(_key(image).casefold(), []) for image, own in found.items()}
    if shared:
        return found, []
    used = {mask for several in found.values() for mask in several}
    return found, [masks / name for name in candidates if name not in used]
