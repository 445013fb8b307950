"""The picture of the book's first page."""

from __future__ import annotations

from .draw import GATES, Drawing, figure


@figure("course", 480, 132)
def course(d: Drawing) -> None:
    """Numbers go in, an LSTM remembers, a check says whether it is right."""
    # A tensor goes in.
    d.tensor(4, 26, "", w=96, h=80)
    for row, numbers in enumerate(((1, 0, 2), (0, 3, 1), (4, 1, 0))):
        for column, number in enumerate(numbers):
            d.text(28 + 24 * column, 51 + 21 * row, str(number), "shape")

    # An LSTM cell remembers it.
    d.box(152, 12, 164, 108, radius=16)
    d.path([(108, 38), (357, 38)], "memory", True)
    d.path([(108, 82), (144, 82)], head=True)
    d.path([(316, 82), (364, 82)], head=True)
    for number, gate in enumerate(GATES):
        d.gate(166 + 36 * number, 60, gate, w=28, h=44)

    # And a check says whether it is right.
    d.tensor(372, 26, "", w=104, h=80)
    d.path([(402, 68), (418, 84), (448, 50)], "pass")
