"""The pictures of the chapter on pooling."""

from __future__ import annotations

from .draw import Drawing, figure

NUMBERS = [[1, 3, 2, 0], [5, 7, 4, 6], [8, 0, 1, 1], [2, 6, 3, 7]]
"""A small image, with four windows of two by two."""

SHADES = [["row-2", "row-3"], ["row-3", "row-2"]]
"""The looks of the four windows: neighbours differ."""


def outline(d: Drawing, x: float, y: float, w: float, h: float, kind: str = "") -> None:
    """Draw the edge of a window that lies on a grid."""
    d.path([(x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)], kind)


def number(
    d: Drawing, x: float, y: float, w: float, h: float, value: object, kind: str = ""
) -> None:
    """Draw a number on a shade that follows its window."""
    d.square(x, y, w, h, "", kind)
    d.text(x + w / 2, y + h / 2 + 5, str(value), "small")


@figure("pooling-max-avg", 480, 208)
def max_avg(d: Drawing) -> None:
    """Draw four windows, their maxima and their means."""
    size = 38.0
    windows = [
        [[NUMBERS[2 * i + u][2 * j + v] for u in (0, 1) for v in (0, 1)] for j in (0, 1)]
        for i in (0, 1)
    ]
    for i in range(4):
        for j in range(4):
            shade = SHADES[i // 2][j // 2]
            number(d, 24 + j * size, 28 + i * size, size, size, NUMBERS[i][j], shade)
    for i in (0, 1):
        for j in (0, 1):
            outline(d, 24 + 2 * j * size, 28 + 2 * i * size, 2 * size, 2 * size)
    for top, name, pool in ((18, "max", max), (112, "mean", lambda w: sum(w) / 4)):
        d.path([(182, 104), (210, 104), (210, top + size), (236, top + size)])
        d.op(266, top + size, name)
        d.path([(296, top + size), (337, top + size)], "", head=True)
        for i in (0, 1):
            for j in (0, 1):
                value = f"{pool(windows[i][j]):g}"
                number(d, 344 + j * 56, top + i * size, 56, size, value, SHADES[i][j])


@figure("pooling-ceil", 480, 326)
def ceil(d: Drawing) -> None:
    """Draw a last window that counts and one that does not."""
    size = 30.0
    left = 96.0
    for top, h_in, pad in ((16.0, 5, 0), (184.0, 3, 1)):
        d.text(44, top + 21, f"H_{{in}} = {h_in}", "shape")
        row = [""] * pad + [str(k) for k in range(h_in)] + [""] * pad
        d.grid(
            left,
            top,
            [row],
            size,
            kinds=lambda i, j, row=row: "" if row[j] else "pad",
        )
        for k in range(3):
            look = "hot" if k < 2 else "mute" if pad else "cool"
            d.grid(left + 2 * k * size, top + 42 + k * 32, (1, 2), size, height=24, kind=look)
        end = left + (h_in + pad) * size
        d.path([(end, top - 8), (end, top + 138)], "dim")
        d.text(296, top + 91, "floor(1.5) + 1 = 2", "shape start")
        last = "ceil(1.5) + 1 − 1 = 2" if pad else "ceil(1.5) + 1 = 3"
        d.text(296, top + 123, last, "shape start")


@figure("pooling-padding", 480, 136)
def padding(d: Drawing) -> None:
    """Draw what stands in the padding of each kind of pooling."""
    size = 26.0
    for left, name, outside, out in ((10, "max", "−∞", "−1"), (250, "mean", "0", "−¼")):
        d.grid(
            left,
            12,
            [["−1" if 0 < i < 3 and 0 < j < 3 else outside for j in range(4)] for i in range(4)],
            size,
            kinds=lambda i, j: "" if 0 < i < 3 and 0 < j < 3 else "pad",
        )
        right, middle = left + 4 * size, 12 + size
        outline(d, right - 2 * size, 12, 2 * size, 2 * size, "hot")
        d.path([(right + 3, middle), (right + 15, middle)])
        d.op(right + 44, middle, name)
        d.path([(right + 73, middle), (right + 91, middle)], "", head=True)
        d.square(right + 94, middle - 15, 30, 30, out, "hot")


@figure("pooling-adaptive", 480, 292)
def adaptive(d: Drawing) -> None:
    """Draw the windows of adaptive pooling, which overlap."""
    for left, size, h_in, h_out in ((16.0, 25.0, 8, 5), (252.0, 23.5, 9, 7)):
        d.grid(left, 34, [range(h_in)], size)
        d.text(left + h_in * size / 2, 22, f"{h_in} → {h_out}", "shape")
        windows = [(i * h_in // h_out, -(-(i + 1) * h_in // h_out)) for i in range(h_out)]
        covered = [sum(start <= k < end for start, end in windows) for k in range(h_in)]
        for i, (start, end) in enumerate(windows):
            d.grid(
                left + start * size,
                72 + i * 30,
                (1, end - start),
                size,
                height=22,
                kinds=lambda _, j, start=start, covered=covered: (
                    "cool" if covered[start + j] > 1 else "hot"
                ),
            )


@figure("pooling-gradient", 480, 218)
def gradient(d: Drawing) -> None:
    """Draw the way of a gradient back through a window."""
    size = 38.0
    for left, name, back in (
        (12.0, "max", [["0", "0"], ["0", "1"]]),
        (252.0, "mean", [["¼", "¼"], ["¼", "¼"]]),
    ):

        def look(i: int, j: int, name: str = name) -> str:
            return "hot" if name == "mean" or (i, j) == (1, 1) else "mute"

        d.grid(left, 18, [row[:2] for row in NUMBERS[:2]], size, kinds=look)
        d.path([(left + 2 * size + 5, 56), (left + 100, 56)])
        d.op(left + 128, 56, name)
        d.path([(left + 156, 56), (left + 174, 56)], "", head=True)
        d.square(left + 178, 37, size, size, "7" if name == "max" else "4", "hot")

        d.grid(left, 124, back, size, kinds=look)
        d.path([(left + 172, 162), (left + 2 * size + 7, 162)], "grad", head=True)
        d.square(left + 178, 143, size, size, "1", "hot")


@figure("pooling-shift", 480, 146)
def shift(d: Drawing) -> None:
    """Draw a signal that is pooled to something else when it is shifted."""
    size = 24.0
    signal = [0, 0, 1, 1, 0, 0, 1, 1]
    for left, values in ((24.0, signal), (264.0, [signal[-1], *signal[:-1]])):
        d.grid(left, 16, [values], size, kinds=lambda i, j, v=values: "hot" if v[j] else "")
        for k in range(4):
            x = left + 2 * k * size
            right = x + 2 * size
            d.path([(x + 3, 48), (x + 3, 56), (right - 3, 56), (right - 3, 48)], "dim")
            d.path([(x + size, 56), (x + size, 92)], "dim", head=True)
            top = max(values[2 * k : 2 * k + 2])
            d.square(x + size / 2, 98, size, size, top, "hot" if top else "")
