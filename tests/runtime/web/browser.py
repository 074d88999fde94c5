"""Chromium of the system, and what tests do with the page."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from .serving import Running, encoded, pixels_of

PLACES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AXE: Final = os.environ.get("CSAKIT_AXE", "")  # path of axe.min.js; it is not part of this project


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser, or the reason why there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for name in PLACES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("there is no Chromium; Debian's package chromium brings one")
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"Chromium does not start here: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


class Page:
    """The page of one server, with everything it complained about."""

    def __init__(self, browser: Any, url: str, **context: Any) -> None:  # noqa: ANN401
        self.context = browser.new_context(
            **{"viewport": {"width": 1000, "height": 700}, **context}
        )
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))
        self.page.on("dialog", lambda dialog: dialog.accept())
        self.page.goto(url)

    def _heard(self, message: Any) -> None:  # noqa: ANN401
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def says(self, text: str, seconds: float = 60, selector: str = "#status") -> None:
        """Wait for a sentence of the status line."""
        from playwright.sync_api import expect

        expect(self.page.locator(selector)).to_contain_text(text, timeout=1000 * seconds)

    def open(self, path: Path) -> None:
        self.page.set_input_files("#file", path)
        self.says("Paint over")

    def open_by_keys(self, keys: str, path: Path) -> None:
        """Press keys that ask for a file; Chromium drops those of the first moment."""
        from playwright.sync_api import TimeoutError as Late

        for attempt in range(3):
            try:
                with self.page.expect_file_chooser(timeout=10_000) as chooser:
                    self.page.keyboard.press(keys)
            except Late:
                if attempt == 2:
                    raise
            else:
                chooser.value.set_files(path)
                break
        self.says("Paint over")

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a pixel of the picture is in the window."""
        stage = self.page.locator("#stage").bounding_box()
        shown = self.page.locator("#zoom").evaluate("(button) => ({ ...button.dataset })")
        scale, left, top = (float(shown[name]) for name in ("scale", "x", "y"))
        return stage["x"] + left + x * scale, stage["y"] + top + y * scale

    def click(self, selector: str) -> None:
        self.page.locator(selector).click()

    def press(self, keys: str) -> None:
        self.page.keyboard.press(keys)

    def dot(self, x: float, y: float) -> None:
        """Click on a pixel of the picture."""
        self.page.mouse.click(*self.at(x, y))

    def stroke(self, *points: tuple[float, float]) -> None:
        mouse = self.page.mouse
        mouse.move(*self.at(*points[0]))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.at(*point), steps=5)
        mouse.up()

    def saved(self, button: str) -> tuple[str, bytes]:
        """Press a button of the download menu; return the name and the content of the file."""
        if not self.page.locator("#download-menu").evaluate("(menu) => menu.open"):
            self.page.locator("#download-menu summary").click()
        with self.page.expect_download(timeout=60_000) as waiting:
            self.page.locator(button).click()
        return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()

    def mask(self) -> np.ndarray:
        """Download the mask; True is marked."""
        return pixels_of(self.saved("#download-mask")[1], "L") > 0

    def check(self) -> None:
        """Check that nothing was complained about, and nothing foreign asked for."""
        assert self.errors == [], self.errors
        assert len(self.hosts) == 1

    def violations(self) -> list[str]:
        """Return what axe finds."""
        if not AXE:
            pytest.skip("CSAKIT_AXE does not name axe.min.js")
        self.page.evaluate(Path(AXE).read_text() + "\n;0")
        found = self.page.evaluate("() => axe.run()")["violations"]
        return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found]

    def close(self) -> None:
        self.page.evaluate("() => (window.onbeforeunload = null)")
        self.context.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Any) -> Iterator[OpenPage]:  # noqa: ANN401
    """Return a function that opens a server's page, and a file in it; pages are checked later."""
    made: list[Page] = []

    def open_page(running: Running, file: Path | None = None, **context: Any) -> Page:  # noqa: ANN401
        made.append(Page(chromium, running.url, **context))
        if file is not None:
            made[-1].open(file)
        return made[-1]

    yield open_page
    for page in made:
        page.check()
        page.close()


@pytest.fixture
def cat(tmp_path: Path, photo: np.ndarray) -> Path:
    path = tmp_path / "cat.jpg"
    path.write_bytes(encoded(photo, "JPEG", quality=92, dpi=(300, 300)))
    return path
