"""Small networks with deterministic weights, in the working range of a trained network."""

from csakit.benchmarks.inputs import SEED, random_model
from csakit.train import CSAInpainter, ModelConfig


def make_model(config: ModelConfig | None = None, *, seed: int = SEED) -> CSAInpainter:
    """Build a model, of width 4 by default, in eval mode; a seed gives the same weights."""
    return random_model(config or ModelConfig(width=4), seed=seed)
