"""The collection comes from mirrors that fail in every way, and the cache stays good."""

from __future__ import annotations

import errno
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import collection
import pooch
import pytest
from collection import CollectionError
from conftest import ROOT

REAL = ROOT.parent / "shared" / "data" / "chinese-poetry"
FILES = {
    f"poet.tang.{number}.json": json.dumps(
        [{"author": "佚名", "title": str(number), "paragraphs": ["白日依山盡，黃河入海流。"]}]
    ).encode()
    for number in range(5)
}


class Mirror:
    """An HTTP server on this machine that keeps the files in a way of its own."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler, str], None]) -> None:
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = unquote(self.path).rpartition("/")[2]
                asked.append(name)
                answer(self, name)

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def send(handler: BaseHTTPRequestHandler, content: bytes, *, length: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content) if length is None else length))
    handler.end_headers()
    handler.wfile.write(content)


def good(handler: BaseHTTPRequestHandler, name: str) -> None:
    send(handler, FILES[name])


def missing(handler: BaseHTTPRequestHandler, _name: str) -> None:
    handler.send_error(404)


def changed(handler: BaseHTTPRequestHandler, name: str) -> None:
    send(handler, FILES[name].replace("山".encode("unicode-escape"), b"\\u4e00"))


def half(handler: BaseHTTPRequestHandler, name: str) -> None:
    send(handler, FILES[name][:20], length=len(FILES[name]))
    handler.close_connection = True


@pytest.fixture
def mirror() -> Iterator[Callable[..., Mirror]]:
    made: list[Mirror] = []

    def make(answer: Callable[[BaseHTTPRequestHandler, str], None]) -> Mirror:
        made.append(Mirror(answer))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Point the loading code at mirrors and an empty cache; give it the small list of files."""
    registry = tmp_path / "registry"
    lines = [f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in FILES.items()]
    registry.write_text("\n".join(lines), encoding="ascii")
    monkeypatch.setattr(collection, "REGISTRY", registry)
    monkeypatch.setenv(collection.CACHE_VARIABLE, str(tmp_path / "cache"))

    def use(*addresses: str) -> Path:
        monkeypatch.setenv(collection.MIRROR_VARIABLE, " ".join(addresses))
        return tmp_path / "cache"

    return use


def kept(cache: Path) -> list[str]:
    """List the cache, and make sure that there is nothing in it but good files."""
    names = sorted(path.name for path in cache.glob("*")) if cache.exists() else []
    assert all((cache / name).read_bytes() == FILES[name] for name in names)
    return names


def test_all_files_come_and_come_once(use: Any, mirror: Any) -> None:
    server = mirror(good)
    cache = use(server.address)
    assert not collection.is_cached()
    assert [poem["title"] for poem in collection.poems()] == ["0", "1", "2", "3", "4"]
    assert kept(cache) == sorted(FILES)
    assert sorted(server.asked) == sorted(FILES)
    assert collection.is_cached()
    assert len(list(collection.poems())) == 5
    assert len(server.asked) == 5


def test_several_come_at_once(use: Any, mirror: Any) -> None:
    meeting = threading.Barrier(3, timeout=20)

    def together(handler: BaseHTTPRequestHandler, name: str) -> None:
        if name < "poet.tang.3":
            meeting.wait()  # Answered only when three have asked.
        good(handler, name)

    cache = use(mirror(together).address)
    collection.download(progress=False)
    assert kept(cache) == sorted(FILES)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (missing, "it answers 404 Not Found"),
        (changed, "what it sends is not the file of that commit"),
        (half, "the connection broke off in the middle of the file"),
    ],
)
def test_a_bad_mirror_is_named_and_leaves_nothing(
    use: Any, mirror: Any, bad: Any, told: str
) -> None:
    server = mirror(bad)
    cache = use(server.address)
    with pytest.raises(CollectionError) as caught:
        collection.download(progress=False)
    assert f"- {server.address}: {told}" in str(caught.value)
    assert collection.MIRROR_VARIABLE in str(caught.value)
    assert kept(cache) == []


@pytest.mark.parametrize("bad", [missing, changed, half])
def test_the_next_mirror_helps_out(use: Any, mirror: Any, bad: Any) -> None:
    cache = use(mirror(bad).address, mirror(good).address)
    collection.download(progress=False)
    assert kept(cache) == sorted(FILES)


def test_without_a_network_it_says_so(use: Any, mirror: Any) -> None:
    server = mirror(good)
    server.close()
    use(server.address)
    with pytest.raises(CollectionError, match="no connection"):
        collection.download(progress=False)
    server.close = lambda: None  # It is closed already.


def test_what_was_broken_off_goes_on(use: Any, mirror: Any) -> None:
    def last_missing(handler: BaseHTTPRequestHandler, name: str) -> None:
        (missing if name == "poet.tang.4.json" else good)(handler, name)

    cache = use(mirror(last_missing).address)
    with pytest.raises(CollectionError, match=r"poet\.tang\.4\.json"):
        collection.download(progress=False)
    before = kept(cache)
    assert before
    server = mirror(good)
    use(server.address)
    collection.download(progress=False)
    assert kept(cache) == sorted(FILES)
    assert sorted([*before, *server.asked]) == sorted(FILES)


def test_a_file_that_was_spoiled_in_the_cache_is_brought_again(use: Any, mirror: Any) -> None:
    server = mirror(good)
    cache = use(server.address)
    collection.download(progress=False)
    (cache / "poet.tang.2.json").write_bytes(b"[]")
    assert not collection.is_cached()
    collection.download(progress=False)
    assert kept(cache) == sorted(FILES)
    assert server.asked[5:] == ["poet.tang.2.json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told(
    use: Any, mirror: Any, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fill(_self: object, _url: str, output: str, *_rest: object, **_more: object) -> None:
        Path(output).write_bytes(b"[{")
        raise OSError(number, "No space left on device")

    cache = use(mirror(good).address)
    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", fill)
    with pytest.raises(CollectionError, match="the disk is full") as caught:
        collection.download(progress=False)
    assert str(cache) in str(caught.value)
    assert collection.CACHE_VARIABLE in str(caught.value)
    assert kept(cache) == []


def test_a_folder_is_a_mirror_too(use: Any, tmp_path: Path) -> None:
    folder = tmp_path / "copy" / collection.FOLDER
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    cache = use(str(tmp_path / "nowhere"), str(tmp_path / "copy"))
    collection.download(progress=False)
    assert kept(cache) == sorted(FILES)
    use(str(tmp_path / "nowhere"))
    (cache / "poet.tang.0.json").unlink()
    with pytest.raises(CollectionError, match="there is no such file"):
        collection.download(progress=False)


@pytest.mark.skipif(not REAL.exists(), reason="the real collection is not on this machine")
def test_the_real_files_come_over_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: Any
) -> None:
    server = mirror(
        lambda handler, name: send(handler, (REAL / collection.FOLDER / name).read_bytes())
    )
    monkeypatch.setenv(collection.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv(collection.MIRROR_VARIABLE, server.address)
    assert len(list(collection.poems(progress=False))) == 57_607
    assert len(server.asked) == 58
