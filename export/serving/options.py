"""Options of a model repository: a frozen object, validated when it is created."""

import dataclasses
import re
from typing import Final, Literal

from ...plugins.errors import ContractError
from ...runtime.contract import SIZE_MULTIPLE
from ..config import MAX_SIZE, SIZES

Device = Literal["cpu", "gpu"]

MAX_BATCH: Final = 8  # for models without a limit; the default of engines too
MAX_INSTANCES: Final = 64  # each holds the model once more
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # of a folder, and part of a URL


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingOptions:
    """Options of a served model.

    Attributes:
        name: prefix of the models: NAME_onnx, NAME_trt.
        device: where ONNX Runtime computes; engines always run on GPUs.
        instances: instances of each model, on each GPU or on the CPU.
        threads: ONNX Runtime's threads in each instance on a CPU; 0 is all cores.
        max_batch: largest batch; None is the model's, or 8 if it has no limit.
        preferred: batch sizes to wait for; empty takes whatever is queued.
        delay_us: how long a request waits for others to form a batch, in microseconds.
        size: side of the warm-up images; None is the one it is tuned for.
        warmup: run requests before the server reports ready.
        cuda_graphs: let Triton capture CUDA graphs of the engine.
    """

    name: str = "csa"
    device: Device = "cpu"
    instances: int = 1
    threads: int = 0
    max_batch: int | None = None
    preferred: tuple[int, ...] = ()
    delay_us: int = 500
    size: int | None = None
    warmup: bool = True
    cuda_graphs: bool = False

    def __post_init__(self) -> None:
        """Refuse values that Triton would refuse or ignore."""
        if not _NAME.fullmatch(self.name):
            raise ContractError(
                "--name must be 1 to 64 letters, digits, dots, dashes or underscores, and begin "
                f"with a letter or digit; got {self.name!r}"
            )
        self._between("--instances", self.instances, 1, MAX_INSTANCES)
        self._between("--threads", self.threads, 0, 1024)
        self._between("--queue-delay", self.delay_us, 0, 10_000_000)
        if self.max_batch is not None:
            self._between("--max-batch", self.max_batch, 1, 1024)
        if self.size is not None and self.size not in SIZES:
            raise ContractError(
                f"--size must be a multiple of {SIZE_MULTIPLE} up to {MAX_SIZE}; got {self.size}"
            )
        if any(size < 1 for size in self.preferred):
            given = ",".join(map(str, self.preferred))
            raise ContractError(f"--preferred must be of at least 1; got {given}")

    @staticmethod
    def _between(option: str, value: int, least: int, most: int) -> None:
        if not least <= value <= most:
            raise ContractError(f"{option} must be {least} to {most}; got {value}")
