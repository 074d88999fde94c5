"""Run an exported CSA model. NumPy in, NumPy out; no torch.

from csakit.runtime import Inpainter

with Inpainter.open("model.onnx") as inpaint:
    result = inpaint(image, hole)  # (H, W, 3) uint8, (H, W) bool -> (H, W, 3) uint8
"""

from .inpainter import Inpainter as Inpainter
from .options import InpaintOptions as InpaintOptions
from .session import Session as Session
from .session import open_session as open_session

__all__ = ["InpaintOptions", "Inpainter", "Session", "open_session"]
