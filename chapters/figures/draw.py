"""The language of the book's pictures: a tensor, a grid, a gate look the same on every page.

A picture holds no colour and no size of text, only classes: ``chapters/_static/book.css`` gives
them their looks on light and on dark pages. And it holds symbols, not words: words would need a
translation, so they belong in the caption and the alt text. `Drawing.text` refuses them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

WIDTH = 480
"""Units a picture is wide at most: text in a wider one is too small on a phone."""

GATES = "ifgo"

SYMBOLS = frozenset(
    (
        "in",
        "out",
        "cell",
        "max",
        "min",
        "mean",
        "sum",
        "exp",
        "log",
        "sin",
        "cos",
        "tanh",
        "relu",
        "sgn",
        "argmax",
        "softmax",
        "loss",
        "ReLU",
        "RNN",
        "LSTM",
        "BCE",
        "NumPy",
        "CPU",
        "GPU",
        "CUDA",
        "int",
        "float",
        "bool",
        "True",
        "False",
        "None",
        "kB",
        "MB",
    )
)
"""What may stand in a picture although it has more than two letters and no code's look."""

Point = tuple[float, float]


class Drawing:
    """One picture, ``width`` × ``height`` units.

    Coordinates grow to the right and down. What is drawn later lies on top.
    """

    def __init__(self, width: float, height: float) -> None:
        if width > WIDTH:
            raise ValueError(f"The picture is {width} units wide; {WIDTH} is the most.")
        self.width, self.height = width, height
        self._root = ElementTree.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "class": "pic",
                "viewBox": f"0 0 {width:g} {height:g}",
            },
        )
        self._defs = ElementTree.SubElement(self._root, "defs")
        self._markers: set[str] = set()

    # Basic marks ------------------------------------------------------------------------------

    def text(
        self, x: float, y: float, text: str, kind: str = "name", anchor: str = "middle"
    ) -> None:
        """Write symbols, such as ``"h_{t−1}"`` or ``"(N, H_{in})"``, on the base line ``y``.

        Args:
            x: where its middle is, or its start or end, as ``anchor`` says.
            y: the base line.
            text: may hold ``_{...}`` and ``^{...}`` for what stands below and above the line.
            kind: ``name`` (italic, of a tensor or a size), ``shape`` (upright), ``small``, or
                ``code`` (a name of the API or a piece of data, exactly as in the code; any words).
            anchor: ``start``, ``middle`` or ``end``.

        Raises:
            ValueError: The text has a word in it that would need a translation.
        """
        self._write(self._root, x, y, text, kind, anchor)

    def box(
        self, x: float, y: float, w: float, h: float, kind: str = "cell", radius: float = 12
    ) -> None:
        """Draw a box: a ``cell`` (a module), a ``frame`` (dashed, around a few things)."""
        if kind == "frame":
            self._rect(x, y, w, h, radius, "frame")
        else:
            self._rect(x, y, w, h, radius, parent=self._group(kind))

    def path(self, points: Sequence[Point], kind: str = "", head: bool = False) -> None:
        """Draw a line through points; with ``head`` an arrow.

        Args:
            points: the corners.
            kind: empty for data, ``memory`` for an LSTM's c, ``gate-i`` ... ``gate-o`` for what
                a gate says, ``grad`` for a gradient, ``dim`` for the measure of something,
                ``hot`` for what the picture is about, ``cool`` for a second thing, ``mute`` for
                what it is not, ``pass`` for the tick of a check.
            head: whether it ends in an arrow's head.
        """
        d = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        self._path(d, kind, head)

    def curve(
        self, start: Point, end: Point, bend: float, kind: str = "", head: bool = True
    ) -> None:
        """Draw an arc that leaves the straight line by ``bend`` units, to its left if positive."""
        (x1, y1), (x2, y2) = start, end
        length = max(((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5, 1e-9)
        cx = (x1 + x2) / 2 + bend * 2 * (y2 - y1) / length
        cy = (y1 + y2) / 2 - bend * 2 * (x2 - x1) / length
        self._path(f"M{_n(x1)} {_n(y1)}Q{_n(cx)} {_n(cy)} {_n(x2)} {_n(y2)}", kind, head)

    def dot(self, x: float, y: float, kind: str = "dot", radius: float = 4) -> None:
        """Draw a dot, where a line branches."""
        self._add("circle", {"class": kind, "cx": _n(x), "cy": _n(y), "r": _n(radius)})

    # Words of the language --------------------------------------------------------------------

    def tensor(
        self,
        x: float,
        y: float,
        name: str,
        shape: str = "",
        w: float = 84,
        h: float = 56,
        kind: str = "tensor",
    ) -> None:
        """Draw a tensor: a rounded box with its name and below it its shape.

        A box that is too low for two lines has them beside each other. With ``tensor mute`` for
        its ``kind`` it is grey.
        """
        group = self._group(kind)
        self._rect(x, y, w, h, 9, parent=group)
        middle = x + w / 2
        if shape and h < 40:
            self._write(group, middle, y + h / 2 + 6, f"{name} {shape}", "shape")
        elif shape:
            self._write(group, middle, y + h / 2 - 4, name)
            self._write(group, middle, y + h / 2 + 17, shape, "shape")
        elif name:
            self._write(group, middle, y + h / 2 + 6, name)

    def op(self, x: float, y: float, symbol: str, radius: float = 14, lit: bool = True) -> None:
        """Draw an operation, centred: a circle, or a pill if the symbol is long; or grey."""
        group = self._group("op" if lit else "op mute")
        if len(symbol) > 2:
            w = 9.5 * len(symbol) + 14
            self._rect(x - w / 2, y - 13, w, 26, 13, parent=group)
        else:
            ElementTree.SubElement(group, "circle", {"cx": _n(x), "cy": _n(y), "r": _n(radius)})
        refuse_words(symbol)
        element = ElementTree.SubElement(group, "text", {"x": _n(x), "y": _n(y + 6)})
        _mark_up(element, symbol)

    def gate(
        self,
        x: float,
        y: float,
        gate: str,
        activation: str = "",
        w: float = 50,
        h: float = 58,
        lit: bool = True,
    ) -> None:
        """Draw a gate of an LSTM, i, f, g or o, with its activation; not ``lit``, it is grey.

        A gate that is too narrow for its name has none.
        """
        group = self._group(f"gate gate-{gate}" if lit else "gate mute")
        self._rect(x, y, w, h, min(8, w / 4), parent=group)
        up = -4 if activation else 6
        if w >= 20:
            self._write(group, x + w / 2, y + h / 2 + up, gate)
        if activation:
            self._write(group, x + w / 2, y + h / 2 + 18, activation, "shape")

    def lstm(
        self, x: float, y: float, w: float = 66, h: float = 94, columns: int = 2, lit: bool = True
    ) -> None:
        """Draw a whole LSTM cell in small: a box with its four gates, unnamed, in their colours."""
        self.box(x, y, w, h, "cell" if lit else "cell mute")
        rows = 4 // columns
        side, gap = 12, 7
        gate_w = (w - 2 * side - (columns - 1) * gap) / columns
        gate_h = (h - 2 * side - (rows - 1) * gap) / rows
        for number, gate in enumerate(GATES):
            row, column = divmod(number, columns)
            group = self._group(f"gate gate-{gate}" if lit else "gate mute")
            left, top = x + side + column * (gate_w + gap), y + side + row * (gate_h + gap)
            self._rect(left, top, gate_w, gate_h, 4, parent=group)

    def grid(
        self,
        x: float,
        y: float,
        rows: Sequence[Sequence[object]] | tuple[int, int],
        size: float = 30,
        height: float | None = None,
        kind: str = "",
        kinds: Callable[[int, int], str] | None = None,
    ) -> None:
        """Draw a matrix number by number: a square for each.

        Args:
            x: the left edge.
            y: the upper edge.
            rows: what stands in the squares, row by row, or only how many (rows, columns).
            size: the width of a square.
            height: its height, if it is no square.
            kind: the class of all squares: empty for a tensor's own look, ``hot`` for what the
                picture is about, ``cool`` for a second thing, ``pad`` for padding, ``mute`` for
                what does not matter now, ``row-0`` ... ``row-3`` for shades that follow a row.
            kinds: the class of the square at (row, column), if they differ.
        """
        height = size if height is None else height
        if isinstance(rows, tuple) and len(rows) == 2 and all(isinstance(n, int) for n in rows):
            cells: Iterable[Sequence[object]] = [[""] * int(rows[1])] * int(rows[0])  # type: ignore[call-overload]
        else:
            cells = rows  # type: ignore[assignment]
        for i, row in enumerate(cells):
            for j, value in enumerate(row):
                own = kinds(i, j) if kinds is not None else kind
                self.square(x + j * size, y + i * height, size, height, value, own)

    def square(
        self, x: float, y: float, w: float, h: float, value: object = "", kind: str = ""
    ) -> None:
        """Draw one number of a matrix; see `grid` for its kinds."""
        self._rect(x, y, w, h, 2, parent=self._group(f"num {kind}".strip()))
        if str(value):
            self.text(x + w / 2, y + h / 2 + 5, str(value), f"small {kind}".strip())

    def size(self, start: Point, end: Point, text: str, away: float = 14) -> None:
        """Measure a stretch, horizontal or vertical, with a size such as ``H_{in}`` beside it.

        Args:
            start: one end.
            end: the other.
            text: the size.
            away: how far below (above, if negative) or right (left) of the line it stands.
        """
        (x1, y1), (x2, y2) = start, end
        self.path([start, end], "dim")
        if y1 == y2:
            for x in (x1, x2):
                self.path([(x, y1 - 4), (x, y1 + 4)], "dim")
            self.text((x1 + x2) / 2, y1 + (away + 5 if away > 0 else away + 4), text, "shape")
        else:
            for y in (y1, y2):
                self.path([(x1 - 4, y), (x1 + 4, y)], "dim")
            anchor = "start" if away > 0 else "end"
            self.text(x1 + away * 0.7, (y1 + y2) / 2 + 5, text, "shape", anchor)

    # ------------------------------------------------------------------------------------------

    def svg(self) -> str:
        """Return the picture as text."""
        for element in self._root:
            element.tail = "\n"
        return ElementTree.tostring(self._root, encoding="unicode") + "\n"

    def _add(self, tag: str, attributes: dict[str, str]) -> ElementTree.Element:
        return ElementTree.SubElement(self._root, tag, attributes)

    def _group(self, kind: str) -> ElementTree.Element:
        return self._add("g", {"class": kind})

    def _write(
        self,
        parent: ElementTree.Element,
        x: float,
        y: float,
        text: str,
        kind: str = "name",
        anchor: str = "middle",
    ) -> None:
        if kind.split()[0] != "code":
            refuse_words(text)
        classes = kind if anchor == "middle" else f"{kind} {anchor}"
        attributes = {"class": classes, "x": _n(x), "y": _n(y)}
        _mark_up(ElementTree.SubElement(parent, "text", attributes), text)

    def _rect(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        radius: float,
        kind: str = "",
        parent: ElementTree.Element | None = None,
    ) -> None:
        attributes = {"x": _n(x), "y": _n(y), "width": _n(w), "height": _n(h), "rx": _n(radius)}
        if kind:
            attributes = {"class": kind, **attributes}
        ElementTree.SubElement(self._root if parent is None else parent, "rect", attributes)

    def _path(self, d: str, kind: str, head: bool) -> None:
        classes = f"{kind} wire" if kind.startswith("gate-") else kind
        attributes = {"class": classes, "d": d} if classes else {"d": d}
        if head:
            attributes["marker-end"] = f"url(#{self._marker(kind)})"
        self._add("path", attributes)

    def _marker(self, kind: str) -> str:
        """Define an arrow's head once; return its id."""
        name = f"head-{kind or 'data'}"
        if name not in self._markers:
            self._markers.add(name)
            big = kind == "memory"
            marker = ElementTree.SubElement(
                self._defs,
                "marker",
                {
                    "id": name,
                    "class": kind,
                    "viewBox": "0 0 8 8",
                    "refX": "5" if big else "7",
                    "refY": "4",
                    "markerWidth": "15" if big else "9",
                    "markerHeight": "15" if big else "9",
                    "markerUnits": "userSpaceOnUse",
                    "orient": "auto",
                },
            )
            shape = "gate-head" if kind.startswith("gate-") else f"{kind}-head" if kind else "head"
            ElementTree.SubElement(marker, "path", {"class": shape, "d": "M0 0 8 4 0 8z"})
        return name


def refuse_words(text: str) -> None:
    """Raise an error if a picture's text would have to be translated.

    Raises:
        ValueError: It has a word of three letters or more that is neither in `SYMBOLS` nor looks
            like code (with a digit, a dot, an underscore or a bracket in it).
    """
    plain = re.sub(r"[_^]\{([^}]*)\}", r" \1 ", text)
    for token in re.split(r"[\s,]+", plain):
        bare = token.strip("()[]{}:;+−-×·=…'\"")
        if len(bare) > 2 and bare.isalpha() and bare not in SYMBOLS:
            raise ValueError(
                f"The picture says {bare!r}: words belong in the caption, where they can be "
                "translated. A name of the API is written with kind='code'."
            )


def _mark_up(element: ElementTree.Element, text: str) -> None:
    """Write a text with ``_{...}`` and ``^{...}`` into an element."""
    last: ElementTree.Element | None = None
    shift = 0
    for part in re.split(r"([_^]\{[^}]*\})", text):
        if not part:
            continue
        small = re.fullmatch(r"([_^])\{([^}]*)\}", part)
        if small is None and shift == 0 and last is None:
            element.text = part
            continue
        span = ElementTree.SubElement(element, "tspan")
        if small is not None:
            up = small[1] == "^"
            span.set("class", "sup up" if up else "sub")
            move = (-7 if up else 4) - shift
            shift = -7 if up else 4
            span.text = small[2]
        else:
            move, shift = -shift, 0
            span.text = part
        if move:
            span.set("dy", str(move))
        last = span


def _n(value: float) -> str:
    """Write a coordinate, without digits that nobody sees."""
    return f"{round(value, 2):g}"


# All pictures ---------------------------------------------------------------------------------

_PICTURES: dict[str, tuple[float, float, Callable[[Drawing], None]]] = {}

Draws = Callable[[Drawing], None]


def figure(name: str, width: float, height: float) -> Callable[[Draws], Draws]:
    """Declare that a function draws the picture ``figures/<name>.svg``.

    Args:
        name: the file's name without its ending, beginning with the chapter's: ``lstm-cell``.
        width: units, at most `WIDTH`.
        height: units.

    Raises:
        ValueError: Another function draws a picture of that name.
    """

    def declare(function: Draws) -> Draws:
        if name in _PICTURES:
            raise ValueError(f"Two functions draw the picture {name}.")
        _PICTURES[name] = (width, height, function)
        return function

    return declare


def draw_all(folder: Path, names: Collection[str] | None = None) -> list[str]:
    """Draw the declared pictures into a folder; a file that would not change is left alone.

    Args:
        folder: where the SVG files go.
        names: which ones; all by default.

    Returns:
        The names of those that changed.
    """
    changed = []
    for name, (width, height, function) in _PICTURES.items():
        if names is not None and name not in names:
            continue
        drawing = Drawing(width, height)
        function(drawing)
        path, svg = folder / f"{name}.svg", drawing.svg()
        if not path.exists() or path.read_text(encoding="utf-8") != svg:
            path.write_text(svg, encoding="utf-8")
            changed.append(name)
    return changed


def declared() -> list[str]:
    """Return the names of all declared pictures."""
    return list(_PICTURES)
