"""The pictures of the chapter on modules and training."""

from __future__ import annotations

from .draw import Drawing, figure


def stack(d: Drawing, x: float, y: float, side: float, sheets: int, kind: str = "") -> None:
    """Draw ``sheets`` square images behind each other, the first with its lower left at (x, y)."""
    step = 2.6 if sheets < 10 else 1.8
    for n in reversed(range(sheets)):
        d.square(x + n * step, y - side - n * step, side, side, kind=kind)


@figure("modules-shapes", 480, 406)
def shapes(d: Drawing) -> None:
    """The network, from (N, 1, 32, 32) to (N, 10)."""
    images = [
        (1, 32, "(N, 1, 32, 32)", "conv1, relu"),
        (6, 28, "(N, 6, 28, 28)", "max_pool2d"),
        (6, 14, "(N, 6, 14, 14)", "conv2, relu"),
        (16, 10, "(N, 16, 10, 10)", "max_pool2d"),
        (16, 5, "(N, 16, 5, 5)", ""),
    ]
    middle, bottoms = 52, [66, 168, 240, 318, 384]
    for place, ((sheets, pixels, shape, op), bottom) in enumerate(
        zip(images, bottoms, strict=True)
    ):
        side = pixels * 1.8
        thick = (sheets - 1) * (2.6 if sheets < 10 else 1.8)
        stack(d, middle - side / 2, bottom, side, sheets)
        d.text(122, bottom - (side + thick) / 2 + 5, shape, "shape", "start")
        if op:
            following = images[place + 1]
            deep = (following[0] - 1) * (2.6 if following[0] < 10 else 1.8)
            top = bottoms[place + 1] - following[1] * 1.8
            # Only so many sheets reach to the left of the middle.
            tip = top - min(deep, following[1] * 0.9) - 5
            d.path([(middle, bottom + 4), (middle, tip)], head=True)
            end = top - deep
            d.text(middle + 14, (bottom + end) / 2 + 4, op, "code", "start")

    # Vectors grow shorter on the way up.
    centre, rows = 352, [373, 266, 166, 66]
    vectors = [
        (400, "(N, 400)", "fc1, relu"),
        (120, "(N, 120)", "fc2, relu"),
        (84, "(N, 84)", "fc3"),
        (10, "(N, 10)", ""),
    ]
    d.path([(208, 373), (266, 373)], head=True)
    d.text(236, 361, ".view", "code")
    for place, ((length, shape, op), y) in enumerate(zip(vectors, rows, strict=True)):
        w = length * 0.4
        left = 272 if place == 0 else centre - w / 2
        d.square(left, y - 7, w, 14, kind="hot" if place == 3 else "")
        if place == 0:
            d.text(centre, y + 27, shape, "shape")
        else:
            d.text(centre + w / 2 + 12, y + 5, shape, "shape", "start")
        if op:
            d.path([(centre, y - 11), (centre, rows[place + 1] + 11)], head=True)
            d.text(centre + 14, (y + rows[place + 1]) / 2 + 5, op, "code", "start")


@figure("modules-tree", 480, 292)
def tree(d: Drawing) -> None:
    """The modules inside the network, and the parameters inside them."""
    layers = [
        ("conv1", "(6, 1, 5, 5)", "(6,)"),
        ("conv2", "(16, 6, 5, 5)", "(16,)"),
        ("fc1", "(120, 400)", "(120,)"),
        ("fc2", "(84, 120)", "(84,)"),
        ("fc3", "(10, 84)", "(10,)"),
    ]
    d.text(276, 18, ".weight", "code")
    d.text(413, 18, ".bias", "code")
    d.box(6, 132, 64, 48)
    d.text(38, 161, "net", "code")
    d.path([(70, 156), (86, 156)])
    d.path([(86, 54), (86, 258)])
    for row, (name, weight, bias) in enumerate(layers):
        y = 54 + 51 * row
        d.path([(86, y), (102, y)])
        d.box(102, y - 18, 78, 36)
        d.text(141, y + 5, name, "code")
        d.path([(180, y), (204, y)])
        d.box(204, y - 18, 144, 36, "tensor", 9)
        d.text(276, y + 5, weight, "shape")
        d.box(354, y - 18, 118, 36, "tensor", 9)
        d.text(413, y + 5, bias, "shape")


@figure("modules-view", 480, 250)
def view(d: Drawing) -> None:
    """Rows of 256 numbers, and what becomes of them in rows of 400."""
    long, short, shown, scale = 400, 256, 6, 0.5
    shades = ["row-0", "row-1", "row-2", "row-3"]
    d.text(82, 20, ".flatten(1)", "code")
    d.text(354, 20, ".view(-1, 400)", "code")
    for image in range(shown):
        d.square(18, 36 + 26 * image, short * scale, 20, kind=shades[image % 4])
    d.path([(164, 112), (232, 112)], head=True)
    row, start = 0, 0
    position = 0
    while row < shown:
        image = position // short
        end = min((image + 1) * short, (row + 1) * long)
        left = 254 + (position - start) * scale
        d.square(left, 36 + 26 * row, (end - position) * scale, 20, kind=shades[image % 4])
        position = end
        if position == (row + 1) * long:
            row, start = row + 1, position
    for x in (82, 354):
        for n in range(3):
            d.dot(x, 198 + 9 * n, radius=2)
    d.text(82, 243, "(25, 256)", "shape")
    d.text(354, 243, "(16, 400)", "shape")


@figure("modules-loop", 480, 346)
def loop(d: Drawing) -> None:
    """Six steps, five of them round and round, and the parameters in the middle."""
    w, h = 146, 44

    def step(x: float, y: float, number: str, code: str) -> None:
        d.box(x, y, w, h, "cell" if number else "frame")
        if number:
            d.op(x + 20, y + h / 2, number, 12)
        d.text(x + (90 if number else w / 2), y + h / 2 + 5, code, "code")

    left, right = 8, 326
    top, middle, bottom = 72, 182, 292
    step(left, 6, "1", "Net()")
    step(left, top, "2", "x, y")
    step(right, top, "3", "net(x)")
    step(right, middle, "4", "loss")
    step(right, bottom, "", "zero_grad()")
    step(left, bottom, "5", "backward()")
    step(left, middle, "6", "step()")
    d.path([(left + w / 2, 50), (left + w / 2, top - 3)], head=True)
    d.path([(left + w, top + h / 2), (right - 3, top + h / 2)], head=True)
    d.path([(right + w / 2, top + h), (right + w / 2, middle - 3)], head=True)
    d.path([(right + w / 2, middle + h), (right + w / 2, bottom - 3)], head=True)
    d.path([(right, bottom + h / 2), (left + w + 3, bottom + h / 2)], head=True)
    d.path([(left + w / 2, bottom), (left + w / 2, middle + h + 3)], head=True)
    d.path([(left + w / 2, middle), (left + w / 2, top + h + 3)], head=True)

    d.box(198, 144, 84, 38, "tensor", 9)
    d.text(240, 168, "weight", "code")
    d.box(198, 222, 84, 38, "tensor", 9)
    d.text(240, 246, ".grad", "code grad")
    d.path([(left + w, middle + 14), (170, middle + 14), (194, 172)], "hot", head=True)
    d.path([(282, 156), (right - 3, top + h - 4)], head=True)
    d.path([(198, 236), (left + w + 3, middle + 32)], "grad", head=True)
    d.path([(left + w - 4, bottom + 1), (205, 263)], "grad", head=True)
    d.path([(right + 4, bottom + 1), (275, 263)], "mute", head=True)


@figure("modules-step", 480, 190)
def step(d: Drawing) -> None:
    """One step of gradient descent, number by number."""
    weight = [["1.0", "−2.0"], ["0.5", "3.0"]]
    grad = [["4.0", "−1.0"], ["0.0", "−5.0"]]
    new = [["0.6", "−1.9"], ["0.5", "3.5"]]
    size, y = 46, 42
    for x, rows, kind, name in (
        (14, weight, "", "weight"),
        (210, grad, "cool", "grad"),
        (374, new, "hot", "weight"),
    ):
        d.grid(x, y, rows, size, kind=kind)
        d.text(x + size, 26, name, "code grad" if name == "grad" else "code")
    d.op(128, y + size, "−")
    d.text(158, y + size + 5, "0.1", "shape")
    d.text(158, 26, "lr", "code")
    d.op(188, y + size, "×", 11)
    d.op(336, y + size, "=")
    d.path([(420, y + 2 * size + 6), (420, 170), (60, 170), (60, y + 2 * size + 8)], "hot", True)
