"""JupyterLab, used as a student uses it: cells are clicked, written into and run."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from conftest import eventually
from playwright.sync_api import Locator, Page

__all__ = ["Notebook", "lab"]

SETTINGS = {
    # All cells are on the page, those out of sight as well.
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@contextmanager
def lab(workspace: Path, state: Path) -> Iterator[str]:
    """Start JupyterLab on a folder. Yields its address.

    Args:
        workspace: the folder.
        state: another one, for its settings.
    """
    for name, values in SETTINGS.items():
        path = state / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    runtime = state / "runtime"
    environment = {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(state / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(state / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
    }
    options = [
        "--no-browser",
        "--allow-root",
        "--port=0",
        "--IdentityProvider.token=",
        f"--ServerApp.root_dir={workspace}",
    ]
    with (state / "lab.log").open("w") as log:
        server = subprocess.Popen(
            ["jupyter", "lab", *options], env=environment, stdout=log, stderr=log
        )
    try:
        eventually(lambda: list(runtime.glob("jpserver-*.json")))
        address = json.loads(next(runtime.glob("jpserver-*.json")).read_text())["url"]
        eventually(lambda: _answers(f"{address}api"))
        yield address
    finally:
        server.terminate()
        server.wait(30)


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


class Notebook:
    """A notebook that is open in JupyterLab.

    Args:
        page: an empty page.
        address: JupyterLab's.
        path: the notebook's, from the workspace.
    """

    def __init__(self, page: Page, address: str, path: str) -> None:
        self._page = page
        page.goto(f"{address}lab/tree/{path}?reset")
        self.cells = page.locator(".jp-Notebook .jp-Cell")
        """Its cells."""
        self.cells.first.wait_for()
        idle = ".jp-Notebook-ExecutionIndicator[data-status=idle]"
        page.locator(idle).first.wait_for(state="attached")

    def run(self, index: int, source: str | None = None) -> Locator:
        """Run a cell and wait for its end.

        Args:
            index: its place.
            source: what to write into it first, in place of what it holds.

        Returns:
            The cell.
        """
        cell = self.cells.nth(index)
        cell.locator(".cm-content").click()
        if source is not None:
            self._page.keyboard.press("Control+a")
            self._page.keyboard.insert_text(source)
        prompt = cell.locator(".jp-InputPrompt")
        before = prompt.inner_text()

        def begun() -> bool:
            # JupyterLab takes no key while it is still getting ready, and does not say so.
            if prompt.inner_text() == before:
                self._page.keyboard.press("Control+Enter")
                self._page.wait_for_timeout(1000)
            return prompt.inner_text() != before

        eventually(begun)
        eventually(lambda: any(character.isdigit() for character in prompt.inner_text()))
        return cell

    def save(self, path: Path) -> None:
        """Save it, and wait until the file has changed.

        Args:
            path: the file.
        """
        before = path.read_bytes()
        self._page.keyboard.press("Control+s")
        eventually(lambda: path.read_bytes() != before)
