"""Orders are permutations, and generators depend on everything they are told, on nothing else."""

import itertools

from csakit.train.data.order import Stream, generator, image_at, place


def test_every_epoch_is_another_permutation() -> None:
    epochs = [[image_at(5, epoch, slot, 30) for slot in range(30)] for epoch in range(4)]

    assert all(sorted(epoch) == [*range(30)] for epoch in epochs)
    assert all(one != other for one, other in itertools.combinations(epochs, 2))
    assert [image_at(5, 2, slot, 30) for slot in range(30)] == epochs[2]
    assert [image_at(6, 2, slot, 30) for slot in range(30)] != epochs[2]


def test_a_position_is_an_epoch_and_a_place() -> None:
    assert [place(position, 3) for position in (0, 2, 3, 7)] == [(0, 0), (0, 2), (1, 0), (2, 1)]


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
