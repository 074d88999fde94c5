"""The page's modules in a browser: masks are exact, files are those that Pillow reads."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from .browser import OpenPage, Page
from .serving import Running, Serve, encoded

Mark = dict[str, Any]
LEAST_RADIUS = 2**-0.5 + 1e-9


@pytest.fixture
def page(open_page: OpenPage, serve: Serve) -> Page:
    return open_page(serve())


def drawn(marks: list[Mark], width: int, height: int) -> np.ndarray:
    """The exact mask: pixels whose centres are near enough to a stroke."""
    y, x = np.mgrid[0:height, 0:width] + 0.5
    mask = np.zeros((height, width), dtype=bool)
    for mark in marks:
        if mark["tool"] == "box":
            rows = slice(mark["y"], mark["y"] + mark["height"])
            mask[rows, mark["x"] : mark["x"] + mark["width"]] = True
            continue
        points = np.reshape(mark["points"], (-1, 2))
        near = np.full(mask.shape, np.inf)
        for a, b in zip(points, [*points[1:], points[-1]], strict=True):
            d = b - a
            t = ((x - a[0]) * d[0] + (y - a[1]) * d[1]) / max(d @ d, 1e-300)
            t = np.clip(t, 0, 1)
            near = np.minimum(near, np.hypot(x - a[0] - t * d[0], y - a[1] - t * d[1]))
        mask[near <= max(mark["size"] / 2, LEAST_RADIUS)] = mark["tool"] == "brush"
    return mask


def read_mask(page: Page, content: bytes, kind: str) -> np.ndarray:
    """Read a file as the page does."""
    rows = page.page.evaluate(
        """async ([text, kind]) => {
          const { readMask } = await import("/files.js");
          const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          const bits = await readMask(new File([bytes], "mask", { type: `image/${kind}` }));
          const rows = [];
          for (let y = 0; y < bits.height; y++) {
            rows.push(Array.from({ length: bits.width }, (_, x) => bits.get(x, y)));
          }
          return rows;
        }""",
        [base64.b64encode(content).decode(), kind],
    )
    return np.array(rows, dtype=bool)


def test_masks_are_exact_and_their_files_are_read_by_pillow(
    page: Page, rng: np.random.Generator
) -> None:
    marks: list[Mark] = [{"tool": "box", "x": 3, "y": 5, "width": 41, "height": 9}]
    for number in range(40):
        size = float(rng.choice([1, 2, 3.5, 17, 60]))
        points = rng.uniform(-20, 330, 2 * int(rng.integers(1, 6))).round(3).tolist()
        tool = "eraser" if number % 4 == 3 else "brush"
        marks.append({"tool": tool, "size": size, "points": points})
    marks.append({"tool": "box", "x": 250, "y": 190, "width": 51, "height": 10})

    text = page.page.evaluate(
        """async (marks) => {
          const { rasterise } = await import("/raster.js");
          const { encodePng } = await import("/png.js");
          const bits = rasterise(marks, 301, 200);
          const bytes = new Uint8Array(await (await encodePng(bits)).arrayBuffer());
          return JSON.stringify([btoa(String.fromCharCode(...bytes)), bits.count()]);
        }""",
        marks,
    )

    png, count = json.loads(text)
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        assert image.mode == "1"
        mask = np.asarray(image)
    expected = drawn(marks, 301, 200)
    assert 0.2 < expected.mean() < 0.95
    np.testing.assert_array_equal(mask, expected)
    assert count == expected.sum()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P"])
def test_mask_files_are_read_as_the_server_reads_them(
    page: Page, rng: np.random.Generator, mode: str
) -> None:
    white = rng.random((50, 61)) < 0.4
    levels = np.where(white, np.uint8(200), np.uint8(30))
    image = Image.fromarray(levels).convert(mode)
    if mode in ("LA", "RGBA"):
        hidden = rng.random(white.shape) < 0.2
        image.putalpha(Image.fromarray(np.where(hidden, 0, 255).astype(np.uint8)))
        white &= ~hidden
    buffer = io.BytesIO()
    image.save(buffer, "PNG")

    expected = white if mode != "1" else np.asarray(image)
    np.testing.assert_array_equal(read_mask(page, buffer.getvalue(), "png"), expected)


def test_jpeg_masks_are_read_too(page: Page) -> None:
    mask = np.zeros((300, 40), np.uint8)
    mask[100:290, 10:30] = 255

    read = read_mask(page, encoded(mask, "JPEG", quality=95), "jpeg")

    assert abs(read.sum() - 190 * 20) < 60


def test_steps_are_undone_and_done_again(page: Page) -> None:
    seen = page.page.evaluate(
        """async () => {
          const { Document } = await import("/history.js");
          const work = new Document();
          const seen = [];
          const note = () => seen.push([work.marks.length, work.edits, work.canUndo, work.canRedo]);
          work.add({ tool: "box" });
          work.add({ tool: "brush" });
          note();
          work.repaired([{ line: "one" }, { line: "two" }], []);
          note();
          work.add({ tool: "brush" });
          work.clear();
          note();
          for (let i = 0; i < 3; i++) work.undo();
          note();
          work.redo();
          note();
          work.undo();
          work.undo();
          work.undo();
          note();
          work.add({ tool: "box" });
          note();
          return seen;
        }"""
    )

    assert seen == [
        [2, "", True, False],
        [0, "one\ntwo", True, False],
        [0, "one\ntwo", True, False],
        [2, "", True, True],
        [0, "one\ntwo", True, True],
        [0, "", False, True],
        [1, "", True, False],
    ]


def test_the_largest_masks_are_quick(page: Page) -> None:
    took, size = page.page.evaluate(
        """async () => {
          const { rasterise } = await import("/raster.js");
          const { encodePng } = await import("/png.js");
          const wave = (_, i) => 4000 + 3000 * Math.sin(i / (2 + (i % 2)));
          const points = Array.from({ length: 400 }, wave);
          const started = performance.now();
          const mark = { tool: "brush", size: 120, points };
          const file = await encodePng(rasterise([mark], 8000, 6000));
          return [performance.now() - started, file.size];
        }"""
    )

    assert size < 500_000
    assert took < 20_000


def test_nothing_foreign_is_allowed(page: Page, serve: Serve) -> None:
    other: Running = serve()
    refused = page.page.evaluate(
        """async (url) => {
          const fetched = await fetch(url + "/health/live").then(() => "read", () => "refused");
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          return [fetched, window.ran ?? null];
        }""",
        other.url,
    )

    assert refused == ["refused", None]
    assert any("Content Security Policy" in error for error in page.errors)
    page.errors.clear()
    page.hosts = {host for host in page.hosts if not host.endswith(str(other.port))}
