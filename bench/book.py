"""Building the book: with nothing kept from before, and after a change to its prose."""

from __future__ import annotations

import shutil
from functools import cached_property
from pathlib import Path

import yaml
from jupyter_cache import get_cache
from process import ROOT, BenchError, run, say

# The book and all that its pages may refer to; no caches, nothing that was built.
LEFT_BEHIND = shutil.ignore_patterns(
    "_build", ".*", "*.egg-info", "__pycache__", "workspace", "conf.py", "*.svg"
)
MAKE_BOOK = ("make", "--silent", "book", f"VENV={ROOT / '.venv'}")
JUPYTER_BOOK = ("jupyter-book", "build", ".", "-n", "-W", "--keep-going", "-q")


class Book:
    """Cold builds of the book, ours and the plain one, and a rebuild.

    Args:
        workspace: a folder for copies of the book.
    """

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace

    @cached_property
    def plain_s(self) -> float:
        """Seconds of `jupyter-book build` with ordinary kernels."""
        book = self._copy("plain")
        path = book / "_config.yml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        del config["sphinx"]["config"]["nb_kernel_rgx_aliases"]
        path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
        say("jupyter-book build, ordinary kernels")
        done = run(*JUPYTER_BOOK, cwd=book)
        if done.kernel_cpu_seconds:
            raise BenchError("The plain build used warm kernels.")
        return done.seconds

    @cached_property
    def cold_s(self) -> float:
        """Seconds of `make book`."""
        say("make book")
        return run(*MAKE_BOOK, cwd=self._cold).seconds

    @cached_property
    def rebuild_s(self) -> float:
        """Seconds of `make book` after a sentence was added to one chapter."""
        _ = self.cold_s
        chapter = self._cold / "chapters" / "lstm.md"
        text = chapter.read_text(encoding="utf-8")
        chapter.write_text(
            text.replace("\n## Summary\n", "\nOne more sentence.\n\n## Summary\n"), encoding="utf-8"
        )
        say("make book, after a change to the prose of one chapter")
        seconds = run(*MAKE_BOOK, cwd=self._cold).seconds
        page = self.pages / "chapters" / "lstm.html"
        if "One more sentence." not in page.read_text(encoding="utf-8"):
            raise BenchError("The rebuilt page does not have the new sentence.")
        return seconds

    @cached_property
    def slowest_chapter_s(self) -> float:
        """Seconds that the code of the slowest chapter took in the cold build."""
        _ = self.cold_s
        (kept,) = (self._cold / "_build" / ".jupyter_cache").iterdir()
        records = get_cache(str(kept)).list_cache_records()
        times = {Path(r.uri).stem: float(r.data["execution_seconds"]) for r in records}
        listed = sorted(times.items(), key=lambda item: -item[1])
        say("seconds of code: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in listed))
        return max(times.values())

    @property
    def pages(self) -> Path:
        """The folder of the finished pages."""
        _ = self.cold_s
        return self._cold / "_build" / "html"

    @cached_property
    def _cold(self) -> Path:
        return self._copy("cold")

    def _copy(self, name: str) -> Path:
        book = self.workspace / f"book-{name}"
        shutil.copytree(ROOT, book, ignore=LEFT_BEHIND)
        return book
