"""Choose a CUDA binding, and open a GPU with it."""

import dataclasses
import importlib.util
from typing import Final, Literal

from ...plugins.errors import ContractError, LibraryError
from ...plugins.versions import installed
from .binding import CudaError
from .device import Device
from .fork_guard import ForkGuard

BindingName = Literal["pycuda", "cuda-python"]
BINDINGS: Final[tuple[BindingName, ...]] = ("pycuda", "cuda-python")  # the first installed is used
_DISTRIBUTIONS: Final = {"pycuda": ("pycuda",), "cuda-python": ("cuda-python", "cuda-bindings")}
_MODULES: Final = {"pycuda": ("pycuda",), "cuda-python": ("cuda", "bindings")}
_HINT: Final = (
    "\nCompare driver and GPU with: csakit doctor   (in a forked process CUDA works only if the "
    "parent never used it: multiprocessing.get_context('spawn'))"
)

_initialised: Final[list[ForkGuard]] = []  # processes that initialised CUDA; forks inherit it


@dataclasses.dataclass(frozen=True)
class Choice:
    """The CUDA binding to use, or the reason for none."""

    binding: BindingName | None  # None if no binding is installed
    version: str | None  # of the binding
    reason: str  # why this one, or what to install


def choose_binding(requested: str | None = None) -> Choice:
    """Return the CUDA binding to use, and why; imports none."""
    if requested is not None and requested not in BINDINGS:
        known = ", ".join(BINDINGS)
        raise ContractError(f"a CUDA binding must be one of {known}; got {requested!r}")
    there = [name for name in BINDINGS if _is_installed(name)]
    for name in there:
        if requested in (None, name):
            others = [other for other in there if other != name]
            reason = "as asked for" if requested else "the only one installed"
            if others and not requested:
                reason = f"preferred to {', '.join(others)}, which is installed too"
            version = next(filter(None, map(installed, _DISTRIBUTIONS[name])), None)
            return Choice(name, version, reason)
    lacking = "neither PyCUDA nor cuda-python is" if requested is None else f"{requested} is not"
    return Choice(None, None, f"{lacking} installed: pip install {requested or 'cuda-python'}")


def open_device(number: int = 0, *, binding: str | None = None, spin: bool = True) -> Device:
    """Open a GPU; the caller closes it. LibraryError without a binding or a driver."""
    choice = choose_binding(binding)
    if choice.binding is None:
        raise LibraryError(f"a GPU needs a CUDA binding for Python: {choice.reason}")
    if _initialised:
        _initialised[0].require_this()
    _initialised.append(ForkGuard())
    try:  # each binding is imported with the package it needs
        if choice.binding == "pycuda":
            from .pycuda_binding import PyCudaBinding

            return Device(PyCudaBinding(), number, spin=spin)
        from .cuda_python_binding import CudaPythonBinding

        return Device(CudaPythonBinding(), number, spin=spin)
    except CudaError as error:
        raise type(error)(error.call, error.name, f"{error.text}{_HINT}") from error


def _is_installed(binding: BindingName) -> bool:
    """Report whether the modules can be found; the first alone is imported, an empty namespace."""
    try:
        return importlib.util.find_spec(".".join(_MODULES[binding])) is not None
    except ModuleNotFoundError:
        return False
