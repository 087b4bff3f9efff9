"""CSV files that are safe to open in a spreadsheet."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from actstudy.contract import store
from actstudy.contract.errors import visible

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
SEPARATORS = {".": ",", ",": ";"}  # decimal mark -> what a spreadsheet expects between columns


def write_csv(
    frame: pd.DataFrame, path: Path, header: Mapping[str, str] | None = None, decimal: str = "."
) -> None:
    """Write a frame as CSV with columns renamed by `header`; its text is made `inert`.

    decimal: the mark in numbers, a key of SEPARATORS.
    """
    text = frame.select_dtypes(exclude="number").apply(inert_column)
    with store.replacing(path) as draft:
        named = frame.assign(**text).rename(columns=dict(header or {}))
        named.to_csv(draft, index=False, sep=SEPARATORS[decimal], decimal=decimal)


def inert_column(column: pd.Series) -> pd.Series:
    """A column with its texts made `inert`, each text once: of millions of rows few differ."""
    if not isinstance(column.dtype, pd.StringDtype):
        return column.map(inert)
    codes, texts = pd.factorize(column)  # -1 where there is none
    safe = np.array([*map(inert, texts), None], dtype=object)
    return pd.Series(safe[codes], column.index)


def inert(value: object) -> object:
    """Text on one line, with an apostrophe before what a spreadsheet would run as a formula."""
    if not isinstance(value, str):
        return value
    text = value
    if not text.isprintable():
        text = visible(text)
    if text.startswith(FORMULA):
        text = f"'{text}"
    return text
