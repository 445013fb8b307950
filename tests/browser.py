"""Looking at finished pages in Chromium, without a network."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
WIDTHS = {"desktop": 1200, "phone": 390}
THEMES = ("light", "dark")
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
GRAVE = ("serious", "critical")
READY = """async () => {
  await document.fonts.ready;
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
}"""


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this computer. Yields its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def visitor(browser: Browser, width: str = "desktop", theme: str = "light") -> Iterator[Page]:
    """Open an empty page as a reader with a device and a theme would see it."""
    context: BrowserContext = browser.new_context(
        viewport={"width": WIDTHS[width], "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def visit(page: Page, address: str) -> None:
    """Open an address and wait until its equations are set."""
    page.goto(address)
    page.evaluate(READY)


def violations(page: Page) -> list[str]:
    """Return what axe-core finds serious or critical on a page, one line for each rule."""
    page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']}: {rule['help']}: {node['target']} {node['html'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in GRAVE
        for node in rule["nodes"][:3]
    ]


def transferred(page: Page, address: str) -> int:
    """Open an address; return the bytes that were transferred, the search index left out."""
    bodies = 0

    def count(response: Any) -> None:
        nonlocal bodies
        if not response.url.endswith("searchindex.js"):
            bodies += response.request.sizes()["responseBodySize"]

    page.on("requestfinished", lambda request: count(request.response()))
    visit(page, address)
    page.wait_for_load_state("networkidle")
    return bodies
