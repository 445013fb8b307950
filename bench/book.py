"""Building the book with nothing cached, with ordinary and with warm kernels."""

from __future__ import annotations

import shutil
from functools import cached_property
from pathlib import Path

import yaml
from process import ROOT, BenchError, run, say

# The book and all that its pages may refer to; no caches, nothing that was built.
LEFT_BEHIND = shutil.ignore_patterns("_build", ".*", "*.egg-info", "__pycache__", "workspace")


class Book:
    """Two cold builds of the book, which differ in nothing but their kernels.

    Args:
        workspace: a folder for copies of the book.
    """

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace

    @cached_property
    def ordinary_s(self) -> float:
        """Seconds of a build with ordinary kernels."""
        return self._build("python3")

    @cached_property
    def warm_s(self) -> float:
        """Seconds of a build with kernels forked from a zygote."""
        return self._build("python3-warm")

    def _build(self, kernel: str) -> float:
        book = self.workspace / f"book-{kernel}"
        shutil.copytree(ROOT, book, ignore=LEFT_BEHIND)
        path = book / "_config.yml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        settings = config.setdefault("sphinx", {}).setdefault("config", {})
        settings["nb_kernel_rgx_aliases"] = {"python3": kernel}
        path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
        say(f"jupyter-book build with the kernel {kernel}")
        command = ("jupyter-book", "build", ".", "-n", "-W", "--keep-going", "-q")
        done = run(*command, cwd=book)
        if bool(done.kernel_cpu_seconds) != (kernel == "python3-warm"):
            raise BenchError(f"The build with the kernel {kernel} used other kernels.")
        return done.seconds
