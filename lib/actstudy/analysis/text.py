"""Numbers and tables as the text of a Markdown page."""

import html
import math
from typing import Any

import pandas as pd


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
    return pd.DataFrame([{key: cell(value) for key, value in row.items()} for row in rows]).to_markdown(
        index=False, disable_numparse=True
    )


def cell(value: object) -> str:
    """Text that stays inside one cell of a Markdown table and starts no HTML."""
    return html.escape(" ".join(str(value).split())).replace("|", "&#124;").replace("*", "&#42;").replace("`", "&#96;")
