"""How many lines of a screen a page takes, and which of its parts fit.

The rule: a screen has SCREEN lines of WIDTH characters. Text wraps, without its marks and the
addresses of links. A picture counts PICTURE lines, a heading two, a row of a table as many as its
cells fill if they share the width, and the space between two blocks one.
"""

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

SCREEN = 50
WIDTH = 120
PICTURE = 20
SECTION = 2 * SCREEN  # of a task, or of another section
EDGE = 3  # characters between two cells of a table
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\([^)]*\)")
LIST_MARK = re.compile(r"\s*- ")
TABLE_RULE = re.compile(r"\|[-:| ]+\|?")


@dataclass(frozen=True)
class Part:
    """A piece of a page's Markdown; name: what it is, in words of the page.

    required: it stands on summary.md, however long it is.
    """

    name: str
    text: str
    required: bool = False

    @property
    def has_heading(self) -> bool:
        """Whether it begins with a heading of its own."""
        return self.text.startswith("#")


def lines(text: str) -> int:
    """The lines of a screen that a piece of Markdown takes."""
    total = 0
    pieces = blocks(text)
    for piece in pieces:
        total += block_lines(piece)
    headings = sum(piece.startswith("#") for piece in pieces)
    return total + max(0, len(pieces) - 1 - headings)  # a heading has its space already


def blocks(text: str) -> list[str]:
    """The blocks of Markdown, which empty lines part; code blocks stay whole."""
    pieces: list[list[str]] = [[]]
    in_code = False
    for line in text.splitlines():
        in_code ^= line.startswith("```")
        if line.strip() or in_code:
            pieces[-1].append(line)
        elif pieces[-1]:
            pieces.append([])
    return ["\n".join(piece) for piece in pieces if piece]


def block_lines(block: str) -> int:
    """The lines of one block."""
    if block.startswith("#"):
        return 2
    if block.startswith("!["):
        return PICTURE
    if block.startswith("```"):
        return block.count("\n") - 1
    if block.startswith("|"):
        rows = [row for row in block.splitlines() if not TABLE_RULE.fullmatch(row)]
        return sum(wrapped(row_width(row)) for row in rows)
    return sum(wrapped(len(plain(item))) for item in items(block))


def items(block: str) -> list[str]:
    """A block's items of a list, or the one paragraph that it is."""
    texts: list[str] = []
    for line in block.splitlines():
        if not texts or LIST_MARK.match(line):
            texts.append(line.strip())
        else:
            texts[-1] += f" {line.strip()}"
    return texts


def row_width(row: str) -> int:
    """The characters that the cells of a table's row take beside each other."""
    cells = [plain(cell).strip() for cell in row.strip("|").split("|")]
    return sum(len(cell) + EDGE for cell in cells)


def plain(text: str) -> str:
    """Markdown as a reader sees it."""
    return html.unescape(LINK.sub(r"\1", text).replace("**", "").replace("`", ""))


def wrapped(n: int) -> int:
    """The lines that n characters take."""
    return max(1, math.ceil(n / WIDTH))


def fit(parts: Sequence[Part], room: int) -> tuple[list[Part], list[Part]]:
    """Those of some parts that a page has room for, in their order, and those it has none for.

    Required ones come first. Of the others each takes what it needs of the room that is left.
    """
    room -= sum(space_of(part) for part in parts if part.required)
    there = []
    others = []
    for part in parts:
        if not part.text.strip():
            continue
        if not part.required and space_of(part) > room:
            others.append(part)
            continue
        there.append(part)
        if not part.required:
            room -= space_of(part)
    return there, others


def first_rows(table: str, room: int) -> tuple[str, int]:
    """The first rows of a table that take no more lines than `room`, and how many are left out."""
    head, rule, *rows = table.splitlines()
    room -= block_lines(head)
    count = 0
    for row in rows:
        room -= block_lines(row)
        if room < 0:
            break
        count += 1
    return "\n".join([head, rule, *rows[:count]]), len(rows) - count


def space_of(part: Part) -> int:
    """The lines of a part with the space after it; none if it is empty."""
    return lines(part.text) + 1 if part.text.strip() else 0
