"""The learning rate of each step: constant, then linear to 0, as in the published training."""

from .config import OptimisationConfig


def learning_rate(config: OptimisationConfig, step: int) -> float:
    """Give the learning rate of one step.

    With n steps and d the step from which it decays, step t has the rate times
    ``min(1, (n - t) / (n - d))``: the first step of the decay has the full rate, the last
    of all one part of n - d, and the step after it would have none.

    Args:
        config: steps, learning_rate, decay_from.
        step: number of the step, from 0.

    Returns:
        The rate. It depends on nothing else, so that a resumed run has it too.
    """
    start = config.decay_from * config.steps
    if step < start or start >= config.steps:
        return config.learning_rate
    return config.learning_rate * (config.steps - step) / (config.steps - start)
