"""CSV files, which people open in a spreadsheet."""

import functools
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from actstudy.contract import store
from actstudy.contract.errors import visible

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def write_csv(frame: pd.DataFrame, path: Path, header: Mapping[str, str] | None = None) -> None:
    """Write a frame as CSV, its columns called as `header` says; numbers stay as they are."""
    with store.replacing(path) as draft:
        frame.apply(guarded).rename(columns=dict(header or {})).to_csv(draft, index=False)


def guarded(column: pd.Series) -> pd.Series:
    """The column with all its text as `plain`."""
    if pd.api.types.is_numeric_dtype(column):
        return column
    known = functools.cache(plain)  # of millions of rows most hold one of a few names
    return column.map(lambda value: known(value) if isinstance(value, str) else value)


def plain(text: str) -> str:
    """Text that no spreadsheet computes, for an apostrophe stands before it, and that breaks no row of the file."""
    return f"'{visible(text)}" if text.startswith(FORMULA) else visible(text)
