"""CSV files that are safe to open in a spreadsheet."""

from collections.abc import Mapping
from pathlib import Path

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
    text = frame.select_dtypes(exclude="number").map(inert)
    with store.replacing(path) as draft:
        named = frame.assign(**text).rename(columns=dict(header or {}))
        named.to_csv(draft, index=False, sep=SEPARATORS[decimal], decimal=decimal)


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
