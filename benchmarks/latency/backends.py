"""The backends that are compared; a new one is one more entry of ``BACKENDS``.

Nothing heavy is imported here. Letters: B images, H W sides in pixels.
"""

import dataclasses
import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from ...export.config import Target
from ...plugins.errors import ContractError
from ...runtime.contract import ComputePrecision
from ...runtime.host import has_bfloat16

if TYPE_CHECKING:
    from ...runtime.tensors.pixels import Float32


class Running(Protocol):
    """An opened model in the process that is timed; ``(file, threads) -> Running`` opens it."""

    def run(self, image: "Float32", hole: "Float32") -> "Float32":
        """Inpaint (B, 3, H, W) in [-1, 1] with (B, 1, H, W); return when the result is complete."""


@dataclasses.dataclass(frozen=True)
class BackendSpec:
    """One way to run a model."""

    name: str  # on the command line
    title: str  # in words
    modules: tuple[str, ...]  # must be installed; imported first
    opener: str = "csakit.runtime:open_session"  # module, relative to this one, and function
    session: Mapping[str, str] = dataclasses.field(default_factory=dict)  # its keyword arguments
    target: Target | None = None  # how the checkpoint is exported; None runs the checkpoint itself
    computes: ComputePrecision = "fp32"  # decides the limits of results; files are exported in fp32
    also: Callable[[], str | None] = lambda: None  # returns what else is missing
    by_name: bool = False  # it runs only on request

    @property
    def description(self) -> str:
        """The title, and the target of the export."""
        return f"{self.title}, exported with --target {self.target}" if self.target else self.title

    def missing(self) -> str | None:
        """Return why it cannot run here; None if it can."""
        absent = [name for name in self.modules if importlib.util.find_spec(name) is None]
        if absent:
            return f"{', '.join(absent)} is not installed"
        return self.also()


def _no_compiler() -> str | None:
    compiler = os.environ.get("CXX", "g++")
    return None if shutil.which(compiler) else f"it compiles C++, and there is no {compiler}"


def _no_bfloat16() -> str | None:
    return None if has_bfloat16() else "this processor has no bfloat16"


BASELINE: Final = "torch-python-loop"  # always in the table


_TORCH: Final = ("torch", "safetensors"), ".torch_backends:open_torch"
_ALL: Final = (
    BackendSpec(
        BASELINE, "PyTorch, CSA as a Python loop over positions", *_TORCH, {"form": "loop"}
    ),
    BackendSpec("torch", "PyTorch, csakit's operator", *_TORCH),
    BackendSpec(
        *("torch-compile", "torch.compile, csakit's operator", *_TORCH, {"form": "compiled"}),
        also=_no_compiler,
    ),
    BackendSpec("ort", "ONNX Runtime", ("onnxruntime",), target="generic"),
    BackendSpec("ort-target", "ONNX Runtime", ("onnxruntime",), target="ort"),
    BackendSpec(
        *("openvino", "OpenVINO in float32", ("openvino",)),
        session={"backend": "openvino"},
        target="generic",
    ),
    # With random weights and strokes it may miss its limit (32 to 36 dB at full width), which
    # stops the run: only on request.
    BackendSpec(
        *("openvino-bf16", "OpenVINO in bfloat16", ("openvino",)),
        session={"backend": "openvino", "precision": "bf16"},
        target="generic",
        computes="bf16",
        also=_no_bfloat16,
        by_name=True,
    ),
)
BACKENDS: Final[Mapping[str, BackendSpec]] = {backend.name: backend for backend in _ALL}
USUAL: Final = tuple(name for name, backend in BACKENDS.items() if not backend.by_name)


def chosen(names: tuple[str, ...]) -> tuple[BackendSpec, ...]:
    """Return the named backends, each once, always with the baseline first."""
    unknown = [name for name in names if name not in BACKENDS]
    if unknown:
        raise ContractError(f"a backend must be one of {', '.join(BACKENDS)}; got {unknown[0]!r}")
    return tuple(BACKENDS[name] for name in dict.fromkeys((BASELINE, *names)))
