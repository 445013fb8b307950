"""Link the first use of each of PyTorch's names on a page to its documentation.

Authors write ``nn.LSTM`` as code and nothing else. Here the first of them on a page, in the text
or in a cell, becomes a link. Which page describes a name follows from what the name is: PyTorch's
documentation gives functions and classes a page each, and a few packages one page for all that is
in them. Nothing is looked up over the network, so a build needs none.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from html import unescape
from types import ModuleType

from sphinx.application import Sphinx

DOCS = "https://docs.pytorch.org/docs/stable/"

SHORT = {
    "nn": "torch.nn",
    "F": "torch.nn.functional",
    "optim": "torch.optim",
    "Tensor": "torch.Tensor",
}
"""What the names on our pages are short for."""

PAGES = {
    "torch": "torch.html",
    "torch.Tensor": "tensors.html#torch.Tensor",
    "torch.Size": "size.html#torch.Size",
    "torch.dtype": "tensor_attributes.html#torch.dtype",
    "torch.device": "tensor_attributes.html#torch.device",
    "torch.finfo": "type_info.html#torch.torch.finfo",
    "torch.iinfo": "type_info.html#torch.torch.iinfo",
    "torch.inference_mode": "generated/torch.autograd.grad_mode.inference_mode.html",
    "torch.autograd.Function": "autograd.html#torch.autograd.Function",
    "torch.autograd.Variable": "autograd.html#variable-deprecated",
    "torch.autograd.gradcheck": "generated/torch.autograd.gradcheck.gradcheck.html",
    "torch.nn.Parameter": "generated/torch.nn.parameter.Parameter.html",
}
"""Names whose page does not follow from a rule."""

ON_ONE_PAGE = {
    "torch.distributions": "distributions.html",
    "torch.nn.init": "nn.init.html",
    "torch.special": "special.html",
    "torch.testing": "testing.html",
    "torch.utils.data": "data.html",
}
"""Packages that are described on one page each."""

DATA = re.compile(r"dtype|layout|memory_format")


@cache
def address(name: str) -> str | None:
    """Return where PyTorch's documentation describes a name.

    Args:
        name: as on our pages, such as ``nn.LSTM``, ``torch.arange``, ``Tensor.view`` or, for a
            method of a tensor, ``.view``.

    Returns:
        The address; None if PyTorch has no such name, or none that has a page.
    """
    if name.startswith("."):
        name = f"Tensor{name}"
    first, _, rest = name.partition(".")
    if first not in SHORT and first != "torch":
        return None
    full = ".".join(part for part in (SHORT.get(first, first), rest) if part)
    thing, owner = _find(full)
    if thing is None or any(part.startswith("_") for part in full.split(".")):
        return None
    if full in PAGES:
        return DOCS + PAGES[full]
    if isinstance(thing, ModuleType):
        return f"{DOCS}{ON_ONE_PAGE.get(full, full.removeprefix('torch.') + '.html')}"
    if DATA.fullmatch(type(thing).__name__):
        return f"{DOCS}tensor_attributes.html#torch.{type(thing).__name__}"
    package, _, _last = full.rpartition(".")
    if package in ON_ONE_PAGE:
        return f"{DOCS}{ON_ONE_PAGE[package]}#{full}"
    if not callable(thing) and full != "torch.Tensor.grad":
        return None
    if inspect.isclass(owner) and package != "torch.Tensor":
        described = address(package)
        return described and f"{described.partition('#')[0]}#{full}"
    return f"{DOCS}generated/{full}.html"


def _find(full: str) -> tuple[object, object]:
    """Return what a dotted name stands for, and what it belongs to; None if there is no such."""
    import torch

    thing: object = torch
    owner: object = None
    for part in full.split(".")[1:]:
        owner, thing = thing, getattr(thing, part, None)
        if thing is None:
            return None, None
    return thing, owner


# In a finished page: what must stay as it is, a name in the text, a name in a cell's code.
TOKEN = re.compile(
    r"(?P<keep><a\b.*?</a>|<h[1-6]\b.*?</h[1-6]>|<label\b.*?</label>|<summary\b.*?</summary>"
    r'|<div class="output .*?</div>)'
    r'|<code class="docutils literal notranslate">(?P<text>(?:<span class="pre">[^<]*</span>\s?)+)'
    r"</code>"
    r'|(?P<code><span class="n">(?:torch|nn|F|optim)</span>'
    r'(?:<span class="o">\.</span><span class="n">\w+</span>)+)',
    re.S,
)


def link_names(body: str) -> str:
    """Return a page's HTML with the first use of each name linked."""
    seen: set[str] = set()

    def link(match: re.Match[str]) -> str:
        whole = match[0]
        if match["keep"]:
            return whole
        shown = unescape(re.sub(r"<[^>]+>", "", match["text"] or match["code"]))
        name = re.fullmatch(r"(\.?[A-Za-z_][\w.]*)(\(.*\))?", shown)
        where = address(name[1]) if name else None
        if where is None or where in seen:
            return whole
        seen.add(where)
        return f'<a class="torch-docs" href="{where}">{whole}</a>'

    return TOKEN.sub(link, body)


def link_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, str], doctree: object
) -> None:
    """Link the names on a page of the book."""
    if doctree is not None and "body" in context:
        context["body"] = link_names(context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", link_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
