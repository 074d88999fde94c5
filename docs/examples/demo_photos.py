"""Write the damaged photographs of the demo and their masks: ``python demo_photos.py FOLDER``.

``photo.jpg`` has scratches, a watermark and a spot; ``box.png`` lacks a square of 160 pixels. Both
are ``chelsea`` of scikit-image, which the demo model was never trained on.
"""

import sys
from pathlib import Path

import numpy as np
import skimage.data
from csakit.train.evaluation.hole_classes import draw_hole
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SEED = 4
WATERMARK_PX = 44
SPOT = (236, 14, 278, 56)  # left, top, right, bottom: in the fur
BOX = (150, 90, 309, 249)
MASK_GROWTH = 3  # side of a square in pixels: JPEG smears the damage over its edge
DAMAGE = {  # RGB of what is drawn over the photograph
    "scratches": (240, 238, 226),
    "text": (255, 255, 255),
    "spot": (52, 38, 30),
    "box": (128, 128, 128),
}


def main(folder: Path) -> None:
    """Write the four files."""
    photograph = skimage.data.chelsea()
    height, width = photograph.shape[:2]
    masks = {name: Image.new("L", (width, height)) for name in DAMAGE}
    masks["scratches"] = Image.fromarray(draw_hole("scratches", (height, width), SEED))
    font = ImageFont.load_default(WATERMARK_PX)
    ImageDraw.Draw(masks["text"]).text((20, 185), "csakit sample 2026", fill=255, font=font)
    ImageDraw.Draw(masks["spot"]).ellipse(SPOT, fill=255)
    ImageDraw.Draw(masks["box"]).rectangle(BOX, fill=255)
    folder.mkdir(parents=True, exist_ok=True)
    for name, mask_name, parts in (
        ("photo.jpg", "mask.png", ("scratches", "text", "spot")),
        ("box.png", "box_mask.png", ("box",)),
    ):
        damaged, whole = Image.fromarray(photograph), Image.new("L", (width, height))
        for part in parts:
            mask = masks[part].convert("L").point(lambda grey: 255 * (grey > 0))
            damaged.paste(DAMAGE[part], mask=mask)
            whole.paste(255, mask=mask)
        if name.endswith(".jpg"):
            whole = whole.filter(ImageFilter.MaxFilter(MASK_GROWTH))
        damaged.save(folder / name, quality=95, subsampling=0)  # PNG takes no notice
        whole.save(folder / mask_name)
        print(
            f"wrote {folder / name} ({width}x{height}) and {folder / mask_name} "
            f"({100 * np.asarray(whole).mean() / 255:.0f} % missing)"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
