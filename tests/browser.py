"""Looking at finished pages in Chromium, without a network, served as GitHub Pages serves them."""

from __future__ import annotations

import gzip
import io
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
WIDTHS = {"desktop": 1200, "phone": 390}
THEMES = ("light", "dark")
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
GRAVE = ("serious", "critical")
READY = """async () => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  await document.fonts.ready;
}"""
# What the browser itself measured. Playwright's own "networkidle" was seen to wait for ever.
TRANSFERRED = """() => performance.getEntries()
  .filter(entry => ["navigation", "resource"].includes(entry.entryType))
  .filter(entry => !entry.name.includes("searchindex.js"))
  .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


@cache
def _squeezed(path: str) -> bytes:
    return gzip.compress(Path(path).read_bytes(), compresslevel=6)


class _Pages(SimpleHTTPRequestHandler):
    """Serves a folder, text compressed."""

    def send_head(self) -> Any:
        path = self.translate_path(self.path)
        if not path.endswith((".html", ".js", ".css")) or not Path(path).is_file():
            return super().send_head()
        body = _squeezed(path)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return io.BytesIO(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this computer. Yields its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Pages, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def visitor(browser: Browser, width: str = "desktop", theme: str = "light") -> Iterator[Page]:
    """Open an empty page as a reader with a device and a theme would see it."""
    context = browser.new_context(
        viewport={"width": WIDTHS[width], "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def visit(page: Page, address: str) -> None:
    """Open an address and wait until its equations are set."""
    page.goto(address)
    page.evaluate(READY)


def violations(page: Page, leave_out: str | None = None) -> list[str]:
    """Return what axe-core finds serious or critical on a page, one line for each place.

    Args:
        page: an open page.
        leave_out: a selector of what is not looked at.
    """
    page.evaluate(AXE)
    context = {"include": [["html"]], "exclude": [[leave_out]] if leave_out else []}
    look = "context => axe.run(context, {resultTypes: ['violations']})"
    found: dict[str, Any] = page.evaluate(look, context)
    return [
        f"{rule['id']}: {rule['help']}: {node['target']} {node['html'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in GRAVE
        for node in rule["nodes"][:3]
    ]


def transferred(page: Page, address: str) -> int:
    """Open an address; return the bytes that were transferred, the search index left out."""
    visit(page, address)
    size: int = page.evaluate(TRANSFERRED)
    return size
