"""The explorers, in a real browser, say what torch says: on 500 random configurations each."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from book import build_page
from browser import CHROMIUM, browser, served, violations, visit, visitor
from playwright.sync_api import Page
from torch import nn

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

TIMES = 500
NAMES = ("conv", "pool", "broadcast", "lstm")
WINDOW = ("kernel", "stride", "padding", "dilation")

# Types values into the fields of an explorer, one configuration after another, as a reader would,
# and returns what its data then say.
TYPE = """([name, configurations]) => configurations.map((values) => {
  const explorer = document.querySelector(`[data-explorer="${name}"]`);
  const fields = explorer.querySelector("form").elements;
  for (const [key, value] of Object.entries(values)) {
    if (typeof value === "boolean") fields[key].checked = value;
    else fields[key].value = value;
  }
  fields[Object.keys(values)[0]].dispatchEvent(new Event("input", { bubbles: true }));
  return { ...explorer.dataset };
})"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Open a page that has every explorer."""
    folder: Path = tmp_path_factory.mktemp("explorers")
    built = build_page(folder, "\n".join(f":::{{explorer}} {name}\n:::\n" for name in NAMES))
    assert built.returncode == 0, built.stderr
    site = served(folder / "_build" / "html")
    with browser() as chromium, site as address, visitor(chromium) as page:
        visit(page, f"{address}/index.html")
        yield page


def both(values: dict[str, tuple[int, int]]) -> dict[str, int]:
    """Name the fields of pairs."""
    sizes = ((key, axis, values[key][i]) for key in values for i, axis in enumerate("hw"))
    return {f"{key}_{axis}": size for key, axis, size in sizes}


def shape_of(layer: Any, *size: int) -> str:
    """Return the shape of what a layer makes of an input of some size, or "error"."""
    try:
        return " ".join(map(str, layer()(torch.empty(size, device="meta")).shape))
    except (RuntimeError, ValueError):
        return "error"


def test_convolution_agrees_with_torch(page: Page) -> None:
    draw = random.Random(1)
    typed, wanted = [], []
    for _ in range(TIMES):
        pairs = {
            "size": (draw.randint(1, 24), draw.randint(1, 24)),
            "kernel": (draw.randint(1, 5), draw.randint(1, 5)),
            "stride": (draw.randint(1, 4), draw.randint(1, 4)),
            "padding": (draw.randint(0, 3), draw.randint(0, 3)),
            "dilation": (draw.randint(1, 3), draw.randint(1, 3)),
        }
        groups = draw.choice([1, 1, 2, 3])
        n, c_in, c_out = draw.randint(1, 4), draw.randint(1, 4) * 2, draw.randint(1, 4) * 3
        typed.append({"n": n, "c_in": c_in, "c_out": c_out, "groups": groups, **both(pairs)})

        def layer(c_in: int = c_in, c_out: int = c_out, g: int = groups, p: Any = pairs) -> Any:
            return nn.Conv2d(c_in, c_out, *(p[name] for name in WINDOW), groups=g, device="meta")

        shape = shape_of(layer, n, c_in, *pairs["size"])
        parameters = "" if shape == "error" else str(sum(w.numel() for w in layer().parameters()))
        wanted.append((shape, parameters))
    got = page.evaluate(TYPE, ["conv", typed])
    for values, (shape, parameters), data in zip(typed, wanted, got, strict=True):
        assert data["shape"] == shape, values
        assert shape == "error" or data["parameters"] == parameters, values
    assert 20 < sum(shape == "error" for shape, _ in wanted) < TIMES - 200


def test_pooling_agrees_with_torch(page: Page) -> None:
    draw = random.Random(2)
    typed, wanted = [], []
    for _ in range(TIMES):
        pairs = {
            "size": (draw.randint(1, 16), draw.randint(1, 16)),
            "kernel": (draw.randint(1, 5), draw.randint(1, 5)),
            "stride": (draw.randint(1, 5), draw.randint(1, 5)),
            "padding": (draw.randint(0, 2), draw.randint(0, 2)),
            "dilation": (draw.randint(1, 3), draw.randint(1, 3)),
        }
        kind, ceil = draw.choice(["max", "avg"]), draw.random() < 0.5
        n, c = draw.randint(1, 4), draw.randint(1, 4)
        typed.append({"n": n, "c": c, "kind": kind, "ceil": ceil, **both(pairs)})
        if kind == "max":
            # On the device "meta", max_pool2d does not refuse all that it refuses elsewhere.
            layer = nn.MaxPool2d(*(pairs[name] for name in WINDOW), ceil_mode=ceil)
        else:
            layer = nn.AvgPool2d(*(pairs[name] for name in WINDOW[:3]), ceil_mode=ceil)
        try:
            wanted.append(" ".join(map(str, layer(torch.zeros(n, c, *pairs["size"])).shape)))
        except RuntimeError:
            wanted.append("error")
    got = page.evaluate(TYPE, ["pool", typed])
    for values, shape, data in zip(typed, wanted, got, strict=True):
        assert data["shape"] == shape, values
    assert 20 < wanted.count("error") < TIMES - 200


def test_broadcasting_agrees_with_torch(page: Page) -> None:
    draw = random.Random(3)
    typed, wanted = [], []
    for _ in range(TIMES):
        whole = [draw.choice([0, 1, 2, 3, 7]) for _ in range(draw.randint(0, 4))]
        shapes = []
        for _ in "ab":
            shape = whole[draw.randint(0, len(whole)) :]
            shape = [1 if draw.random() < 0.3 else n for n in shape]
            if shape and draw.random() < 0.3:
                shape[draw.randrange(len(shape))] = draw.randint(2, 5)
            shapes.append(shape)
        write = draw.choice([", ".join, " ".join, lambda parts: f"({', '.join(parts)})"])
        typed.append({key: write(list(map(str, s))) for key, s in zip("ab", shapes, strict=True)})
        try:
            wanted.append(" ".join(map(str, torch.broadcast_shapes(*shapes))))
        except RuntimeError:
            wanted.append("error")
    got = page.evaluate(TYPE, ["broadcast", typed])
    for values, shape, data in zip(typed, wanted, got, strict=True):
        assert data["shape"] == shape, values
    assert 20 < wanted.count("error") < TIMES - 200


def test_the_lstm_cell_agrees_with_torch(page: Page) -> None:
    draw = random.Random(4)
    typed, wanted = [], []
    for _ in range(TIMES):
        rows = {g: [round(draw.gauss(0, 2), 3) for _ in range(3)] for g in "ifgo"}
        inputs = [round(draw.gauss(0, 2), 3) for _ in range(draw.randint(1, 6))]
        h, c = round(draw.uniform(-1, 1), 3), round(draw.gauss(0, 2), 3)
        names = ("weight_ih", "weight_hh", "bias")
        numbers = {f"{g}_{n}": v for g in rows for n, v in zip(names, rows[g], strict=True)}
        typed.append({**numbers, "x": ", ".join(map(str, inputs)), "h": h, "c": c})

        cell = nn.LSTMCell(1, 1, dtype=torch.float64)
        with torch.no_grad():
            table = torch.tensor([rows[g] for g in "ifgo"], dtype=torch.float64)
            cell.weight_ih.copy_(table[:, :1])
            cell.weight_hh.copy_(table[:, 1:2])
            cell.bias_ih.copy_(table[:, 2])
            cell.bias_hh.zero_()
            states = [torch.tensor([[value]], dtype=torch.float64) for value in (h, c)]
            course = []
            for x in inputs:
                states = list(cell(torch.tensor([[x]], dtype=torch.float64), tuple(states)))
                course.append([state.item() for state in states])
        wanted.append(course)
    to_the_end = """([typing, configurations]) => configurations.map((values) => {
      eval(typing)(["lstm", [values]]);
      const explorer = document.querySelector('[data-explorer="lstm"]');
      explorer.querySelector("[name=end]").click();
      return [...explorer.querySelectorAll(".explorer-trace tbody tr")].map((line) =>
        [...line.querySelectorAll("td[data-value]")].slice(-2).map((td) => td.dataset.value));
    })"""
    got = page.evaluate(to_the_end, [TYPE, typed])
    for values, course, lines in zip(typed, wanted, got, strict=True):
        assert len(lines) == len(course), values
        for (h, c), (c_shown, h_shown) in zip(course, lines, strict=True):
            assert math.isclose(float(h_shown), h, rel_tol=1e-9, abs_tol=1e-12), values
            assert math.isclose(float(c_shown), c, rel_tol=1e-9, abs_tol=1e-12), values


def test_they_can_be_used_from_the_keyboard_and_say_what_happens(page: Page) -> None:
    conv = page.locator('[data-explorer="conv"]')
    page.evaluate(TYPE, ["conv", [both({"size": (7, 7), "kernel": (3, 3), "padding": (1, 1),
                                        "stride": (2, 2), "dilation": (1, 1)}),
                                  {"n": 1, "c_in": 3, "c_out": 8, "groups": 1}]])  # fmt: skip
    assert "(1, 8, 4, 4)" in conv.get_by_role("status").first.inner_text()
    conv.get_by_label("Move the window:").focus()
    page.keyboard.press("ArrowRight")
    assert conv.get_by_text("Output (0, 1) reads the rows −1, 0, 1").is_visible()
    conv.get_by_label("groups").fill("2")
    assert "multiples of groups" in conv.get_by_role("alert").inner_text()
    assert not conv.get_by_label("Move the window:").is_visible()

    lstm = page.locator('[data-explorer="lstm"]')
    lstm.get_by_role("button", name="Restart").focus()
    page.keyboard.press("Enter")
    assert "Press Next" in lstm.get_by_role("status").inner_text()
    lstm.get_by_role("button", name="Next").focus()
    page.keyboard.press("Space")
    assert "Step 1, the forget gate" in lstm.get_by_role("status").inner_text()
    lstm.get_by_label("The inputs x").fill("1, x")
    assert "numbers with commas" in lstm.get_by_role("alert").inner_text()
    assert not lstm.get_by_role("button", name="Next").is_visible()


def test_everybody_can_use_them(page: Page) -> None:
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        assert not violations(page)


def test_an_unknown_explorer_fails_the_build(tmp_path: Path) -> None:
    result = build_page(tmp_path, ":::{explorer} poems\n:::\n")
    assert result.returncode != 0
    assert "There is no explorer 'poems'" in result.stderr
