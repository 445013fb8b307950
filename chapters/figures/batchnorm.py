"""Pictures of the chapter on batch normalization."""

from __future__ import annotations

from collections.abc import Callable

from .draw import Drawing, figure

# Which statistic a plane (n, c) belongs to, for one (N, C) table of planes; see `axes`.
NORMS: dict[str, Callable[[int, int], tuple[int, ...]]] = {
    "BatchNorm2d": lambda n, c: (c,),
    "LayerNorm": lambda n, c: (n,),
    "InstanceNorm2d": lambda n, c: (n, c),
    "GroupNorm": lambda n, c: (n, c // 2),
}
LIT = {
    "BatchNorm2d": {(0,): "hot", (1,): "cool"},
    "LayerNorm": {(0,): "hot", (1,): "cool"},
    "InstanceNorm2d": {(0, 0): "hot", (0, 1): "cool"},
    "GroupNorm": {(0, 0): "hot", (0, 1): "cool"},
}


@figure("batchnorm-axes", 480, 420)
def axes(d: Drawing) -> None:
    """Four norms: the numbers that share one statistic are lit, those of another too."""
    side, step = 11, 42
    for index, (norm, statistic) in enumerate(NORMS.items()):
        left, top = 50 + 232 * (index % 2), 66 + 200 * (index // 2)
        width, height = 3 * step + 3 * side, 2 * step + 3 * side
        d.text(left + width / 2, top - 44, norm, "code")
        d.size((left, top - 14), (left + width, top - 14), "C", -11)
        d.size((left - 14, top), (left - 14, top + height), "N", -10)
        for n in range(3):
            for c in range(4):
                kind = LIT[norm].get(statistic(n, c), "mute")
                d.grid(left + c * step, top + n * step, (3, 3), side, kind=kind)
        if index == 3:
            x, y = left + 3 * step, top + 2 * step
            d.size((x, y + 45), (x + 33, y + 45), "W", 13)
            d.size((x + 45, y), (x + 45, y + 33), "H", 12)


@figure("batchnorm-running", 480, 176)
def running(d: Drawing) -> None:
    """The running mean as a line of updates, with momentum 0.1."""
    values, means = ["0", "0.5", "0.85", "1.365"], ["5", "4", "6"]
    left, step, middle = 14, 132, 62
    d.text(left, 28, "running_mean", "code start")
    for index, value in enumerate(values):
        x = left + index * step
        d.square(x, middle - 17, 54, 34, value, "hot" if index else "mute")
        if index == len(means):
            break
        plus = x + 106
        d.path([(x + 56, middle), (plus - 14, middle)], "hot", head=True)
        d.text(x + 74, middle - 9, "×0.9", "small")
        d.path([(plus + 12, middle), (x + step - 2, middle)])
        d.path([(plus, 128), (plus, middle + 14)], head=True)
        d.text(plus + 8, 106, "×0.1", "small start")
        d.square(plus - 20, 128, 40, 32, means[index], "cool")
        d.op(plus, middle, "+", 12)
    d.text(left + 78, 150, "mean", "shape end")


@figure("batchnorm-modes", 480, 356)
def modes(d: Drawing) -> None:
    """Where the mean and the variance come from in training, and where in evaluation."""
    for row, training in enumerate((True, False)):
        y = 184 * row
        d.text(12, y + 26, "m.train()" if training else "m.eval()", "code start")
        d.tensor(12, y + 100, "x", "(N, C, H, W)", 108, 58)
        d.box(292, y + 104, 92, 50)
        d.text(338, y + 135, "(x−μ)/σ", "name")
        d.path([(120, y + 129), (290, y + 129)], head=True)
        d.path([(384, y + 129), (416, y + 129)], head=True)
        d.tensor(418, y + 104, "y", "", 52, 50)
        # What was measured on this batch, and what is remembered of all.
        d.box(140, y + 28, 82, 40, "cell" if training else "frame")
        d.text(181, y + 54, "μ, σ²", "name" if training else "name mute")
        d.tensor(318, y + 20, "", "", 152, 56)
        d.text(394, y + 43, "running_mean", "code")
        d.text(394, y + 64, "running_var", "code")
        if training:
            d.dot(181, y + 129)
            d.path([(181, y + 129), (181, y + 70)], head=True)
            d.path([(222, y + 48), (316, y + 48)], head=True)
            d.text(284, y + 40, "×0.1", "small")
            d.path([(246, y + 48), (246, y + 90), (338, y + 90), (338, y + 102)], "hot", head=True)
            d.dot(246, y + 48)
        else:
            d.path([(338, y + 76), (338, y + 102)], "hot", head=True)


@figure("batchnorm-fold", 480, 308)
def fold(d: Drawing) -> None:
    """A convolution and a batch norm become one convolution: each row of weights is scaled."""
    shades = ["row-0", "row-1", "row-2", "row-3"]
    # Above: two layers.
    d.tensor(8, 18, "x", "", 44, 44)
    d.path([(52, 40), (82, 40)], head=True)
    d.box(84, 14, 130, 52)
    d.text(149, 46, "nn.Conv2d", "code")
    d.path([(214, 40), (240, 40)], head=True)
    d.box(242, 14, 154, 52)
    d.text(319, 46, "nn.BatchNorm2d", "code")
    d.path([(396, 40), (422, 40)], head=True)
    d.tensor(424, 18, "y", "", 44, 44)
    # Between: what happens to the weights, one row for each channel that comes out.
    d.grid(66, 108, (4, 5), 22, kinds=lambda i, j: shades[i])
    d.size((52, 108), (52, 196), "C_{out}", -8)
    d.op(202, 152, "×")
    d.grid(232, 108, (4, 1), 22, kinds=lambda i, j: shades[i])
    d.text(243, 218, "s", "name")
    d.op(284, 152, "=")
    d.grid(316, 108, (4, 5), 22, kinds=lambda i, j: shades[i])
    d.text(121, 218, "weight", "code")
    d.text(371, 218, "folded.weight", "code")
    d.path([(121, 68), (121, 104)], head=True)
    d.path([(319, 68), (319, 82), (243, 82), (243, 104)], head=True)
    # Below: one layer.
    d.tensor(8, 248, "x", "", 44, 44)
    d.path([(52, 270), (170, 270)], head=True)
    d.box(172, 244, 130, 52)
    d.text(237, 276, "nn.Conv2d", "code")
    d.path([(302, 270), (422, 270)], head=True)
    d.tensor(424, 248, "y", "", 44, 44)
