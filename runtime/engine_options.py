"""How an engine is run."""

import dataclasses

from ..plugins.errors import ContractError


@dataclasses.dataclass(frozen=True)
class EngineOptions:
    """How an engine is run; the defaults are for one or two threads.

    Attributes:
        contexts: at most so many execution contexts, each for one shape and with memory of its
            own; made when they are needed.
        cuda_graph: capture each context's call in a CUDA graph.
        adapter: CUDA binding, "pycuda" or "cuda-python"; None takes the first installed.

    Raises:
        ContractError: a value is out of its range.
    """

    contexts: int = 2
    cuda_graph: bool = True
    adapter: str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.contexts < 1:
            raise ContractError(f"contexts must be at least 1; got {self.contexts}")
