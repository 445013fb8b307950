"""Poems are cleaned by rules that can be told, keep to one published split, and become numbers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import collection
import poems
import pytest
from collection import CollectionError
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from poems import Poem, Vocabulary, clean, regular

REAL = ROOT.parent / "shared" / "data" / "chinese-poetry"
needs_the_real_ones = pytest.mark.skipif(
    not REAL.exists(), reason="the real collection is not on this machine"
)


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(collection.MIRROR_VARIABLE, str(REAL))
    monkeypatch.setenv(collection.CACHE_VARIABLE, str(tmp_path))


@pytest.mark.parametrize(
    ("text", "lines", "wrong"),
    [
        ("白日依山盡，黃河入海流。", ("白日依山盡", "黃河入海流"), ""),
        ("邏人（一作「叉」）橫鳥道，江祖出魚梁。", ("邏人橫鳥道", "江祖出魚梁"), ""),
        ("白日（一作（甲）「乙」）依山盡，黃河入海流。", ("白日依山盡", "黃河入海流"), ""),
        (
            "白日依山盡，黃河入海流。（〖1〗見於石刻，至大元年。）。",
            ("白日依山盡", "黃河入海流"),
            "",
        ),
        ("崩臺[一○]鶴胃弦，黃河[1]入海流。", ("崩臺鶴胃弦", "黃河入海流"), ""),
        ("三冬季月景[龍]年，萬乘觀風出灞川。", ("三冬季月景龍年", "萬乘觀風出灞川"), ""),
        ("今日知何在？白日依山盡！", ("今日知何在", "白日依山盡"), ""),
        ("白日依山盡；黃河入海流", ("白日依山盡", "黃河入海流"), ""),
        ("童子解吟《長恨曲》，胡兒能唱《琵琶篇》。", ("童子解吟長恨曲", "胡兒能唱琵琶篇"), ""),
        ("白 日\n依山盡,黃河入海流.", ("白日依山盡", "黃河入海流"), ""),
        ("冰□已鏤津，黃河入海流。", (), "lost"),
        ("兩府酒{炙火=肉}荒，黃河入海流。", (), "lost"),
        ("妝束⿰土面人，黃河入海流。", (), "lost"),
        ("", (), "empty"),
        ("（闕）", (), "empty"),
        ("，。", (), "empty"),
        ("白日依山盡，黃河入。", ("白日依山盡", "黃河入"), "uneven"),
        (
            "白日依山盡，黃河入海流。更上一層樓。",
            ("白日依山盡", "黃河入海流", "更上一層樓"),
            "uneven",
        ),
        ("關關雎鳩，在河之洲。", ("關關雎鳩", "在河之洲"), "uneven"),
        ("白日依山盡（，黃河入海流。", ("白日依山盡（", "黃河入海流"), "odd"),
        ("white sun，黃河入海流。", ("whitesun", "黃河入海流"), "odd"),
    ],
)
def test_cleaning(text: str, lines: tuple[str, ...], wrong: str) -> None:
    assert clean(text) == (lines, wrong)


@given(st.text(alphabet="山日，。（）[]一□{}《〖〗？ a", max_size=40))
def test_whatever_comes_in_a_regular_poem_comes_out_or_a_reason(text: str) -> None:
    lines, wrong = clean(text)
    assert wrong in ("", "empty", "lost", "odd", "uneven")
    if not wrong:
        cleaned = Poem("", "", lines).text
        assert clean(cleaned) == (lines, "")
        assert set(cleaned) <= set("山日一，。")


def test_every_poem_is_counted_once() -> None:
    texts = [
        "白日依山盡，黃河入海流。",
        "白日依山盡，黃河入海流！",
        "",
        "□",
        "關關雎鳩，在河之洲。",
        "a",
    ]
    library, report = regular({"title": "", "author": "", "paragraphs": [t]} for t in texts)
    assert len(library) == report.kept == 1
    assert (report.duplicate, report.empty, report.lost, report.uneven, report.odd) == (1,) * 5
    assert report.total == 6


def test_a_poem_knows_its_form() -> None:
    line = "白日依山盡"
    assert Poem("", "", (line,) * 4).form == "5x4"
    assert Poem("", "", (line,) * 8).form == "5x8"
    assert Poem("", "", (line + "河流",) * 4).form == "7x4"
    assert Poem("", "", (line,) * 6).form is None
    assert Poem("", "", (line, line)).text == "白日依山盡，白日依山盡。"


def test_the_bundled_poems_are_regular_and_for_no_training() -> None:
    raw = collection.read(poems.BUNDLED)
    library, report = regular(raw)
    assert report.kept == report.total >= 100
    forms = Counter(poem.form for poem in library)
    assert set(forms) == set(poems.FORMS)
    assert forms["5x4"] + forms["7x4"] >= 60
    assert {poem.split for poem in library} == {"validation"}
    # They are written as our own poems are, so the file says nothing that cleaning changes.
    assert [poem.text for poem in library] == ["".join(poem["paragraphs"]) for poem in raw]


def test_the_split_goes_by_the_first_line() -> None:
    splits = Counter(
        poems.split_of((f"{first}{second}山山山",)) for first in SOME for second in SOME
    )
    assert sum(splits.values()) == 2500
    assert 90 < splits["validation"] < 165
    assert 90 < splits["test"] < 165
    one, other = ("甲乙丙丁戊", "子丑寅卯辰"), ("甲乙丙丁戊", "天地玄黃宇")
    assert poems.split_of(one) == poems.split_of(other)
    famous = "黃河入海流"
    assert poems.split_of(("甲乙丙丁戊", famous)) == "validation"


SOME = "".join(chr(0x4E00 + 7 * i) for i in range(50))


def test_a_vocabulary_has_the_frequent_characters_most_frequent_first() -> None:
    library = [Poem("", "", ("山山山月月", "山水水月人"))]
    vocabulary = Vocabulary.of(library, least=2)
    assert vocabulary.entries == (*poems.MARKS, "山", "月", "水")
    assert len(vocabulary) == 11
    assert vocabulary.index["月"] == 9


def test_a_poem_becomes_numbers_and_comes_back() -> None:
    vocabulary = Vocabulary.published()
    for poem in poems.load("bundled"):
        ids = vocabulary.encode(poem)
        assert ids[0] == vocabulary.index[f"<{poem.form}>"]
        assert ids[-1] == poems.EOS
        assert len(ids) == len(poem.text) + 2
        unknown = [character for character in poem.text if character not in vocabulary.index]
        text = vocabulary.decode(ids)
        assert text.count("□") == len(unknown)
        assert all(got in (want, "□") for got, want in zip(text, poem.text, strict=True))
    odd = Poem("", "", ("白日依山盡",) * 6)
    assert vocabulary.encode(odd)[0] == poems.BOS


def test_the_published_vocabulary_is_well_formed() -> None:
    vocabulary = Vocabulary.published()
    assert vocabulary.entries[:4] == ("<pad>", "<bos>", "<eos>", "<unk>")
    assert len(set(vocabulary.entries)) == len(vocabulary)
    assert all(len(character) == 1 for character in vocabulary.characters)
    assert {"，", "。"} < set(vocabulary.characters)


def test_without_a_network_the_bundled_poems_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(collection.MIRROR_VARIABLE, str(tmp_path / "nowhere"))
    monkeypatch.setenv(collection.CACHE_VARIABLE, str(tmp_path / "cache"))
    library = poems.load(progress=False)
    assert library == poems.load("bundled")
    assert f"the {len(library)} poems bundled with the course" in capsys.readouterr().out
    with pytest.raises(CollectionError, match="from no mirror"):
        poems.load("collection", progress=False)
    with pytest.raises(ValueError, match="'auto', 'collection' or 'bundled'"):
        poems.load("song")


def test_simplified_characters_are_a_switch() -> None:
    library = poems.load("bundled", simplified=True)
    text = "".join(poem.text for poem in library)
    assert "黄河入海流" in text
    assert "黃" not in text
    assert len(library) == len(poems.load("bundled"))


@needs_the_real_ones
@pytest.mark.usefixtures("real")
def test_the_real_collection_is_cleaned_split_and_counted() -> None:
    library, report = regular(collection.poems(progress=False))
    assert report.total == 57_607
    assert report.kept == len(library) > 50_000
    assert all(len(set(map(len, poem.lines))) == 1 for poem in library)
    characters = set("".join(poem.text for poem in library)) - set("，。")
    assert not characters & set("□（）[]{}《》「」〖〗一 ") - {"一"}
    # The published vocabulary is the one that the published split gives.
    training = [poem for poem in library if poem.split == "train"]
    assert Vocabulary.of(training) == Vocabulary.published()
    # No poem of ours is anywhere but where it should be, and all are real.
    texts = {poem.text for poem in library}
    assert all(poem.text in texts for poem in poems.load("bundled"))
    ours = {line for poem in poems.load("bundled") for line in poem.lines}
    assert not any(ours & set(poem.lines) for poem in training)
