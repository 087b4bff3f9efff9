"""Numbers, tables and the text of others on a Markdown page."""

import math
import re
from typing import Any

import pandas as pd

from actstudy.contract.errors import visible

SPECIAL = str.maketrans(
    {mark: f"&#{ord(mark)};" for mark in "\\`*[]|~$"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)
AT_A_WORDS_END = re.compile(r"(?<![^\W_])_|_(?![^\W_])")  # leaky_relu stays as it is
OPENING = re.compile(
    r"(\d{0,9})([#+=.)-]+)(?=\s|$)"
)  # of a heading, an item of a list, a line below a heading


def cell_name(level: str, group: str) -> str:
    """How a cell is called wherever it is named: its level, then its place on the other axes."""
    return f"{level}, {group}" if group else level


def metric_name(metric: str) -> str:
    """A metric's column name in words."""
    return metric.replace("_", " ")


def number(value: float) -> str:
    """Four decimals, one from 10 on, or `none`."""
    return "none" if math.isnan(value) else f"{value:.{_digits(value)}f}"


def signed(value: float, beside: float) -> str:
    """A difference of values as large as `beside`, with its sign and their decimals."""
    return f"{value:+.{_digits(beside)}f}"


def interval(low: float, high: float, beside: float) -> str:
    """`low to high` of a difference."""
    return f"{signed(low, beside)} to {signed(high, beside)}"


def _digits(value: float) -> int:
    return 4 if abs(value) < 10 else 1


def spread(mean: float, sd: float) -> str:
    """`mean (sd ..)`, without an sd where one seed gives none, `none` where no seed has completed."""
    if math.isnan(mean):
        return "none"
    return number(mean) if math.isnan(sd) else f"{number(mean)} (sd {sd:.{_digits(mean)}f})"


def markdown(rows: list[dict[str, Any]], without: str = "No run has completed.") -> str:
    """Rows as a Markdown table, or the sentence `without` where there are none."""
    if not rows:
        return without
    return pd.DataFrame(
        [{escaped(key): escaped(value) for key, value in row.items()} for row in rows]
    ).to_markdown(index=False, disable_numparse=True)


def escaped(value: object) -> str:
    """Text on one line, such as in a table's cell, of which no character means anything to Markdown or HTML.

    A bare address stays one: some renderers make a link of it, as of all addresses.
    """
    return AT_A_WORDS_END.sub("&#95;", visible(" ".join(str(value).split())).translate(SPECIAL))


def prose(value: object) -> str:
    """The same for the start of a line, where it opens no heading and no list."""
    marks = OPENING.match(text := escaped(value))
    return (
        text
        if not marks
        else marks[1] + "".join(f"&#{ord(mark)};" for mark in marks[2]) + text[marks.end() :]
    )


def code(text: str) -> str:
    """A code span in a table's cell that nothing in the text ends."""
    ticks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " * ("`" in text)
    return f"{ticks}{space}{visible(text)}{space}{ticks}".replace("|", "\\|")


def block(text: str, language: str) -> str:
    """A block of code that nothing in the text ends."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"
