"""Questions with answers to try, which need no kernel: the directive ``quiz``.

::

    :::{quiz}
    :answer: 2

    How many parameters has `nn.LSTMCell(100, 20)`?

    - 2440

      Those of one gate. There are four.
    - 9760

      Four gates, each with 20 rows of 100 + 20 weights and two biases.
    :::

Before the list stands the question. Each item of the list is an answer, and what follows its first
paragraph is shown when it is chosen. ``:answer:`` counts from 1; several numbers make a question
with several right answers. With ``:number:`` the reader types a number instead of choosing: the
items are the numbers that deserve a word, and every other is wrong without one.

Everything the author writes is ordinary text of the page, so it is translated with the page.
"""

from __future__ import annotations

from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.locale import get_translation
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

_ = get_translation("book")


class Asked(nodes.General, nodes.Element):
    """A question with its answers. Attributes: ``kind`` (one, many, number), ``number``."""


class Question(nodes.General, nodes.Element):
    """What is asked."""


class Choice(nodes.General, nodes.Element):
    """One answer. Attributes: ``right``, ``label`` (its id)."""


class Answer(nodes.paragraph):
    """The answer itself: a paragraph, so that it is translated like one."""


class Feedback(nodes.General, nodes.Element):
    """What is said to those who chose it."""


class Quiz(SphinxDirective):
    """Read a question, its answers and what there is to say to each."""

    has_content = True
    option_spec: ClassVar = {"answer": directives.unchanged_required, "number": directives.flag}

    def run(self) -> list[nodes.Node]:
        try:
            right = {int(word) for word in self.options.get("answer", "").split()}
        except ValueError:
            right = set()
        body = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, body)
        answers = body.children[-1] if body.children else None
        if not isinstance(answers, nodes.bullet_list) or len(body.children) < 2:
            raise self.error("A quiz needs a question and, at its end, a list of answers.")
        if not right or not right <= set(range(1, len(answers) + 1)):
            raise self.error(
                f":answer: must say which of the {len(answers)} answers are right: 2, or 1 3."
            )
        kind = "number" if "number" in self.options else "many" if len(right) > 1 else "one"
        node = Asked("", kind=kind, number=self.env.new_serialno("quiz"))
        self.set_source_info(node)
        node += Question("", *body.children[:-1])
        for position, item in enumerate(answers.children, start=1):
            node += self._choice(item, position in right, kind)
        return [node]

    def _choice(self, item: nodes.Node, right: bool, kind: str) -> Choice:
        first, *rest = item.children
        if not isinstance(first, nodes.paragraph):
            raise self.error("An answer of a quiz must begin with a line of text.")
        if not rest:
            raise self.error(f"Say something to those who choose {first.astext()!r}.")
        if kind == "number":
            try:
                float(first.astext())
            except ValueError:
                raise self.error(f"{first.astext()!r} is no number.") from None
        label = Answer(first.rawsource, "", *first.children)
        label.source, label.line = first.source, first.line
        return Choice("", label, Feedback("", *rest), right=right)


# HTML ---------------------------------------------------------------------------------------------


def _name(node: nodes.Element) -> str:
    return f"quiz-{node['number']}"


def visit_quiz(self: HTML5Translator, node: Asked) -> None:
    """Open the question's group."""
    name = _name(node)
    role = "radiogroup" if node["kind"] == "one" else "group"
    self.body.append(
        f'<div class="quiz" data-kind="{node["kind"]}" role="{role}" aria-labelledby="{name}">'
    )


def depart_quiz(self: HTML5Translator, node: Asked) -> None:
    """Close it, after a place for what is read aloud."""
    if node["kind"] == "number":
        self.body.append("</details>")
    self.body.append('<div class="quiz-status visually-hidden" role="status"></div></div>\n')


def visit_question(self: HTML5Translator, node: Question) -> None:
    """Open the question."""
    self.body.append(f'<div class="quiz-question" id="{_name(node.parent)}">')


def depart_question(self: HTML5Translator, node: Question) -> None:
    """Close it; say how to answer, or make a field for the number."""
    self.body.append("</div>")
    parent = node.parent
    if parent["kind"] == "many":
        self.body.append(f'<p class="quiz-hint">{_("Several answers are right.")}</p>')
    if parent["kind"] == "number":
        name = _name(parent)
        self.body.append(
            f'<form class="quiz-form" hidden><label for="{name}-in">{_("Your answer:")}</label> '
            f'<input id="{name}-in" type="text" inputmode="decimal" autocomplete="off" size="10"> '
            f'<button type="submit">{_("Check")}</button></form>'
            f'<div class="quiz-said" data-else="{_("Not that. Try again, or look below.")}"></div>'
            f'<details class="quiz-key"><summary>{_("Show the answer")}</summary>'
        )


def visit_choice(self: HTML5Translator, node: Choice) -> None:
    """Open an answer, with its button unless a number is asked for."""
    parent = node.parent
    state = "right" if node["right"] else "wrong"
    self.body.append(f'<div class="quiz-choice {state}">')
    if parent["kind"] != "number":
        position = parent.index(node)
        name = _name(parent)
        kind = "radio" if parent["kind"] == "one" else "checkbox"
        self.body.append(f'<input type="{kind}" name="{name}" id="{name}-{position}">')


def depart_choice(self: HTML5Translator, node: Choice) -> None:
    """Close it."""
    self.body.append("</div>\n")


def visit_label(self: HTML5Translator, node: Answer) -> None:
    """Open the answer's text."""
    choice = node.parent
    if choice.parent["kind"] == "number":
        self.body.append(f'<p class="quiz-value" data-value="{node.astext()}">')
    else:
        name, position = _name(choice.parent), choice.parent.index(choice)
        self.body.append(f'<label for="{name}-{position}">')


def depart_label(self: HTML5Translator, node: Answer) -> None:
    """Close it."""
    self.body.append("</p>" if node.parent.parent["kind"] == "number" else "</label>")


def visit_feedback(self: HTML5Translator, node: Feedback) -> None:
    """Open what is said to those who chose it."""
    verdict = _("Right.") if node.parent["right"] else _("Not quite.")
    self.body.append(f'<div class="quiz-feedback"><strong>{verdict}</strong> ')


def depart_feedback(self: HTML5Translator, node: Feedback) -> None:
    """Close it."""
    self.body.append("</div>")


def _pass(self: object, node: nodes.Node) -> None:
    """Other formats show the content alone."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive, its nodes and its script."""
    for node, visit, depart in (
        (Asked, visit_quiz, depart_quiz),
        (Question, visit_question, depart_question),
        (Choice, visit_choice, depart_choice),
        (Answer, visit_label, depart_label),
        (Feedback, visit_feedback, depart_feedback),
    ):
        others = dict.fromkeys(("latex", "text", "man", "texinfo", "epub"), (_pass, _pass))
        app.add_node(node, html=(visit, depart), **others)
    app.add_directive("quiz", Quiz)
    app.add_js_file("quiz.js", loading_method="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
