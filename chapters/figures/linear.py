"""The pictures of the chapter on the map of torch and on Linear."""

from __future__ import annotations

from .draw import Drawing, figure


@figure("linear-module", 480, 300)
def module(d: Drawing) -> None:
    """A module holds W and b; a function is handed them."""
    middle = 74
    d.tensor(8, middle - 28, "x", "(N, H_{in})")
    d.path([(92, middle), (118, middle)], head=True)
    d.box(120, 8, 236, 112)
    d.text(238, 32, "nn.Linear", "code")
    d.tensor(132, 46, "W", "(H_{out}, H_{in})", w=116)
    d.tensor(258, 46, "b", "(H_{out},)", w=86)
    d.path([(356, middle), (384, middle)], head=True)
    d.tensor(386, middle - 28, "y", "(N, H_{out})", w=90)

    top, low = 160, 266
    d.tensor(8, top, "x", "(N, H_{in})")
    d.tensor(132, top, "W", "(H_{out}, H_{in})", w=116)
    d.tensor(258, top, "b", "(H_{out},)", w=86)
    d.box(120, low - 24, 236, 48)
    d.text(238, low + 5, "F.linear", "code")
    d.path([(50, top + 56), (50, low), (118, low)], head=True)
    d.path([(190, top + 56), (190, low - 26)], head=True)
    d.path([(301, top + 56), (301, low - 26)], head=True)
    d.path([(356, low), (384, low)], head=True)
    d.tensor(386, low - 28, "y", "(N, H_{out})", w=90)


@figure("linear-product", 470, 352)
def product(d: Drawing) -> None:
    """One number of y: a row of x times a column of W.T, plus a number of b."""
    size, n, h_in, h_out = 34, 4, 3, 2
    left, right, upper, lower = 58, 222, 44, 180
    row, column = 0, 0
    d.grid(
        left,
        lower,
        [[f"x_{{{i}{j}}}" for j in range(h_in)] for i in range(n)],
        size,
        kinds=lambda i, _: "hot" if i == row else "",
    )
    d.grid(
        right,
        upper,
        [[f"w_{{{o}{i}}}" for o in range(h_out)] for i in range(h_in)],
        size,
        kinds=lambda _, j: "hot" if j == column else "",
    )
    d.grid(
        right,
        lower,
        [[f"y_{{{i}{o}}}" for o in range(h_out)] for i in range(n)],
        size,
        kinds=lambda i, j: "hot" if (i, j) == (row, column) else "",
    )
    middle = lower + (row + 0.5) * size
    across = right + (column + 0.5) * size
    d.path([(left + h_in * size + 4, middle), (right - 3, middle)], "hot", head=True)
    d.path([(across, upper + h_in * size + 3), (across, lower + row * size - 3)], "hot", head=True)
    # b is one row, added to each.
    edge, start = right + h_out * size, right + h_out * size + 84
    y = lower + n * size / 2
    d.grid(
        start,
        lower,
        [[f"b_{{{o}}}" for o in range(h_out)]] * n,
        size,
        kinds=lambda i, j: "pad" if i else "cool",
    )
    d.path([(start - 4, y), (edge + 3, y)], head=True)
    d.op(edge + 44, y, "+")
    d.size((left - 14, lower), (left - 14, lower + n * size), "N", -12)
    d.size((left, lower + n * size + 10), (left + h_in * size, lower + n * size + 10), "H_{in}")
    d.size((right - 14, upper), (right - 14, upper + h_in * size), "H_{in}", -12)
    d.size((right, upper - 12), (right + h_out * size, upper - 12), "H_{out}", -14)
    d.text(left + h_in * size / 2, lower - 14, "x")
    d.text(edge + 14, upper + 2 * size, "W^{T}", anchor="start")
    d.text(start + size, lower - 14, "b")


@figure("linear-stored", 460, 190)
def stored(d: Drawing) -> None:
    """The slide's w, a column for each output, and the weight that is stored, a row for each."""
    size = 38
    slide = [[f"w_{{{o}{i}}}" for o in range(2)] for i in range(3)]
    d.grid(58, 50, slide, size, kinds=lambda _, j: ("hot", "cool")[j])
    d.size((58, 38), (58 + 2 * size, 38), "o", -13)
    d.size((46, 50), (46, 50 + 3 * size), "i", -12)
    d.text(58 + size, 50 + 3 * size + 22, "w")

    d.path([(158, 107), (252, 107)], "hot", head=True)
    d.text(205, 97, ".T", "code")

    left = 318
    weight = [list(column) for column in zip(*slide, strict=True)]
    d.grid(left, 69, weight, size, kinds=lambda i, _: ("hot", "cool")[i])
    d.size((left, 57), (left + 3 * size, 57), "H_{in}", -14)
    d.size((left - 12, 69), (left - 12, 69 + 2 * size), "H_{out}", -12)
    d.text(left + 1.5 * size, 69 + 2 * size + 26, "weight", "code")


@figure("linear-neuron", 480, 210)
def neuron(d: Drawing) -> None:
    """Two neurons that read three inputs each; the wires of one are a row of W."""
    xs = [(40, 36 + 68 * i) for i in range(3)]
    ys = [(214, 70), (214, 138)]
    for lit in (False, True):
        for o, (x2, y2) in enumerate(ys):
            if (o == 1) != lit:
                continue
            for x1, y1 in xs:
                d.path([(x1 + 16, y1), (x2 - 16, y2)], "hot" if lit else "mute")
    for i, (x, y) in enumerate(xs):
        d.op(x, y, f"x_{{{i}}}", 17)
    for o, (x, y) in enumerate(ys):
        d.op(x, y, f"y_{{{o}}}", 17)
    size, left, top = 42, 318, 62
    d.grid(
        left,
        top,
        [[f"w_{{{o}{i}}}" for i in range(3)] for o in range(2)],
        size,
        kinds=lambda o, _: "hot" if o == 1 else "",
    )
    d.text(left + 1.5 * size, top - 16, "W")
    d.text(left + 1.5 * size, top + 2 * size + 26, "(H_{out}, H_{in})", "shape")


@figure("linear-nd", 470, 216)
def nd(d: Drawing) -> None:
    """Sheets of rows: each row, wherever it is, goes through the same layer."""
    size, step = 26, 16
    rows = 3
    for sheet in (2, 1, 0):
        x, y = 44 + sheet * step, 86 - sheet * step
        front = sheet == 0
        d.grid(x, y, (rows, 4), size, kinds=lambda i, _, f=front: "hot" if f and i == 1 else "")
        x = 328 + sheet * step
        d.grid(x, y, (rows, 2), size, kinds=lambda i, _, f=front: "hot" if f and i == 1 else "")
    middle = 86 + 1.5 * size
    d.path([(44 + 4 * size + 4, middle), (212, middle)], "hot", head=True)
    d.box(214, middle - 26, 78, 52)
    d.text(253, middle + 5, "Linear", "code")
    d.path([(292, middle), (324, middle)], "hot", head=True)
    bottom = 86 + rows * size + 12
    d.size((44, bottom), (44 + 4 * size, bottom), "H_{in}")
    d.size((328, bottom), (328 + 2 * size, bottom), "H_{out}")
    d.size((32, 86), (32, 86 + rows * size), "L", -12)
    d.text(42, 54, "N", "shape", "end")
    d.path([(34, 74), (34 + 2 * step, 74 - 2 * step)], "dim")


@figure("linear-grad", 480, 284)
def grad(d: Drawing) -> None:
    """The shapes of grad_W = grad_y.T @ x."""
    size, n, h_in, h_out = 28, 5, 3, 2
    # grad_y.T (H_out, N), x (N, H_in) above the result (H_out, H_in).
    left, right, upper, lower = 84, 262, 16, 186
    d.grid(left, lower, (h_out, n), size, kinds=lambda i, _: "hot" if i == 0 else "")
    d.grid(right, upper, (n, h_in), size, height=26, kinds=lambda _, j: "hot" if j == 0 else "")
    d.grid(right, lower, (h_out, h_in), size, kinds=lambda i, j: "hot" if (i, j) == (0, 0) else "")
    y, x = lower + size / 2, right + size / 2
    d.path([(left + n * size + 4, y), (right - 3, y)], "grad", head=True)
    d.path([(x, upper + n * 26 + 3), (x, lower - 3)], "grad", head=True)
    d.size((left - 12, lower), (left - 12, lower + h_out * size), "H_{out}", -12)
    d.size((left, lower - 12), (left + n * size, lower - 12), "N", -14)
    d.size((right - 12, upper), (right - 12, upper + n * 26), "N", -12)
    below = lower + h_out * size + 12
    d.size((right, below), (right + h_in * size, below), "H_{in}")
    d.text(left + n * size / 2, lower - 50, "grad_y.T", "code")
    d.text(right + h_in * size + 16, upper + 70, "x", "code start")
    d.text(right + h_in * size + 16, lower + 34, "weight.grad", "code start")
