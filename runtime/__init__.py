"""Run an exported CSA model. NumPy in, NumPy out; no torch.

from csakit.runtime import Inpainter

with Inpainter.open("model.onnx") as inpaint:
    result = inpaint(image, mask)  # (H, W, 3) uint8, (H, W) bool -> (H, W, 3) uint8
"""

import os

TYPE_CHECKING = False  # as typing's, whose import takes longer than all else here

# onnxruntime reports to its maker unless this is set before anything imports it.
if not os.environ.get("ORT_DISABLE_TELEMETRY"):
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from .inpainter import Inpainter as Inpainter
    from .options import EngineOptions as EngineOptions
    from .options import InpaintOptions as InpaintOptions
    from .sessions.session import Session as Session
    from .sessions.session import open_session as open_session

__all__ = ["EngineOptions", "InpaintOptions", "Inpainter", "Session", "open_session"]

_HOMES = {
    "EngineOptions": "options",
    "InpaintOptions": "options",
    "Inpainter": "inpainter",
    "Session": "sessions.session",
    "open_session": "sessions.session",
}


def __getattr__(name: str) -> object:
    """Import what is asked for, at its first use: ``csakit --help`` needs no NumPy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value
