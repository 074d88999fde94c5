"""A folder of images with a folder of masks, or with one mask for all."""

import dataclasses
from pathlib import Path
from typing import Final

from ...plugins.errors import ContractError
from ..images.decode import INPUT_SUFFIXES
from ..images.encode import OUTPUT_FORMATS
from .job import Job

MASK_ENDING: Final = "_mask"
_DEFAULT_SUFFIX: Final = ".png"  # of outputs whose input format (GIF, PPM) is not written


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """What a folder holds.

    Attributes:
        jobs: in the order of names.
        skipped: images that cannot be repaired, with the reason.
        ignored: files that are not images by their suffix.
    """

    jobs: list[Job]
    skipped: list[tuple[Path, str]]
    ignored: list[Path]


def list_jobs(images: Path, masks: Path, output: Path, suffix: str | None = None) -> Listing:
    """Find the mask and name the output of every image in a folder; sub-folders are left alone.

    The mask of ``cat.jpg`` is ``cat.*`` or ``cat_mask.*`` in the folder of masks. If the masks
    lie among the images, only the latter.

    Args:
        images: the folder.
        masks: the folder of masks, or the one mask file for all images.
        output: the folder of results; it need not exist.
        suffix: of all outputs, as ".png"; None takes that of each input.

    Returns:
        The listing.

    Raises:
        ContractError: there is no image, or the output folder is one of the others.
    """
    check_folders(images, masks, output)
    files = _visible_files(images)
    shared = masks.is_dir() and masks.samefile(images)
    sources = [path for path in files if path.suffix.lower() in INPUT_SUFFIXES]
    if shared:
        sources = [path for path in sources if not _is_mask(path, sources)]
    elif masks.is_file():  # it may lie among the images
        sources = [path for path in sources if not path.samefile(masks)]
    if not sources:
        raise ContractError(f"a folder of images must hold at least one; got none in {images}")
    listing = Listing(
        jobs=[],
        skipped=[],
        ignored=[path for path in files if path.suffix.lower() not in INPUT_SUFFIXES],
    )
    candidates = _visible_files(masks) if masks.is_dir() else []
    taken: dict[str, Path] = {}
    for image in sources:
        target = output / _output_name(image, suffix)
        found = _masks_of(image, candidates, shared=shared) if masks.is_dir() else [masks]
        first = taken.setdefault(target.name.lower(), image)
        if len(found) != 1:
            listing.skipped.append((image, _mask_problem(image, masks, found)))
        elif first is not image:
            listing.skipped.append((image, f"its result would replace that of {first.name}"))
        else:
            listing.jobs.append(Job(image=image, mask=found[0], output=target))
    return listing


def check_folders(images: Path, masks: Path, output: Path) -> None:
    """Refuse folders that cannot be read, and an output folder that holds inputs.

    Args:
        images: the folder of images.
        masks: the folder of masks, or one mask file.
        output: the folder of results.

    Raises:
        ContractError: one of them does not do.
    """
    if not masks.exists():
        raise ContractError(f"masks must be an existing file or folder; got {masks}")
    if output.suffix.lower() in OUTPUT_FORMATS or output.is_file():
        raise ContractError(f"the output of a folder must be a folder; got {output}")
    if output.is_dir() and any(
        folder.is_dir() and output.samefile(folder) for folder in (images, masks)
    ):
        raise ContractError(f"results need a folder of their own; got that of inputs, {output}")


def make_folder(folder: Path) -> None:
    """Create the folder of results, if it does not exist.

    Args:
        folder: its parents are created too.

    Raises:
        ContractError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ContractError(f"cannot create the folder {folder}: {error.strerror}") from error


def _visible_files(folder: Path) -> list[Path]:
    """Return the files that are not hidden, by name."""
    return sorted(
        path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")
    )


def _is_mask(path: Path, images: list[Path]) -> bool:
    """Tell whether a file is the mask of another one among the images."""
    return path.stem.endswith(MASK_ENDING) and any(
        path.stem == image.stem + MASK_ENDING for image in images
    )


def _masks_of(image: Path, candidates: list[Path], *, shared: bool) -> list[Path]:
    """Return the files that may be the mask of an image."""
    stems = (image.stem + MASK_ENDING,) if shared else (image.stem, image.stem + MASK_ENDING)
    return [
        path for path in candidates if path.stem in stems and path.suffix.lower() in INPUT_SUFFIXES
    ]


def _mask_problem(image: Path, masks: Path, found: list[Path]) -> str:
    """Say why there is not one mask."""
    if not found:
        return f"no mask {image.stem}.* or {image.stem}{MASK_ENDING}.* in {masks}"
    return f"more than one mask: {', '.join(path.name for path in found)}"


def _output_name(image: Path, suffix: str | None) -> str:
    """Return the file name of the result of an image."""
    own = image.suffix if image.suffix.lower() in OUTPUT_FORMATS else _DEFAULT_SUFFIX
    return image.stem + (suffix or own)
