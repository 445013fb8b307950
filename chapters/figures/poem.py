"""The pictures of the chapter on writing a poem."""

from __future__ import annotations

from itertools import pairwise

from .draw import Drawing, figure

QUATRAIN = ["白日依山盡，", "黃河入海流。", "欲窮千里目，", "更上一層樓。"]


def characters(
    d: Drawing, x: float, y: float, tokens: list[str], w: float, h: float, kinds: list[str]
) -> None:
    """Draw a row of squares with a character, or another piece of data, in each."""
    for column, (token, kind) in enumerate(zip(tokens, kinds, strict=True)):
        d.square(x + column * w, y, w, h, kind=kind)
        d.text(x + (column + 0.5) * w, y + h / 2 + 5.5, token, "code")


@figure("poem-quatrain", 420, 250)
def quatrain(d: Drawing) -> None:
    """Draw four lines, two couplets, one rhyme."""
    left, size = 76, 36
    tops = [22, 62, 122, 162]
    for row, (line, top) in enumerate(zip(QUATRAIN, tops, strict=True)):
        rhymes = row % 2 == 1
        kinds = ["hot" if rhymes and column == 4 else "" for column in range(5)] + ["mute"]
        characters(d, left, top, list(line), size, size, kinds)
    for top in (tops[0], tops[2]):
        d.box(left - 9, top - 9, 6 * size + 18, 2 * size + 22, "frame", 8)
    d.text(328, tops[1] + 24, "liú", "code", "start")
    d.text(328, tops[3] + 24, "lóu", "code", "start")
    d.curve((360, tops[1] + 24), (360, tops[3] + 12), 26, "hot")
    d.size((46, tops[0]), (46, tops[3] + size), "4", -14)
    d.size((left, 224), (left + 5 * size, 224), "5")


@figure("poem-shift", 480, 326)
def shift(d: Drawing) -> None:
    """Draw how a text becomes numbers, and these an input and a target."""
    left, w, h = 62, 52, 32
    tokens = ["<bos>", "白", "日", "依", "山", "…", "。", "<eos>"]
    numbers = ["1", "136", "79", "15", "59", "…", "4", "2"]
    rows = {"text": 12, "ids": 84, "x": 176, "y": 266}
    characters(d, left, rows["text"], tokens, w, h, ["mute", *[""] * 6, "mute"])
    characters(d, left, rows["ids"], numbers, w, h, [""] * 8)
    characters(d, left, rows["x"], numbers[:-1], w, h, ["cool"] * 7)
    characters(d, left, rows["y"], numbers[1:], w, h, ["hot"] * 7)
    for column in range(8):
        middle = left + (column + 0.5) * w
        d.path([(middle, rows["text"] + h + 6), (middle, rows["ids"] - 6)], head=True)
        if column < 7:
            d.path([(middle, rows["ids"] + h + 6), (middle, rows["x"] - 6)], "cool", True)
            d.path([(middle, rows["x"] + h + 6), (middle, rows["y"] - 6)], "hot", True)
    d.text(left - 10, rows["ids"] + 21, "ids", "code", "end")
    for name in ("x", "y"):
        d.text(left - 10, rows[name] + 21, name, "code", "end")
        d.text(left + 7 * w + 10, rows[name] + 21, "(L)", "shape", "start")
    d.text(left + 7 * w + 26, rows["ids"] + h + 22, "(L+1)", "shape")


@figure("poem-model", 480, 466)
def model(d: Drawing) -> None:
    """Draw the model: table, LSTM, scores, loss."""
    middle = 240
    for start, end in ((426, 398), (362, 338), (304, 278), (206, 182), (146, 122), (88, 64)):
        d.path([(middle, start), (middle, end)], head=True)
    d.tensor(186, 428, "x", "(N, L)", w=108, h=34)
    d.box(162, 362, 156, 34)
    d.text(middle, 384, "nn.Embedding", "code")
    d.tensor(170, 304, "", "", w=140, h=32)
    d.text(middle, 326, "(N, L, H_{in})", "shape")
    for row, kind in ((24, "memory"), (48, "")):
        short = 6 if kind else 2
        d.path([(88, 206 + row), (160 - short, 206 + row)], kind, True)
        d.path([(320, 206 + row), (392 - short, 206 + row)], kind, True)
    d.lstm(160, 206, w=160, h=70, columns=4)
    for x in (20, 396):
        d.text(x + 32, 236, "c", "name")
        d.text(x + 32, 260, "h", "name")
    d.text(52, 290, "(1, N, H_{out})", "shape")
    d.text(428, 290, "(1, N, H_{out})", "shape")
    d.tensor(170, 148, "", "", w=140, h=32)
    d.text(middle, 170, "(N, L, H_{out})", "shape")
    d.box(162, 88, 156, 34)
    d.text(middle, 110, "nn.Linear", "code")
    d.tensor(176, 28, "", "", w=128, h=34)
    d.text(middle, 51, "(N, L, V)", "shape")
    d.text(middle, 18, "logits", "code")
    # The loss compares the scores with the characters that really come.
    d.path([(304, 45), (352, 45)], head=True)
    d.op(384, 45, "loss")
    d.tensor(344, 98, "y", "(N, L)", w=80, h=34, kind="tensor")
    d.path([(384, 98), (384, 60)], head=True)
    d.path([(411, 45), (444, 45)], head=True)
    d.text(460, 51, "()", "shape")


@figure("poem-step", 480, 396)
def step(d: Drawing) -> None:
    """Draw three steps of writing: scores, a draw, and the drawn character goes in again."""
    xs = [64, 200, 336]
    w = 72
    inputs, outputs = ["<bos>", "白", "日"], ["白", "日", "依"]
    bars = [(14, 30, 9, 20, 6), (8, 12, 34, 10, 5), (22, 7, 10, 28, 13)]
    chosen = [1, 2, 3]
    for column, x in enumerate(xs):
        middle = x + w / 2
        d.path([(middle, 352), (middle, 308)], head=True)
        d.path([(middle, 226), (middle, 198)], head=True)
        d.path([(middle, 138), (middle, 120)], head=True)
        d.path([(middle, 84), (middle, 60)], "hot", True)
        if column < 2:  # what was drawn is what is read next
            across = xs[column + 1] - 32
            d.path(
                [(x + 58, 42), (across, 42), (across, 370), (xs[column + 1] + 4, 370)],
                "hot",
                True,
            )
    for column, x in enumerate(xs):
        middle = x + w / 2
        characters(
            d, middle - 26, 354, [inputs[column]], 52, 32, ["mute" if column == 0 else "hot"]
        )
        d.lstm(x, 228, w=w, h=76)
        for number, height in enumerate(bars[column]):
            kind = "hot" if number == chosen[column] else ""
            d.square(x + 6 + 12 * number, 184 - height, 12, height, kind=kind)
        d.path([(x, 186), (x + w, 186)], "dim")
        d.op(middle, 102, "~")
        characters(d, middle - 18, 24, [outputs[column]], 36, 34, ["hot"])
    for start, end in ((40, 64), (136, 200), (272, 336), (408, 438)):
        d.path([(start, 250), (end - 6, 250)], "memory", True)
        d.path([(start, 284), (end - 2, 284)], head=True)
    for x, number in ((22, "0"), (458, "3")):
        d.text(x, 256, f"c_{{{number}}}")
        d.text(x, 290, f"h_{{{number}}}")
    d.text(52, 166, "(V)", "shape", "end")


@figure("poem-mask", 480, 300)
def mask(d: Drawing) -> None:
    """Draw a rule as a mask on the scores."""
    left, w, h = 136, 60, 32
    tokens = ["月", "山", "，", "人", "<eos>"]
    allowed = [True, False, False, True, False]
    scores = ["2", "1", "3", "0", "−1"]
    rows = (46, 116, 186, 256)
    on = ["hot" if ok else "mute" for ok in allowed]
    for column, token in enumerate(tokens):
        d.text(left + (column + 0.5) * w, 30, token, "code")
    characters(d, left, rows[0], scores, w, h, [""] * 5)
    characters(d, left, rows[1], ["True" if ok else "False" for ok in allowed], w, h, on)
    masked = [score if ok else "−∞" for score, ok in zip(scores, allowed, strict=True)]
    characters(d, left, rows[2], masked, w, h, on)
    characters(d, left, rows[3], [".88", "0", "0", ".12", "0"], w, h, on)
    for column in range(5):
        middle = left + (column + 0.5) * w
        for above, below in pairwise(rows):
            d.path([(middle, above + h + 6), (middle, below - 6)], head=True)
    for name, top in zip(("scores", "allowed", "masked_fill", "F.softmax"), rows, strict=True):
        d.text(left - 12, top + 21, name, "code", "end")
