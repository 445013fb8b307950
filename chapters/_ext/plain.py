"""From a page's Markdown with MyST's directives and roles to Markdown that any notebook shows.

Jupyter, Colab and VS Code know Markdown, equations and a little HTML. So a box becomes a quotation,
what is folded away a ``<details>``, a quiz a list of answers with the right one folded away, and a
picture is put into the text itself, in the colours of light pages.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

OPEN = re.compile(r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w-]+)\}\s*(?P<argument>.*)$")
OPTION = re.compile(r"^:([\w-]+):\s*(.*)$")
ROLE = re.compile(r"\{([a-z][\w:-]*)\}`([^`]+)`")
LINK = re.compile(r"\[([^\]]*)\]\(([\w./-]+)\.md(#[\w-]+)?\)")
TARGET = re.compile(r"\[([^\]]*)\]\(#([\w-]+)\)")


@dataclass
class Plain:
    """Turns the Markdown of one page into plain Markdown.

    Args:
        title: gives the title of a page, by its path beside this one without the ending.
        cited: gives a citation as a sentence names it, and its entry, by key.
        picture: gives the text of an SVG file, by its path beside the page.
        style: the book's style sheet, for the pictures.
        says: the words of its own, so that they can be translated: ``answer``, ``explorer`` and
            ``question``.
    """

    title: Callable[[str], str]
    cited: Callable[[str], tuple[str, str]]
    picture: Callable[[str], str]
    style: str
    says: Mapping[str, str]
    _keys: list[str] = field(default_factory=list)

    def cell(self, text: str) -> str:
        """Return the plain form of one Markdown cell."""
        return "\n".join(self._lines(text.split("\n"))).strip("\n")

    def _lines(self, lines: list[str]) -> Iterable[str]:
        position = 0
        while position < len(lines):
            line = lines[position]
            opened = OPEN.match(line)
            position += 1
            if opened is not None:
                fence = opened["fence"]
                end = next(
                    (
                        number
                        for number in range(position, len(lines))
                        if re.fullmatch(re.escape(fence) + f"{fence[0]}*", lines[number].rstrip())
                    ),
                    len(lines),
                )
                yield from self._directive(opened, lines[position:end])
                position = end + 1
            elif line.startswith("```"):  # code that is only shown
                yield line
                while position < len(lines):
                    yield lines[position]
                    position += 1
                    if lines[position - 1].startswith("```"):
                        break
            elif not line.startswith("% ") and not re.fullmatch(r"\([\w-]+\)=", line):
                yield self._inline(line)

    def _directive(self, opened: re.Match[str], content: list[str]) -> Iterable[str]:
        options = {}
        while content and (option := OPTION.match(content[0])):
            options[option[1]] = option[2]
            content = content[1:]
        argument = self._inline(opened["argument"])
        name = opened["name"]
        if name == "figure":
            yield self._image(opened["argument"], options.get("alt", ""))
            yield ""
            yield from (f"*{line}*" if line else line for line in self._lines(_strip(content)))
        elif name == "dropdown":
            yield from self._folded(argument, self._lines(content))
        elif name == "quiz":
            yield from self._quiz(options, content)
        elif name == "footbibliography":
            yield from (f"- {self.cited(key)[1]}" for key in self._keys)
        elif name == "explorer":
            yield f"*{self.says['explorer']}*"
        else:  # an admonition of some kind
            title = argument or name.capitalize()
            yield f"> **{title}**"
            yield ">"
            yield from (f"> {line}".rstrip() for line in self._lines(_strip(content)))

    def _folded(self, summary: str, lines: Iterable[str]) -> Iterable[str]:
        yield f"<details><summary>{summary}</summary>"
        yield ""
        yield from lines
        yield ""
        yield "</details>"

    def _quiz(self, options: Mapping[str, str], content: list[str]) -> Iterable[str]:
        first = next(number for number, line in enumerate(content) if line.startswith("- "))
        question, answers = _strip(content[:first]), content[first:]
        items: list[list[str]] = []
        for line in answers:
            if line.startswith("- "):
                items.append([line[2:]])
            else:
                items[-1].append(line[2:] if line.startswith("  ") else line)
        right = {int(number) for number in options["answer"].split()}
        yield f"**{self.says['question']}**"
        yield ""
        yield from self._lines(question)
        yield ""
        if "number" not in options:
            yield from (f"{n}. {self._inline(item[0])}" for n, item in enumerate(items, start=1))
            yield ""
        told: list[str] = []
        for number, item in enumerate(items, start=1):
            if number in right:
                said = _strip(item[1:])
                told += [f"**{self._inline(item[0])}**", "", *self._lines(said), ""]
        yield from self._folded(self.says["answer"], _strip(told))

    def _image(self, path: str, alt: str) -> str:
        if not path.endswith(".svg"):
            return f"![{alt}]({path})"
        # The picture takes the book's colours along, and paper to be read on in the dark.
        svg = self.picture(path).replace(
            "<defs",
            f"<style>{_light(self.style)}</style><rect width='100%' height='100%'/><defs",
            1,
        )
        data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
        return f'<img alt="{alt}" width="480" src="data:image/svg+xml;base64,{data}">'

    def _inline(self, line: str) -> str:
        line = ROLE.sub(self._role, line)
        line = LINK.sub(lambda m: f"[{m[1] or self.title(m[2])}]({m[2]}.ipynb{m[3] or ''})", line)
        return TARGET.sub(lambda m: m[1] or m[2], line)

    def _role(self, match: re.Match[str]) -> str:
        name, text = match[1], match[2]
        if name.startswith(("footcite", "cite")):
            names = []
            for key in text.split(","):
                if key not in self._keys:
                    self._keys.append(key)
                names.append(self.cited(key)[0])
            joined = "; ".join(names)
            return joined if name.endswith(":t") else f"({joined})"
        shown = re.fullmatch(r"(.*?)\s*<([^>]*)>", text)
        return shown[1] if shown else text


def _strip(lines: list[str]) -> list[str]:
    """Remove empty lines at both ends."""
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def _light(style: str) -> str:
    """Return what a picture on its own needs of the style sheet: the light palette, its looks."""
    rules = re.findall(r"^(?:html|svg\.pic[^{]*)\s*\{.*?\}", style, re.M | re.S)
    kept = "\n".join(rules).replace("html {", "svg {")
    return re.sub(r"/\*.*?\*/|\s*\n\s*", " ", kept, flags=re.S) + " svg > rect {fill: #fff}"
