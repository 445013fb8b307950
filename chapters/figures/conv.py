"""The pictures of the chapter on Conv2d."""

from __future__ import annotations

from .draw import Drawing, figure


def outline(d: Drawing, x: float, y: float, w: float, h: float, kind: str = "hot") -> None:
    """Draw the edge of a window that lies on a grid."""
    d.path([(x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)], kind)


def sheets(
    d: Drawing,
    x: float,
    y: float,
    shape: tuple[int, int],
    size: float,
    depth: int,
    step: float,
    kind: str = "",
    lit: tuple[int, int, int, int] | None = None,
) -> None:
    """Draw the channels of a tensor as sheets, the first in front.

    Args:
        d: where to.
        x: the left edge of the sheet in front.
        y: its upper edge.
        shape: rows and columns of a sheet.
        size: the width of a number.
        depth: how many sheets.
        step: how far each lies to the right of and above the one before.
        kind: the look of the numbers.
        lit: a window on each sheet: its row, column, height and width.
    """
    for k in reversed(range(depth)):
        left, top = x + k * step, y - k * step
        d.square(left, top, shape[1] * size, shape[0] * size)  # hides what lies behind

        def look(i: int, j: int) -> str:
            if lit is None:
                return kind
            inside = 0 <= i - lit[0] < lit[2] and 0 <= j - lit[1] < lit[3]
            return "hot" if inside else kind

        d.grid(left, top, shape, size, kinds=look)


@figure("conv-window", 480, 222)
def window(d: Drawing) -> None:
    """Draw a window, the kernel and the number that they make."""
    size = 33.0
    image = [[4 * i + j for j in range(4)] for i in range(5)]
    d.text(96, 22, "x")
    d.grid(30, 36, image, size, kinds=lambda i, j: "hot" if i in (1, 2) and j in (1, 2, 3) else "")
    outline(d, 30 + size, 36 + size, 3 * size, 2 * size)
    d.text(96, 36 + 5 * size + 18, "5 × 4", "shape")

    d.text(192, 36 + 2 * size + 6, "∘")
    d.text(265.5, 36 + size - 14, "w")
    d.grid(216, 36 + size, [[1, 0, "−1"], [2, 0, "−2"]], size, kind="cool")
    d.text(265.5, 36 + 3 * size + 20, "2 × 3", "shape")

    d.path([(324, 36 + 2 * size), (372, 36 + 2 * size)], "hot", head=True)
    d.text(348, 36 + 2 * size - 10, "Σ")

    d.text(417, 36 - 2, "y")
    d.grid(
        384,
        36 + 0.5 * size,
        [["·"] * 2 for _ in range(1)] + [["·", "−6"]] + [["·"] * 2] * 2,
        size,
        kinds=lambda i, j: "hot" if (i, j) == (1, 1) else "mute",
    )
    d.text(417, 36 + 4.5 * size + 20, "4 × 2", "shape")


@figure("conv-padding", 480, 268)
def padding(d: Drawing) -> None:
    """Draw a window that slides over a padded image."""
    size = 29.0
    left, top = 22.0, 34.0

    def look(i: int, j: int) -> str:
        return "" if 0 < i < 6 and 0 < j < 6 else "pad"

    d.grid(
        left,
        top,
        [["" if look(i, j) == "" else "0" for j in range(7)] for i in range(7)],
        size,
        kinds=look,
    )
    outline(d, left, top, 3 * size, 3 * size)
    outline(d, left + 4 * size, top + 4 * size, 3 * size, 3 * size, "cool")
    d.path([(left + 1.5 * size, top - 10), (left + 5.5 * size, top - 10)], "hot", head=True)
    d.path([(left - 10, top + 1.5 * size), (left - 10, top + 5.5 * size)], "hot", head=True)
    d.text(left + 3.5 * size, top + 7 * size + 24, "5 + 2 · 1", "shape")

    right, upper = 304.0, top + size
    d.grid(
        right,
        upper,
        (5, 5),
        size,
        kinds=lambda i, j: {(0, 0): "hot", (4, 4): "cool"}.get((i, j), ""),
    )
    d.path([(left + 7 * size + 10, top + 3.5 * size), (right - 8, top + 3.5 * size)], "", head=True)
    d.text(right + 2.5 * size, top + 7 * size + 24, "7 − 3 + 1 = 5", "shape")


@figure("conv-stride", 480, 262)
def stride(d: Drawing) -> None:
    """Draw windows two places apart, and the one that does not fit."""
    size = 31.0
    left, top = 60.0, 40.0
    d.text(36, top + 21, "x")
    d.grid(
        left,
        top,
        [["−1", *range(8), 8]],
        size,
        kinds=lambda i, j: "pad" if j in (0, 9) else "",
    )
    d.size((left + size, top - 10), (left + 9 * size, top - 10), "H_{in} = 8", away=-14)
    for row in range(4):
        x, y = left + 2 * row * size, top + 46 + row * 37
        d.grid(x, y, (1, 3), size, height=24, kind="hot")
        d.text(36, y + 18, f"y_{{{row}}}")
        if row:
            d.path([(x - 2 * size, y + 12), (x - 5, y + 12)], "dim", head=True)
            d.text(x - size, y + 4, "s", "small")
    y = top + 46 + 4 * 37
    d.grid(left + 8 * size, y, (1, 3), size, height=24, kind="mute")
    d.path([(left + 6 * size, y + 12), (left + 8 * size - 5, y + 12)], "dim", head=True)
    d.text(left + 7 * size, y + 4, "s", "small")
    d.path([(left + 10 * size, top - 6), (left + 10 * size, y + 32)], "mute")


@figure("conv-dilation", 480, 208)
def dilation(d: Drawing) -> None:
    """Draw a kernel at three dilations."""
    size = 19.0
    for number in range(3):
        step = number + 1
        left, top = 14 + number * 160.0, 14.0
        first = 3 - step

        def look(i: int, j: int, step: int = step, first: int = first) -> str:
            return (
                "hot"
                if (i - first) in (0, step, 2 * step) and (j - first) in (0, step, 2 * step)
                else "mute"
            )

        d.grid(left, top, (7, 7), size, kinds=look)
        span = 2 * step + 1
        d.size(
            (left + first * size, top + 7 * size + 12),
            (left + (first + span) * size, top + 7 * size + 12),
            f"{step} · (3 − 1) + 1 = {span}",
        )
        d.text(left + 3.5 * size, top + 7 * size + 56, f"dilation={step}", "code")


@figure("conv-channels", 480, 352)
def channels(d: Drawing) -> None:
    """Draw kernels that go through all channels, one for each map."""
    d.text(78, 92, "x")
    sheets(d, 16, 152, (6, 6), 15, 3, 22, lit=(0, 3, 3, 3))
    d.text(61, 266, "C_{in} = 3", "shape")

    for row in range(4):
        lit = row == 1
        y = 52 + row * 82.0
        d.path([(154, 168), (218, y + 12)], "hot" if lit else "mute", head=True)
        sheets(d, 226, y, (3, 3), 13, 3, 9, kind="hot" if lit else "cool")
        d.path([(288, y + 12), (311, y + 12)], "hot" if lit else "", head=True)
        d.op(325, y + 12, "+", 12)
        d.text(325, y + 42, f"b_{{{row}}}", "shape")
        d.path([(338, y + 12), (365, y + 12)], "hot" if lit else "", head=True)
        d.grid(
            370,
            y - 16,
            (4, 4),
            14,
            kinds=lambda i, j, lit=lit: (
                "hot" if lit and (i, j) == (0, 2) else "" if lit else "mute"
            ),
        )
    d.text(254, 18, "weight", "code")
    d.text(398, 18, "y")
    d.text(454, 180, "C_{out}", "shape")
    d.path([(454, 36), (454, 162)], "dim")
    d.path([(454, 192), (454, 338)], "dim")
    for y in (36, 338):
        d.path([(450, y), (458, y)], "dim")


@figure("conv-groups", 480, 216)
def groups(d: Drawing) -> None:
    """Draw which channels see which, for three numbers of groups."""
    for number, count in enumerate((1, 2, 4)):
        left = 14 + number * 160.0
        at = [left + k * 34 for k in range(4)]
        width = 4 // count
        for o in range(4):
            for c in range(4):
                if o // width == c // width:
                    kind = "hot" if o // width == 0 else ""
                    d.path([(at[c] + 13, 42), (at[o] + 13, 128)], kind)
        for k in range(4):
            look = "hot" if k // width == 0 else ""
            d.square(at[k], 16, 26, 26, "", look)
            d.square(at[k], 128, 26, 26, "", look)
        d.text(left + 64, 180, f"groups={count}", "code")
        d.text(left + 64, 204, f"(4, {width}, k, k)", "shape")


@figure("conv-unfold", 480, 232)
def unfold(d: Drawing) -> None:
    """Draw windows as columns, and their product with the weights."""
    size = 30.0
    d.text(62, 20, "x")
    d.grid(
        17,
        34,
        [[3 * i + j for j in range(3)] for i in range(3)],
        size,
        kinds=lambda i, j: "hot" if i < 2 and j < 2 else "",
    )
    outline(d, 17, 34, 2 * size, 2 * size)
    d.path([(116, 64), (186, 64)], "hot", head=True)
    d.text(151, 53, "F.unfold", "code")

    columns = [[start + u for start in (0, 1, 3, 4)] for u in (0, 1, 3, 4)]
    d.grid(196, 34, columns, size, kinds=lambda i, j: "hot" if j == 0 else "")
    outline(d, 196, 34, size, 4 * size)
    d.size((330, 34), (330, 154), "C_{in} · kH · kW")
    d.text(256, 20, "L", "shape")

    d.text(34, 200, "w")
    d.grid(52, 180, [["a", "b", "c", "d"]], size, kind="cool")
    d.path([(176, 195), (191, 195)], "hot", head=True)
    d.path([(211, 158), (211, 175)], "hot", head=True)
    d.grid(196, 180, (1, 4), size, kinds=lambda i, j: "hot" if j == 0 else "")
    d.path([(322, 195), (384, 195)], "", head=True)
    d.text(353, 184, "view", "code")
    d.text(424, 158, "y")
    d.grid(394, 165, (2, 2), size, kinds=lambda i, j: "hot" if (i, j) == (0, 0) else "")


@figure("conv-receptive", 480, 246)
def receptive(d: Drawing) -> None:
    """Draw what one number sees through three layers."""
    size = 30.0
    left = 105.0
    rows = [(3, 3), (2, 4), (1, 5), (0, 6)]
    for level, (first, last) in enumerate(rows):
        y = 20 + level * 64.0
        if level < 3:
            for k in range(first, last + 1):
                for step in (-1, 0, 1):
                    d.path(
                        [
                            (left + (k + 0.5) * size, y + size),
                            (left + (k + step + 0.5) * size, y + 64),
                        ],
                        "hot" if k in (first, last) else "",
                    )
    for level, (first, last) in enumerate(rows):
        y = 20 + level * 64.0
        d.grid(
            left - 2 * size,
            y,
            (1, 11),
            size,
            kinds=lambda i, j, first=first, last=last: "hot" if first <= j - 2 <= last else "mute",
        )
        d.text(36 - 8, y + 21, ("x", "y_{1}", "y_{2}", "y_{3}")[3 - level])
        d.text(440, y + 21, str(2 * level + 1), "shape")
