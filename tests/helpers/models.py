"""Small networks with deterministic weights, in the working range of a trained network."""

from csakit.benchmarks.inputs import SEED, random_model
from csakit.train import CSAInpainter, ModelConfig


def make_model(config: ModelConfig | None = None, *, seed: int = SEED) -> CSAInpainter:
    """Build a model in eval mode; the same arguments give the same weights.

    Args:
        config: of the network; None is width 4 with the defaults otherwise.
        seed: of the weights.
    """
    return random_model(config or ModelConfig(width=4), seed=seed)
