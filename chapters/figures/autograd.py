"""The pictures of the chapter on autograd: values go forward, gradients come back, dashed."""

from __future__ import annotations

from .draw import Drawing, figure


def forward(d: Drawing, *points: tuple[float, float]) -> None:
    """Draw the way of a value."""
    d.path(points, head=True)


def back(d: Drawing, *points: tuple[float, float]) -> None:
    """Draw the way of a gradient."""
    d.path(points, "grad", head=True)


def named(d: Drawing, x: float, y: float, name: str, shape: str, w: float, kind: str) -> None:
    """Draw a box with a name as it stands in the code and a shape below it."""
    if kind == "frame":
        d.box(x, y, w, 52, "frame", 9)
    else:
        d.box(x, y, w, 52, kind, 9)
    d.text(x + w / 2, y + 22, name, "code")
    d.text(x + w / 2, y + 42, shape, "shape")


@figure("autograd-chain", 480, 236)
def chain(d: Drawing) -> None:
    """One node: what comes from the right times the local derivative goes on to the left."""
    d.tensor(12, 14, "a", "2", w=72, h=60)
    d.tensor(12, 162, "b", "5", w=72, h=60)
    d.tensor(396, 88, "c", "10", w=72, h=60)
    d.op(240, 118, "×", 24)
    forward(d, (84, 36), (223, 101))
    forward(d, (84, 200), (223, 135))
    forward(d, (264, 110), (396, 110))
    back(d, (396, 128), (264, 128))
    back(d, (216, 112), (84, 58))
    back(d, (216, 124), (84, 178))
    d.text(330, 100, "c = a × b", "shape")
    d.text(330, 150, "3", "shape grad")
    d.text(160, 48, "∂c/∂a = b", "shape", "start")
    d.text(160, 200, "∂c/∂b = a", "shape", "start")
    d.text(52, 106, "3 × 5 = 15", "shape grad", "start")
    d.text(52, 142, "3 × 2 = 6", "shape grad", "start")


@figure("autograd-bce", 480, 372)
def bce(d: Drawing) -> None:
    """The slide's example: above the values, below each tensor its gradient."""
    top, lane, low, last = 12, 92, 214, 308
    y_f, y_b = lane + 26, low + 26
    # What the backward steps need was saved on the way forward.
    d.path([(108, y_f + 15), (108, y_b - 15)], "mute", head=True)
    d.path([(334, y_f + 14), (334, y_b - 15)], "mute", head=True)
    d.text(118, (y_f + y_b) / 2 + 5, "x", "name mute", "start")
    d.text(344, (y_f + y_b) / 2 + 5, "z, y", "name mute", "start")

    d.tensor(8, top, "x", "(5,)", w=70, h=52)
    d.tensor(8, lane, "w", "(5, 3)", w=70, h=52)
    d.tensor(133, top, "b", "(3,)", w=70, h=52)
    d.tensor(208, lane, "z", "(3,)", w=70, h=52)
    d.tensor(299, top, "y", "(3,)", w=70, h=52)
    d.tensor(400, lane, "loss", "()", w=70, h=52)
    forward(d, (78, top + 26), (108, top + 26), (108, y_f - 14))
    forward(d, (78, y_f), (94, y_f))
    d.path([(122, y_f), (154, y_f)], head=True)
    forward(d, (168, top + 52), (168, y_f - 14))
    forward(d, (182, y_f), (208, y_f))
    forward(d, (278, y_f), (313, y_f))
    forward(d, (334, top + 52), (334, y_f - 13))
    forward(d, (355, y_f), (400, y_f))
    d.op(108, y_f, "@")
    d.op(168, y_f, "+")
    d.op(334, y_f, "BCE")

    named(d, 400, low, "1", "()", 70, "frame")
    named(d, 208, low, "z.grad", "(3,)", 70, "frame")
    named(d, 133, last, "b.grad", "(3,)", 70, "tensor")
    named(d, 8, low, "w.grad", "(5, 3)", 70, "tensor")
    back(d, (400, y_b), (348, y_b))
    back(d, (320, y_b), (278, y_b))
    back(d, (208, y_b), (122, y_b))
    back(d, (168, y_b), (168, last))
    back(d, (94, y_b), (78, y_b))
    d.dot(168, y_b)
    d.op(108, y_b, "⊗")
    d.op(334, y_b, "×")
    d.text(334, y_b + 36, "(σ(z) − y) / 3", "shape grad")


@figure("autograd-outer", 480, 244)
def outer(d: Drawing) -> None:
    """The outer product of x and a row: where the slide's five equal rows come from."""
    row = ["0.3306", "0.0206", "0.0220"]
    size, height, left, top = 74, 32, 196, 54
    d.grid(left, 8, [row], size, height, kind="hot")
    d.grid(100, top, [["1"]] * 5, 44, height, kind="cool")
    d.grid(left, top, [row] * 5, size, height)
    d.text(90, top + 86, "x", "name", "end")
    d.text(170, top + 87, "×", "name")
    d.text(186, 30, "(σ(z) − y) / 3", "shape", "end")
    d.text(left + size * 1.5, top + height * 5 + 20, "w.grad", "code")


@figure("autograd-twice", 480, 196)
def twice(d: Drawing) -> None:
    """A tensor that two operations read gets two gradients, and their sum."""
    d.tensor(10, 68, "x", "3", w=70, h=60)
    d.tensor(400, 68, "y", "21", w=70, h=60)
    d.path([(80, 88), (120, 88)])
    forward(d, (120, 88), (120, 30), (216, 30))
    forward(d, (120, 88), (120, 166), (216, 166))
    forward(d, (254, 30), (344, 30), (344, 81))
    forward(d, (254, 166), (344, 166), (344, 115))
    forward(d, (350, 88), (400, 88))
    back(d, (400, 108), (352, 108))
    back(d, (328, 84), (328, 46), (254, 46))
    back(d, (328, 112), (328, 150), (254, 150))
    d.path([(218, 46), (140, 46), (140, 108)], "grad")
    d.path([(218, 150), (140, 150), (140, 108)], "grad")
    back(d, (140, 108), (80, 108))
    d.dot(120, 88)
    d.op(236, 38, "x²", 20)
    d.op(236, 158, "4x", 20)
    d.op(336, 98, "+", 18)
    d.text(290, 23, "9", "shape")
    d.text(290, 185, "12", "shape")
    d.text(376, 128, "1", "shape grad")
    d.text(290, 64, "1", "shape grad")
    d.text(290, 143, "1", "shape grad")
    d.text(180, 64, "6", "shape grad")
    d.text(180, 143, "4", "shape grad")
    d.text(150, 104, "6 + 4 = 10", "shape grad", "start")


@figure("autograd-vjp", 480, 160)
def vjp(d: Drawing) -> None:
    """A vector from the left times the matrix of all derivatives."""
    d.grid(12, 54, [["1", "10", "100"]], 40, 34, kind="hot")
    d.text(150, 77, "@", "name")
    rows = [["2", "0", "0"], ["0", "4", "0"], ["0", "0", "6"]]
    d.grid(168, 20, rows, 40, 34, kinds=lambda i, j: "" if i == j else "mute")
    d.text(310, 77, "=", "name")
    d.grid(332, 54, [["2", "40", "600"]], 46, 34)
    d.text(72, 118, "v", "name")
    d.text(228, 148, "J", "name")
    d.text(401, 118, "x.grad", "code")


@figure("autograd-variable", 480, 212)
def variable(d: Drawing) -> None:
    """A box around a tensor, and a tensor that needs none."""
    d.box(10, 10, 218, 192)
    d.text(119, 34, "Variable", "code")
    d.box(30, 46, 178, 66, "tensor", 9)
    d.text(119, 66, ".data: Tensor", "code")
    d.grid(68, 76, (1, 3), 34, 26)
    d.text(38, 144, ".grad: Variable", "code", "start")
    d.text(38, 176, ".grad_fn: Function", "code", "start")

    d.box(288, 10, 182, 192, "tensor", 9)
    d.text(379, 34, "Tensor", "code")
    d.grid(328, 48, (1, 3), 34, 26)
    d.text(304, 112, ".data: Tensor", "code", "start")
    d.text(304, 144, ".grad: Tensor", "code", "start")
    d.text(304, 176, ".grad_fn: Node", "code", "start")
    forward(d, (240, 106), (276, 106))
