"""Numbers, tables and untrusted text as Markdown."""

import math
import re
from collections.abc import Sequence
from typing import Any

from actstudy.contract.errors import visible

SPECIAL = str.maketrans(
    {mark: f"&#{ord(mark)};" for mark in "\\`*[]|~$"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)
EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")  # leaky_relu keeps its own
BLOCK_MARK = re.compile(r"(\d{0,9})([#+=.)-]+)(?=\s|$)")  # opens a heading, list item or underline
METRIC_NAMES = {  # of those that are not words
    "r2": "R2",
    "rmse": "RMSE",
    "knn_accuracy": "k-NN accuracy",
}


def cell_name(level: str, group: str) -> str:
    """The name of a cell: its level, then its place on the other axes."""
    return f"{level}, {group}" if group else level


def group_head(group: str) -> str:
    """The start of a sentence about a group of cells: `depth=2: `, empty for the only group."""
    return f"{group}: " if group else ""


def listed(names: Sequence[str], word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def metric_name(metric: str) -> str:
    """A metric's column name in words."""
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def number(value: float) -> str:
    """Four decimals, one from 10 on, or `none` for NaN."""
    return "none" if math.isnan(value) else f"{value:.{_digits(value)}f}"


def _digits(value: float) -> int:
    return 4 if abs(value) < 10 else 1


def markdown(rows: list[dict[str, Any]], without: str = "No run has completed.") -> str:
    """Rows as a Markdown table, or the sentence `without` if there are no rows."""
    if not rows:
        return without
    table = []
    for row in rows:
        table.append({escaped(name): escaped(value) for name, value in row.items()})
    import pandas as pd  # late: who watches a study needs names of cells alone

    return pd.DataFrame(table).to_markdown(index=False, disable_numparse=True)


def escaped(value: object) -> str:
    """Text on one line, as in a table's cell, without any mark of Markdown or HTML.

    A bare address stays one: some renderers make a link of any address.
    """
    line = visible(" ".join(str(value).split()))
    return EDGE_UNDERSCORE.sub("&#95;", line.translate(SPECIAL))


def prose(value: object) -> str:
    """Text `escaped` for the start of a line too, so that it opens no heading and no list."""
    text = escaped(value)
    opening = BLOCK_MARK.match(text)
    if not opening:
        return text
    digits, marks = opening.groups()
    return digits + "".join(f"&#{ord(mark)};" for mark in marks) + text[opening.end() :]


def code(text: str) -> str:
    """A code span in a table's cell that no character of the text ends."""
    ticks = _fence(text, shortest=1)
    inside = visible(text)
    if "`" in text:
        inside = f" {inside} "
    return f"{ticks}{inside}{ticks}".replace("|", "\\|")


def block(text: str, language: str) -> str:
    """A code block that no line of the text ends."""
    fence = _fence(text, shortest=3)
    return f"{fence}{language}\n{text}\n{fence}"


def _fence(text: str, shortest: int) -> str:
    """Backticks, more than the text has anywhere in a row."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    return "`" * max(shortest, longest + 1)
