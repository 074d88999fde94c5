"""Options of a verification, validated before anything heavy is imported."""

import dataclasses
from pathlib import Path
from typing import Final

from ...plugins.errors import ContractError
from ...runtime.contract import ComputePrecision
from ...runtime.engine.manifest import SUFFIX as ENGINE
from ...runtime.sessions.session import Backend

CHECKPOINT: Final = ".safetensors"
MODEL: Final = ".onnx"


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyRequest:
    """One call of ``csakit verify``."""

    model: Path  # .onnx or .engine
    # .safetensors or .onnx; None is the model that an engine was built from
    against: Path | None = None
    images: Path | None = None  # folder of photographs; None is those in scikit-image
    case: Path | None = None  # a saved case, the only one to run
    layerwise: bool = False  # compare inner tensors of two Polygraphy runners
    all_tensors: bool = False  # also those between the stages
    backend: Backend | None = None  # runtime for an .onnx model; compares the result alone
    # of the backend; None is the model's
    precision: ComputePrecision | None = None

    def __post_init__(self) -> None:
        """Refuse combinations that cannot be compared."""
        if self.all_tensors and not self.layerwise:
            raise ContractError("--all-tensors goes with --layerwise; got it alone")
        if self.layerwise and (self.backend or self.precision):
            raise ContractError(
                "--layerwise compares two of Polygraphy's runners; got --backend or --precision"
            )
        if self.engine and (self.backend or self.precision):
            raise ContractError(
                f"--backend and --precision are for {MODEL} files; got {self.model}\n"
                "Leave them out: the TensorRT that built an engine runs it."
            )
        other = self.against
        if other is None:
            if not self.engine:
                raise ContractError(
                    f"--against must name what {self.model} is compared with; got nothing\n"
                    "Name the checkpoint it was exported from, or with --layerwise another export."
                )
            return
        if other.suffix not in (CHECKPOINT, MODEL):
            raise ContractError(f"--against must be {CHECKPOINT} or {MODEL}; got {other}")
        if self.layerwise and other.suffix != MODEL:
            raise ContractError(
                f"--layerwise compares with an {MODEL} file; got {other}\n"
                "Without --layerwise the stages are compared with a checkpoint."
            )
        if not self.layerwise and not self.engine and other.suffix != CHECKPOINT:
            raise ContractError(
                f"a model is compared with its checkpoint; got {other}\n"
                "Add --layerwise to compare two exports."
            )

    @property
    def engine(self) -> bool:
        """Whether an engine is verified."""
        return self.model.suffix == ENGINE

    def command(self, case: Path) -> tuple[str, ...]:
        """Return the command that repeats the verification on one saved case."""
        command = ["csakit", "verify", str(self.model)]
        if self.against is not None:
            command += ["--against", str(self.against)]
        command += ["--layerwise"] if self.layerwise else []
        command += ["--all-tensors"] if self.all_tensors else []
        command += ["--backend", self.backend] if self.backend else []
        command += ["--precision", self.precision] if self.precision else []
        return (*command, "--case", str(case))
