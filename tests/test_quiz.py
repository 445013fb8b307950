"""A quiz shows what its author wrote, and refuses what makes no sense."""

from __future__ import annotations

import re
from pathlib import Path

from book import build_page

GOOD = """:::{quiz}
:answer: 2

How *many*?

- 1

  Fewer than there are.
- `2`

  One for each.
:::
"""


def test_a_quiz_says_something_to_every_answer(tmp_path: Path) -> None:
    several = GOOD.replace(":answer: 2", ":answer: 1 2")
    number = GOOD.replace(":answer: 2", ":answer: 2\n:number:").replace("`2`", "2")
    result = build_page(tmp_path, "\n".join([GOOD, several, number]))
    assert result.returncode == 0, result.stderr
    html = (tmp_path / "_build/html/index.html").read_text(encoding="utf-8")
    one, many, typed = re.findall(r'<div class="quiz" data-kind="(\w+)" role="(\w+)"', html)
    assert (one, many, typed) == (("one", "radiogroup"), ("many", "group"), ("number", "group"))
    assert html.count("Fewer than there are.") == html.count("One for each.") == 3
    assert len(re.findall(r'class="quiz-choice right"', html)) == 4
    assert len(re.findall(r'<input type="radio"', html)) == 2
    labels = set(re.findall(r'<label for="([^"]+)"', html))
    assert set(re.findall(r'<input type="\w+" name="[^"]+" id="([^"]+)"', html)) <= labels
    assert 'data-value="2"' in html


BAD = {
    "no such answer": (":answer: 2", ":answer: 3", "must say which of the 2 answers are right"),
    "none is right": (":answer: 2\n", "", "must say which of the 2 answers are right"),
    "no number": (":answer: 2", ":answer: two", "must say which of the 2 answers are right"),
    "silent": ("\n  Fewer than there are.\n", "", "Say something to those who choose '1'."),
    "no number to type": (":answer: 2", ":answer: 2\n:number:", "'(2)' is no number."),
    "no question": ("How *many*?\n", "", "needs a question"),
}


def test_a_quiz_that_makes_no_sense_fails_the_build(tmp_path: Path) -> None:
    quizzes = [GOOD]
    for old, new, _complaint in BAD.values():
        assert old in GOOD
        quizzes.append(GOOD.replace(old, new).replace("`2`", "(2)" if ":number:" in new else "2"))
    result = build_page(tmp_path, "\n".join(quizzes))
    assert result.returncode != 0
    lines = re.findall(r"index\.md:\d+: ERROR: (.*)", result.stderr)
    assert len(lines) == len(BAD), result.stderr
    for line, (_old, _new, complaint) in zip(lines, BAD.values(), strict=True):
        assert complaint in line
