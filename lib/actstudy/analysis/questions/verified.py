"""Which Keras runs may be compared: those whose parity with torch did not fail."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pandas as pd

from actstudy.analysis.questions import factors
from actstudy.contract import parity as cells
from actstudy.contract.schema import ENDED
from actstudy.contract.spec import RunSpec

COLUMN = "parity_cell"  # of `runs`: the cell of a Keras run, as the table `parity` names it
CELL = ["framework", "model", "data", "activation"]  # fields that name a cell in sentences
NO_CELL = ("seed", "code", "dataset", *CELL, *cells.FREE)
OTHERS = [field.name for field in dataclasses.fields(RunSpec) if field.name not in NO_CELL]


def without_failed(runs: pd.DataFrame, parity: pd.DataFrame) -> pd.DataFrame:
    """The frame `runs`, in which a run whose cell failed a check has the status `failed`.

    Training refuses such runs; this holds for those that trained before the check did. parity: the
    table, with the columns `cell`, `check`, `where`, `value`, `limit` and `passed`.
    """
    if parity.empty or COLUMN not in runs:
        return runs
    failed: dict[str, str] = {}
    for row in parity[~parity["passed"].astype(bool)].to_dict("records"):
        failed.setdefault(row["cell"], f"{cells.FAILED}{words(row)}")
    status = runs["status"].copy()
    reason = runs["reason"].astype(object).copy()
    for index, cell in runs[COLUMN].items():
        if cell in failed and status[index] in ENDED:
            status[index] = "failed"
            reason[index] = failed[cell]
    return runs.assign(status=status, reason=reason)


def words(check: Mapping[str, Any]) -> str:
    """A row of `parity` that did not pass; of a cell without any check, why it has none."""
    if pd.isna(check["value"]):
        return str(check["where"])
    return cells.Check(check["check"], check["where"], check["value"], check["limit"]).words


def cell_names(runs: pd.DataFrame) -> dict[str, str]:
    """Cell -> its name in sentences, of all cells of the Keras runs in `runs`.

    The fields CELL; if two cells share these, also the other fields in which they differ.
    """
    if COLUMN not in runs:
        return {}
    first = runs.dropna(subset=[COLUMN]).drop_duplicates(COLUMN)
    texts = pd.DataFrame({name: factors.texts(first, name) for name in [*CELL, *OTHERS]})
    names: dict[str, str] = {}
    for _, alike in texts.groupby(CELL, sort=False):
        others = [name for name in OTHERS if alike[name].nunique() > 1]
        for index, row in alike.iterrows():
            parts = [row[name] for name in CELL]
            parts += [f"{name}={row[name]}" for name in others]
            names[first.loc[index, COLUMN]] = ", ".join(filter(None, parts))
    return names
