"""Names come back as they went in."""

import pickle

import pytest
from csakit.train.data.names import Names

TEXTS = ["a.png", "", "größe/été.jpg", "with space/x.png", "bytes\udcff.png"]


def test_names_come_back_in_order() -> None:
    names = pickle.loads(pickle.dumps(Names(TEXTS)))

    assert [names[index] for index in range(len(names))] == TEXTS


@pytest.mark.parametrize("index", [-1, 5])
def test_what_is_beyond_the_end_is_an_error(index: int) -> None:
    with pytest.raises(IndexError, match=rf"in 0\.\.4; got {index}"):
        Names(TEXTS)[index]


def test_many_names_travel_in_their_own_size() -> None:
    texts = [f"category/{index:08d}.jpg" for index in range(10_000)]

    size = len(pickle.dumps(Names(texts)))

    assert size < sum(map(len, texts)) + 8 * len(texts) + 1000
