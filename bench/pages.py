"""What a reader's browser gets to see of the finished book."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path

from process import ROOT, BenchError, say

sys.path.insert(0, str(ROOT / "tests"))

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


class Pages:
    """The finished pages in Chromium.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def names(self) -> list[str]:
        """All pages, as paths without their ending."""
        if CHROMIUM is None:
            raise BenchError("Chromium is not installed; .ci/system-packages installs it.")
        return [
            "index",
            *(f"chapters/{p.stem}" for p in sorted(self.folder.glob("chapters/*.html"))),
        ]

    @cached_property
    def heaviest_mb(self) -> float:
        """Megabytes that the heaviest page transfers, the search index left out."""
        sizes = {}
        with browser() as chromium, served(self.folder) as site:
            for name in self.names:
                with visitor(chromium) as page:
                    sizes[name] = transferred(page, f"{site}/{name}.html") / 1e6
        say("megabytes: " + ", ".join(f"{name} {size:.2f}" for name, size in sizes.items()))
        return max(sizes.values())

    @cached_property
    def violations(self) -> int:
        """Serious and critical findings of axe-core, on all pages, devices and themes."""
        found = []
        with browser() as chromium, served(self.folder) as site:
            for name in self.names:
                say(f"axe-core on {name}")
                for width in WIDTHS:
                    for theme in THEMES:
                        with visitor(chromium, width, theme) as page:
                            visit(page, f"{site}/{name}.html")
                            found += [f"{name} {width} {theme} {v}" for v in violations(page)]
        for line in found:
            say(line)
        return len(found)
