"""The learning rate is constant and then falls linearly to 0."""

import pytest
from csakit.train.training import OptimisationConfig
from csakit.train.training.schedule import learning_rate


def test_the_rate_is_constant_and_then_falls_by_equal_parts_to_nothing() -> None:
    config = OptimisationConfig(steps=8, learning_rate=1.0, decay_from=0.5)

    rates = [learning_rate(config, step) for step in range(9)]

    assert rates == pytest.approx([1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0])


@pytest.mark.parametrize(("decay_from", "last"), [(1.0, 1.0), (0.0, 0.25)])
def test_the_decay_may_be_the_whole_run_or_none_of_it(decay_from: float, last: float) -> None:
    config = OptimisationConfig(steps=4, learning_rate=1.0, decay_from=decay_from)

    assert learning_rate(config, 0) == 1.0
    assert learning_rate(config, 3) == last
