"""Whatever was handed in ends as a valid notebook or as a sentence that says why not."""

from __future__ import annotations

import io
import json
import sys
import time
import zipfile
from typing import Any

import nbformat
import pytest

from autograder.salvage import Salvaged, salvage

IDS = ("setup", "work", "check")


def cell(name: str | None, source: Any = "x = 1", **fields: Any) -> dict[str, Any]:
    metadata = {"nbgrader": {"grade_id": name}} if name else {}
    made = {"cell_type": "code", "metadata": metadata, "source": source, "outputs": []}
    return {**made, "execution_count": None, **fields}


def notebook(*cells: Any, **fields: Any) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 4, **fields}


def packed(value: Any) -> bytes:
    return json.dumps(value).encode()


WHOLE = packed(notebook(*(cell(name) for name in IDS)))
PART = packed(notebook(cell("work", "y = 2")))
STRANGE = packed(notebook(cell("other", "z = 3")))
PLAIN = packed(notebook(cell(None, "z = 4")))


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def read(files: dict[str, bytes]) -> Salvaged:
    found = salvage("tiny", files, IDS)
    assert (found.notebook is None) == (found.problem is not None)
    if found.notebook is not None:
        nbformat.validate(found.notebook)
        json.dumps(found.notebook).encode()
        assert found.notebook.nbformat_minor == 5
    return found


def read_own(value: Any) -> Salvaged:
    return read({"tiny.ipynb": value if isinstance(value, bytes) else packed(value)})


def sources(found: Salvaged) -> list[str]:
    assert found.notebook is not None, found.problem
    return [each.source for each in found.notebook.cells]


def test_a_good_notebook_needs_no_notes() -> None:
    found = read_own(WHOLE)
    assert found.notes == ()
    assert [each.metadata.nbgrader.grade_id for each in found.notebook.cells] == list(IDS)


# Which file.


@pytest.mark.parametrize("other", ["tiny (1).ipynb", "a/b/old.ipynb", "Tiny.ipynb"])
def test_the_named_file_is_used_and_others_are_mentioned(other: str) -> None:
    found = read({"tiny.ipynb": PART, other: WHOLE})
    assert sources(found) == ["y = 2"]
    assert len(found.notes) == 1
    assert f"“{other}”" in found.notes[0]


@pytest.mark.parametrize("other", [".ipynb_checkpoints/tiny.ipynb", "strange.ipynb", "x.csv"])
def test_files_that_do_not_matter_are_not_mentioned(other: str) -> None:
    content = STRANGE if other == "strange.ipynb" else WHOLE
    assert read({"tiny.ipynb": PART, other: content}).notes == ()


@pytest.mark.parametrize(
    "path",
    [
        "tiny (1).ipynb",
        "Tiny.ipynb",
        "tiny-Copy1.ipynb",
        "tiny.ipynb.txt",
        "tiny.IPYNB",
        "tiny.json",
        "tiny",
        "deep/er/tiny.ipynb",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_another_file_is_taken_instead(path: str, encoding: str) -> None:
    found = read({path: PART.decode().encode(encoding), "data.csv": b"1,2"})
    assert sources(found) == ["y = 2"]
    assert f"“{path}”" in found.notes[0]
    assert "1 of the 3" in found.notes[0]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"z.ipynb": WHOLE}, {"Tiny.ipynb": PART}),
        ({"deep/TINY.ipynb": WHOLE}, {"a.ipynb": WHOLE}),
        ({"z.ipynb": WHOLE}, {"deep/a.ipynb": WHOLE}),
        ({"a.ipynb": WHOLE}, {"b.ipynb": WHOLE}),
        ({"a.zip": zipped({"x/y.ipynb": WHOLE})}, {"a.ipynb": PART}),
    ],
)
def test_the_best_of_several_is_taken(better: dict[str, bytes], worse: dict[str, bytes]) -> None:
    for files in ({**better, **worse}, {**worse, **better}):
        assert f"“{next(iter(better))}" in read(files).notes[0]


@pytest.mark.parametrize("damaged", [b"", b"%PDF-1.4", b"{"])
def test_an_unreadable_notebook_gives_way_to_a_readable_one(damaged: bytes) -> None:
    found = read({"tiny.ipynb": damaged, "tiny (1).ipynb": WHOLE})
    assert len(sources(found)) == 3
    assert "“tiny.ipynb”" in found.notes[0]
    assert "“tiny (1).ipynb” was graded instead" in found.notes[1]


def test_an_unreadable_notebook_does_not_give_way_to_a_strange_one() -> None:
    found = read({"tiny.ipynb": b"", "other.ipynb": PLAIN})
    assert "empty" in str(found.problem)


def test_the_only_notebook_is_taken_even_if_it_has_no_cell_of_the_assignment() -> None:
    assert sources(read({"mine.ipynb": PLAIN})) == ["z = 4"]


def test_of_two_notebooks_without_cells_of_the_assignment_none_is_taken() -> None:
    problem = read({"mine.ipynb": PLAIN, "other.ipynb": STRANGE}).problem
    assert problem
    assert "“mine.ipynb”, “other.ipynb”" in problem


def test_a_cell_counts_by_its_id_too() -> None:
    by_id = packed(notebook(cell(None, "id", id="work"), cell(None, id="check"), nbformat_minor=5))
    assert sources(read({"a.ipynb": PART, "b.ipynb": by_id}))[0] == "id"


@pytest.mark.parametrize("path", ["work.zip", "tiny.ipynb", "tiny.ipynb.zip"])
def test_a_notebook_in_an_archive_is_found(path: str) -> None:
    files = {"__MACOSX/._tiny.ipynb": b"\0", "._tiny.ipynb": b"\0", "sub/tiny.ipynb": WHOLE}
    found = read({path: zipped(files)})
    assert len(sources(found)) == 3
    assert any(f"“{path}/sub/tiny.ipynb”" in note for note in found.notes)


def encrypted() -> bytes:
    content = bytearray(zipped({"tiny.ipynb": WHOLE}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (encrypted(), "password"),
        (zipped({"tiny.ipynb": WHOLE})[:-40], "damaged"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
        (zipped({f"{i}.ipynb": b"" for i in range(201)}), "too many"),
        (zipped({"tiny.ipynb": bytes(65 << 20)}), "too large"),
        (zipped({"tiny.ipynb": WHOLE}, zipfile.ZIP_LZMA), "unusual"),
        (zipped({"readme.md": b"hello"}), "no notebook"),
        (zipped({"inner.zip": zipped({"tiny.ipynb": WHOLE})}), "no notebook"),
    ],
)
def test_a_bad_archive_is_told(content: bytes, word: str) -> None:
    problem = read({"work.zip": content}).problem
    assert problem
    assert word in problem
    assert "“work.zip”" in problem


def test_a_bad_archive_does_not_hide_a_good_one() -> None:
    good = zipped({"tiny.ipynb": WHOLE})
    assert len(sources(read({"a.zip": encrypted(), "b.zip": good, "c.zip": b"PK"}))) == 3


@pytest.mark.parametrize("others", [{}, {"notes.txt": b"hello"}])
def test_nothing_handed_in_is_told(others: dict[str, bytes]) -> None:
    problem = read(others).problem
    assert problem
    assert "“tiny.ipynb” was not handed in" in problem
    assert all(f"“{path}”" in problem for path in others)


# Bytes and JSON.

UMLAUTS = notebook(cell("work", "# Größe – “schön”, déjà vérifiée, où est l’élève"))
CHINESE = notebook(cell("work", "# 第一题：写出函数，使每一行加起来等于一。"))


@pytest.mark.parametrize(
    ("value", "encoding", "told"),
    [
        (UMLAUTS, "utf-8", None),
        (UMLAUTS, "utf-8-sig", None),
        (UMLAUTS, "utf-16", "utf-16"),
        (UMLAUTS, "utf-16-be", "utf-16-be"),
        (UMLAUTS, "utf-32", "utf-32"),
        (UMLAUTS, "cp1252", "cp1252"),
        (CHINESE, "gb18030", "gb18030"),
    ],
)
def test_encodings_are_recognised(value: Any, encoding: str, told: str | None) -> None:
    found = read_own(json.dumps(value, ensure_ascii=False).encode(encoding))
    assert sources(found) == [value["cells"][0]["source"]]
    assert len(found.notes) == (told is not None)
    assert told is None or f"as {told}" in found.notes[0]


def test_a_damaged_byte_does_not_change_the_encoding() -> None:
    text = json.dumps(UMLAUTS, ensure_ascii=False).encode()
    found = read_own(text.replace("é".encode(), b"\xff", 1))
    assert sources(found)[0].replace("\ufffd", "é") == UMLAUTS["cells"][0]["source"]


def test_halves_of_surrogate_pairs_do_not_survive() -> None:
    source = '"\\ud800 \\udfff"'
    text = json.dumps(
        notebook(cell("work", "SOURCE", id="\ud800"), metadata={"\udc00": ["\ud83d"]})
    )
    found = read_own(text.replace('"SOURCE"', source).encode())
    assert sources(found) == ["? ?"]
    assert found.notebook.metadata == {"?": ["?"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\0" * 100, "is empty"),
        (b"<!DOCTYPE html><html><body>Log in</body></html>", "web page"),
        (b"\n<HTML>", "web page"),
        (b"%PDF-1.7 \xff\xfe", "PDF"),
        (b"\x89PNG\r\n", "picture"),
        (b"def double(x):\n    return 2 * x\n", "Python script"),
        (b"My answer is that I do not know.", "is not a notebook"),
        (bytes(range(256)), "is not a notebook"),
        (b"[1, 2]", "no notebook"),
        (b"3", "no notebook"),
        (b'{"a": 1}', "no notebook"),
        (b'{"cells": {}}', "no notebook"),
        (b'{"cells": [{"cell_type": "co', "damaged"),
        (b"[" * 100_000, "damaged"),
    ],
)
def test_what_is_no_notebook_is_told(content: bytes, words: str) -> None:
    found = read_own(content)
    assert words in str(found.problem)
    assert "“tiny.ipynb”" in str(found.problem)


FIVE = notebook(*(cell("work", f"x = {i}") for i in range(5)))
TEXT = json.dumps(FIVE, indent=1)


@pytest.mark.parametrize(
    ("text", "saved"),
    [
        (TEXT[: TEXT.index("x = 3") + 3], [0, 1, 2]),
        (TEXT.replace("  }\n ],", "  },\n ],"), [0, 1, 2, 3, 4]),
        (TEXT.replace('   "source": "x = 1"', '<<<<<<< HEAD\n   "source": "x = 1"'), [0, 2, 3, 4]),
        (TEXT.replace('"x = 2"', "[" * 5000), [0, 1, 3, 4]),
        (TEXT.replace('"x = 2"', "9" * 5000), [0, 1, 3, 4]),
        ("garbage " + TEXT + " garbage", [0, 1, 2, 3, 4]),
    ],
)
def test_whole_cells_of_a_damaged_notebook_are_saved(text: str, saved: list[int]) -> None:
    found = read_own(text.encode())
    assert sources(found) == [f"x = {i}" for i in saved]
    assert len(found.notes) == 1
    assert f"{len(saved)} cells" in found.notes[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_odd_numbers_are_read(value: float) -> None:
    assert len(sources(read_own(notebook(cell("work", metadata={"x": value}))))) == 1


def test_line_breaks_inside_texts_are_read() -> None:
    text = json.dumps(notebook(cell("work", "a\tb\nc"))).replace("\\n", "\n").replace("\\t", "\t")
    found = read_own(text.encode())
    assert (sources(found), found.notes) == (["a\tb\nc"], ())


HOSTILE = {
    "truncated": TEXT.replace("x = 3", "x" * 100)[:-20].encode() * 5000,
    "nested": b'{"id":' * 900 + b'"' + b"x" * (8 << 20),
    "braces": b'{"a"}' * (1 << 20),
    "deep": (b'{"cell_type":"code","x":' + b"[" * 2000 + b"},") * 2000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_time_stays_in_proportion_to_the_length(kind: str) -> None:
    start = time.perf_counter()
    read_own(HOSTILE[kind])
    assert time.perf_counter() - start < 5


# Formats.


def test_old_formats_are_converted() -> None:
    code = {"cell_type": "code", "input": ["x = 1\n", "y = 2"], "language": "python", "outputs": []}
    heading = {"cell_type": "heading", "level": 2, "source": "Title", "metadata": {}}
    sheets = [{"cells": [heading, code]}, {"cells": [{"cell_type": "markdown", "source": "text"}]}]
    found = read_own({"metadata": {}, "nbformat": 3, "nbformat_minor": 0, "worksheets": sheets})
    assert sources(found) == ["## Title", "x = 1\ny = 2", "text"]
    assert [each.cell_type for each in found.notebook.cells] == ["markdown", "code", "markdown"]
    assert "old format" in found.notes[0]


@pytest.mark.parametrize("fields", [{"nbformat": 7}, {"nbformat": "x"}, {"nbformat_minor": None}])
def test_the_version_does_not_matter(fields: dict[str, Any]) -> None:
    assert len(sources(read_own({**notebook(cell("work")), **fields}))) == 1


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("a", "a"),
        (["a\n", "b"], "a\nb"),
        (["a", 1, None, ["b"]], "a1b"),
        (None, ""),
        (5, "5"),
        ({"a": "b"}, "{'a': 'b'}"),
    ],
)
def test_a_source_is_a_text(given: Any, made: str) -> None:
    assert sources(read_own(notebook(cell("work", given)))) == [made]


@pytest.mark.parametrize(
    "fields",
    [
        {"cell_type": "unheard-of"},
        {"cell_type": ["code"]},
        {"cell_type": "markdown", "attachments": {"a": 1}},
        {"cell_type": "markdown", "attachments": {"a.png": {"image/png": "x"}}},
        {"cell_type": "code", "attachments": {"a.png": {"image/png": "x"}}},
        {"id": "no blanks, please"},
        {"id": 7},
        {"id": ""},
        {"id": "x" * 65},
        {"id": "x\n"},
        {"outputs": "many"},
        {"execution_count": "first"},
        {"surprise": 1},
        {"metadata": None},
        {"metadata": {"tags": "one"}},
        {"metadata": {"tags": ["a", "a"]}},
        {"metadata": {"tags": ["a,b", 5, {}]}},
        {"metadata": {"tags": [""]}},
        {"metadata": {"name": ""}},
        {"metadata": {"jupyter": 1, "execution": {"a": 1}, "collapsed": 1, "scrolled": "x"}},
        {"cell_type": "raw", "metadata": {"format": 1}},
        {"metadata": {"nbgrader": "yes"}},
    ],
)
def test_a_strange_cell_becomes_valid(fields: dict[str, Any]) -> None:
    found = read_own(notebook(cell("work", **fields), cell("check", **fields)))
    assert len(sources(found)) == 2
    kinds = {"cell_type": fields.get("cell_type", "code")}
    expected = kinds["cell_type"] if kinds["cell_type"] in ("code", "markdown") else "raw"
    assert found.notebook.cells[0].cell_type == expected


@pytest.mark.parametrize(
    "metadata",
    [
        "none",
        {"kernelspec": "python"},
        {"kernelspec": {"name": "python3"}},
        {"language_info": {"name": "python", "mimetype": 1}},
        {"orig_nbformat": 0},
        {"title": 1, "authors": "me"},
    ],
)
def test_strange_metadata_of_the_notebook_are_left_out(metadata: Any) -> None:
    assert read_own(notebook(cell("work"), metadata=metadata)).notebook.metadata == {}


def test_what_is_good_stays() -> None:
    spec = {"name": "python3", "display_name": "Python 3"}
    info = {"name": "python", "codemirror_mode": {"name": "ipython", "version": 3}}
    metadata = {"kernelspec": spec, "language_info": info, "mine": {"a": [1, None]}}
    picture = {"a.png": {"image/png": "x"}}
    own = {"tags": ["a", "b"], "scrolled": "auto", "collapsed": True, "name": "n"}
    given = cell(None, cell_type="markdown", attachments=picture, metadata=own, id="mine")
    found = read_own(notebook(given, metadata=metadata)).notebook
    assert found.metadata == metadata
    assert found.cells[0] == {
        "cell_type": "markdown",
        "id": "mine",
        "metadata": own,
        "source": "x = 1",
        "attachments": picture,
    }


def test_our_own_metadata_cannot_be_forged() -> None:
    assert read_own(notebook(metadata={"autograder": {"repairs": []}})).notebook.metadata == {}


def test_outputs_go_without_a_note() -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "x"}
    found = read_own(notebook(cell("work", outputs=[output], execution_count=3)))
    assert (found.notebook.cells[0].outputs, found.notebook.cells[0].execution_count) == ([], None)
    assert found.notes == ()


def test_what_is_no_cell_is_left_out() -> None:
    found = read_own(notebook(cell("work"), 1, None, "x", [cell("check")]))
    assert len(sources(found)) == 1
    assert "4" in found.notes[0]


def test_ids_become_unique_and_the_first_keeps_its_own() -> None:
    found = read_own(notebook(cell(None, id="a"), cell(None, id="a"), cell(None), cell(None)))
    ids = [each.id for each in found.notebook.cells]
    assert ids[0] == "a"
    assert len(set(ids)) == 4


def test_deep_metadata_are_cut() -> None:
    deep: Any = 1
    for _level in range(200):
        deep = {"a": [deep]}
    found = read_own(notebook(cell("work", metadata={"deep": deep, "flat": 1})))
    assert found.notebook.cells[0].metadata.flat == 1
    assert len(json.dumps(found.notebook)) < 1000


# Bounds.


def test_too_many_cells_are_left_out() -> None:
    cells = [cell(None, str(i)) for i in range(1500)] + [cell(name, name) for name in IDS]
    found = read_own(notebook(*cells))
    assert sources(found) == [*map(str, range(1000)), *IDS]
    assert "1503" in found.notes[0]
    assert "1003" in found.notes[0]


def test_endless_copies_of_a_cell_are_left_out() -> None:
    found = read_own(notebook(*(cell("work", str(i)) for i in range(3000))))
    assert len(sources(found)) == 1020


def test_a_text_without_end_is_left_out() -> None:
    found = read_own(notebook(cell("work", "x" * 200_001), cell("check", "x" * 200_000)))
    assert [len(source) for source in sources(found)] == [0, 200_000]
    assert len(found.notes) == 1
    assert "“work”" in found.notes[0]


def test_even_an_error_of_ours_is_only_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sys.modules["autograder.salvage"], "decode", fail)
    assert "ZeroDivisionError" in str(read_own(WHOLE).problem)
