"""Run an exported CSA model; no torch.

One image file, with everything that ``csakit inpaint`` keeps of it::

    from csakit.runtime import repair_file

    repair_file("photo.jpg", "mask.png", "repaired.jpg")

Images in memory, arrays or Pillow images::

    from csakit.runtime import Inpainter

    with Inpainter.open() as inpaint:  # or "model.onnx", "model.engine"
        result = inpaint(image, mask)  # (H, W, 3) uint8, (H, W) bool -> (H, W, 3) uint8
"""

import os

TYPE_CHECKING = False  # not typing's: that import would take longer than all else here

# onnxruntime sends telemetry unless this is set before it is imported.
if not os.environ.get("ORT_DISABLE_TELEMETRY"):
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from ..plugins.errors import ContractError as ContractError
    from ..plugins.errors import CsakitError as CsakitError
    from ..plugins.errors import EngineError as EngineError
    from ..plugins.errors import LibraryError as LibraryError
    from .batch.job import Repaired as Repaired
    from .batch.job import repair_file as repair_file
    from .inpainter import Inpainter as Inpainter
    from .options import EngineOptions as EngineOptions
    from .options import InpaintOptions as InpaintOptions
    from .options import MaskOptions as MaskOptions
    from .sessions.session import Session as Session
    from .sessions.session import open_session as open_session

_NAMES = {
    "..plugins.errors": ("ContractError", "CsakitError", "EngineError", "LibraryError"),
    ".batch.job": ("Repaired", "repair_file"),
    ".inpainter": ("Inpainter",),
    ".options": ("EngineOptions", "InpaintOptions", "MaskOptions"),
    ".sessions.session": ("Session", "open_session"),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [*_HOMES]


def __getattr__(name: str) -> object:
    """Import a public name at its first use: ``csakit --help`` needs no NumPy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
