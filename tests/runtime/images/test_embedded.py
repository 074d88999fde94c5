"""Pictures in metadata are found however they are written; texts and profiles are none."""

import base64
import io
import json
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from csakit.runtime.images.embedded import holds_picture, profile_holds_picture
from csakit.runtime.images.encode import load_image
from csakit.runtime.images.metadata import clean_xmp
from PIL import Image, ImageCms, PngImagePlugin

from .conftest import carried


def small(kind: str) -> bytes:
    noise = np.random.default_rng(5).integers(0, 256, (24, 24, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    return file.getvalue()


WAYS: dict[str, Callable[[bytes], bytes | str]] = {
    "bytes": bytes,
    "latin-1": lambda data: data.decode("latin-1"),
    "base64": lambda data: base64.b64encode(data).decode(),
    "base64 of addresses": base64.urlsafe_b64encode,
    "lines": lambda data: "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 40)),
    "list items": lambda data: "</i><i>".join(textwrap.wrap(base64.b64encode(data).decode(), 50)),
    "UTF-16": lambda data: base64.b64encode(data).decode().encode("utf-16-le"),
    "base 32": base64.b32encode,
    "base 85": base64.b85encode,
    "hexadecimal": lambda data: data.hex(),
    "pairs": lambda data: data.hex(" "),
    "JSON": lambda data: json.dumps({"thumb": list(data)}),
    "rows": lambda data: str([list(data[at : at + 24]) for at in range(0, len(data), 24)]),
    "shares": lambda data: " ".join(f"{byte / 255:.3f}" for byte in data),
    "address": lambda data: "".join(f"%{byte:02X}" for byte in data),
    "C": lambda data: "".join(f"\\x{byte:02x}" for byte in data),
    "JavaScript": lambda data: "".join(f"\\u{byte:04x}" for byte in data),
    "entities": lambda data: "".join(f"&#{byte};" for byte in data),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "JPEG2000", "BMP"])
@pytest.mark.parametrize("way", WAYS)
def test_a_picture_is_found_however_it_is_written(kind: str, way: str) -> None:
    assert holds_picture(WAYS[way](small(kind)))


@pytest.mark.parametrize("between", ["&#xA;", "&#10;", "&#x000d;&#xa;", " ", "\t", ",", '" "'])
def test_base64_in_lines_is_found_whatever_stands_between(between: str) -> None:
    lines = textwrap.wrap(base64.b64encode(small("WEBP")).decode(), 64)

    assert holds_picture(between.join(lines))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("way", ["base64", "hexadecimal"])
def test_the_start_of_a_picture_is_enough(kind: str, way: str) -> None:
    assert holds_picture(f"see {WAYS[way](small(kind)[:60])}!")


@pytest.mark.parametrize(
    "value",
    [
        "a cat, masterpiece\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 156680208700286",
        json.dumps({str(n): {"inputs": {"seed": n, "text": "a"}} for n in range(99)}),
        json.dumps({str(n): {"in": {"seed": n}} for n in range(99)}, separators=(",", ":")),
        json.dumps([{"pos": [n, 2 * n], "size": {"0": 315, "1": 262}} for n in range(99)]),
        " ".join(
            f"https://example.com/album/Summer-2019/IMG_{n}.jpg?size=large" for n in range(99)
        ),
        " ".join(f"stEvt:instanceID='xmp.iid:{n:08x}-1b2c-4d5e'" for n in range(99)),
        "; ".join(f"{n}, {n}" for n in range(0, 250, 4)),  # a tone curve
        "\u201cwe said\u201d \u2013 " * 99,
        ("UNICODE\0" + "\u732b\u306e\u5199\u771f\u3067\u3059\u3002" * 99).encode("utf-16-le"),
        b"JIS\0\0\0\0\0" + "\u732b\u306e\u5199\u771f cat ".encode("iso2022_jp") * 99,
        "Zo\u00eb, \u00e0 la plage ".encode() * 99,
        " ".join(f"https://example.com/photographs/{number}.jpg" for number in range(200)),
        " ".join(f"xmp.did:{number:032x}" for number in range(100)),
        "-" * 59 + " " + "=" * 59,
    ],
    ids=range(14),
)
def test_texts_are_no_pictures(value: bytes | str) -> None:
    assert not holds_picture(value)


@pytest.mark.parametrize(
    "part",
    [" ", " \t", "\n", "\\", "&#", "&#x0", "0", "a", "aA", "0 ", "!", "<n:Directory>", "&a;"],
)
def test_no_text_takes_long(tmp_path: Path, part: str) -> None:
    text = 200_000 // len(part) * part
    before = time.process_time()

    holds_picture(f"a{text}b")
    clean_xmp(tmp_path, f'<x xmlns:n="u">{text}</x>'.encode())

    assert time.process_time() - before < 5  # 0.2 s where nothing is looked at twice, else minutes


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_profile_with_a_picture_is_dropped(tmp_path: Path, kind: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert not profile_holds_picture(profile)
    image = Image.new("RGB", (8, 8))
    image.save(tmp_path / "whole.jpg", icc_profile=profile)
    image.save(tmp_path / "in.jpg", icc_profile=profile + small(kind))

    assert load_image(tmp_path / "whole.jpg").metadata.icc_profile == profile
    assert load_image(tmp_path / "in.jpg").metadata.icc_profile is None


def test_the_second_key_of_a_text_is_searched_too(tmp_path: Path) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("a", "text", tkey=base64.b64encode(small("JPEG")).decode())
    chunks.add_itxt("b", "text", lang="de", tkey="Titel")

    written = carried(tmp_path, Image.new("RGB", (8, 8)), ".png", pnginfo=chunks)

    assert {key: text.tkey for key, text in written.text.items()} == {"b": "Titel"}
