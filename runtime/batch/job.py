"""One image file and its mask file to one output file.

Letters: H W sides in pixels.
"""

import dataclasses
from pathlib import Path
from typing import Final

import numpy as np

from ...plugins.errors import ContractError
from ..images.encode import QUALITY, Picture, load_image, output_format, save_image
from ..images.mask import load_hole
from ..images.metadata import Metadata
from ..inpainter import Inpainter
from ..options import MaskOptions
from ..tensors.pixels import Bool, Uint8

GAP_PX: Final = 8  # white, between the pictures of a comparison


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What to repair.

    Attributes:
        image: file to repair; never written to.
        mask: file that marks in white what is missing; never written to.
        output: file to write; its suffix is the format.
    """

    image: Path
    mask: Path
    output: Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How files are read and written.

    Attributes:
        mask: how a mask file becomes a hole.
        quality: 1 to 100, of JPEG and WebP outputs.
        overwrite: replace outputs that exist; without it they are refused.
        side_by_side: also write input, mask and result beside each other.
    """

    mask: MaskOptions = dataclasses.field(default_factory=MaskOptions)
    quality: int = QUALITY
    overwrite: bool = False
    side_by_side: bool = False

    def __post_init__(self) -> None:
        """Refuse a quality that encoders would silently change."""
        if not 1 <= self.quality <= 100:
            raise ContractError(f"quality must be 1 to 100; got {self.quality}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Repaired:
    """What was done.

    Attributes:
        size: (H, W) of the upright image.
        coverage: share of it that was missing, 0 to 1.
        outputs: the files that were written.
    """

    size: tuple[int, int]
    coverage: float
    outputs: tuple[Path, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loaded:
    """A job whose files were read.

    Attributes:
        job: the three files.
        picture: the image.
        hole: (H, W), True where pixels are missing.
    """

    job: Job
    picture: Picture
    hole: Bool


def repair_file(inpaint: Inpainter, job: Job, options: FileOptions) -> Repaired:
    """Repair one image file.

    Args:
        inpaint: the model and how an image reaches it.
        job: the three files.
        options: how they are read and written.

    Returns:
        What was done.

    Raises:
        ContractError: a file cannot be read or written, or ``check_job`` refuses the output.
        EngineError: the model failed.
    """
    loaded = load_job(job, options)
    return write_job(loaded, fill(inpaint, loaded), options)


def load_job(job: Job, options: FileOptions) -> Loaded:
    """Read the image and the mask of a job.

    Args:
        job: the three files.
        options: how they are read.

    Returns:
        What they hold.

    Raises:
        ContractError: a file cannot be read, or ``check_job`` refuses the output.
    """
    check_job(job, options)
    picture = load_image(job.image)
    hole = load_hole(job.mask, picture.pixels.shape[:2], options.mask)
    return Loaded(job=job, picture=picture, hole=hole)


def fill(inpaint: Inpainter, loaded: Loaded) -> Uint8:
    """Repair the pixels of a job.

    Args:
        inpaint: the model and how an image reaches it.
        loaded: what the files hold.

    Returns:
        (H, W, 3).

    Raises:
        ContractError: the image and the hole cannot be repaired with these options.
        EngineError: the model failed.
    """
    pixels = loaded.picture.pixels
    return inpaint(pixels, loaded.hole) if loaded.hole.any() else pixels


def write_job(loaded: Loaded, result: Uint8, options: FileOptions) -> Repaired:
    """Write the outputs of a job.

    Args:
        loaded: what its files hold.
        result: (H, W, 3), the repaired pixels.
        options: how outputs are written.

    Returns:
        What was done.

    Raises:
        ContractError: a file cannot be written.
    """
    job, picture, hole = loaded.job, loaded.picture, loaded.hole
    repaired = dataclasses.replace(picture, pixels=result)
    save_image(repaired, job.output, quality=options.quality)
    outputs = outputs_of(job, options)
    if options.side_by_side:
        save_image(compare(picture.pixels, hole, result), outputs[-1])
    return Repaired(size=hole.shape, coverage=float(hole.mean()), outputs=outputs)


def outputs_of(job: Job, options: FileOptions) -> tuple[Path, ...]:
    """List the files that a job writes.

    Args:
        job: the three files.
        options: how outputs are written.

    Returns:
        The output first.
    """
    return (job.output, *([comparison_path(job.output)] if options.side_by_side else []))


def check_job(job: Job, options: FileOptions) -> None:
    """Refuse what would destroy a file, and an output that cannot be written, before the work.

    Args:
        job: the three files.
        options: whether outputs may be replaced, and which there are.

    Raises:
        ContractError: the output is an input, exists, is a folder, or has no known format.
    """
    if job.output.is_dir():
        raise ContractError(f"the output of one image must be a file; {job.output} is a folder")
    output_format(job.output)
    for output in filter(Path.exists, outputs_of(job, options)):
        if any(source.exists() and output.samefile(source) for source in (job.image, job.mask)):
            raise ContractError(f"an output must not replace an input; got {output} for both")
        if not options.overwrite:
            raise ContractError(f"{output} exists; replace it with --overwrite")


def comparison_path(output: Path) -> Path:
    """Name the comparison that belongs to an output.

    Args:
        output: of the repair.

    Returns:
        ``<stem>_side_by_side.png`` beside it.
    """
    return output.with_name(f"{output.stem}_side_by_side.png")


def compare(image: Uint8, hole: Bool, result: Uint8) -> Picture:
    """Put input, mask and result beside each other.

    Args:
        image: (H, W, 3).
        hole: (H, W).
        result: (H, W, 3).

    Returns:
        A picture of 3 W plus two gaps.
    """
    mask = np.repeat(np.where(hole, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)
    gap = np.full((image.shape[0], GAP_PX, 3), 255, dtype=np.uint8)
    row = np.concatenate([image, gap, mask, gap, result], axis=1)
    return Picture(pixels=row, alpha=None, grey=False, metadata=Metadata())
