"""CSV files, which people open in a spreadsheet."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from actstudy.study import store
from actstudy.study.console import visible

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def write_csv(frame: pd.DataFrame, path: Path, header: Mapping[str, str] | None = None) -> None:
    """Write a frame as CSV, its columns called as `header` says; numbers stay as they are."""
    with store.replacing(path) as draft:
        frame.apply(guarded).rename(columns=dict(header or {})).to_csv(draft, index=False)


def guarded(column: pd.Series) -> pd.Series:
    """The column with all its text as `plain`."""
    if pd.api.types.is_numeric_dtype(column):
        return column
    changed = {value: plain(value) for value in column.unique() if isinstance(value, str) and plain(value) != value}
    return column.mask(column.isin(list(changed)), column.map(changed)) if changed else column


def plain(text: str) -> str:
    """Text that no spreadsheet computes, for an apostrophe stands before it, and that breaks no row of the file."""
    return f"'{visible(text)}" if text.startswith(FORMULA) else visible(text)
