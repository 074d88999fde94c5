"""Repair a photograph on a Triton server: an example client.

    pip install 'tritonclient[http]' pillow
    python client.py photo.png mask.png -o repaired.png --model csa_onnx

White in the mask is missing. The part of the picture around the hole goes to the server at full
resolution; known pixels of the result are those of the photograph.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tritonclient.http as triton
from PIL import Image

MULTIPLE = 256  # pixels; the networks halve each side eight times
MARGIN = 0.5  # context sent on each side of the hole, as a share of its longer side

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Box = tuple[slice, slice]


def repair(server: Any, model: str, photo: Pixels, hole: Mask) -> Pixels:  # noqa: ANN401
    """Repair one picture: photo (H, W, 3) RGB, hole (H, W) True where a pixel is missing.

    Known pixels are returned as they are.

    Raises:
        ValueError: nothing or everything is missing, or the hole is larger than the model takes.
        tritonclient.utils.InferenceServerException: the server refuses or cannot be reached.
    """
    if not hole.any() or hole.all():
        raise ValueError("some pixels must be missing, and some known")
    config = server.get_model_config(model)
    box, size = window(hole, config["parameters"]["csakit_sides"]["string_value"])
    part, missing = photo[box], hole[box]
    below, right = size[0] - part.shape[0], size[1] - part.shape[1]
    padded = np.pad(part, ((0, below), (0, right), (0, 0)), mode="edge")
    unknown = np.pad(missing, ((0, below), (0, right)))
    answer = infer(server, model, config, padded, unknown)[: part.shape[0], : part.shape[1]]
    result: Pixels = photo.copy()
    result[box][missing] = answer[missing]
    return result


def window(hole: Mask, sides: str) -> tuple[Box, tuple[int, int]]:
    """Return the part of the picture to send, and the (H, W) it is padded to.

    Sides are "256", or "256:512:1024" for the least, the best, the most.
    """
    least, most = int(sides.split(":")[0]), int(sides.split(":")[-1])
    spans = [np.flatnonzero(hole.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    longest = max(int(last - first) + 1 for first, last in spans)
    if longest > most:
        raise ValueError(f"the hole must fit into {most} x {most} pixels; it has {longest}")
    wanted = int(longest * (1 + 2 * MARGIN))
    side = min(max(-(-wanted // MULTIPLE) * MULTIPLE, least), most)
    parts = []
    for (first, last), length in zip(spans, hole.shape, strict=True):
        start = int(first + last + 1 - side) // 2
        start = max(0, min(start, length - side))
        parts.append(slice(start, min(start + side, length)))
    return (parts[0], parts[1]), (side, side)


def infer(
    server: Any,  # noqa: ANN401
    model: str,
    config: Any,  # noqa: ANN401
    photo: Pixels,
    hole: Mask,
) -> Pixels:
    """Send a picture (H, W, 3) with its hole (H, W), of a size that the model takes."""
    as_bytes = config["input"][0]["data_type"] == "TYPE_UINT8"
    if as_bytes:
        tensors = {"image": photo, "mask": hole[..., None].astype(np.uint8)}
    else:
        numbers = photo.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1
        tensors = {"image": numbers, "mask": hole[None].astype(np.float32)}
    inputs = []
    for name, tensor in tensors.items():
        batch = np.ascontiguousarray(tensor[None])
        inputs.append(triton.InferInput(name, batch.shape, "UINT8" if as_bytes else "FP32"))
        inputs[-1].set_data_from_numpy(batch)
    result: Any = server.infer(model, inputs).as_numpy("output")[0]
    if as_bytes:
        return np.asarray(result, dtype=np.uint8)
    pixels = np.rint((result.transpose(1, 2, 0) + 1) * 127.5)
    clipped: Pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    return clipped


def main() -> int:
    """Read a photograph and a mask, send them to the server, write a PNG."""
    parser = argparse.ArgumentParser(description="Repair a photograph with Triton.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("mask", type=Path, help="white is missing; as large as the photograph")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RESULT.png")
    parser.add_argument("--model", default="csa_onnx")
    parser.add_argument("--url", default="localhost:8000")
    args = parser.parse_args()
    photo = np.asarray(Image.open(args.photo).convert("RGB"))
    hole = np.asarray(Image.open(args.mask).convert("L")) >= 128
    if photo.shape[:2] != hole.shape:
        parser.error(f"the mask must have the size of the photograph; got {args.mask}")
    server = triton.InferenceServerClient(args.url, network_timeout=120.0)
    try:
        result = repair(server, args.model, photo, hole)
    except (triton.InferenceServerException, ValueError, OSError) as error:
        print(f"client.py: {args.model} on {args.url}: {error}", file=sys.stderr)
        return 1
    finally:
        server.close()
    Image.fromarray(result).save(args.output)
    print(f"{args.output}: {hole.mean():.1%} repaired by {args.model} on {args.url}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
