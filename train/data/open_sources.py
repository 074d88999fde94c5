"""Open sources of images and holes from the specifications of the command line."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ...plugins.errors import ContractError
from ..masks import box_hole, centre_hole
from . import mask_sources
from .image_sources import FolderImages, Mixture, Photographs
from .procedural import TRAIN_LENGTH, VAL_LENGTH, DeadLeaves
from .protocols import ImageSource, MaskSource
from .recipes import RECIPE_NAMES, SPLITS, RecipeName, Split

PROCEDURAL: Final = "procedural"
PHOTOGRAPHS: Final = "scikit-image"
CENTRE: Final = ("center", "centre")
BOX: Final = "box"
FREEFORM_RATIO: Final = (0.1, 0.4)

_SHARED = re.compile(r"(?P<spec>.+):(?P<share>\d+(?:\.\d+)?|\.\d+)")


def open_images(
    spec: str, *, recipe: RecipeName = "folder", split: Split = "train", cache_mib: int = 0
) -> ImageSource:
    """Open a source of images.

    Args:
        spec: a folder; "procedural", drawn images without end; "scikit-image", the photographs
            it ships; or several of these with shares, as "photos:0.7,procedural:0.3".
        recipe: how folders are laid out and squares are cut; see ``recipes``.
        split: "train"; "val", the set's own validation split or else one image in 20; "all"; or
            "auto", for images that were not trained on: the set's own validation split or else
            all images. Only "train" is augmented.
        cache_mib: most MiB of decoded images that each folder keeps, in every process.

    Raises:
        ContractError: a folder does not exist or holds no image, or a name is unknown.
        LibraryError: scikit-image is required but not installed.
    """
    if recipe not in RECIPE_NAMES:
        raise ContractError(f"recipe must be one of {', '.join(RECIPE_NAMES)}; got {recipe!r}")
    if split not in SPLITS:
        raise ContractError(f"split must be one of {', '.join(SPLITS)}; got {split!r}")
    if _is_mixture(spec):
        parts = _parts(spec, "photos:0.7,procedural:0.3")
        options = {"recipe": recipe, "split": split, "cache_mib": cache_mib}
        sources = [open_images(part, **options) for part in parts]  # type: ignore[arg-type]
        return Mixture(sources, [*parts.values()])
    if spec == PROCEDURAL:
        return DeadLeaves(TRAIN_LENGTH if split == "train" else VAL_LENGTH)
    if spec == PHOTOGRAPHS:
        return Photographs(split)
    root = Path(spec)
    if not root.exists():
        raise ContractError(
            f"images must be a folder, {PROCEDURAL!r} or {PHOTOGRAPHS!r}; {spec!r} does not exist"
        )
    return FolderImages(root, recipe, split, cache_mib=cache_mib)


def open_masks(
    spec: str,
    *,
    buckets: Sequence[str] | None = None,
    invert: bool = False,
    augment: bool = True,
    ratio: tuple[float, float] = FREEFORM_RATIO,
) -> MaskSource:
    """Open a source of holes; none that it draws is empty or full.

    Args:
        spec: "center", the paper's square; "box", a rectangle anywhere; "freeform", strokes;
            "thin", scratches, dust or text; "blob", ellipses; a folder of mask files; or several
            of these with shares, as "freeform:0.7,box:0.3".
        buckets: draw only holes of these sizes, some of ``BUCKETS``; the final hole counts.
        invert: black is missing in the files of a folder, not white.
        augment: mirror, turn and cut the masks of a folder.
        ratio: least and largest missing share of drawn holes; unused with buckets.

    Raises:
        ContractError: a folder does not exist or holds no mask, or a bucket is unknown or
            combined with the centre square.
    """
    chosen = None if buckets is None else mask_sources.check_buckets(buckets)
    if _is_mixture(spec):
        parts = _parts(spec, "freeform:0.7,box:0.3")
        options = {"buckets": buckets, "invert": invert, "augment": augment, "ratio": ratio}
        sources = [open_masks(part, **options) for part in parts]  # type: ignore[arg-type]
        return mask_sources.MixedHoles(sources, [*parts.values()])
    if spec in CENTRE:
        if chosen is not None:
            raise ContractError(f"the centre hole has one size; got buckets {', '.join(chosen)}")
        return mask_sources.ComputedHoles("center", centre_hole)
    source: MaskSource
    if spec == BOX:
        source = mask_sources.ComputedHoles(BOX, box_hole)
    elif spec == "freeform" and chosen is not None:
        source = mask_sources.freeform_buckets(chosen)
    elif spec in mask_sources.DRAWN:
        source = mask_sources.drawn_holes(spec, ratio)
    elif Path(spec).exists():
        source = mask_sources.FolderMasks(Path(spec), invert=invert, augment=augment)
    else:
        kinds = ", ".join((CENTRE[0], BOX, *mask_sources.DRAWN))
        raise ContractError(f"masks must be a folder or one of {kinds}; {spec!r} does not exist")
    return mask_sources.FilteredHoles(source, chosen)


def _is_mixture(spec: str) -> bool:
    return "," in spec and not Path(spec).exists()


def _parts(spec: str, example: str) -> dict[str, float]:
    """Read the parts of a mixture and their shares."""
    found = [_SHARED.fullmatch(part.strip()) for part in spec.split(",")]
    shares = {part["spec"]: float(part["share"]) for part in found if part}
    if len(shares) != len(found) or not all(shares.values()):
        raise ContractError(
            "each part of a mixture must come once and have a positive share, as in "
            f"{example!r}; got {spec!r}"
        )
    return shares
