"""One of two processes that average scores; ``python mean_of_two.py RANK FOLDER``.

Each has two of four scores and minimises a loss of the mean. Writes the mean, its loss and the
gradient of the average of both losses by its own two scores.
"""

import sys
from pathlib import Path

import torch
from csakit.train.training.processes import mean_over_processes
from safetensors.torch import save_file
from torch import distributed

SCORES = torch.tensor([0.5, -1.0, 2.0, 0.25], dtype=torch.float64)


def losses_of(scores: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    """Square what is relative to the mean, as the relativistic loss does; one each score."""
    return (scores - mean - 1).square() * scores.sin()


def main() -> None:
    """Run as RANK."""
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    scores = SCORES[2 * rank : 2 * rank + 2].clone().requires_grad_()
    mean = mean_over_processes(scores)
    loss = losses_of(scores, mean).mean()
    loss.backward()
    assert scores.grad is not None
    # what the engine does with parameters: the losses are averaged, so their gradients are
    result = {"mean": mean.detach(), "loss": loss.detach(), "gradient": scores.grad / 2}
    save_file(result, folder / f"{rank}.safetensors")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
