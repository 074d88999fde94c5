"""The ways to run a model that are compared; to add one is to add a line to ``BACKENDS``.

Nothing heavy is imported here: the command line lists these, and asks whether they can run.

Letters: B images, H W sides in pixels.
"""

import dataclasses
import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from ...export.config import Target
from ...plugins.errors import ContractError
from ...runtime.contract import Arithmetic, Precision
from ...runtime.host import has_bfloat16

if TYPE_CHECKING:
    from ...runtime.tensors.pixels import Float32


class Running(Protocol):
    """An opened model in the process that is timed.

    The opener of a backend, ``(file, threads) -> Running``, lies in ``benchmarks/latency``.
    """

    def run(self, image: "Float32", hole: "Float32") -> "Float32":
        """Inpaint (B, 3, H, W) in [-1, 1] with (B, 1, H, W); return when the result is there."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackendSpec:
    """One way to run a model.

    Attributes:
        name: as the command line has it.
        description: in words.
        opener: "module:function" within this package; see ``Running``.
        modules: what must be installed, and is imported first.
        target: how the checkpoint is exported for it; None runs the checkpoint itself.
        precision: of the exported file.
        computes: what the networks are computed in, which decides the limits of its results;
            None is the precision.
        also: returns what else is missing here, None if nothing.
        by_name: it runs only where it is asked for.
    """

    name: str
    description: str
    opener: str
    modules: tuple[str, ...]
    target: Target | None = None
    precision: Precision = "fp32"
    computes: Arithmetic | None = None
    also: Callable[[], str | None] = lambda: None
    by_name: bool = False

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
_TORCH: Final = ("torch", "safetensors")

BACKENDS: Final[Mapping[str, BackendSpec]] = {
    backend.name: backend
    for backend in (
        BackendSpec(
            name=BASELINE,
            description="PyTorch, CSA as a Python loop over positions",
            opener="torch_backends:open_python_loop",
            modules=_TORCH,
        ),
        BackendSpec(
            name="torch",
            description="PyTorch, csakit's operator",
            opener="torch_backends:open_eager",
            modules=_TORCH,
        ),
        BackendSpec(
            name="torch-compile",
            description="torch.compile, csakit's operator",
            opener="torch_backends:open_compiled",
            modules=_TORCH,
            also=_no_compiler,
        ),
        BackendSpec(
            name="ort",
            description="ONNX Runtime, exported with --target generic",
            opener="onnx_backends:open_onnxruntime",
            modules=("onnxruntime",),
            target="generic",
        ),
        BackendSpec(
            name="ort-target",
            description="ONNX Runtime, exported with --target ort",
            opener="onnx_backends:open_onnxruntime",
            modules=("onnxruntime",),
            target="ort",
        ),
        BackendSpec(
            name="openvino",
            description="OpenVINO in float32, exported with --target generic",
            opener="onnx_backends:open_openvino",
            modules=("openvino",),
            target="generic",
        ),
        BackendSpec(
            name="openvino-bf16",
            description="OpenVINO in bfloat16, exported with --target generic",
            opener="onnx_backends:open_openvino_bf16",
            modules=("openvino",),
            target="generic",
            computes="bf16",
            also=_no_bfloat16,
            # Random weights with strokes leave its limit (32 to 36 dB at full width), which
            # would stop a run that nobody asked it into.
            by_name=True,
        ),
    )
}
USUAL: Final = tuple(name for name, backend in BACKENDS.items() if not backend.by_name)


def chosen(names: tuple[str, ...]) -> tuple[BackendSpec, ...]:
    """Look backends up, each once, the Python loop first, whether it was asked for or not.

    Raises:
        ContractError: one is unknown.
    """
    unknown = [name for name in names if name not in BACKENDS]
    if unknown:
        raise ContractError(f"a backend must be one of {', '.join(BACKENDS)}; got {unknown[0]!r}")
    return tuple(BACKENDS[name] for name in dict.fromkeys((BASELINE, *names)))
