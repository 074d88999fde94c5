"""An exported model in whichever backend of csakit's runtime, as a rival."""

import dataclasses

from ...runtime import Session
from ...runtime.tensors.pixels import Float32


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
