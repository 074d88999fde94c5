"""A broken file is replaced by the next of its epoch, always the same, and reported."""

import itertools
from pathlib import Path

import pytest
from csakit.plugins.errors import ContractError
from csakit.train.data import open_images, open_masks
from csakit.train.data.sampling import (
    ATTEMPTS,
    Sample,
    Stream,
    TrainingSamples,
    draw_hole,
    generator,
    permutation,
)
from helpers.pictures import break_files, write_mask, write_picture


def test_every_epoch_is_another_permutation() -> None:
    epochs = [permutation(5, epoch, 30).tolist() for epoch in range(4)]

    assert all(sorted(epoch) == [*range(30)] for epoch in epochs)
    assert all(one != other for one, other in itertools.combinations(epochs, 2))
    assert permutation(5, 2, 30).tolist() == epochs[2]
    assert permutation(6, 2, 30).tolist() != epochs[2]


def test_generators_differ_by_seed_stream_and_key() -> None:
    keys = [
        (0, Stream.IMAGE, 0, 0),
        (1, Stream.IMAGE, 0, 0),
        (0, Stream.MASK, 0, 0),
        (0, Stream.IMAGE, 1, 0),
        (0, Stream.IMAGE, 0, 1),
        (0, Stream.IMAGE, 0, 0, 0),
        (2**32, Stream.IMAGE, 0, 0),  # would be seed 0 with a longer key, if they were one list
        (2**32 * 3 + 1, Stream.IMAGE, 0, 0),
    ]

    drawn = [generator(seed, stream, *key).integers(2**63) for seed, stream, *key in keys]

    assert len({*drawn}) == len(keys)
    assert generator(0, Stream.IMAGE, 0, 0).integers(2**63) == drawn[0]


def sample_of(samples: TrainingSamples, position: int) -> Sample:
    sample = samples[position]
    assert isinstance(sample, Sample)
    return sample


@pytest.fixture
def mixed(tmp_path: Path) -> tuple[Path, list[str]]:
    """Six readable pictures, each of its own grey, among six broken files."""
    broken = break_files(tmp_path)
    for index in range(6):
        write_picture(tmp_path / f"good{index}.png", level=10 + 40 * index)
    return tmp_path, broken


def test_an_epoch_with_broken_files_still_has_every_good_one(
    mixed: tuple[Path, list[str]],
) -> None:
    folder, broken = mixed
    images = open_images(str(folder), recipe="paris", split="all")
    samples = TrainingSamples(images, open_masks("center"), 32, seed=3)

    epoch = [sample_of(samples, position) for position in range(len(images))]

    assert {int(sample.image[0, 0, 0]) for sample in epoch} == {10 + 40 * i for i in range(6)}
    lines = [line for sample in epoch for line in sample.broken]
    assert {name for name in broken if any(name in line for line in lines)} == {*broken}
    assert not [line for line in lines if "good" in line]


def test_the_replacement_is_the_next_readable_image_of_the_epoch(
    mixed: tuple[Path, list[str]],
) -> None:
    folder, _ = mixed
    images = open_images(str(folder), recipe="paris", split="all")
    samples = TrainingSamples(images, open_masks("center"), 32, seed=3)
    order = [images.name(index) for index in permutation(3, 1, 12)]

    for slot in range(12):
        following = (order[slot:] + order[:slot])[:12]
        wanted = next(name for name in following if name.startswith("good"))
        sample = sample_of(samples, 12 + slot)
        assert sample.image[0, 0, 0] == 10 + 40 * int(wanted[4])
        assert len(sample.broken) == following.index(wanted)


def test_broken_masks_are_replaced_and_reported(tmp_path: Path) -> None:
    names = break_files(tmp_path)
    write_mask(tmp_path / "zz.png", 0.3)
    masks = open_masks(str(tmp_path), augment=False)

    drawn = [draw_hole(masks, 16, 0, Stream.MASK, 0, slot) for slot in range(40)]

    lines = [line for _, skipped in drawn for line in skipped]
    assert {round(float(hole.mean()), 1) for hole, _ in drawn} == {0.3}
    assert {name for name in names if any(name in line for line in lines)} == {*names}


def test_a_broken_mask_among_masks_of_other_sizes_is_refused_with_both_reasons(
    tmp_path: Path,
) -> None:
    (tmp_path / "x.png").write_bytes(b"")
    write_mask(tmp_path / "y.png", 0.3)
    masks = open_masks(str(tmp_path), buckets=["50-60"], augment=False)

    with pytest.raises(ContractError, match=rf"size; {ATTEMPTS} in a row .* first: .*x\.png"):
        draw_hole(masks, 16, 0, Stream.MASK, 0, 0)


def test_every_image_gets_a_hole_of_its_own_in_every_epoch() -> None:
    samples = TrainingSamples(open_images("scikit-image"), open_masks("freeform"), 32, seed=0)

    holes = {sample_of(samples, position).hole.tobytes() for position in range(18)}

    assert len(holes) == 18
