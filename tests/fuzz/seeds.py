"""Small whole files of every kind that is read, for mutation."""

import io
import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from csakit.runtime.images.deep import encode_deep
from PIL import Image, PngImagePlugin

_XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a xmlns:t="u" t:Orientation="6">text</a></x:xmpmeta>'


def images() -> Iterator[tuple[str, bytes]]:
    """Yield suffix and content: formats, modes, depths and metadata."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (24, 32, 4), np.uint8)
    rgb, rgba = Image.fromarray(colours[..., :3]), Image.fromarray(colours)
    grey = rgb.convert("L")
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    exif[0x8769] = {0x9003: "2026:01:01 00:00:00", 0x927C: b"maker", 0xA005: {1: "R98"}}
    exif[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0)}
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "words", zip=True)
    text.add_itxt("XML:com.adobe.xmp", _XMP.decode())
    text.add_text("Raw profile type exif", f"\nexif\n      20\n{(b'Exif' + bytes(16)).hex()}\n")
    text.add(b"gAMA", struct.pack(">I", 45455))
    text.add(b"cHRM", struct.pack(">8I", *range(31000, 39000, 1000)))
    profile = bytes(128) + b"profile"
    every: dict[str, Any] = {"exif": exif.tobytes(), "icc_profile": profile, "dpi": (72, 72)}
    yield ".png", _saved(rgba, "PNG", pnginfo=text, **every)
    yield ".png", _saved(rgb.quantize(16), "PNG", transparency=3)
    yield ".png", _saved(grey.convert("1"), "PNG")
    yield ".png", _saved(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "PNG")
    yield ".png", encode_deep(colours[..., :3].astype(np.uint16) * 257, "PNG", {})
    yield ".jpg", _saved(rgb, "JPEG", xmp=_XMP, comment=b"words", **every)
    yield ".jpg", _saved(rgb.convert("CMYK"), "JPEG")
    yield ".jpg", _saved(grey, "JPEG", progressive=True)
    yield ".webp", _saved(rgba, "WEBP", xmp=_XMP, exif=exif.tobytes(), lossless=True)
    yield ".tif", _saved(rgb, "TIFF", compression="tiff_adobe_deflate")
    yield ".tif", _saved(rgba, "TIFF", **every)
    yield ".tif", _saved(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "TIFF")
    yield ".bmp", _saved(rgb, "BMP")
    yield ".gif", _saved(grey, "GIF", save_all=True, append_images=[grey.rotate(90)])
    yield ".ppm", _saved(rgb, "PPM")
    yield ".pgm", b"P5\n8 6\n1000\n" + bytes(range(96))


def model() -> bytes:
    """Return an ONNX file with weights of several types, in the file and beside it."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    shape = ["B", 3, "H", 256]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("image", "output")]
    beside = TensorProto(name="beside", data_type=TensorProto.FLOAT, dims=[8])
    beside.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "m.weights"), ("offset", "0"), ("length", "32")):
        beside.external_data.add(key=key, value=value)
    weights = [
        numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "inside"),
        numpy_helper.from_array(np.arange(6, dtype=np.float16), "half"),
        helper.make_tensor("listed", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0]),
        helper.make_tensor("brain", TensorProto.BFLOAT16, [2], [1.0, 2.0]),
        beside,
    ]
    constant = helper.make_node("Constant", [], ["c"], value=weights[0])
    node = helper.make_node("Identity", ["image"], ["output"])
    graph = helper.make_graph([constant, node], "graph", ends[:1], ends[1:], weights)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    helper.set_model_props(proto, {"csakit.io": "float", "csakit.version": "0.1.0"})
    content: bytes = onnx.ModelProto.SerializeToString(proto)
    return content


def checkpoint() -> bytes:
    """Return a safetensors file."""
    header: dict[str, Any] = {"__metadata__": {"csakit": json.dumps({"format": 1, "width": 4})}}
    header["a"] = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    header["b"] = {"dtype": "F16", "shape": [4], "data_offsets": [24, 32]}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(32)


def plan() -> bytes:
    """Return an engine of TensorRT for RTX, as far as its header goes."""
    data = bytearray(128)
    data[:4], data[24:28] = b"vtrt", bytes((1, 7, 1, 116))
    struct.pack_into("<Q", data, 16, len(data))
    return bytes(data)


def _saved(image: Image.Image, kind: str, **arguments: Any) -> bytes:  # noqa: ANN401
    buffer = io.BytesIO()
    image.save(buffer, kind, **arguments)
    return buffer.getvalue()
