"""The pictures of the chapter on tensors: shapes, storages and strides, and grids that stretch."""

from __future__ import annotations

from .draw import Drawing, figure


@figure("tensors-shape", 480, 176)
def shapes(d: Drawing) -> None:
    """A number, a row, a table, and a pile of tables."""
    y = 62
    d.square(24, y + 15, 30, 30, 7)
    d.grid(86, y + 15, [[1, 2, 3]])
    d.grid(212, y, [[1, 2, 3], [4, 5, 6]])
    d.grid(374, y - 34, [[7, 8, 9], ["", "", 12]], kind="cool")
    d.grid(340, y, [[1, 2, 3], [4, 5, 6]])
    for x, shape, ndim in (
        (39, "()", 0),
        (131, "(3,)", 1),
        (257, "(2, 3)", 2),
        (390, "(2, 2, 3)", 3),
    ):
        d.text(x, y + 84, shape, "code")
        d.text(x, y + 106, f"ndim {ndim}", "code mute")


@figure("tensors-numpy", 480, 196)
def numpy_and_torch(d: Drawing) -> None:
    """Two names with one storage, and a copy with its own."""
    for x, name in ((16, "np_array"), (174, "x2"), (344, "x")):
        d.box(x, 14, 110, 40, "cell" if name == "np_array" else "tensor", 9)
        d.text(x + 55, 39, name, "code")
    d.grid(90, 112, [[2, 3, 4]], 40, 36, kind="hot")
    d.grid(339, 112, [[1, 2, 3]], 40, 36)
    d.path([(71, 54), (112, 109)], head=True)
    d.path([(229, 54), (188, 109)], head=True)
    d.path([(399, 54), (399, 109)], head=True)
    d.text(150, 88, "x2.add_(1)", "code hot")
    d.text(150, 176, "torch.from_numpy", "code")
    d.text(399, 176, "torch.tensor", "code")


@figure("tensors-slice", 480, 262)
def slice_as_view(d: Drawing) -> None:
    """A slice of a matrix, and which numbers of the storage it reads."""
    chosen = {8, 9, 10, 14, 15, 16}

    def kind(number: int) -> str:
        return "hot" if number in chosen else ""

    rows = [[6 * i + j for j in range(6)] for i in range(4)]
    d.grid(40, 12, rows, 28, kinds=lambda i, j: kind(rows[i][j]))
    d.path([(218, 68), (316, 68)], head=True)
    d.text(266, 57, "[1:3, 2:5]", "code")
    d.grid(328, 40, [[8, 9, 10], [14, 15, 16]], 28, kind="hot")
    d.text(370, 118, "(2, 3)", "code")
    left, top, w = 12, 200, 19
    for number in range(24):
        d.square(left + w * number, top, w, 28, number, kind(number))

    def start(number: int) -> float:
        return left + w * number

    d.curve((start(8) + 9.5, top - 4), (start(14) + 9.5, top - 4), 24, "hot")
    d.text(start(11) + 9.5, top - 34, "6", "shape hot")
    d.size((start(0), top + 38), (start(8), top + 38), "8", 12)
    d.curve((start(8) + 9.5, top + 32), (start(9) + 9.5, top + 32), -9)
    d.text(start(9), top + 58, "1", "shape")


def _storage(d: Drawing, x: float, y: float, size: float, kinds: str = "") -> None:
    """Draw the storage 0 ... 5, its halves in two shades if wanted."""
    for number in range(6):
        own = ("hot" if number < 3 else "cool") if kinds else ""
        d.square(x + size * number, y, size, size, number, own)


@figure("tensors-strides", 480, 310)
def strides(d: Drawing) -> None:
    """One storage, and a matrix and its transpose that both read it."""
    size = 34
    left = 240 - 3 * size
    _storage(d, left, 46, size, "halves")
    d.text(left - 10, 68, "storage", "code end")
    d.curve((left + 17, 42), (left + 3 * size + 17, 42), 21)
    d.text(left + 2 * size, 14, "+3", "shape")
    d.curve((left + 4 * size + 19, 42), (left + 5 * size + 15, 42), 12)
    d.text(left + 5 * size, 26, "+1", "shape")
    d.path([(190, 88), (128, 120)], "mute", head=True)
    d.path([(290, 88), (352, 120)], "mute", head=True)

    x, y = 68, 156
    d.grid(x, y, [[0, 1, 2], [3, 4, 5]], size, kinds=lambda i, j: "hot" if i == 0 else "cool")
    d.path([(x + 4, y - 9), (x + 3 * size - 4, y - 9)], head=True)
    d.text(x + 3 * size + 16, y - 4, "+1", "shape")
    d.path([(x - 9, y + 4), (x - 9, y + 2 * size - 4)], head=True)
    d.text(x - 26, y + size + 6, "+3", "shape")
    d.text(x + 1.5 * size, 278, "x", "code")
    d.text(x + 1.5 * size, 300, "stride (3, 1)", "code")

    x, y = 334, 150
    d.grid(x, y, [[0, 3], [1, 4], [2, 5]], size, kinds=lambda i, j: "hot" if j == 0 else "cool")
    d.path([(x + 4, y - 9), (x + 2 * size - 4, y - 9)], head=True)
    d.text(x + 2 * size + 16, y - 4, "+3", "shape")
    d.path([(x - 9, y + 4), (x - 9, y + 3 * size - 4)], head=True)
    d.text(x - 26, y + 1.5 * size + 6, "+1", "shape")
    d.text(x + size, 278, "x.T", "code")
    d.text(x + size, 300, "stride (1, 3)", "code")


@figure("tensors-hops", 480, 236)
def hops(d: Drawing) -> None:
    """Reading row by row: even steps for x, uneven ones for its transpose."""
    size, left = 48, 156

    def middle(number: int) -> float:
        return left + size * number + size / 2

    y = 44
    d.text(left - 20, y + 23, "x.view(6)", "code end")
    for number in range(6):
        d.square(left + size * number, y, size, 34, number)
    for number in range(5):
        d.curve((middle(number) + 3, y - 4), (middle(number + 1) - 3, y - 4), 14)
        d.text(middle(number) + size / 2, y - 22, "+1", "small")

    y = 150
    d.text(left - 20, y + 23, "x.T.view(6)", "code end")
    for number in range(6):
        d.square(left + size * number, y, size, 34, number)
    for number in range(3):
        d.curve((middle(number) + 3, y - 4), (middle(number + 3) - 3, y - 4), 26, "hot")
        d.text(middle(number + 1) + size / 2, y - 35, "+3", "small hot")
    for number in range(2):
        d.curve((middle(number + 3) - 3, y + 38), (middle(number + 1) + 3, y + 38), 18)
        d.text(middle(number + 2), y + 76, "−2", "small")


@figure("tensors-windows", 480, 238)
def windows(d: Drawing) -> None:
    """Four overlapping windows of three numbers, all read from six."""
    size, left = 34, 22
    _storage(d, left, 14, size)
    for row in range(4):
        middle = left + size * row + 17
        d.path([(middle, 50), (middle, 70 + row * 40)], "dim")
    for row in range(4):
        y = 70 + row * 40
        d.grid(
            left + size * row,
            y,
            [[row, row + 1, row + 2]],
            size,
            30,
            kinds=lambda i, j: "hot" if j == 0 else "cool" if j == 2 else "",
        )
    d.path([(244, 146), (304, 146)], head=True)
    d.grid(
        330,
        70,
        [[i + j for j in range(3)] for i in range(4)],
        size,
        kinds=lambda i, j: "hot" if j == 0 else "cool" if j == 2 else "",
    )
    d.text(381, 48, "stride (1, 1)", "code")
    d.text(381, 230, "(4, 3)", "code")


@figure("tensors-cat-stack", 480, 226)
def cat_and_stack(d: Drawing) -> None:
    """Two matrices laid end to end, side by side, and one behind the other."""
    s = 22
    a, b = [[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]
    d.grid(14, 30, a, s, kind="hot")
    d.grid(14, 108, b, s, kind="cool")
    d.text(47, 20, "a", "code")
    d.text(47, 174, "b", "code")
    d.path([(86, 52), (98, 52), (98, 130), (86, 130)], "dim")
    d.path([(98, 91), (112, 91)], "dim")

    d.grid(124, 47, a, s, kind="hot")
    d.grid(124, 47 + 2 * s, b, s, kind="cool")
    d.grid(216, 69, a, s, kind="hot")
    d.grid(216 + 3 * s, 69, b, s, kind="cool")
    d.grid(402, 56, [[6, 7, 8], ["", "", 11]], s, kind="cool")
    d.grid(377, 81, a, s, kind="hot")
    for x, name, dim, shape in (
        (157, "cat", "dim=0", "(4, 3)"),
        (282, "cat", "dim=1", "(2, 6)"),
        (420, "stack", "dim=0", "(2, 2, 3)"),
    ):
        d.text(x, 172, name, "code")
        d.text(x, 192, dim, "code")
        d.text(x, 216, shape, "code mute")


def _stretch(
    d: Drawing,
    y: float,
    size: float,
    column: list[int],
    row: list[int],
    minus: bool,
    diagonal: bool = False,
) -> None:
    """Draw column ± row = table, the copies that nobody stores dashed."""
    n, m = len(column), len(row)
    gap = (480 - 3 * m * size) / 4 + 6
    x = gap - 12
    sign = -1 if minus else 1
    d.grid(x, y, [[v] * m for v in column], size, kinds=lambda i, j: "hot" if j == 0 else "pad")
    d.text(x + m * size + gap / 2, y + n * size / 2 + 6, "−" if minus else "+")
    x += m * size + gap
    d.grid(x, y, [row] * n, size, kinds=lambda i, j: "cool" if i == 0 else "pad")
    d.text(x + m * size + gap / 2, y + n * size / 2 + 6, "=")
    x += m * size + gap
    table = [[str(v + sign * w).replace("-", "−") for w in row] for v in column]
    d.grid(
        x,
        y,
        table,
        size,
        kinds=lambda i, j: "" if not diagonal else "hot" if i == j else "mute",
    )
    x = gap - 12 + m * size / 2
    step = m * size + gap
    y += n * size + 24
    for shape in (f"({n}, 1)", f"({m},)", f"({n}, {m})"):
        d.text(x, y, shape, "code")
        x += step


@figure("tensors-broadcast", 480, 136)
def broadcast(d: Drawing) -> None:
    """A column and a row, each stretched to a table."""
    _stretch(d, 10, 30, [0, 10, 20], [1, 2, 3, 4], minus=False)


@figure("tensors-trap", 480, 166)
def trap(d: Drawing) -> None:
    """A column minus a row is a table; what was wanted is its diagonal."""
    _stretch(d, 10, 30, [1, 2, 3, 4], [1, 2, 3, 4], minus=True, diagonal=True)


@figure("tensors-reduce", 480, 196)
def reduce(d: Drawing) -> None:
    """A matrix summed down its columns and along its rows."""
    s, x, y = 36, 96, 24
    d.grid(x, y, [[0, 1, 2], [3, 4, 5]], s)
    d.text(x - 14, y + s + 6, "(2, 3)", "code end")
    d.path([(x + 1.5 * s, y + 2 * s + 8), (x + 1.5 * s, y + 2 * s + 44)], "hot", head=True)
    d.grid(x, y + 2 * s + 48, [[3, 5, 7]], s, kind="hot")
    d.text(x - 14, y + 2 * s + 72, "(3,)", "code end")
    d.text(x + 1.5 * s + 12, y + 2 * s + 31, "sum(dim=0)", "code start")
    d.path([(x + 3 * s + 8, y + s), (x + 3 * s + 132, y + s)], head=True)
    d.text(x + 3 * s + 68, y + s - 9, "sum(dim=1)", "code")
    d.grid(x + 3 * s + 138, y, [[3], [12]], s, kind="cool")
    d.text(x + 4 * s + 150, y + s + 6, "(2,)", "code start")
