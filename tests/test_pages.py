"""Finished pages in a real browser: everybody can use them, on a phone too, and they are light."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from book import PAGES, build_page
from browser import (
    CHROMIUM,
    THEMES,
    WIDTHS,
    browser,
    served,
    transferred,
    violations,
    visit,
    visitor,
)
from playwright.sync_api import Browser
from test_quiz import GOOD

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

NAMES = ["index", *(f"chapters/{page.stem}" for page in PAGES)]
MEGABYTE = 1e6


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start Chromium once."""
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def site(book: Path) -> Iterator[str]:
    """Serve the book. Yields its address."""
    with served(book) as address:
        yield address


# axe-core takes ten seconds for a long page, most of them for the colours of code, which are the
# same everywhere. So each page is looked at in two of four ways and without its code, and the
# first chapter in all four, code included; `make bench` looks at everything.
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "theme"), [("desktop", "light"), ("phone", "dark")])
def test_everybody_can_use_a_page_and_it_is_light(
    chromium: Browser, site: str, name: str, width: str, theme: str
) -> None:
    with visitor(chromium, width, theme) as page:
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        assert transferred(page, f"{site}/{name}.html") < 1.5 * MEGABYTE
        assert not errors
        assert not page.locator("mjx-merror").count(), "an equation that MathJax cannot read"
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= WIDTHS[width], "the page can be pushed sideways"
        assert not violations(page, leave_out=".highlight pre")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_code_can_be_read_by_everybody(
    chromium: Browser, site: str, width: str, theme: str
) -> None:
    with visitor(chromium, width, theme) as page:
        visit(page, f"{site}/chapters/setup.html")
        assert page.locator(".highlight pre").count()
        assert not violations(page)


def test_axe_finds_what_is_wrong(chromium: Browser) -> None:
    with visitor(chromium) as page:
        page.set_content("<html lang=en><title>t</title><button></button><p>text</p>")
        assert any("button-name" in line for line in violations(page))


def test_a_quiz_answers_by_mouse_and_by_keyboard(chromium: Browser, tmp_path: Path) -> None:
    number = GOOD.replace(":answer: 2", ":answer: 2\n:number:").replace("`2`", "2")
    assert build_page(tmp_path, GOOD + "\n" + number).returncode == 0
    with served(tmp_path / "_build" / "html") as address, visitor(chromium) as page:
        visit(page, f"{address}/index.html")
        first, second = page.locator(".quiz").all()
        assert not first.get_by_text("Fewer than there are.").is_visible()
        first.get_by_label("1").check()
        assert first.get_by_text("Fewer than there are.").first.is_visible()
        assert "Not quite." in first.get_by_role("status").inner_text()
        page.keyboard.press("ArrowDown")
        assert "Right." in first.get_by_role("status").inner_text()
        assert not first.locator(".wrong .quiz-feedback").is_visible()

        field = second.get_by_label("Your answer:")
        for typed, said in [("1", "Not quite. Fewer"), ("7", "Not that."), ("2.0", "Right. One")]:
            field.fill(typed)
            page.keyboard.press("Enter")
            assert said in second.get_by_role("status").inner_text().replace("\n", " ")
        assert not violations(page)
