"""Names of PyTorch lead to their documentation, the first time on a page."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from book import CHAPTERS, Page, code_cells
from torch_links import DOCS, SHORT, address, link_names


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("nn.LSTM", "generated/torch.nn.LSTM.html"),
        ("torch.arange", "generated/torch.arange.html"),
        ("Tensor.view", "generated/torch.Tensor.view.html"),
        (".view", "generated/torch.Tensor.view.html"),
        (".grad", "generated/torch.Tensor.grad.html"),
        ("F.relu", "generated/torch.nn.functional.relu.html"),
        ("torch.float64", "tensor_attributes.html#torch.dtype"),
        ("torch.utils.data.DataLoader", "data.html#torch.utils.data.DataLoader"),
        ("nn.Module.zero_grad", "generated/torch.nn.Module.html#torch.nn.Module.zero_grad"),
        ("torch.optim", "optim.html"),
        ("torch.autograd.gradcheck", "generated/torch.autograd.gradcheck.gradcheck.html"),
    ],
)
def test_a_name_has_the_page_that_describes_it(name: str, page: str) -> None:
    assert address(name) == DOCS + page


@pytest.mark.parametrize("name", ["x.view", "torch.lstn", "nn.LSTMcell", "torch._C", "numpy.dot"])
def test_what_is_no_name_of_torch_has_none(name: str) -> None:
    assert address(name) is None


def test_only_the_first_use_is_linked() -> None:
    text = '<code class="docutils literal notranslate"><span class="pre">nn.LSTM(10,</span> '
    text += '<span class="pre">20)</span></code>'
    cell = '<span class="n">nn</span><span class="o">.</span><span class="n">LSTM</span>'
    other = '<span class="n">torch</span><span class="o">.</span><span class="n">zeros</span>'
    linked = link_names(f"<h2>{text}</h2><p>{text}</p>{cell}{other}{other}<a>{text}</a>")
    assert linked.count("<a class=") == 2
    assert f"<h2>{text}</h2><p><a class" in linked
    assert f'{cell}<a class="torch-docs" href="{DOCS}generated/torch.zeros.html">{other}</a>' in (
        linked
    )


def dotted(node: ast.AST) -> str | None:
    """Return a dotted name as it stands in the code, or None."""
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return owner and f"{owner}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda p: p.stem)
def test_every_name_that_a_chapter_uses_is_linked(book: Path, chapter: Path) -> None:
    nodes = list(ast.walk(ast.parse("\n".join(code_cells(chapter)))))
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    names = [dotted(node) for node in nodes if id(node) not in inner]
    known = (*SHORT, "torch")
    used = {address(name) for name in names if name and "." in name and name.split(".")[0] in known}
    linked = set(Page(book / "chapters" / f"{chapter.stem}.html").links)
    assert used - {None} <= linked
