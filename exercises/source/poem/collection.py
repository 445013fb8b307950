"""Fetching the Tang poems of github.com/chinese-poetry/chinese-poetry, file by file.

The collection is 58 files with 57,607 poems, 25 MB in all.  Which version of it is meant is fixed
twice: by the commit in the addresses, and by a sha256 for each file.  So it does not matter which
mirror a file comes from, and a file that was changed on the way is never used.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pooch

COMMIT = "99ebbef7e1345c0985c44b9fd96a3f9e776f117b"
FOLDER = "全唐诗"
REGISTRY = Path(__file__).with_name("collection.sha256")
MIRRORS = (
    f"https://raw.githubusercontent.com/chinese-poetry/chinese-poetry/{COMMIT}",
    f"https://cdn.jsdelivr.net/gh/chinese-poetry/chinese-poetry@{COMMIT}",
    f"https://cdn.statically.io/gh/chinese-poetry/chinese-poetry/{COMMIT}",
)
MIRROR_VARIABLE = "TANG_POEMS_MIRROR"
CACHE_VARIABLE = "TANG_POEMS_CACHE"
CONNECTIONS = 8
TIMEOUT = 20.0


class CollectionError(Exception):
    """The collection cannot be had; the message says why, and what to do."""


class _Changed(Exception):
    """A mirror sent something else than what was asked for."""


def _hashes() -> dict[str, str]:
    """Return the sha256 of each file by its name, in the collection's own order."""
    return dict(line.split() for line in REGISTRY.read_text(encoding="ascii").splitlines())


def cache() -> Path:
    """Return the folder in which downloaded files are kept.

    It is the operating system's folder for such things, or what ``TANG_POEMS_CACHE`` names.
    """
    return Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("tang-poems")).expanduser()


def mirrors() -> list[str]:
    """Return the addresses to try: those in ``TANG_POEMS_MIRROR``, or else the known ones.

    ``TANG_POEMS_MIRROR`` holds one address or several, separated by spaces.  Below an address lie
    the paths of the repository, such as ``全唐诗/poet.tang.0.json``.  A folder of this machine will
    do as well.
    """
    own = os.environ.get(MIRROR_VARIABLE, "").split()
    return [address.rstrip("/") for address in own] or list(MIRRORS)


def is_cached() -> bool:
    """Tell whether every file lies in the cache, as it should be."""
    return not _missing()


def _missing() -> list[str]:
    folder = cache()
    return [name for name, sha256 in _hashes().items() if not _is_good(folder / name, sha256)]


def _is_good(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def download(*, progress: bool = True) -> list[Path]:
    """Bring every file that is not in the cache yet, several at a time.

    A file is moved into the cache when it is complete and its sha256 is right, so whatever happens,
    the cache holds good files only, and the next call goes on from there.

    Args:
        progress: whether to show a progress bar.

    Returns:
        The paths of all files, in the collection's order.

    Raises:
        CollectionError: if a file cannot be had from any mirror, or cannot be stored.
    """
    # Imported when needed, because it takes longer than all the rest, and so in _fetch.
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    hashes, target = _hashes(), cache()
    bar = Progress(
        TextColumn("Tang poems"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        disable=not progress,
    )
    missing = _missing()
    if missing:
        # Its notes on each file would break the progress bar.
        pooch.get_logger().setLevel("WARNING")
        with bar, ThreadPoolExecutor(CONNECTIONS) as pool:
            task = bar.add_task("", total=len(hashes), completed=len(hashes) - len(missing))
            running = [pool.submit(_fetch, name, hashes[name], target) for name in missing]
            try:
                for done in as_completed(running):
                    done.result()
                    bar.advance(task)
            finally:  # After a failure the others need not be tried.
                pool.shutdown(wait=False, cancel_futures=True)
    return [target / name for name in hashes]


def read(path: Path) -> list[dict[str, Any]]:
    """Read one file of the collection.

    Returns:
        Its poems, each a dict with ``author``, ``title`` and ``paragraphs``, a list of strings.

    Raises:
        CollectionError: if the file is not what it should be.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CollectionError(
            f"{path} cannot be read ({error}). Delete it, and it will be downloaded again."
        ) from None


def _fetch(name: str, sha256: str, target: Path) -> None:
    """Bring one file from the first mirror that has it."""
    import requests

    problems: list[str] = []
    for address in mirrors():
        try:
            _fetch_from(address, name, sha256, target)
            return
        except _Changed:
            problems.append(f"{address}: what it sends is not the file of that commit")
        except requests.RequestException as error:
            problems.append(f"{address}: {_short(error)}")
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                reason = "the disk is full"
            elif isinstance(error, FileNotFoundError) and "://" not in address:
                problems.append(f"{address}: there is no such file")
                continue
            else:
                reason = error.strerror or str(error)
            raise CollectionError(
                f"The poems cannot be stored in {target}: {reason}. Make room there, or name "
                f"another folder in {CACHE_VARIABLE}. What was downloaded before is kept."
            ) from None
    tried = "\n".join(f"- {problem}" for problem in problems)
    raise CollectionError(
        f"The file {name} of the Tang poems could be had from no mirror:\n{tried}\n"
        f"Try again later: what was downloaded is kept. Or name a mirror in {MIRROR_VARIABLE}."
    )


def _fetch_from(address: str, name: str, sha256: str, target: Path) -> None:
    url = f"{address}/{quote(FOLDER)}/{name}"
    downloader: Any = pooch.HTTPDownloader(timeout=TIMEOUT)
    if "://" not in address:
        url = str(Path(address) / FOLDER / name)
        downloader = _copy
    try:
        pooch.retrieve(
            url, known_hash=f"sha256:{sha256}", fname=name, path=target, downloader=downloader
        )
    except ValueError as error:
        if "hash" not in str(error):
            raise
        raise _Changed from None


def _copy(path: str, output: str, _pooch: object) -> None:
    Path(output).write_bytes(Path(path).read_bytes())


def _short(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError):
        return f"it answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT:g} seconds"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off in the middle of the file"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error)


def poems(*, progress: bool = True) -> Iterator[dict[str, Any]]:
    """Yield the 57,607 poems as the collection has them, downloading what is missing.

    Raises:
        CollectionError: if they cannot be had.
    """
    for path in download(progress=progress):
        yield from read(path)
