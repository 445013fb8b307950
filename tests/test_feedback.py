"""Feedback pages: the same as nbconvert's own, and made once where a class is alike."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
)
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from autograder.feedback import FeedbackExporter

NO_TEXT = "No description has been provided for this image"
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\nnot much of a picture").decode()
SCRIPT = "<script>const tag = \"<img src='x'>\";</script>"


def notebook() -> NotebookNode:
    """Make a notebook with all that a student's may hold."""
    attached = new_markdown_cell(
        "![seen](attachment:pixel.png)", attachments={"pixel.png": {"image/png": PIXEL}}
    )
    output = [
        new_output("stream", name="stdout", text="a < b & c\n\x1b[31mred\x1b[0m\n"),
        new_output("stream", name="stderr", text="careful\n"),
        new_output("display_data", {"image/png": PIXEL, "text/plain": "<Figure>"}),
        new_output("display_data", {"text/html": f"<img src='a.png'><p>text</p>{SCRIPT}"}),
        new_output("display_data", {"text/html": "<IMG SRC='a.png' ALT='said'><img alt src='b'>"}),
        new_output("display_data", {"text/html": "<!-- <img src='x'> --><img\nsrc='c.png'/>"}),
        new_output("display_data", {"text/html": "<img data-alt='x' src='d.png'>"}),
        new_output("execute_result", {"text/latex": "$x^2$"}, execution_count=1),
        new_output("display_data", {"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'/>"}),
        new_output("error", ename="E", evalue="v", traceback=["\x1b[0;31mE\x1b[0m: <v>"]),
    ]
    made = new_notebook(
        metadata={"language_info": {"name": "python", "pygments_lexer": "ipython3"}},
        cells=[
            new_markdown_cell("# A title\n\nText with $x < y$, `code` and [a link](https://a.b)."),
            new_markdown_cell(
                "```python\nfor i in range(3):\n    pass\n```\n\n| a | b |\n|-|-|\n|1|2|"
            ),
            attached,
            new_code_cell("def f(x):\n    return x < 1  # a comment", outputs=output),
            new_code_cell("%%bash\nfor f in *; do echo $f; done"),
            new_code_cell("%%html\n<p class='x'>text</p>"),
            new_code_cell(""),
            new_code_cell("%matplotlib inline\n!ls\nf?"),
        ],
    )
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"
    return made


def resources() -> dict[str, Any]:
    """Make what nbgrader hands to its template."""
    return {
        "unique_key": "work",
        "metadata": {"name": "work"},
        "nbgrader": {
            "notebook": "work",
            "assignment": "tiny",
            "student": "ada",
            "score": 1.0,
            "max_score": 2.0,
            "late_penalty": 0.0,
        },
    }


@pytest.fixture(scope="module")
def config() -> Config:
    """Return nbgrader's own settings for feedback pages."""
    return GenerateFeedback(coursedir=CourseDirectory()).config


def page(exporter: HTMLExporter, nb: NotebookNode) -> str:
    """Export a notebook."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbconvert's own, about other packages
        return str(exporter.from_notebook_node(nb, resources())[0])


@pytest.fixture(scope="module")
def ours(config: Config) -> FeedbackExporter:
    """Return our exporter."""
    return FeedbackExporter(config=config)


def parts(html: str) -> Iterator[Any]:
    """List a page's tags with their attributes and its texts, with blanks made alike."""
    for part in BeautifulSoup(html, "html.parser").descendants:
        if isinstance(part, Tag):
            # nbconvert makes cells of its newer templates focusable; nbgrader's is the classic one.
            yield part.name, sorted((name, str(value)) for name, value in part.attrs.items())
        elif text := " ".join(str(part).split()):
            yield text


def test_the_page_is_nbconverts(config: Config, ours: FeedbackExporter) -> None:
    theirs = list(parts(page(HTMLExporter(config=config), notebook())))
    assert len(theirs) > 200
    assert list(parts(page(ours, notebook()))) == theirs


def test_a_page_is_the_same_the_second_time(ours: FeedbackExporter) -> None:
    assert page(ours, notebook()) == page(ours, notebook())


def test_the_notebook_is_left_as_it_was(ours: FeedbackExporter) -> None:
    nb = notebook()
    page(ours, nb)
    assert nb == notebook()


def test_each_image_has_a_text(ours: FeedbackExporter) -> None:
    soup = BeautifulSoup(page(ours, notebook()), "html.parser")
    texts = [image.get("alt") for image in soup.find_all("img")]
    assert None not in texts
    assert texts.count(NO_TEXT) == 5
    assert "said" in texts
    assert "seen" in texts
    assert "" in texts, "an empty text says that there is nothing to see, and is left"


def test_scripts_and_comments_are_left(ours: FeedbackExporter) -> None:
    html = page(ours, notebook())
    assert SCRIPT in html
    assert "<!-- <img src='x'> -->" in html


def test_attachments_of_the_same_name_are_not_mixed_up(ours: FeedbackExporter) -> None:
    nb = notebook()
    other = base64.b64encode(b"\x89PNG\r\n\x1a\nanother").decode()
    page(ours, nb)
    nb.cells[2].attachments["pixel.png"]["image/png"] = other
    html = page(ours, nb)
    assert f"data:image/png;base64,{other}" in html


def test_one_text_in_two_languages_is_not_mixed_up(config: Config) -> None:
    # `for` is a keyword in both, `done` in one of them only.
    code = "for f in x\ndone"
    nb = new_notebook(
        cells=[
            new_code_cell(code),
            new_code_cell(code, metadata={"magics_language": "bash"}),
            new_markdown_cell(code),
            new_markdown_cell(f"```bash\n{code}\n```"),
            new_code_cell(code),
        ]
    )
    ours = FeedbackExporter(config=config)
    first = page(ours, nb)
    assert page(ours, nb) == first
    nb.cells.reverse()
    ours = FeedbackExporter(config=config)
    page(ours, nb)
    nb.cells.reverse()
    assert page(ours, nb) == first
    assert list(parts(first)) == list(parts(page(HTMLExporter(config=config), nb)))


def test_pages_of_two_students_are_their_own(config: Config, ours: FeedbackExporter) -> None:
    for answer in ("x + 1", "x - 1"):
        nb = notebook()
        nb.cells[3].source = answer
        nb.cells[0].source = f"# {answer}"
        text = BeautifulSoup(page(ours, nb), "html.parser").get_text()
        assert text.count(answer) == 2


def test_what_was_rendered_is_not_rendered_again(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []
    real = HTMLExporter.markdown2html

    def counted(self: HTMLExporter, context: Any, source: str) -> Any:
        rendered.append(source)
        return real(self, context, source)

    monkeypatch.setattr(HTMLExporter, "markdown2html", counted)
    ours = FeedbackExporter(config=config)
    page(ours, notebook())
    count = len(rendered)
    page(ours, notebook())
    assert rendered[count:] == ["![seen](attachment:pixel.png)"], "an attachment is each cell's own"
