"""Tang poems: cleaned, sorted by form, split into parts, and as numbers.

    >>> import poems
    >>> library = poems.load()
    >>> library[0].lines

Nothing in this file needs the autograder.  It is meant to be read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import collection
from collection import CollectionError

HERE = Path(__file__).parent
BUNDLED = HERE / "bundled.json"
VOCABULARY = HERE / "vocabulary.txt"

FORMS = {"5x4": (5, 4), "7x4": (7, 4), "5x8": (5, 8), "7x8": (7, 8)}
"""The four forms: 五絕, 七絕, 五律 and 七律, as (characters in a line, lines)."""
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Poem:
    """A poem after cleaning."""

    title: str
    author: str
    lines: tuple[str, ...]
    """The lines, characters only: no punctuation."""

    @property
    def text(self) -> str:
        """The poem as a model reads it: ， after the odd lines and 。 after the even ones."""
        return "".join(line + "，。"[i % 2] for i, line in enumerate(self.lines))

    @property
    def form(self) -> str | None:
        """``"5x4"``, ``"7x4"``, ``"5x8"``, ``"7x8"``, or ``None`` for every other shape."""
        shape = (len(self.lines[0]), len(self.lines))
        return next((name for name, wanted in FORMS.items() if shape == wanted), None)

    @property
    def split(self) -> str:
        """The part of the collection that the poem belongs to; see :func:`split_of`."""
        return split_of(self.lines)


# ---------------------------------------------------------------------------------- cleaning

HAN = r"㐀-鿿豈-﫿\U00020000-\U0003ffff"
"""The blocks of Unicode that have Chinese characters."""
_NOTE = re.compile(r"（[^（）]*）|\([^()]*\)|〖[^〖〗]*〗|[［\[][一二三四五六七八九十○\d]+[］\]]")
_LOST = re.compile(r"[□○●]|\{[^{}]*\}|[\u2ff0-\u2fff]")
_QUOTES = re.compile(r"[\[\]［］《》〈〉「」『』“”‘’·・、\s]")
_END = re.compile(r"[，。]+")


@dataclass
class Report:
    """What cleaning did: every poem that came in is counted once."""

    kept: int = 0
    empty: int = 0
    """No text at all, or none but notes."""
    lost: int = 0
    """Characters are lost (□), or have no place in Unicode."""
    uneven: int = 0
    """Lines of different lengths, or an odd number of them, or neither five nor seven."""
    duplicate: int = 0
    """The same text as an earlier poem."""
    odd: int = 0
    """Something that is neither a character nor punctuation, such as half of a note."""

    @property
    def total(self) -> int:
        """All poems that came in."""
        return sum(vars(self).values())


def clean(text: str) -> tuple[tuple[str, ...], str]:
    """Cut a poem's text into lines, without anything that the poet did not write.

    1. Notes go: 邏人（一作「叉」）橫鳥道 becomes 邏人橫鳥道.  So do footnote marks, 〖1〗 and [一].
    2. What is lost, □, and what is only described, {臨/手}, makes the poem useless for learning.
    3. Brackets around a character that editors have supplied go, the character stays: [年].
    4. Whatever punctuation an editor chose, a mark ends a line, and two lines make a couplet.

    Args:
        text: the poem as the collection has it.

    Returns:
        The lines, and what is wrong with the poem: ``"empty"``, ``"lost"``, ``"odd"``, ``"uneven"``
        or, if it is a regular one, ``""``.
    """
    before = None
    while before != text:  # A note may hold another note.
        before, text = text, _NOTE.sub("", text)
    if _LOST.search(text):
        return (), "lost"
    text = _QUOTES.sub("", text)
    lines = tuple(filter(None, _END.split(re.sub(r"[：；？！,:;?!．.]", "。", text))))
    if not lines:
        return (), "empty"
    if not all(re.fullmatch(f"[{HAN}]+", line) for line in lines):
        return lines, "odd"
    even = len({len(line) for line in lines}) == 1 and len(lines) % 2 == 0
    return lines, "" if even and len(lines[0]) in (5, 7) else "uneven"


def regular(raw: Iterable[dict[str, Any]]) -> tuple[list[Poem], Report]:
    """Clean many poems, and keep those whose lines all have five characters, or all seven.

    Args:
        raw: dicts with ``title``, ``author`` and ``paragraphs``.

    Returns:
        The poems, and what became of the others.
    """
    kept: dict[tuple[str, ...], Poem] = {}
    report = Report()
    for poem in raw:
        lines, wrong = clean("".join(poem["paragraphs"]))
        if not wrong and lines in kept:
            wrong = "duplicate"
        if not wrong:
            kept[lines] = Poem(poem["title"], poem["author"], lines)
        setattr(report, wrong or "kept", getattr(report, wrong or "kept") + 1)
    return list(kept.values()), report


# ---------------------------------------------------------------------------------- loading


def load(source: str = "auto", *, simplified: bool = False, progress: bool = True) -> list[Poem]:
    """Load the regular poems: fifty thousand, or, without a network, the bundled ones.

    Args:
        source: ``"collection"`` for the real one, ``"bundled"`` for the small one that lies beside
            this file, ``"auto"`` for the real one if it can be had.  With ``"auto"`` a sentence
            says so if it is the small one.
        simplified: whether to turn the traditional characters into simplified ones, with OpenCC.
            The published split and vocabulary belong to the traditional ones.
        progress: whether to show a progress bar while files are downloaded.

    Raises:
        CollectionError: if ``source`` is ``"collection"`` and it cannot be had.
        ValueError: if there is no such source.
    """
    if source not in ("auto", "collection", "bundled"):
        raise ValueError(f"source is 'auto', 'collection' or 'bundled', not {source!r}.")
    if source == "bundled":
        found = regular(collection.read(BUNDLED))[0]
    else:
        try:
            found = regular(collection.poems(progress=progress))[0]
        except CollectionError as error:
            if source == "collection":
                raise
            found = load("bundled")
            print(f"{error}\nMeanwhile these are the {len(found)} poems bundled with the course.")
    return simplify(found) if simplified else found


def simplify(library: Iterable[Poem]) -> list[Poem]:
    """Turn traditional characters into simplified ones.

    Raises:
        CollectionError: if OpenCC is not installed.
    """
    try:
        from opencc import OpenCC
    except ImportError:
        raise CollectionError(
            "Simplified characters need OpenCC: install it with  pip install opencc"
        ) from None
    convert = OpenCC("t2s").convert
    return [
        Poem(convert(poem.title), convert(poem.author), tuple(map(convert, poem.lines)))
        for poem in library
    ]


# ---------------------------------------------------------------------------------- the split


@lru_cache(maxsize=1)
def _bundled_lines() -> frozenset[str]:
    library = regular(collection.read(BUNDLED))[0]
    return frozenset(line for poem in library for line in poem.lines)


def split_of(lines: Sequence[str]) -> str:
    """Say whether a poem is for training, for validation or for the test.

    The sha256 of its first line decides, so the split is the same everywhere and for ever, and two
    versions of a poem that begin alike are never on different sides.  One in twenty is for
    validation and one in twenty for the test.  The bundled poems are never for training, nor is a
    poem that shares a line with one of them: without the collection, they are what a model is
    tested on.

    Args:
        lines: the poem's lines, in traditional characters.
    """
    if not _bundled_lines().isdisjoint(lines):
        return "validation"
    number = int.from_bytes(hashlib.sha256(lines[0].encode()).digest()[:4], "big") % 20
    return {0: "validation", 1: "test"}.get(number, "train")


# ---------------------------------------------------------------------------------- numbers

PAD, BOS, EOS, UNK = range(4)
MARKS = ("<pad>", "<bos>", "<eos>", "<unk>", *(f"<{form}>" for form in FORMS))
"""The entries of the vocabulary that stand for no character, with the indexes 0, 1, 2, ..."""
LEAST = 10
"""A character is in the vocabulary if it occurs as often as this in the training poems."""


@dataclass(frozen=True)
class Vocabulary:
    """The list of all entries, and the way back.

    Args:
        characters: the characters, without the marks, in the order of their indexes.
    """

    characters: Sequence[str]
    entries: tuple[str, ...] = field(init=False)
    """The marks, then the characters; the place of each is its index."""
    index: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        entries = (*MARKS, *self.characters)
        object.__setattr__(self, "entries", entries)
        object.__setattr__(self, "index", {entry: i for i, entry in enumerate(entries)})

    def __len__(self) -> int:
        return len(self.entries)

    @classmethod
    def published(cls) -> Vocabulary:
        """Read the vocabulary that everybody's perplexity is measured with."""
        return cls(VOCABULARY.read_text(encoding="utf-8").split())

    @classmethod
    def of(cls, library: Iterable[Poem], least: int = LEAST) -> Vocabulary:
        """Make a vocabulary of the characters that occur ``least`` times or more, most first."""
        counts = Counter("".join(poem.text for poem in library))
        frequent = [character for character, n in counts.items() if n >= least]
        return cls(sorted(frequent, key=lambda character: (-counts[character], character)))

    def start(self, form: str | None) -> int:
        """Return the index that a poem begins with: the mark of its form, or ``<bos>``."""
        return self.index.get(f"<{form}>", BOS)

    def encode(self, poem: Poem) -> list[int]:
        """Return the indexes of a poem: the mark of its form, the characters, ``<eos>``."""
        characters = [self.index.get(character, UNK) for character in poem.text]
        return [self.start(poem.form), *characters, EOS]

    def decode(self, indexes: Iterable[int]) -> str:
        """Return the text of indexes; marks are left out, but for ``<unk>``, which shows as □."""
        kept = (i for i in indexes if i == UNK or i >= len(MARKS))
        return "".join("□" if i == UNK else self.entries[i] for i in kept)


def main() -> None:
    """Write the vocabulary anew from the training poems, and say what cleaning did."""
    library, report = regular(collection.poems())
    training = [poem for poem in library if poem.split == "train"]
    vocabulary = Vocabulary.of(training)
    VOCABULARY.write_text("\n".join(vocabulary.characters) + "\n", encoding="utf-8")
    forms = Counter(str(poem.form) for poem in library)
    splits = Counter(poem.split for poem in library)
    print(json.dumps({**vars(report), "forms": forms, "splits": splits, "V": len(vocabulary)}))


if __name__ == "__main__":
    main()
