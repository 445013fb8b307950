"""What students read can be translated, and is read as it is written where it is not."""

from __future__ import annotations

import importlib
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder import i18n

SENTENCE = "Did you mean “{name}”?"


def compiled(texts: dict[str, str]) -> bytes:
    """Compile a catalogue to the format of GNU gettext's .mo files."""
    texts = {"": "Content-Type: text/plain; charset=UTF-8\n", **texts}
    pairs = sorted((a.encode(), b.encode()) for a, b in texts.items())
    header, tables, strings = 28, b"", b""
    start = header + 16 * len(pairs)
    for column in (0, 1):
        for pair in pairs:
            tables += struct.pack("<II", len(pair[column]), start + len(strings))
            strings += pair[column] + b"\0"
    fields = (0x950412DE, 0, len(pairs), header, header + 8 * len(pairs), 0, start)
    return struct.pack("<7I", *fields) + tables + strings


@pytest.fixture
def reload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder of the catalogues of a package of this test's own."""
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path / "locale"
    monkeypatch.undo()
    importlib.reload(i18n)


def load(monkeypatch: pytest.MonkeyPatch, locale: Path, language: str) -> None:
    """Import the module anew, as a fresh interpreter with this language would."""
    import gettext

    real = gettext.translation

    def translation(domain: str, localedir: Path, **options: bool) -> gettext.NullTranslations:
        assert localedir == Path(i18n.__file__).parent / "locale"
        return real(domain, locale, **options)  # type: ignore[call-overload]

    monkeypatch.setenv("LANGUAGE", language)
    monkeypatch.setattr(gettext, "translation", translation)
    importlib.reload(i18n)


def write(locale: Path, texts: dict[str, str], language: str = "de") -> None:
    folder = locale / language / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "autograder.mo").write_bytes(compiled(texts))


def test_without_a_catalogue_a_text_stays_as_it_is(
    reload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(monkeypatch, reload, "de")
    assert i18n._(SENTENCE) == SENTENCE
    assert i18n.ngettext("a file", "files", 1) == "a file"
    assert i18n.ngettext("a file", "files", 2) == "files"


def test_a_catalogue_translates(reload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plural = {"a file\0files": "eine Datei\0Dateien"}
    write(reload, {SENTENCE: "Meinten Sie „{name}“?", **plural})
    load(monkeypatch, reload, "de")
    assert i18n._(SENTENCE).format(name="half") == "Meinten Sie „half“?"
    assert i18n._("another text") == "another text"
    assert i18n.ngettext("a file", "files", 1) == "eine Datei"
    assert i18n.ngettext("a file", "files", 2) == "Dateien"


def test_a_catalogue_of_another_language_does_not(
    reload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(reload, {SENTENCE: "Meinten Sie „{name}“?"})
    load(monkeypatch, reload, "fr")
    assert i18n._(SENTENCE) == SENTENCE
