"""Scores of methods without a network: which runs of a study each is of."""

import json
from collections.abc import Iterable
from typing import Any

import pandas as pd

COLUMNS = ["task", "data", "name", "metric", "val", "test", "fields"]


def table(references: Iterable[dict[str, Any] | list[dict[str, Any]]]) -> pd.DataFrame:
    """A row per score, from what the jobs of `reference` wrote: a row, or several.

    fields: the run field -> values of the runs that a row is of, as JSON; {} of all.
    """
    rows: list[dict[str, Any]] = []
    for entry in references:
        rows += entry if isinstance(entry, list) else [entry]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame["fields"] = [json.dumps(row.get("fields") or {}) for row in rows]
    return frame


def of_runs(references: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The rows that are of any of some runs: of their task's data, and of their fields."""
    are_of = [is_of(row, runs).any() for row in references.to_dict("records")]
    return references[pd.Series(are_of, references.index, dtype=bool)]


def is_of(row: dict[Any, Any], runs: pd.DataFrame) -> Any:
    """Which runs a row is of; a table of before has no `fields`, and is of all on its data."""
    are_of = runs["data"] == row["data"]
    if "task" in row and "task" in runs:
        are_of &= runs["task"] == row["task"]
    fields = row.get("fields")
    for name, values in json.loads(fields if isinstance(fields, str) else "{}").items():
        if name in runs:
            own = runs[name]
            are_of &= own.isin(values) | (own.isna() & (None in values))
    return are_of
