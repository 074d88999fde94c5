"""One image file and its mask file to one output file."""

import dataclasses
import os
from pathlib import Path
from typing import Final

import numpy as np

from ...plugins.errors import ContractError
from ..files.atomic import followed, written_file
from ..files.failures import failure, failures_as_errors, is_file, is_folder, is_same
from ..images.encode import QUALITY, Picture, load_image, output_format, save_image
from ..images.mask import load_hole
from ..images.metadata import Metadata
from ..inpainter import Inpainter
from ..options import MaskOptions
from ..tensors.pixels import Bool, Uint8

GAP_PX: Final = 8  # white, between the pictures of a comparison
_COMPARISON: Final = "_side_by_side.png"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileOptions:
    """Options for reading and writing files."""

    mask: MaskOptions = dataclasses.field(default_factory=MaskOptions)
    quality: int = QUALITY  # 1 to 100, of JPEG and WebP outputs
    overwrite: bool = False  # replace outputs that exist; without it they are refused
    side_by_side: bool = False  # also write input, mask and result side by side

    def __post_init__(self) -> None:
        """Refuse a quality that encoders would silently change."""
        if not 1 <= self.quality <= 100:
            raise ContractError(f"quality must be 1 to 100; got {self.quality}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """An image and a mask to read, and an output to write."""

    image: Path  # file to repair; never written to
    mask: Path  # file that is white where pixels are missing; never written to
    output: Path  # file to write; its suffix is the format

    def outputs(self, options: FileOptions) -> tuple[Path, ...]:
        """Return the files that are written: the output, then ``<stem>_side_by_side.png``."""
        beside = self.output.with_name(self.output.stem + _COMPARISON)
        return (self.output, beside) if options.side_by_side else (self.output,)

    def check(self, options: FileOptions) -> None:
        """Refuse outputs that are inputs, exist, cannot be written or have no known format."""
        if is_folder(self.output):
            raise ContractError(
                f"the output of one image must be a file; {self.output} is a folder"
            )
        output_format(self.output)
        folder = followed(self.output).parent
        if not is_folder(folder) or not os.access(folder, os.W_OK | os.X_OK):
            raise ContractError(
                f"cannot write {self.output}: its folder does not exist or cannot be written to\n"
                f"Choose an existing folder with write permission (here: {folder})."
            )
        for output in self.outputs(options):
            with failures_as_errors(f"write {output}"):
                if not written_file(output).exists():
                    continue
            inputs = filter(is_file, (self.image, self.mask))
            if any(is_same(output, source) for source in inputs):
                raise ContractError(f"an output must not replace an input; got {output} for both")
            if not options.overwrite:
                raise ContractError(f"{output} exists; replace it with --overwrite")

    def done(self, options: FileOptions) -> bool:
        """Report whether all outputs exist: an earlier run wrote them."""
        return all(map(is_file, self.outputs(options)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loaded:
    """A job with its decoded image and mask."""

    job: Job  # the three files
    picture: Picture  # the image
    hole: Bool  # (H, W), True where pixels are missing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Repaired:
    """Summary of a repaired file.

    Attributes:
        size: (H, W) of the upright image.
        coverage: share of it that was missing, 0 to 1.
        outputs: the files that were written.
    """

    size: tuple[int, int]
    coverage: float
    outputs: tuple[Path, ...]


def repair_file(
    image: str | os.PathLike[str],
    mask: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    model: Inpainter | str | Path | None = None,
    mask_options: MaskOptions | None = None,
    quality: int = QUALITY,
    overwrite: bool = False,
    side_by_side: bool = False,
) -> Repaired:
    """Repair one image file, as ``csakit inpaint`` does.

    Orientation, EXIF, colour profile, transparency and 16 bits a channel are kept.

    Args:
        image: file to repair, of any size.
        mask: file that is white where pixels are missing.
        output: file to write; its suffix is the format.
        model: an open inpainter, which serves many files; or the path of a model that is opened
            for this file; None is the model that comes with the package.
        mask_options: how the mask is read; None takes the defaults.
        quality: 1 to 100, of JPEG and WebP outputs.
        overwrite: replace an output that exists; without it, that is an error.
        side_by_side: also write input, mask and result in one picture.

    Returns:
        The size of the image, the share that was missing, and the files that were written.

    Raises:
        ContractError: a file cannot be read or written, or an argument is wrong.
        EngineError: the model failed.
        LibraryError: what runs the model is not installed.
        ResourceError: there is too little memory or space.
    """
    options = FileOptions(
        mask=mask_options or MaskOptions(),
        quality=quality,
        overwrite=overwrite,
        side_by_side=side_by_side,
    )
    job = Job(image=Path(image), mask=Path(mask), output=Path(output))
    if isinstance(model, Inpainter):
        return run_job(model, job, options)
    job.check(options)  # before the model is opened, which takes longer
    with Inpainter.open(model) as inpaint:
        return run_job(inpaint, job, options)


def run_job(inpaint: Inpainter, job: Job, options: FileOptions) -> Repaired:
    """Repair one image file with an open model; raises as ``repair_file``."""
    loaded = load_job(job, options)
    return write_job(loaded, fill(inpaint, loaded), options)


def load_job(job: Job, options: FileOptions) -> Loaded:
    """Check a job, and read its image and mask; raises as ``repair_file``."""
    job.check(options)
    picture = load_image(job.image)
    hole = load_hole(job.mask, picture.pixels.shape[:2], options.mask)
    return Loaded(job=job, picture=picture, hole=hole)


def fill(inpaint: Inpainter, loaded: Loaded) -> Uint8:
    """Return the repaired pixels of a job, (H, W, 3); raises as ``repair_file``."""
    pixels = loaded.picture.pixels
    try:
        return inpaint(pixels, loaded.hole) if loaded.hole.any() else pixels
    except MemoryError as error:
        raise failure(error, f"repair {loaded.job.image}") or error from error


def write_job(loaded: Loaded, result: Uint8, options: FileOptions) -> Repaired:
    """Write the outputs of a job with its repaired pixels, (H, W, 3); raises as ``repair_file``."""
    job, picture, hole = loaded.job, loaded.picture, loaded.hole
    repaired, outputs = picture.repaired(result, hole), job.outputs(options)
    save_image(repaired, job.output, quality=options.quality)
    if options.side_by_side:
        save_image(compare(picture, hole, repaired), outputs[-1])
    return Repaired(size=hole.shape, coverage=float(hole.mean()), outputs=outputs)


def compare(before: Picture, hole: Bool, after: Picture) -> Picture:
    """Return input, mask (H, W) and result side by side: 3 W and two gaps wide."""
    mask = np.repeat(np.where(hole, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)
    gap = np.full((hole.shape[0], GAP_PX, 3), 255, dtype=np.uint8)
    row = np.concatenate([before.pixels, gap, mask, gap, after.pixels], axis=1)
    metadata = before.metadata
    colours = Metadata(icc_profile=metadata.icc_profile, colours=metadata.colours)
    return Picture(pixels=row, alpha=None, grey=before.grey, metadata=colours)
