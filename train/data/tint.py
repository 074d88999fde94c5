"""Draw an image towards one colour, so that the surroundings tell the hue of a hole.

A network that is trained on few photographs, or on drawn ones, must learn that a hole has the
hue of what is around it. Permuting the channels of each image taught the opposite (green patches
in brown fur); tinting the whole image taught this.
"""

import numpy as np

from .protocols import Pixels

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def tint(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Mix an image with a one-coloured version of itself, then change brightness and contrast.

    Args:
        image: (H, W, 3).
        rng: draws the colour, how much of the image's own colour stays, gain and shift.

    Returns:
        (H, W, 3).
    """
    own, gain, shift = rng.uniform(0.5, 1.0), rng.uniform(0.7, 1.3), rng.uniform(-25, 25)
    # Grey is linear in the channels, so that the whole change is one 3 x 3 matrix.
    matrix = own * np.eye(3) + (1 - own) * np.outer(_LUMA, rng.uniform(0.6, 1.4, 3))
    tinted = image.astype(np.float32) @ (gain * matrix).astype(np.float32)
    tinted += np.float32(shift)
    np.clip(tinted, 0, 255, out=tinted)
    return tinted.astype(np.uint8)
