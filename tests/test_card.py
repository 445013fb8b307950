"""A card says mark, score and reason, in text and in HTML that no student can write into."""

from __future__ import annotations

from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.card import VERDICT_MIME, to_html, to_mimebundle, to_text
from autograder.verdict import Difference, Rung, Verdict

TESTED = (Rung.EXISTS, Rung.RUNS, Rung.VALUES, Rung.GRADIENTS)
PASSED = Verdict("cell", "One step.", 10, 10, True, "All agree.", cases=3, tested=TESTED)
FAILED = Verdict(
    "cell",
    "One step.",
    0,
    10,
    False,
    "Entries are off.",
    rung=Rung.VALUES,
    misconception="gate_order",
    hint="Your gates are in another order.",
    case="a batch of one",
    sizes="x (1, 2)",
    difference=Difference("h[0, 2]", "1.5", "2.5"),
    failed_cases=2,
    cases=3,
    tested=TESTED,
)
PARTIAL = replace(FAILED, points=5.0, rung=Rung.GRADIENTS, hint=None, difference=None)
MEASURED = Verdict(
    "poet",
    "A poet.",
    8.16,
    12,
    False,
    "The perplexity is 120.0.",
    rung=Rung.VALUES,
    tested=TESTED,
    measure=120.0,
    unit="perplexity",
    scale=((75.0, 1.0), (100.0, 0.8), (150.0, 0.5), (300.0, 0.0)),
    remarks=("Has it seen them?",),
)
UNDECIDED = Verdict.undecided("cell", "It never ended.", max_points=10)


@pytest.mark.parametrize(
    ("verdict", "score", "mark", "state"),
    [
        (PASSED, "10 of 10 points", "✓", "passed"),
        (PARTIAL, "5 of 10 points", "✗", "partial"),
        (FAILED, "0 of 10 points", "✗", "failed"),
        (UNDECIDED, "0 of 10 points", "✗", "failed"),
    ],
    ids=["passed", "partial", "failed", "undecided"],
)
def test_every_state(verdict: Verdict, score: str, mark: str, state: str) -> None:
    text, html = to_text(verdict), to_html(verdict)
    assert f"{mark} cell · {score}" in text
    for card in (text, unescape(html)):
        assert score in card
        assert verdict.reason in card
    assert state in html


def test_a_failed_card_shows_hint_place_and_case() -> None:
    for card in (to_text(FAILED), unescape(to_html(FAILED))):
        for shown in ("Your gates are in another order.", "h[0, 2]", "1.5", "2.5", "x (1, 2)"):
            assert shown in card
        assert "2 of 3 cases" in card


def test_the_ladder_stops_at_the_failing_rung() -> None:
    text = to_text(FAILED).replace("\N{NO-BREAK SPACE}", " ")
    assert "✓ runs" in text
    assert "✗ values" in text
    assert "· gradients" in text


@given(st.text(), st.text(max_size=300), st.text(max_size=300))
def test_text_is_at_most_88_columns_wide(name: str, reason: str, got: str) -> None:
    wide = replace(FAILED, reason=reason + "a" * 100, difference=Difference("h", got, "1"))
    from rich.cells import cell_len

    assert all(cell_len(line) <= 88 for line in to_text(wide).splitlines())


def test_rich_markup_of_a_student_is_shown_as_it_is() -> None:
    assert "[red]x[/red] [/]" in to_text(replace(FAILED, reason="[red]x[/red] [/]"))


@pytest.mark.parametrize("part", ["question", "title", "reason", "hint", "case", "sizes"])
def test_html_escapes_every_text(part: str) -> None:
    evil = "<script>alert('&')</script>"
    html = to_html(replace(FAILED, **{part: evil}))
    assert "<script" not in html


@pytest.mark.parametrize("part", ["place", "got", "expected"])
def test_html_escapes_the_difference(part: str) -> None:
    assert FAILED.difference is not None
    evil = replace(FAILED.difference, **{part: "<img src=x onerror=alert(1)>"})
    html = to_html(replace(FAILED, difference=evil))
    assert "<img" not in html
    assert "&lt;img" in html


def test_the_bundle_holds_all_three_forms() -> None:
    bundle = to_mimebundle(FAILED)
    assert set(bundle) == {"text/plain", "text/html", VERDICT_MIME}
    assert Verdict.from_json(bundle[VERDICT_MIME]) == FAILED


def test_a_measured_card_shows_the_scale_and_where_it_stands() -> None:
    for card in (to_text(MEASURED), unescape(to_html(MEASURED))):
        measures = [card.index(mark) for mark in ("perplexity", "300", "150", "100", "75")]
        assert measures == sorted(measures)
        assert "9.6" in card
        assert "values" not in card
    # Two fifths of the way from the second mark to the third, of three equal steps.
    assert to_html(MEASURED).count("53.3%") == 2
    full = replace(MEASURED, measure=60.0)
    assert "width: 100.0%" in to_html(full)


def test_without_a_measure_there_is_no_scale() -> None:
    for verdict in (replace(MEASURED, measure=None), FAILED):
        assert "300" not in to_text(verdict)
        assert "grid" not in to_html(verdict)


def test_a_card_keeps_the_remarks_to_itself() -> None:
    assert "Has it seen them?" not in to_text(MEASURED) + to_html(MEASURED)


def test_html_escapes_the_unit() -> None:
    assert "<script" not in to_html(replace(MEASURED, unit="<script>"))
