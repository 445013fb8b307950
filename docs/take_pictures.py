"""Take the README's pictures from what `make demo` made; run it with `make pictures`.

The pages are those of the demo, in Chromium without a network. The cards are those of two students
of the gallery, once for light pages and once for dark ones.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from autograder.card import to_html
from autograder.gallery import exhibits

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
DEMO = ROOT / "_build" / "demo"
CHAPTER = ROOT / "_build" / "html" / "chapters" / "lstm.html"
REPORT = DEMO / "reports" / "lstm-cell" / "report.html"
STUDENTS = ("gate-order", "solved")  # one with a named misconception, and one who is right
MADE = [CHAPTER, REPORT]

WIDTH = 1100
MARGIN = 16
ROWS = 4  # of the mistakes; the rest of the report looks the same
SCHEMES = {"light": ("#ffffff", "#1f2328"), "dark": ("#0d1117", "#e6edf3")}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def cards(scheme: str) -> str:
    """Make a page with a failed and a passed card, one below the other."""
    background, colour = SCHEMES[scheme]
    verdicts = dict(exhibits(ROOT / "exercises" / "source" / "lstm-cell", "lstm_cell"))
    shown = "\n".join(to_html(verdicts[student]) for student in STUDENTS)
    return (
        f'<!doctype html><meta charset="utf-8"><body style="margin: {MARGIN}px; '
        f'background: {background}; color: {colour}">{shown}'
    )


@contextmanager
def page_of(browser: Browser, width: int, scheme: str = "light") -> Iterator[Page]:
    """Open a page that reaches no network."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        offline=True,
    )
    yield context.new_page()
    context.close()


def shoot(page: Page, name: str, first: Locator, last: Locator, below: int = MARGIN) -> None:
    """Save the picture of all that lies between two elements, with a margin around them."""
    page.wait_for_function("document.fonts.status === 'loaded'")
    boxes = [box for box in (first.bounding_box(), last.bounding_box()) if box is not None]
    left = min(box["x"] for box in boxes) - MARGIN
    top = min(box["y"] for box in boxes) - MARGIN
    right = max(box["x"] + box["width"] for box in boxes) + MARGIN
    bottom = max(box["y"] + box["height"] for box in boxes) + below
    clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, clip=clip, full_page=True, animations="disabled")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KB")


def main() -> None:
    """Take all pictures, or say in one sentence why that cannot be done."""
    missing = [path for path in MADE if not path.exists()]
    if missing:
        sys.exit(f"There is no {missing[0].relative_to(ROOT)}: run “make demo” first.")
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("There is no chromium on this machine: run .ci/system-packages first, as root.")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        with page_of(browser, WIDTH) as page:
            page.goto(CHAPTER.as_uri())
            page.wait_for_selector("mjx-container")
            heading = page.locator("h2", has_text="One step in three equations")
            figure = page.locator("figure", has=page.locator("svg.pic")).first
            shoot(page, "book", heading, figure)
        for scheme in SCHEMES:
            with page_of(browser, 760, scheme) as page:
                page.set_content(cards(scheme))
                card = page.locator(".autograder-card")
                shoot(page, f"cards-{scheme}", card.first, card.last)
        with page_of(browser, WIDTH) as page:
            page.goto(REPORT.as_uri())
            mistakes = page.locator(".bars.mistakes").first.locator("> *")
            shoot(page, "report", page.locator("h1"), mistakes.nth(3 * ROWS - 1), below=2)
        browser.close()


if __name__ == "__main__":
    main()
