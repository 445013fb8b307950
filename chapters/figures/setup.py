"""The pictures of the chapter on setting up."""

from __future__ import annotations

from .draw import Drawing, figure


@figure("setup-parts", 480, 236)
def parts(d: Drawing) -> None:
    """Tensors, nn, autograd and optim, in one round of training."""
    middle = 66
    d.tensor(8, middle - 28, "x", "(N, H_{in})")
    d.path([(92, middle), (122, middle)], head=True)
    d.box(124, 8, 138, 106)
    d.text(193, 31, "nn.Linear", "code")
    d.tensor(135, 44, "W", "(H_{out}, H_{in})", w=116, h=56)
    d.path([(262, middle), (290, middle)], head=True)
    d.tensor(292, middle - 28, "y", "(N, H_{out})", w=92)
    d.path([(384, middle), (408, middle)], head=True)
    d.op(436, middle, "loss")

    low = 198
    d.path([(436, middle + 13), (436, low), (412, low)], "grad", head=True)
    d.text(426, 144, "backward()", "code", "end")
    d.tensor(294, low - 28, "W.grad", "(H_{out}, H_{in})", w=116)
    d.path([(294, low), (264, low)], "hot", head=True)
    d.box(124, low - 26, 138, 52)
    d.text(193, low + 5, "optim.SGD", "code")
    d.path([(193, low - 26), (193, 103)], "hot", head=True)
    d.text(184, 146, "step()", "code", "end")


@figure("setup-environments", 440, 232)
def environments(d: Drawing) -> None:
    """Two environments: one has torch, the other one has not."""
    for left, name, packages, answer in (
        (10, ".venv", ("torch", "numpy"), "✓"),
        (235, "/usr", ("numpy",), "✗"),
    ):
        d.box(left, 30, 195, 136, "frame")
        d.text(left + 97, 20, name, "code")
        d.box(left + 14, 46, 167, 42)
        d.text(left + 97, 72, "python", "code")
        for number, package in enumerate(packages):
            d.box(left + 14 + 87 * number, 106, 80, 42, "tensor", 9)
            d.text(left + 54 + 87 * number, 132, package, "code")
        d.path([(left + 97, 166), (left + 97, 192)], head=True)
        d.text(left + 85, 217, "import torch", "code")
        d.text(left + 158, 218, answer)


@figure("setup-devices", 470, 150)
def devices(d: Drawing) -> None:
    """A tensor on the CPU and its copy on the GPU."""
    for left, name in ((10, "cpu"), (310, "cuda")):
        d.box(left, 30, 150, 110, "frame")
        d.text(left + 75, 20, name, "code")
        d.grid(left + 21, 67, [["0", "1", "2"]], 36, kind="hot" if name == "cuda" else "")
    d.path([(168, 70), (302, 70)], "hot", head=True)
    d.text(235, 60, ".to(device)", "code")
    d.path([(302, 102), (168, 102)], head=True)
    d.text(235, 125, ".cpu()", "code")


@figure("setup-seed", 480, 150)
def seed(d: Drawing) -> None:
    """One sequence of random numbers, and three calls that take from it."""
    numbers = ["0.50", "0.77", "0.09", "0.13", "0.31", "0.63", "0.49", "0.90"]
    left, top, size = 54, 62, 46
    takes = (2, 3, 3)
    shade = [kind for n, kind in zip(takes, ("hot", "", "cool"), strict=True) for _ in range(n)]
    d.grid(left, top, [numbers], size, 36, kinds=lambda _, column: shade[column])
    d.text(8, 22, "manual_seed(0)", "code", "start")
    d.path([(30, 34), (30, top + 18), (left - 2, top + 18)], head=True)
    d.path([(left + 8 * size, top + 18), (left + 8 * size + 26, top + 18)], "mute")
    start = left
    for n in takes:
        end = start + n * size
        d.size((start + 5, top + 52), (end - 5, top + 52), f"rand({n})")
        start = end
