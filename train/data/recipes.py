"""Layouts of the paper's data sets, and how squares of 256 are cut out of them.

See docs/training.md for files and squares of each. Sources. Layout of Places2: its site and
torchvision's ``places365.py``; of CelebA: its site and ``celeba.py``; of Paris StreetView: Pathak
et al., arXiv:1604.07379, whose ``paris_eval_corrupted`` has the hole painted in and is never read.
Squares of Places2: Yu et al., arXiv:1801.07892, cut 256 x 256 at random from the full resolution;
tests take the middle. Squares of CelebA and Paris: Nazeri et al., arXiv:1901.00212. The CSA paper
states 256 x 256 only; its published code mirrors and stretches each picture, which is "stretch".
"""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

from ...plugins.errors import ContractError
from ...runtime.images.decode import INPUT_SUFFIXES
from .framing import REFERENCE_SIZE, Framing
from .listing import check_folder, hold_out, present, read_list, walk

Split = Literal["train", "val", "all", "auto"]
RecipeName = Literal["folder", "zoom", "places2", "celeba", "paris", "stretch"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)
RECIPE_NAMES: Final[tuple[RecipeName, ...]] = get_args(RecipeName)

Lister = Callable[[], list[str]]


class Parts(NamedTuple):
    """Listers of the training and validation images of a data set; None if it has no such part."""

    train: Lister | None
    val: Lister | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The layout and framing of one data set."""

    framing: Framing  # of training squares; those of other splits are its ``fixed()`` form
    # Each returns the split below a root folder, or None if it is laid out in another way.
    layouts: tuple[Callable[[Path], "Parts | None"], ...] = ()

    def parts(self, root: Path) -> Parts:
        """Return the split below a root folder."""
        found = (layout(root) for layout in self.layouts)
        return next((parts for parts in found if parts is not None), None) or _folder_parts(root)


def list_images(root: Path, recipe: Recipe, split: Split) -> list[str]:
    """Return the images of one split, paths below the root, each once, in a fixed order."""
    check_folder(root, "a data set")
    train, val = recipe.parts(root)
    if split == "auto":
        split = "val" if train or val else "all"
    if split == "all":
        names = [*train(), *val()] if train and val else [*walk(root)]
    elif split == "val" and val:
        names = val()
    else:
        names = train() if train else [*walk(root)]
        if not val:
            names = hold_out(names)[split == "val"]
    names = [*dict.fromkeys(names)]
    if not names:
        raise ContractError(
            f"a data set must hold at least one image for {split!r}; got none in {root}\n"
            f"Files of these kinds are taken, at any depth: {', '.join(sorted(INPUT_SUFFIXES))}"
        )
    return names


def _folder_parts(root: Path) -> Parts:
    lists = [_listed(root, stems) for stems in (_TRAIN_LISTS, _VAL_LISTS)]
    if lists[0]:
        return Parts(*lists)
    train = _first(root, _TRAIN_FOLDERS)
    # A lone folder "test" is as likely to be a category.
    val = None if train is None else _first(root, _VAL_FOLDERS)
    return Parts(_walker(root, train), _walker(root, val))


_TRAIN_FOLDERS: Final = ("train", "training")
_VAL_FOLDERS: Final = ("val", "valid", "validation", "test", "eval")
_TRAIN_LISTS: Final = ("train", "train_list", "train_shuffled")
_VAL_LISTS: Final = ("val", "val_list", "valid", "validation", "test")


def _listed(root: Path, stems: tuple[str, ...]) -> Lister | None:
    for path in (root / f"{stem}{suffix}" for stem in stems for suffix in (".txt", ".flist")):
        if path.is_file():
            # A path may hold spaces, so that the whole line counts.
            return lambda: present((" ".join(columns) for columns in read_list(path)), root)
    return None


def _places2_parts(root: Path) -> Parts | None:
    train = _first(root, [f"data_{kind}" for kind in _PLACES2_KINDS])
    val = _first(root, ["val_large", "val_256"])
    if train is None and val is None:
        return None
    lists = ["places365_train_standard.txt", "places365_train_challenge.txt"]
    return Parts(
        _places2_names(root, train, lists), _places2_names(root, val, ["places365_val.txt"])
    )


_PLACES2_KINDS: Final = (
    *("large_standard", "large", "large_challenge"),
    *("256_standard", "256", "256_challenge"),
)


def _places2_names(root: Path, folder: str | None, lists: list[str]) -> Lister | None:
    paths = [f"{place}{name}" for place in _PLACES2_LISTS for name in lists]
    found = _first(root, paths, Path.is_file)
    if found is None or folder is None:
        return _walker(root, folder)
    return lambda: present(
        (f"{folder}/{columns[0].lstrip('/')}" for columns in read_list(root / found)), root
    )


_PLACES2_LISTS: Final = ("", "filelist_places365-standard/", "filelist_places365-challenge/")


def _celeba_parts(root: Path) -> Parts | None:
    images = _first(root, _CELEBA_FOLDERS)
    paths = [f"{p}list_eval_partition{s}" for p in _CELEBA_LISTS for s in (".txt", ".csv")]
    found = _first(root, paths, Path.is_file)
    if found is None:
        return None
    prefix = "" if images is None else f"{images}/"

    def names(part: str) -> list[str]:
        rows = (row for row in read_list(root / found) if row[1:2] == [part])
        return present((prefix + row[0] for row in rows), root)

    return Parts(lambda: names("0"), lambda: names("1"))


_CELEBA_FOLDERS: Final = (
    "img_align_celeba/img_align_celeba",  # as a well-known copy unpacks
    "img_align_celeba",
    "Img/img_align_celeba",
    "celeba/img_align_celeba",
)
_CELEBA_LISTS: Final = ("", "Eval/", "celeba/")


def _paris_parts(root: Path) -> Parts | None:
    train = _first(root, ["paris_train_original"])
    val = _first(root, ["paris_eval_gt", "paris_eval/paris_eval_gt"])
    if train is None or val is None:
        return None
    return Parts(_walker(root, train), _walker(root, val))


def _first(
    root: Path, names: Iterable[str], is_there: Callable[[Path], bool] = Path.is_dir
) -> str | None:
    return next((name for name in names if is_there(root / name)), None)


def _walker(root: Path, folder: str | None) -> Lister | None:
    return None if folder is None else lambda: [f"{folder}/{name}" for name in walk(root / folder)]


_PIXELS: Final = (float(REFERENCE_SIZE), float(REFERENCE_SIZE))
RECIPES: Final[dict[RecipeName, Recipe]] = {
    "folder": Recipe(framing=Framing(where="random", share=(0.5, 1.0), flip=True)),
    "zoom": Recipe(framing=Framing(where="random", share=(0.22, 1.0), even=True, flip=True)),
    "places2": Recipe(
        framing=Framing(where="random", pixels=_PIXELS, flip=True), layouts=(_places2_parts,)
    ),
    "celeba": Recipe(framing=Framing(flip=True, smooth=False), layouts=(_celeba_parts,)),
    "paris": Recipe(framing=Framing(where="thirds", flip=True), layouts=(_paris_parts,)),
    "stretch": Recipe(
        framing=Framing(where="whole", flip=True, smooth=False),
        layouts=(_places2_parts, _celeba_parts, _paris_parts),
    ),
}
