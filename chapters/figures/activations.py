"""Pictures of the chapter on activation functions."""

from __future__ import annotations

from .draw import Drawing, figure


@figure("activations-neuron", 480, 236)
def neuron(d: Drawing) -> None:
    """One neuron: products, a sum with a bias, and a bend."""
    d.box(118, 24, 158, 172, "frame")
    d.text(197, 218, "nn.Linear", "code")
    d.box(304, 76, 84, 72, "frame")
    d.text(346, 170, "nn.ReLU", "code")
    for k in range(3):
        y = 56 + 56 * k
        d.square(54, y - 17, 34, 34)
        d.text(71, y + 6, f"x_{{{k + 1}}}", "name")
        d.path([(88, y), (154, y), (207, 112 + 7 * (k - 1))], head=True)
        d.text(140, y - 8, f"w_{{{k + 1}}}", "name")
    d.op(222, 112, "+")
    d.path([(222, 52), (222, 96)], head=True)
    d.text(222, 44, "b", "name")
    d.path([(238, 112), (318, 112)], head=True)
    d.text(289, 102, "z", "name")
    # The bend itself, drawn on the button.
    d.box(320, 88, 52, 48, "cell", 8)
    d.path([(329, 124), (346, 124), (363, 99)], "hot")
    d.path([(372, 112), (420, 112)], head=True)
    d.square(422, 95, 34, 34)
    d.text(439, 118, "y", "name")
    d.text(71, 218, "(N, H_{in})", "shape")
    d.text(432, 218, "(N, H_{out})", "shape")


@figure("activations-inplace", 480, 196)
def inplace(d: Drawing) -> None:
    """Show that x = x + 1 moves the name to new memory; x += 1 writes into the old."""
    for left, code in ((10, "x = x + 1"), (262, "x += 1")):
        d.text(left + 104, 26, code, "code")
    # Left: two pieces of memory.
    _name(d, 16, 62, "a")
    _name(d, 16, 132, "x")
    d.grid(104, 62, [["−2", "3"]], 44, 34)
    d.grid(104, 132, [["−1", "4"]], 44, 34, kind="hot")
    d.path([(50, 79), (100, 79)], head=True)
    d.path([(50, 149), (100, 149)], "hot", head=True)
    d.path([(50, 141), (100, 94)], "mute", head=True)
    # Right: one.
    _name(d, 268, 62, "a")
    _name(d, 268, 132, "x")
    d.grid(356, 97, [["−1", "4"]], 44, 34, kind="hot")
    d.path([(302, 79), (352, 106)], head=True)
    d.path([(302, 149), (352, 122)], "hot", head=True)
    d.path([(238, 40), (238, 176)], "mute")


def _name(d: Drawing, x: float, y: float, name: str) -> None:
    """Draw a variable: a name that points somewhere."""
    d.box(x, y, 34, 34, "cell", 17)
    d.text(x + 17, y + 23, name, "name")


@figure("activations-mask", 480, 190)
def mask(d: Drawing) -> None:
    """ReLU forward, and backward through the same squares."""
    x = [["−2", "3", "1"], ["4", "−1", "−5"]]
    y = [["0", "3", "1"], ["4", "0", "0"]]
    grad_y = [["7", "8", "9"], ["2", "5", "6"]]
    grad_x = [["0", "8", "9"], ["2", "0", "0"]]

    def kinds(i: int, j: int) -> str:
        return "mute" if x[i][j].startswith("−") else "hot"

    size, left, right, top, low = 36, 80, 302, 16, 108
    d.grid(left, top, x, size, 32, kinds=kinds)
    d.grid(right, top, y, size, 32, kinds=kinds)
    d.path([(left + 112, top + 32), (right - 4, top + 32)], head=True)
    d.op((left + 108 + right) / 2, top + 32, "relu")
    d.grid(right, low, grad_y, size, 32)
    d.grid(left, low, grad_x, size, 32, kinds=kinds)
    d.path([(right - 4, low + 32), (left + 114, low + 32)], "grad", head=True)
    d.text((left + 108 + right) / 2, low + 22, "× (x > 0)", "shape grad")
    d.text(left - 12, top + 38, "x", "name end")
    d.text(right + 122, top + 38, "y", "name start")
    d.text(left - 10, low + 37, "x.grad", "code end")
    d.text(right + 118, low + 37, "y.grad", "code start")


@figure("activations-chain", 480, 168)
def chain(d: Drawing) -> None:
    """Three sigmoids forward; backward, each multiplies the gradient by at most 1/4."""
    left, step, y, low = 40, 120, 44, 112
    d.text(22, y + 6, "x", "name")
    d.path([(34, y), (left + 10, y)], head=True)
    for k in range(3):
        x = left + 12 + k * step
        d.box(x, y - 20, 40, 40, "cell", 8)
        d.text(x + 20, y + 6, "w", "name")
        d.path([(x + 40, y), (x + 56, y)], head=True)
        d.op(x + 72, y, "σ")
        d.path([(x + 86, y), (x + step - 3, y)], head=True)
    end = left + 12 + 3 * step
    d.op(end + 25, y, "loss")
    values = ["1/64", "1/16", "1/4", "1"]
    for k, value in enumerate(values):
        x = left + 14 + k * step
        d.square(x, low, 46, 32, value, "hot" if k == 3 else "")
        if k < 3:
            d.path([(x + step - 2, low + 16), (x + 50, low + 16)], "grad", head=True)
            d.text(x + 84, low + 6, "×1/4", "small grad")
