"""Every route over a socket: what is documented is what comes back."""

import base64
import dataclasses
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from csakit.runtime.cli.inpaint import main as inpaint_command
from PIL import Image

from .serving import FAKE, Files, Running, Serve, encoded, files_of, mask_of, pixels_of


def parts_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == "part"]


def edits_of(parts: list[dict[str, Any]]) -> tuple[str, bytes]:
    """The field that hands earlier parts back."""
    return "edits", "\n".join(map(json.dumps, parts)).encode()


def laid(image: np.ndarray, parts: list[dict[str, Any]]) -> np.ndarray:
    """The picture with parts over it."""
    result = image.copy()
    for part in parts:
        patch = pixels_of(base64.b64decode(part["png"]), "RGBA")
        window = result[part["y"] :, part["x"] :][: patch.shape[0], : patch.shape[1]]
        opaque = patch[..., 3] == 255
        window[opaque] = patch[opaque][:, :3]
    return result


def test_the_whole_picture_is_that_of_the_command_bit_by_bit(
    demo: Running, body: Files, tmp_path: Path
) -> None:
    for name, (_, data) in body.items():
        (tmp_path / f"{name}.png").write_bytes(data)
    names = [str(tmp_path / f"{name}.png") for name in ("image", "mask", "out")]
    assert inpaint_command([*names[:2], "-o", names[2], "--model", "demo", "--threads", "1"]) == 0

    response = demo.post(body)

    assert response.status_code == 200
    assert response.content == (tmp_path / "out.png").read_bytes()
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-disposition"] == 'attachment; filename="cat-repaired.png"'
    timing = re.findall(r"(\w+);dur=([\d.]+)", response.headers["server-timing"])
    assert [stage for stage, _ in timing] == ["queue", "decode", "model", "encode"]


def test_parts_come_one_by_one_and_make_up_the_picture(demo: Running, body: Files) -> None:
    photo = pixels_of(body["image"][1])
    whole = demo.post(body)
    told = demo.events(body)
    parts = parts_of(told)
    files = {"image": body["image"], "edits": edits_of(parts)}
    applied = demo.client.post("/api/v1/apply", files=files)

    kinds = [event["event"] for event in told if event["event"] != "progress"]
    assert kinds == ["running", "part", "part", "done"] or kinds == [
        *("queued", "running", "part", "part", "done")
    ]
    assert [(part["part"], part["of"]) for part in parts] == [(1, 2), (2, 2)]
    np.testing.assert_array_equal(laid(photo, parts), pixels_of(whole.content))
    assert applied.content == whole.content
    assert set(told[-1]["seconds"]) == {"queue", "decode", "model"}


def test_a_second_repair_continues_the_first(demo: Running, body: Files, photo: np.ndarray) -> None:
    again = {"mask": ("m.png", encoded(mask_of(photo.shape, (50, 80, 70, 110))))}
    first = demo.post(body)
    edits = edits_of(parts_of(demo.events(body)))
    chained = demo.post({**body, **again, "edits": edits})
    direct = demo.post({"image": ("x.png", first.content), **again})

    np.testing.assert_array_equal(pixels_of(chained.content), pixels_of(direct.content))


@pytest.mark.parametrize(
    ("kind", "mode", "wanted", "suffix"),
    [
        ("PNG", "RGBA", "same", "png"),
        ("PNG", "L", "same", "png"),
        ("PNG", "LA", "same", "png"),
        ("PNG", "P", "same", "png"),
        ("TIFF", "RGB", "same", "tif"),
        ("WEBP", "RGB", "same", "webp"),
        ("BMP", "RGB", "same", "bmp"),
        ("GIF", "P", "same", "png"),
        ("JPEG", "RGB", "tiff", "tif"),
        ("JPEG", "L", "same", "jpg"),
    ],
)
def test_every_format_comes_back_as_asked(
    running: Running, photo: np.ndarray, kind: str, mode: str, wanted: str, suffix: str
) -> None:
    photo = photo[:80, :100]
    image, mask = encoded(photo, kind, mode), encoded(mask_of(photo.shape, (20, 30, 40, 50)))
    before = pixels_of(image)

    files = {"image": (f"a b.{suffix}", image), "mask": ("m", mask)}
    response = running.post(files, data={"format": wanted, "blend": "none"})

    assert response.status_code == 200, response.text
    assert response.headers["content-disposition"].endswith(f'"a b-repaired.{suffix}"')
    after = pixels_of(response.content)
    known = mask_of(photo.shape, (20, 30, 40, 50)) == 0
    if kind not in ("WEBP", "JPEG"):
        np.testing.assert_array_equal(after[known], before[known])
    assert not np.array_equal(after[~known], before[~known])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_metadata_and_profile_survive(
    running: Running, photo: np.ndarray, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Camera"
    profile = b"profile of a camera"
    image = encoded(photo, "JPEG", exif=exif, icc_profile=profile, dpi=(300, 300), quality=95)
    upright = photo.shape[:2] if orientation < 5 else photo.shape[1::-1]
    mask = encoded(mask_of(upright, (20, 30, 40, 50)))

    files = {"image": ("cat.jpg", image), "mask": ("m.png", mask)}
    response = running.post(files)
    said = running.client.post("/api/v1/inspect", files={"image": ("cat.jpg", image)}).json()

    with Image.open(io.BytesIO(response.content)) as result:
        assert result.size == upright[::-1]
        assert result.getexif().get(0x0112, 1) == 1
        assert result.getexif()[0x010F] == "Camera"
        assert (result.info["icc_profile"], result.info["dpi"]) == (profile, (300, 300))
    assert (said["height"], said["width"], said["display"]) == (*upright, "file")


def test_patches_carry_the_profile_of_the_picture(running: Running, photo: np.ndarray) -> None:
    files = files_of(photo, (20, 30, 40, 50))
    files["image"] = ("x.png", encoded(photo, icc_profile=b"some profile"))

    (part,) = parts_of(running.events(files))
    with Image.open(io.BytesIO(base64.b64decode(part["png"]))) as patch:
        assert patch.info["icc_profile"] == b"some profile"
        assert patch.size == (part["width"], part["height"]) == (20, 20)


@pytest.mark.parametrize(
    ("kind", "orientation", "display"),
    [("TIFF", 1, "preview"), ("WEBP", 6, "preview"), ("WEBP", 1, "file"), ("PNG", 3, "preview")],
)
def test_pictures_that_browsers_show_otherwise_come_as_a_preview(
    running: Running, photo: np.ndarray, kind: str, orientation: int, display: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    files = {"image": ("x", encoded(photo, kind, exif=exif.tobytes()))}

    said = running.client.post("/api/v1/inspect", files=files).json()
    shown = running.client.post("/api/v1/inspect", files=files, headers={"Accept": "image/*"})

    assert (said["format"], said["display"]) == (kind, display)
    assert shown.headers["content-type"] == "image/jpeg"
    assert pixels_of(shown.content).shape[:2] == (said["height"], said["width"])


def test_options_have_the_names_of_the_command_line(running: Running, body: Files) -> None:
    inverted = {"mask_invert": "true", "mask_threshold": "200", "dilate": "2", "blend": "none"}
    response = running.post(body, data=inverted)

    changed = (pixels_of(response.content) != pixels_of(body["image"][1])).any(axis=2)
    assert changed[0, 0]
    assert not changed[48:52, 66:80].any()
    assert "marks 99 % of the image" in response.headers["x-csakit-warnings"]


def test_texture_can_be_switched_off(running: Running) -> None:
    photo = np.random.default_rng(1).normal(128, 12, (260, 280, 1)).repeat(3, axis=2)
    photo = photo.clip(0, 255).astype(np.uint8)
    files = files_of(photo, (90, 90, 186, 186))
    pictures = [
        pixels_of(running.post(files, data={"texture": wanted}).content)
        for wanted in ("true", "false")
    ]

    rough, smooth = (picture[110:166, 110:166].std(axis=(0, 1)) for picture in pictures)
    assert (rough > smooth + 4).all()


def test_an_empty_mask_is_a_warning_and_no_error(running: Running, body: Files) -> None:
    empty = {**body, "mask": ("m.png", encoded(mask_of((300, 451))))}
    whole = running.post(empty)
    told = running.events(empty)

    np.testing.assert_array_equal(pixels_of(whole.content), pixels_of(body["image"][1]))
    assert "marks nothing" in whole.headers["x-csakit-warnings"]
    assert "empty" in [event.get("kind") for event in told]
    assert told[-1]["event"] == "done"


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_clients_of_iopaint_are_answered(running: Running, photo: np.ndarray, prefix: str) -> None:
    rgba = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    mask = mask_of(photo.shape, (20, 30, 40, 50))
    sent = {
        "image": prefix + base64.b64encode(encoded(rgba)).decode(),
        "mask": prefix + base64.b64encode(encoded(mask)).decode(),
        "ldm_steps": 20,
        "hd_strategy": "Crop",
    }

    config = running.get("/api/v1/server-config").json()
    model = running.get("/api/v1/model").json()
    response = running.client.post("/api/v1/inpaint", json=sent)
    broken = running.client.post("/api/v1/inpaint", json={**sent, "mask": "?"})

    assert config["modelInfos"] == [model]
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-csakit-ignored"] == "hd_strategy, ldm_steps"
    result = pixels_of(response.content, None)
    np.testing.assert_array_equal(result[mask == 0], rgba[mask == 0])
    assert broken.json()["errors"] == broken.json()["detail"] == "the field 'mask' is not base64"


def test_info_names_model_limits_and_options(demo: Running) -> None:
    info = demo.get("/api/v1/info").json()

    assert info["model"]["name"] == "demo.onnx"
    assert len(info["model"]["sha256"]) == 64
    assert info["limits"]["max_upload_bytes"] == 64 << 20
    assert info["options"]["blend"]["default"] == "seamless"


def test_a_model_whose_name_is_no_text_is_reported(serve: Serve) -> None:
    name = os.fsdecode(b"m\xff.onnx")
    running = serve(model=dataclasses.replace(FAKE, name=name))

    assert running.get("/api/v1/info").json()["model"]["name"] == name
    assert running.get("/api/v1/model").json()["path"] == name
    config = running.get("/api/v1/server-config").json()
    assert [model["path"] for model in config["modelInfos"]] == [name]


def test_the_documented_routes_are_those_of_the_server(serve: Serve) -> None:
    running = serve()
    document = running.get("/openapi.json").json()
    served = set()
    for path, methods in document["paths"].items():
        for method in methods:
            answer = running.client.request(method, path)
            assert answer.status_code not in (404, 405), (method, path)
            served.add((method.upper(), path))

    routes = {
        (method, route.path)
        for route in running.web.routes
        for method in route.methods or ()
        if method != "HEAD" and not re.search(r"\.\w+$", route.path) and route.path != "/"
    }
    assert document["openapi"].startswith("3.1")
    assert served == routes | {("GET", "/openapi.json")}


def test_metrics_can_be_parsed_and_count(running: Running, body: Files) -> None:
    running.post(body)
    running.post({})
    text = running.get("/metrics").text

    line = re.compile(r'[a-z_]+(\{([a-z]+="[^"]*",?)+\})? -?[\d.]+(e[+-]\d+)?')
    samples = [one for one in text.splitlines() if not one.startswith("#")]
    assert all(line.fullmatch(one) for one in samples)
    values = dict(one.rsplit(" ", 1) for one in samples)
    assert values['csakit_requests_total{route="inpaint",status="200"}'] == "1"
    assert values['csakit_stage_seconds_count{stage="model"}'] == "1"
    assert values['csakit_stage_seconds_bucket{stage="model",le="+Inf"}'] == "1"
    assert values["csakit_repaired_pixels_total"] == "1200"
    assert (values["csakit_queue_length"], values["csakit_running"]) == ("0", "0")


def test_request_ids_are_kept_and_made(running: Running) -> None:
    kept = running.get("/health/live", headers={"X-Request-Id": "abc-1"})
    made = running.get("/health/live", headers={"X-Request-Id": "a b\tc"})

    assert kept.headers["x-request-id"] == "abc-1"
    assert re.fullmatch(r"[0-9a-f]{16}", made.headers["x-request-id"])


def test_static_files_have_tags(running: Running) -> None:
    page = running.get("/")
    again = running.get("/", headers={"If-None-Match": page.headers["etag"]})

    assert (page.status_code, again.status_code, again.content) == (200, 304, b"")
