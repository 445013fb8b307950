"""The pictures of the chapter on embeddings."""

from __future__ import annotations

from .draw import Drawing, figure

SHADE = {0: "cool", 2: "hot", 5: ""}
INDEXES = [2, 0, 2, 5]


def numbers(d: Drawing, x: float, y: float, values: list[int], size: float, kind: str) -> None:
    """Draw a row of numbers in plain ink, whatever the colour of their squares."""
    d.grid(x, y, (1, len(values)), size, kind=kind)
    for column, value in enumerate(values):
        d.text(
            x + (column + 0.5) * size,
            y + size / 2 + 5,
            str(value),
            "small mute" if kind == "mute" else "small",
        )


@figure("embedding-lookup", 480, 260)
def lookup(d: Drawing) -> None:
    """Draw four numbers that fetch their rows from the table."""
    size, top = 30, 44
    table, out, left = 150, 350, 26
    middle = top + size  # the result's first row
    d.text(table + 2 * size, 26, "weight", "code")
    d.text(out + 2 * size, middle - 18, "out", "code")
    d.text(left + size / 2, middle - 18, "idx", "code")
    d.grid(table, top, (6, 4), size, kinds=lambda i, j: SHADE.get(i, "mute"))
    for row in range(6):
        d.text(table - 14, top + row * size + 20, str(row), "small")
    for place, index in enumerate(INDEXES):
        y = middle + (place + 0.5) * size
        row = top + (index + 0.5) * size
        numbers(d, left, y - size / 2, [index], size, SHADE[index])
        d.path([(left + size + 4, y), (table - 26, row)], head=True)
        d.path([(table + 4 * size + 4, row), (out - 6, y)], head=True)
        d.grid(out, y - size / 2, (1, 4), size, kind=SHADE[index])
    d.size((out, middle + 4 * size + 14), (out + 4 * size, middle + 4 * size + 14), "H")
    d.size((table, top + 6 * size + 12), (table + 4 * size, top + 6 * size + 12), "H")


@figure("embedding-one-hot", 480, 236)
def one_hot(d: Drawing) -> None:
    """Draw the same as a product: a row with a single 1 picks a row."""
    size, top = 25, 36
    left, table, out = 8, 206, 370
    y = top + size
    for place, index in enumerate(INDEXES):
        row = y + place * size
        numbers(d, left, row, [0] * 6, size, "mute")
        numbers(d, left + index * size, row, [1], size, SHADE[index] or "")
        d.grid(out, row, (1, 4), size, kind=SHADE[index])
    d.text(182, y + 2 * size + 6, "@", "shape")
    d.grid(table, top, (6, 4), size, kinds=lambda i, j: SHADE.get(i, "mute"))
    d.text(338, y + 2 * size + 6, "=", "shape")
    low = top + 6 * size + 14
    d.size((left, low), (left + 6 * size, low), "V")
    d.size((table, low), (table + 4 * size, low), "H")
    d.size((out, low), (out + 4 * size, low), "H")
    d.text(table + 2 * size, 22, "weight", "code")
    d.text(out + 2 * size, 22, "out", "code")
    d.text(left + 3 * size, 22, "F.one_hot(idx)", "code")


@figure("embedding-gradient", 480, 252)
def gradient(d: Drawing) -> None:
    """Draw the way back: each row of the result's gradient is added to the row it came from."""
    size, top = 30, 44
    table, out = 66, 330
    middle = top + size
    edge, bend = table + 4 * size + 6, table + 4 * size + 40
    grads = {0: 1, 2: 2, 5: 1}
    d.text(table + 2 * size, 26, "weight.grad", "code")
    d.text(out + 2 * size, middle - 18, "out.grad", "code")
    for row in range(6):
        y = top + row * size
        numbers(d, table, y, [grads.get(row, 0)] * 4, size, SHADE.get(row, "mute"))
        d.text(table - 14, y + 20, str(row), "small")
    for place, index in enumerate(INDEXES):
        y = middle + (place + 0.5) * size
        row = top + (index + 0.5) * size
        numbers(d, out, y - size / 2, [1] * 4, size, SHADE[index])
        d.path([(out - 6, y), (bend, row), (edge, row)], "grad", head=True)
    d.op(bend, top + 2.5 * size, "+", 12)


@figure("embedding-padding", 480, 212)
def padding(d: Drawing) -> None:
    """Draw three sentences, filled up with 0, and the row that stays zero."""
    sentences = [[3, 1, 4, 2, 1], [2, 4, 0, 0, 0], [1, 3, 2, 0, 0]]
    size, top = 26, 38
    left, table, sheet = 4, 182, 302
    y = top + size
    d.grid(left, y, sentences, size, kinds=lambda i, j: "" if sentences[i][j] else "pad")
    d.text(left + 2.5 * size, y - 14, "ids", "code")
    d.size((left, y + 3 * size + 14), (left + 5 * size, y + 3 * size + 14), "L")
    rows = [[0, 0, 0]] + [[""] * 3 for _ in range(4)]
    d.grid(table, top, rows, size, kinds=lambda i, j: "" if i else "pad")
    for row in range(5):
        d.text(table - 14, top + row * size + 18, str(row), "small")
    d.text(table + 1.5 * size, top - 14, "weight", "code")
    low = top + 5 * size + 14
    d.size((table, low), (table + 3 * size, low), "H")
    d.path([(left + 5 * size + 6, y + 1.5 * size), (table - 26, y + 1.5 * size)], head=True)
    d.path([(table + 3 * size + 8, y + 1.5 * size), (sheet - 8, y + 1.5 * size)], head=True)
    # The result: a sheet for each sentence, a row for each of its indexes.
    small, gap = 13, 10
    wide = 3 * small + gap
    for place, sentence in enumerate(sentences):
        for step, word in enumerate(sentence):
            kind = "" if word else "pad"
            d.grid(sheet + place * wide, top + step * size, (1, 3), small, size, kind)
    right = sheet + 3 * wide - gap
    d.text((sheet + right) / 2, top - 14, "vectors", "code")
    d.size((right + 10, top), (right + 10, top + 5 * size), "L", 12)
    d.size((sheet, low), (sheet + 3 * small, low), "H")
