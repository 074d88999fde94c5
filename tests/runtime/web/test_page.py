"""The page in a browser: from opening to download, by mouse and by keys."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ..conftest import RecordingSession
from .browser import OpenPage
from .serving import GatedSession, Running, Serve, encoded, mask_of, pixels_of


def centre(mask: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return float(columns.mean() + 0.5), float(rows.mean() + 0.5)


def test_what_is_downloaded_is_what_the_api_returns(
    open_page: OpenPage, demo: Running, cat: Path
) -> None:
    page = open_page(demo, cat)
    page.stroke((100, 60), (180, 90))
    page.says("of the picture is marked")
    _, mask = page.saved("#download-mask")
    page.click("#repair")
    page.says("Repaired in")
    name, result = page.saved("#download")
    _, png = page.saved("#download-png")

    files = {"image": ("cat.jpg", cat.read_bytes()), "mask": ("m.png", mask)}
    same = demo.post(files)
    as_png = demo.post(files, data={"format": "png"})
    assert name == "cat-repaired.jpg"
    assert result == same.content
    np.testing.assert_array_equal(pixels_of(png), pixels_of(as_png.content))
    with Image.open(io.BytesIO(result)) as image:
        assert image.info["dpi"] == (300, 300)


@pytest.mark.parametrize("ratio", [1, 2])
@pytest.mark.parametrize("zoom", [0, -600])
def test_the_mask_is_where_it_was_painted(
    open_page: OpenPage, serve: Serve, cat: Path, ratio: int, zoom: int
) -> None:
    page = open_page(serve(), cat, device_scale_factor=ratio)
    page.page.mouse.move(*page.at(200, 150))
    page.page.mouse.wheel(0, zoom)

    for x, y in ((200, 150), (171.5, 120.25)):
        page.dot(x, y)
        assert centre(page.mask()) == pytest.approx((x, y), abs=0.5)
        page.click("#clear")


def test_tools_erase_draw_lines_and_boxes(open_page: OpenPage, serve: Serve, cat: Path) -> None:
    page = open_page(serve(), cat)

    page.dot(50, 50)
    page.page.keyboard.down("Shift")
    page.dot(150, 50)
    page.page.keyboard.up("Shift")
    assert page.mask()[50, 50:150].all()  # a line between two clicks

    page.press("e")
    page.stroke((100, 30), (100, 70))
    assert not page.mask()[50, 100]
    assert page.mask()[50, 60]

    page.press("x")
    page.stroke((200.4, 100.4), (239.6, 149.6))
    assert page.mask()[100:150, 200:240].all()
    assert page.mask()[100:200, 200:].sum() == 50 * 40

    page.press("b")
    page.page.mouse.move(*page.at(215, 120))
    page.page.mouse.down(button="right")
    page.page.mouse.up(button="right")
    assert not page.mask()[120, 215]

    for _ in range(4):
        page.press("Control+z")
    assert page.mask()[50, 50]
    assert not page.mask()[50, 100:].any()
    page.press("Control+y")
    assert page.mask()[50, 50:150].all()


def test_a_repair_is_undone_with_its_mask_and_done_again_without_the_model(
    open_page: OpenPage, serve: Serve, cat: Path
) -> None:
    session = RecordingSession()
    page = open_page(serve(session), cat)
    page.stroke((100, 60), (140, 60))
    page.press("Enter")
    page.says("Repaired in")
    first = page.saved("#download-png")[1]
    page.press("Control+z")
    assert page.mask().any()
    page.press("Control+Shift+z")
    assert page.saved("#download-png")[1] == first

    runs = len(session.calls)
    page.stroke((300, 200), (320, 210))
    page.click("#repair")
    page.says("Repaired in")
    second = pixels_of(page.saved("#download-png")[1])
    assert runs == 1
    changed = (second != pixels_of(first)).any(axis=2)
    assert changed[205, 310]
    assert not changed[:150].any()


def test_stop_keeps_what_is_finished_and_the_other_marks(
    open_page: OpenPage, serve: Serve, cat: Path
) -> None:
    session = GatedSession()
    page = open_page(serve(session), cat)
    page.stroke((60, 40), (80, 40))
    page.stroke((400, 260), (420, 260))
    page.click("#repair")
    session.gate.release()
    page.says("Part 1 of 2 is done")
    page.click("#repair")
    page.says("Stopped. The finished part stays")
    session.gate.release()

    mask = page.mask()
    assert not mask[40, 70]
    assert mask[260, 410]
    changed = (pixels_of(page.saved("#download-png")[1]) != pixels_of(cat.read_bytes())).any(axis=2)
    assert changed[40, 70]
    assert not changed[200:].any()


def test_pictures_come_by_drop_and_paste_and_masks_too(
    open_page: OpenPage, serve: Serve, photo: np.ndarray
) -> None:
    page = open_page(serve())
    send = """([name, bytes, kind]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
      const event = kind === "drop"
        ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
        : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true });
      document.body.dispatchEvent(event);
    }"""
    page.page.evaluate(send, ["a.png", list(encoded(photo[:90, :100])), "paste"])
    page.says("Paint over")
    page.page.evaluate(send, ["b.png", list(encoded(photo[:60, :80])), "drop"])
    page.page.wait_for_function(
        "() => document.getElementById('facts').textContent.startsWith('80')"
    )
    mask = mask_of((60, 80), (10, 20, 30, 44))
    page.page.evaluate(send, ["b_mask.png", list(encoded(mask)), "drop"])
    page.says("Mask opened: 10 %")
    np.testing.assert_array_equal(pixels_of(page.saved("#download-mask")[1], "L"), mask)
    page.page.evaluate(send, ["mask.png", list(encoded(mask[:50])), "drop"])
    page.says("A mask must have the shape of its picture.")


def test_keys_alone_lead_from_opening_to_download(
    open_page: OpenPage, serve: Serve, cat: Path
) -> None:
    page = open_page(serve())
    keyboard = page.page.keyboard
    page.open_by_keys("Control+o", cat)
    for _ in range(8):
        keyboard.press("ArrowLeft")
    keyboard.press("Shift+ArrowUp")
    keyboard.down("Space")
    for _ in range(4):
        keyboard.press("Shift+ArrowRight")
    keyboard.up("Space")
    page.says("of the picture is marked")
    mask = page.mask()
    page.page.locator("#stage").focus()
    x, y = centre(mask)
    assert (x, y) == pytest.approx((451 / 2 - 8 + 20, 150 - 10), abs=1)
    keyboard.press("Enter")
    page.says("Repaired in")
    with page.page.expect_download() as waiting:
        keyboard.press("Control+s")
    assert waiting.value.suggested_filename == "cat-repaired.jpg"

    compare = page.page.get_by_role("slider", name="Before")
    compare.focus()
    keyboard.press("End")
    assert compare.get_attribute("aria-valuetext") == "before"
    assert "100%" not in page.page.locator("#before").evaluate("(one) => one.style.clipPath")
    keyboard.press("Home")
    for _ in range(40):  # Tab always goes on
        keyboard.press("Tab")
        if page.page.evaluate("() => document.activeElement.id") == "help-open":
            break
    keyboard.press("Enter")
    assert page.page.locator("#help").is_visible()
    keyboard.press("Escape")
    assert not page.page.locator("#help").is_visible()
