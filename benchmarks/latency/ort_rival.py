"""Exported models in ONNX Runtime on the CPU, through csakit's runtime, as its users run them."""

import dataclasses
from pathlib import Path

import onnxruntime  # noqa: F401  # the runtime defers it; here it counts as importing

from ...runtime import Session, open_session
from ...runtime.pixels import Float32


@dataclasses.dataclass(frozen=True)
class OnnxModel:
    """An opened model; see ``Running``."""

    session: Session

    def run(self, image: Float32, hole: Float32) -> Float32:
        """Inpaint a batch."""
        return self.session.run(image, hole)

    def peak_device_bytes(self) -> int | None:
        """There is no device."""
        return None


def open_onnx(file: Path, threads: int) -> OnnxModel:
    """Open an exported model."""
    return OnnxModel(open_session(file, threads=threads))
