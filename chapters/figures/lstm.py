"""The pictures of the chapter on the LSTM."""

from __future__ import annotations

from collections.abc import Sequence

from .draw import GATES, Drawing, Point, figure

GATE_X = {"f": 142, "i": 202, "g": 262, "o": 324}
ACTIVATION = {"f": "σ", "i": "σ", "g": "tanh", "o": "σ"}


# One step -------------------------------------------------------------------------------------


def draw_cell(d: Drawing, lit: str | None = None) -> None:
    """Draw one step of an LSTM, with one gate ``lit`` or with all.

    What is lit is the gate, what it reads and what it does; the rest is grey.
    """

    def on(*gates: str) -> bool:
        return lit is None or lit in gates

    d.box(104, 20, 272, 336, radius=18)
    strokes: list[tuple[bool, Sequence[Point], str, bool]] = [
        # The memory runs straight across the top.
        (on("f"), [(86, 64), (142, 64)], "memory", False),
        (on("f"), [(142, 64), (232, 64)], "memory", False),
        (on("i", "g", "o"), [(232, 64), (324, 64)], "memory", False),
        (on("i", "g"), [(324, 64), (384, 64)], "memory", True),
        # x and h meet and feed all four gates.
        (lit is None, [(86, 318), (324, 318)], "", False),
        (True, [(142, 380), (142, 318)], "", False),
        *((on(gate), [(x, 318), (x, 290)], "", True) for gate, x in GATE_X.items()),
        # What the gates do.
        (on("f"), [(142, 230), (142, 79)], "gate-f", True),
        (on("i"), [(202, 230), (202, 152), (217, 152)], "gate-i", True),
        (on("g"), [(262, 230), (262, 152), (247, 152)], "gate-g", True),
        (on("i", "g"), [(232, 138), (232, 79)], "", True),
        (on("o"), [(324, 64), (324, 92)], "", False),
        (on("o"), [(324, 116), (324, 151)], "", True),
        (on("o"), [(324, 230), (324, 181)], "gate-o", True),
        (on("o"), [(338, 166), (360, 166), (360, 318), (386, 318)], "", True),
    ]
    if lit is not None:
        strokes.append((True, [(86, 318), (GATE_X[lit], 318)], "", False))
    for light, points, kind, head in sorted(strokes, key=lambda stroke: stroke[0]):
        d.path(points, kind if light else "mute", head)

    d.dot(142, 318)
    d.dot(324, 64, "memory-head" if on("o") else "mute-dot")
    d.op(142, 64, "×", lit=on("f"))
    d.op(232, 64, "+", lit=on("i", "g"))
    d.op(232, 152, "×", lit=on("i", "g"))
    d.op(324, 166, "×", lit=on("o"))
    d.op(324, 105, "tanh", lit=on("o"))
    for gate, x in GATE_X.items():
        d.gate(x - 25, 230, gate, ACTIVATION[gate], lit=on(gate))

    def tensor(x: float, y: float, name: str, shape: str, light: bool = True) -> None:
        d.tensor(x, y, name, shape, kind="tensor" if light else "tensor mute")

    tensor(2, 36, "c^{(t−1)}", "(N, H_{out})", on("f"))
    tensor(2, 290, "h^{(t−1)}", "(N, H_{out})")
    tensor(100, 378, "x^{(t)}", "(N, H_{in})")
    tensor(394, 36, "c^{(t)}", "(N, H_{out})", on("i", "g"))
    tensor(394, 290, "h^{(t)}", "(N, H_{out})", on("o"))


@figure("lstm-cell", 480, 436)
def lstm_cell(d: Drawing) -> None:
    """One step, all gates lit."""
    draw_cell(d)


def _declare_gates() -> None:
    for gate in GATES:

        def draw(d: Drawing, gate: str = gate) -> None:
            draw_cell(d, gate)

        figure(f"lstm-cell-{gate}", 480, 436)(draw)


_declare_gates()


@figure("lstm-weights", 480, 456)
def lstm_weights(d: Drawing) -> None:
    """The blocks of weight_ih, turned, multiplied and cut."""
    # As PyTorch stores it: four blocks of rows.
    d.text(62, 18, "weight_ih", "code")
    for number, gate in enumerate(GATES):
        d.gate(32, 30 + 46 * number, gate, w=60, h=44)
    d.text(62, 236, "(4 H_{out}, H_{in})", "shape")

    # Turned on its side.
    d.path([(106, 121), (184, 121)], head=True)
    d.text(143, 110, ".T", "code")
    d.text(330, 54, "weight_ih.T", "code")
    d.text(330, 78, "(H_{in}, 4 H_{out})", "shape")
    # x meets it.
    d.path([(102, 296), (150, 296), (150, 209), (313, 209)], head=True)
    d.path([(330, 155), (330, 192)], head=True)
    d.path([(330, 224), (330, 262)], head=True)
    d.tensor(22, 268, "x", "(N, H_{in})", w=80)
    d.op(330, 209, "@", radius=15)
    d.text(330, 348, "(N, 4 H_{out})", "shape")
    d.text(98, 408, ".chunk(4, dim=1)", "code")
    d.text(98, 434, "4 × (N, H_{out})", "shape")
    for number, gate in enumerate(GATES):
        left = 196 + 68 * number
        d.gate(left, 91, gate, w=64, h=60)
        d.gate(left, 268, gate, w=64)
        # And the result falls into four.
        d.path([(left + 32, 360), (left + 32, 382)], head=True)
        d.gate(left + 6, 388, gate, w=52)


# A sequence -----------------------------------------------------------------------------------


@figure("lstm-unrolled", 480, 374)
def lstm_unrolled(d: Drawing) -> None:
    """One cell, used L times."""
    columns = {"1": 86, "2": 170, "L": 312}
    d.text(178, 22, "output", "code", "end")
    d.text(188, 22, "(L, N, H_{out})", "shape", "start")
    d.box(78, 34, 308, 64, "frame")
    d.box(78, 274, 308, 64, "frame")
    d.text(190, 364, "x", "code", "end")
    d.text(200, 364, "(L, N, H_{in})", "shape", "start")
    for y in (70, 200, 310):
        d.text(274, y, "…")

    # The states go from cell to cell.
    for start, end in ((58, 78), (152, 162), (236, 250), (292, 304), (378, 414)):
        d.path([(start, 172), (end, 172)], "memory", True)
        d.path([(start, 218), (end + 6, 218)], head=True)
    for step, x in columns.items():
        d.path([(x + 33, 284), (x + 33, 246)], head=True)
        d.path([(x + 33, 148), (x + 33, 90)], head=True)
        d.tensor(x, 46, f"h^{{({step})}}", w=66, h=40)
        d.lstm(x, 148)
        d.tensor(x, 286, f"x^{{({step})}}", w=66, h=40)

    for x, step, name in ((2, "0", "0"), (422, "L", "n")):
        d.tensor(x, 154, f"c^{{({step})}}", w=56, h=36)
        d.tensor(x, 200, f"h^{{({step})}}", w=56, h=36)
        d.text(x + 28, 144, f"c_{name}", "code")
        d.text(x + 28, 256, f"h_{name}", "code")


@figure("lstm-states", 480, 330)
def lstm_states(d: Drawing) -> None:
    """What of all steps and layers is in out, h_n and c_n."""
    w, h, left, top = 42, 34, 84, 62
    xs = [left + 58 * step for step in range(5)]
    ys = [top + 56 * layer for layer in range(4)]  # the top layer first
    for y in ys:
        d.path([(xs[0] - 14, y + h / 2), (408, y + h / 2)], "memory", True)
    for x in xs:
        for y in ys:
            d.path([(x + w / 2, y + h + 20), (x + w / 2, y + h + 4)], head=True)
    for column, x in enumerate(xs):
        for row, y in enumerate(ys):
            last, top_layer = column == 4, row == 0
            if last and top_layer:
                d.square(x, y, w / 2, h, kind="hot")
                d.square(x + w / 2, y, w / 2, h, kind="cool")
            else:
                d.square(x, y, w, h, kind="hot" if top_layer else "cool" if last else "")
            d.text(x + w / 2, y + h / 2 + 6, "h", "name")
    for y in ys:
        d.square(418, y, w, h)
        d.text(418 + w / 2, y + h / 2 + 6, "c", "name")

    d.box(xs[0] - 8, top - 8, 4 * 58 + w + 16, h + 16, "frame", 8)
    d.box(xs[4] - 8, top - 8, w + 16, 3 * 56 + h + 16, "frame", 8)
    d.box(418 - 8, top - 8, w + 16, 3 * 56 + h + 16, "frame", 8)
    d.text(160, 42, "out", "code", "end")
    d.text(168, 42, "(L, N, H_{out})", "shape", "start")
    d.text(xs[4] + w / 2, 42, "h_n", "code")
    d.text(418 + w / 2, 42, "c_n", "code")

    # Time goes to the right, data goes up.
    d.path([(xs[0], 312), (xs[4] + w, 312)], "dim", True)
    d.text(xs[4] + w + 16, 317, "L")
    d.path([(40, ys[3] + h), (40, top)], "dim", True)
    d.text(46, 286, "num_layers", "code")


@figure("lstm-layout", 480, 250)
def lstm_layout(d: Drawing) -> None:
    """The same words as (L, N, H_in) and as (N, L, H_in)."""
    # (L, N, H_in): one sheet a step, one row a sentence.
    for step in reversed(range(5)):
        x, y = 28 + 20 * step, 118 - 18 * step
        d.grid(x, y, (3, 1), size=108, height=26, kinds=lambda row, column: f"row-{row}")
    d.path([(14, 108), (98, 32)], "dim", True)
    d.text(42, 62, "L")
    d.path([(16, 120), (16, 194)], "dim", True)
    d.text(10, 162, "N")
    d.path([(30, 206), (134, 206)], "dim", True)
    d.text(158, 212, "H_{in}")
    d.text(96, 244, "(L, N, H_{in})", "shape")

    # (N, L, H_in): one sheet a sentence, one row a step.
    for sentence in reversed(range(3)):
        x, y = 284 + 36 * sentence, 84 - 24 * sentence
        d.grid(x, y, (5, 1), size=108, height=22, kind=f"row-{sentence}")
    d.path([(270, 74), (344, 24)], "dim", True)
    d.text(292, 46, "N")
    d.path([(272, 86), (272, 192)], "dim", True)
    d.text(260, 146, "L")
    d.path([(286, 206), (390, 206)], "dim", True)
    d.text(416, 212, "H_{in}")
    d.text(352, 244, "(N, L, H_{in})", "shape")


# Layers ---------------------------------------------------------------------------------------


@figure("lstm-two-layers", 480, 392)
def lstm_two_layers(d: Drawing) -> None:
    """One step of two layers of different size."""
    # The path of the data, upwards: 100, 30, 20 numbers wide.
    for start, end in ((350, 304), (236, 208), (168, 136), (68, 42)):
        d.path([(240, start), (240, end)], head=True)
    d.tensor(140, 352, "x", "(3, 100)", w=200, h=36)
    d.tensor(179, 170, "h_{1}", "(3, 30)", w=122, h=36)
    d.tensor(186, 4, "h_{2}", "(3, 20)", w=108, h=36)

    # The path of time, to the right: each layer keeps its own two states.
    for y, layer, size in ((236, 1, 30), (68, 2, 20)):
        for row, name in ((16, "c"), (52, "h")):
            kind = "memory" if name == "c" else ""
            short = 6 if kind else 0  # the memory's arrow has a longer head
            d.path([(94, y + row), (178 - short, y + row)], kind, True)
            d.path([(300, y + row), (384 - short, y + row)], kind, True)
            for x in (2, 386):
                d.tensor(x, y + row - 16, f"{name}_{{{layer}}}", f"(3, {size})", w=92, h=32)
        d.text(48, y - 12, "t−1", "shape")
        d.text(432, y - 12, "t", "shape")
        d.lstm(180, y, w=120, h=66, columns=4)


@figure("lstm-parameters", 480, 344)
def lstm_parameters(d: Drawing) -> None:
    """All parameters of two layers, to scale."""
    # To scale: 1.25 units for a number, so that 4 * 20 rows are 100 units high.
    for layer, top in ((0, 30), (1, 206)):
        columns = (
            (66, "weight_ih", 125 if layer == 0 else 25, "(80, 100)" if layer == 0 else "(80, 20)"),
            (190, "weight_hh", 25, "(80, 20)"),
            (304, "bias_ih", 6, "(80)"),
            (414, "bias_hh", 6, "(80)"),
        )
        for x, name, w, shape in columns:
            d.text(x, top - 12, f"{name}_l{layer}", "code")
            for number, gate in enumerate(GATES):
                d.gate(x - w / 2, top + 25 * number, gate, w=w, h=25)
            d.text(x, top + 122, shape, "shape")


@figure("lstm-dropout", 480, 446)
def lstm_dropout(d: Drawing) -> None:
    """Where dropout is: between the layers, and nowhere else."""
    dropped = {0: (1, 4, 5), 1: (0, 3, 5)}
    for layer in range(3):
        y = 326 - 140 * layer
        for row, kind in ((18, "memory"), (46, "")):
            d.path([(54, y + row), (152 if kind else 157, y + row)], kind, True)
            d.path([(320, y + row), (412 if kind else 417, y + row)], kind, True)
        d.text(40, y + 24, "c")
        d.text(40, y + 52, "h")
        d.text(434, y + 24, "c")
        d.text(434, y + 52, "h")
        d.lstm(160, y, w=160, h=64, columns=4)
        zeros = dropped.get(layer, ())
        d.path([(240, y), (240, y - 18)], head=True)
        for j in range(6):
            kind = "pad" if j in zeros else "hot" if zeros else ""
            d.square(165 + 25 * j, y - 44, 25, 24, "0" if j in zeros else "", kind)
        if zeros:
            d.path([(240, y - 48), (240, y - 68)], head=True)
    d.path([(240, 414), (240, 396)], head=True)
    d.grid(165, 418, (1, 6), size=25, height=24)


# Projections, packing -------------------------------------------------------------------------


@figure("lstm-proj", 480, 394)
def lstm_proj(d: Drawing) -> None:
    """One step with a projection."""
    d.path([(86, 220), (152, 220)], "memory", True)
    d.path([(320, 220), (386, 220)], "memory", True)
    d.path([(86, 296), (200, 296), (200, 258)], head=True)
    d.path([(240, 334), (240, 258)], head=True)
    d.path([(240, 188), (240, 164)], head=True)
    d.path([(240, 138), (240, 108)], head=True)
    d.path([(240, 76), (240, 42)], head=True)
    d.path([(302, 91), (259, 91)], "hot", True)
    d.tensor(2, 192, "c^{(t−1)}", "(N, H_{cell})")
    d.tensor(394, 192, "c^{(t)}", "(N, H_{cell})")
    d.tensor(2, 268, "h^{(t−1)}", "(N, H_{out})")
    d.tensor(198, 336, "x^{(t)}", "(N, H_{in})")
    d.lstm(160, 188, w=160, h=66, columns=4)
    # H_cell numbers, and after the projection H_out.
    d.grid(168, 138, (1, 8), size=18, height=22)
    d.text(158, 155, "(N, H_{cell})", "shape", "end")
    d.op(240, 91, "@", radius=15)
    d.grid(306, 65, (8, 3), size=18, height=7, kind="hot")
    d.text(372, 86, "weight_hr.T", "code", "start")
    d.text(372, 106, "(H_{cell}, H_{out})", "shape", "start")
    d.grid(213, 16, (1, 3), size=18, height=22, kind="hot")
    d.text(203, 33, "(N, H_{out})", "shape", "end")
    d.text(278, 33, "h^{(t)}", anchor="start")


@figure("lstm-packed", 480, 330)
def lstm_packed(d: Drawing) -> None:
    """Padded sentences, and the same packed."""
    lengths = (5, 3, 2)
    kinds = ("hot", "", "cool")
    size, left, top = 40, 118, 34
    d.text(left + 2.5 * size, 20, "(N, L)", "shape")
    d.text(left + 5 * size + 50, 20, "lengths", "code")
    for n, length in enumerate(lengths):
        for t in range(5):
            word = 10 * (n + 1) + t + 1
            x, y = left + t * size, top + n * size
            d.square(x, y, size, size, "" if t < length else 0, kinds[n] if t < length else "pad")
            if t < length:
                d.text(x + size / 2, y + 25, str(word), "small")
        d.text(left + 5 * size + 50, top + n * size + 26, str(length), "shape")

    x, y = 18.0, 262
    d.text(106, 184, "batch_sizes", "code", "end")
    for t in range(5):
        words = [n for n in range(3) if t < lengths[n]]
        middle = left + (t + 0.5) * size
        d.text(middle, 184, str(len(words)), "shape")
        d.path([(middle, 194), (x + len(words) * 20, y - 6)], "dim", True)
        for place, n in enumerate(words):
            d.square(x + 40 * place, y, 40, 40, kind=kinds[n])
            d.text(x + 40 * place + 20, y + 25, str(10 * (n + 1) + t + 1), "small")
        x += 40 * len(words) + 11
    d.text(240, 324, "data", "code")
