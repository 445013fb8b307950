"""The pictures of the chapter on sentiment classification."""

from __future__ import annotations

from itertools import pairwise

from .draw import Drawing, figure

SENTENCES = [("not bad at all", [7, 3, 9, 4]), ("great food", [5, 8]), ("i was bored", [2, 6, 11])]
KINDS = ("hot", "", "cool")


@figure("sentiment-padding", 480, 340)
def padding(d: Drawing) -> None:
    """Draw three sentences as indexes, padded and then packed."""
    size, left, top = 36, 196, 40
    d.text(left + 2 * size, 24, "(N, L)", "shape")
    d.text(left + 4 * size + 62, 24, "lengths", "code")
    for n, (words, ids) in enumerate(SENTENCES):
        y = top + n * size
        d.text(136, y + size / 2 + 5, words, "code", "end")
        d.path([(146, y + size / 2), (left - 8, y + size / 2)], head=True)
        for t in range(4):
            inside = t < len(ids)
            d.square(left + t * size, y, size, size, kind=KINDS[n] if inside else "pad")
            value = str(ids[t]) if inside else "0"
            d.text(left + (t + 0.5) * size, y + size / 2 + 5, value, "small")
        d.text(left + 4 * size + 62, y + size / 2 + 6, str(len(ids)), "shape")

    # Packed: a column for each step, the longest sentence on top.
    order = sorted(range(3), key=lambda n: -len(SENTENCES[n][1]))
    low, gap, start = 190, 64, 160
    d.text(136, low + 1.5 * size + 5, "data", "code", "end")
    d.text(136, 334, "batch_sizes", "code", "end")
    for t in range(4):
        x = start + t * gap + 18
        there = [n for n in order if t < len(SENTENCES[n][1])]
        for place, n in enumerate(there):
            d.square(x, low + place * size, size, size, kind=KINDS[n])
            value = str(SENTENCES[n][1][t])
            d.text(x + size / 2, low + (place + 0.5) * size + 5, value, "small")
        d.text(x + size / 2, 334, str(len(there)), "shape")
    d.path([(start + 8, 310), (start + 4 * gap + 8, 310)], "dim", head=True)
    d.text(start + 4 * gap + 20, 315, "t", "name", "start")


@figure("sentiment-model", 480, 500)
def model(d: Drawing) -> None:
    """Draw the way from three words to one number."""
    columns = (70, 180, 290)
    for x, word, index in zip(columns, ("i", "loved", "it"), (2, 15, 6), strict=True):
        d.text(x, 488, word, "code")
        d.path([(x, 470), (x, 452)], head=True)
        d.square(x - 17, 416, 34, 34)
        d.text(x, 438, str(index), "small")
        d.path([(x, 412), (x, 394)], head=True)
        d.grid(x - 11, 304, (4, 1), 22)
        d.path([(x, 300), (x, 276)], head=True)
        d.lstm(x - 33, 180)
    for start, end in pairwise(columns):
        d.path([(start + 33, 208), (end - 35, 208)], "memory", True)
        d.path([(start + 33, 246), (end - 35, 246)], head=True)
    d.text(346, 489, "L = 3", "shape", "start")
    d.text(346, 438, "(N, L)", "shape", "start")
    d.text(346, 344, "Embedding", "code", "start")
    d.text(346, 368, "(N, L, H_{in})", "shape", "start")
    d.text(346, 232, "LSTM", "code", "start")

    # The last state goes up.
    x = columns[2]
    d.path([(x, 180), (x, 160)], head=True)
    d.tensor(x - 46, 106, "h_{n}", "(N, H_{out})", w=92, h=52)
    d.path([(x - 46, 135), (218, 135)], head=True)
    d.box(122, 116, 94, 38, radius=8)
    d.text(169, 140, "Dropout", "code")
    d.path([(169, 116), (169, 70)], head=True)
    d.box(122, 30, 94, 38, radius=8)
    d.text(169, 54, "Linear", "code")
    d.path([(216, 49), (256, 49)], head=True)
    d.square(258, 32, 34, 34, kind="hot")
    d.text(275, 20, "(N,)", "shape")
    d.path([(292, 49), (330, 49)], head=True)
    d.op(346, 49, "σ")
    d.path([(360, 49), (398, 49)], head=True)
    d.text(410, 55, "p", "name", "start")


@figure("sentiment-order", 480, 400)
def order(d: Drawing) -> None:
    """Draw two orders of the same words, once counted and once read."""
    ways = [("good", "not", "bad"), ("bad", "not", "good")]
    kinds = {"good": "cool", "not": "", "bad": "hot"}

    def words(x: float, y: float, way: tuple[str, ...]) -> None:
        for place, word in enumerate(way):
            d.square(x + place * 64, y, 60, 32, kind=kinds[word])
            d.text(x + place * 64 + 30, y + 21, word, "code")

    for side, way in enumerate(ways):
        left = 18 + side * 256
        words(left, 8, way)
        # Counted: the order is gone.
        middle = left + 94
        d.path([(middle, 44), (middle, 70)], head=True)
        for row, word in enumerate(("bad", "good", "not")):
            d.text(middle - 6, 95 + row * 32, word, "code", "end")
            d.square(middle + 6, 74 + row * 32, 34, 32, kind=kinds[word])
            d.text(middle + 23, 95 + row * 32, "1", "small")
        # Read: one step after the other.
        for place, word in enumerate(way):
            x = left + 30 + place * 64
            d.square(x - 27, 350, 54, 32, kind=kinds[word])
            d.text(x, 371, word, "code")
            d.path([(x, 348), (x, 330)], head=True)
            d.lstm(x - 22, 266, 44, 62)
            if place:
                d.path([(x - 42, 297), (x - 24, 297)], head=True)
        x = left + 30 + 2 * 64
        d.path([(x, 266), (x, 246)], head=True)
        for row in range(3):
            shade = (("hot", "", "hot"), ("", "cool", "cool"))[side][row]
            d.square(x - 33 + row * 22, 222, 22, 22, kind=shade)
    d.text(240, 128, "=", "shape")
    d.text(304, 239, "≠", "shape")
    d.text(122, 239, "h_{n}", "name", "end")
