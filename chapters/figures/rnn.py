"""The pictures of the chapter on recurrent networks."""

from __future__ import annotations

from itertools import pairwise

from .draw import Drawing, figure


@figure("rnn-cell", 480, 300)
def cell(d: Drawing) -> None:
    """Draw one step: two products, a sum, a tanh."""
    d.box(112, 52, 262, 164, radius=18)
    y = 128
    # The state runs from left to right.
    d.path([(86, y), (144, y)], head=True)
    d.path([(176, y), (222, y)], head=True)
    d.path([(252, y), (282, y)], head=True)
    d.path([(332, y), (392, y)], head=True)
    d.path([(356, y), (356, 30)], head=True)
    d.dot(356, y)
    # The input comes from below, the biases from above.
    d.path([(238, 240), (238, 199)], head=True)
    d.path([(238, 168), (238, 144)], head=True)
    d.path([(238, 93), (238, 112)], head=True)
    d.text(238, 84, "b_{ih} + b_{hh}")
    d.op(160, y, "@")
    d.text(160, y - 22, "W_{hh}^{T}")
    d.op(238, y, "+")
    d.op(238, 183, "@")
    d.text(256, 190, "W_{ih}^{T}", anchor="start")
    d.op(307, y, "tanh")
    d.tensor(2, 100, "h_{t−1}", "(N, H_{out})")
    d.tensor(394, 100, "h_{t}", "(N, H_{out})")
    d.tensor(196, 240, "x_{t}", "(N, H_{in})")
    d.text(356, 22, "out[t]", "code")


@figure("rnn-unrolled", 480, 326)
def unrolled(d: Drawing) -> None:
    """Draw the loop: one cell, used at every step."""
    columns = [(119, "_{1}"), (203, "_{2}"), (345, "_{L}")]
    d.box(78, 34, 308, 64, "frame")
    d.text(196, 22, "out", "code")
    d.text(214, 22, "(L, N, H_{out})", "shape", "start")
    d.box(78, 228, 308, 64, "frame")
    d.text(200, 315, "x", "code")
    d.text(210, 315, "(L, N, H_{in})", "shape", "start")
    y = 163
    for start, end in [(58, 84), (154, 168), (238, 254), (292, 310), (380, 420)]:
        d.path([(start, y), (end, y)], head=True)
    for x, step in columns:
        d.path([(x, 136), (x, 90)], head=True)
        d.path([(x, 240), (x, 192)], head=True)
        d.box(x - 33, 136, 66, 54)
        d.op(x, y, "tanh")
        d.tensor(x - 33, 46, f"h{step}", w=66, h=40)
        d.tensor(x - 33, 240, f"x{step}", w=66, h=40)
    for height in (72, 169, 266):
        d.text(274, height, "…")
    d.tensor(2, 145, "h_{0}", w=56, h=36)
    d.tensor(422, 145, "h_{L}", w=56, h=36)
    d.text(30, 136, "h_0", "code")
    d.text(450, 136, "h_n", "code")


@figure("rnn-layers", 480, 360)
def layers(d: Drawing) -> None:
    """Draw two layers over four steps: out is the top row, h_n the last column."""
    columns = [116, 196, 276, 356]
    lower, upper = 230, 132
    d.box(78, 28, 316, 60, "frame")
    d.text(212, 18, "out", "code")
    d.text(230, 18, "(L, N, H_{out})", "shape", "start")
    for layer, y in enumerate([lower, upper]):
        d.path([(58, y), (89, y)], head=True)
        for left, right in pairwise(columns):
            d.path([(left + 25, y), (right - 27, y)], head=True)
        d.path([(381, y), (418, y)], head=True)
        for step, x in enumerate(columns):
            top, bottom = y - 22, y + 22
            d.path([(x, top), (x, 82 if layer else upper + 24)], head=True)
            if not layer:
                d.path([(x, 304), (x, bottom + 2)], head=True)
            d.box(x - 25, top, 50, 44)
            d.text(x, y + 6, f"t={step}", "shape")
        last = "num hot" if layer else "tensor"
        d.tensor(6, y - 27, "h_{0}", f"[{layer}]", w=52, h=54)
        d.tensor(420, y - 27, "h_{n}", f"[{layer}]", w=52, h=54, kind=last)
    for step, x in enumerate(columns):
        d.tensor(x - 30, 38, f"[{step}]", w=60, h=40, kind="tensor" if step < 3 else "num hot")
        d.tensor(x - 30, 304, f"x[{step}]", w=60, h=40)
    d.box(412, 96, 66, 170, "frame")
    d.text(446, 286, "h_n", "code")


@figure("rnn-bidirectional", 480, 372)
def bidirectional(d: Drawing) -> None:
    """Draw the two readers: one ends at the last step, the other at the first."""
    columns = [102, 194, 286, 378]
    forward, backward = 244, 152
    d.box(56, 30, 368, 62, "frame")
    d.text(208, 20, "out", "code")
    d.text(226, 20, "(L, N, 2·H_{out})", "shape", "start")
    # States.
    d.path([(46, forward), (columns[0] - 42, forward)], head=True)
    d.path([(434, backward), (columns[-1] + 42, backward)], head=True)
    for left, right in pairwise(columns):
        d.path([(left - 2, forward), (right - 42, forward)], head=True)
        d.path([(right + 2, backward), (left + 42, backward)], head=True)
    d.path([(columns[-1] - 2, forward), (434, forward)], head=True)
    d.path([(columns[0] + 2, backward), (46, backward)], head=True)
    for step, x in enumerate(columns):
        d.path([(x - 21, 306), (x - 21, forward + 22)], head=True)
        d.path([(x + 21, 306), (x + 21, backward + 22)], head=True)
        d.path([(x - 21, forward - 20), (x - 21, 84)], head=True)
        d.path([(x + 21, backward - 20), (x + 21, 84)], head=True)
        d.box(x - 40, forward - 20, 38, 40, radius=9)
        d.box(x + 2, backward - 20, 38, 40, radius=9)
        d.text(x - 21, forward + 7, "→")
        d.text(x + 21, backward + 7, "←")
        d.square(x - 40, 42, 40, 38, "", "hot" if step == 3 else "mute")
        d.square(x, 42, 40, 38, "", "cool" if step == 0 else "mute")
        d.tensor(x - 40, 306, f"x[{step}]", w=80, h=40)
    for x, y, name, layer, kind in [
        (434, forward, "h_{n}", 0, "num hot"),
        (2, backward, "h_{n}", 1, "num cool"),
        (2, forward, "h_{0}", 0, "tensor"),
        (434, backward, "h_{0}", 1, "tensor"),
    ]:
        d.tensor(x, y - 27, name, f"[{layer}]", w=44, h=54, kind=kind)


@figure("rnn-gradient", 480, 214)
def gradient(d: Drawing) -> None:
    """Draw the way back: at each step the gradient is multiplied by the same matrix."""
    columns = [36, 116, 196, 276, 356]
    floor, full = 96, 72
    y = 134
    for back, x in enumerate(reversed(columns)):
        size = full * 0.6**back
        d.square(x - 13, floor - size, 26, size, "", "hot")
    for left, right in pairwise(columns):
        d.path([(left + 26, y), (right - 28, y)], head=True)
        d.path(
            [(right - 10, y + 24), (right - 10, y + 40), (left + 10, y + 40), (left + 10, y + 26)],
            "grad",
            head=True,
        )
        d.text((left + right) / 2, y + 64, "× W_{hh}")
    d.path([(382, y), (418, y)], head=True)
    d.path([(446, y + 13), (446, y + 40), (366, y + 40), (366, y + 26)], "grad", head=True)
    for step, x in enumerate(columns):
        d.tensor(x - 26, y - 22, f"h_{{{step + 1}}}", w=52, h=44)
    d.op(446, y, "loss")
    d.path([(10, floor), (382, floor)], "dim")
