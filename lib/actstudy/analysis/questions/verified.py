"""Which Keras runs may be compared: those whose parity with torch did not fail."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from actstudy.contract.frameworks import TORCH
from actstudy.contract.parity import PRECISIONS
from actstudy.contract.schema import ENDED
from actstudy.study.grid import TASKS_OWN

CELL = ["framework", "model", "data", "activation", "precision"]  # columns that name a cell
Cell = tuple[str, ...]


def without_failed(runs: pd.DataFrame, parity: pd.DataFrame) -> pd.DataFrame:
    """The frame `runs`, in which a run whose cell failed a check has the status `failed`.

    Training refuses such runs; this holds for those that trained before the check did. parity: the
    table, with the columns CELL, `check`, `where`, `value`, `limit` and `passed`.
    """
    if parity.empty or "framework" not in runs:
        return runs
    failed: dict[Cell, str] = {}
    wrong = parity[~parity["passed"].astype(bool)]
    for cell, row in zip(cells_of(wrong), wrong.to_dict("records"), strict=True):
        failed.setdefault(cell, f"parity: {words(row)}")
    status = runs["status"].copy()
    reason = runs["reason"].astype(object).copy()
    for index, cell in zip(runs.index, cells_of(runs), strict=True):
        if cell in failed and cell[0] != TORCH and status[index] in ENDED:
            status[index] = "failed"
            reason[index] = failed[cell]
    return runs.assign(status=status, reason=reason)


def words(check: Mapping[str, Any]) -> str:
    """A row of `parity` that did not pass; of a cell without any check, why it has none."""
    if pd.isna(check["value"]):
        return str(check["where"])
    numbers = f"{check['value']:.3g}, allowed {check['limit']:.3g}"
    return f"{check['check']} at {check['where']}: {numbers}"


def cells_of(rows: pd.DataFrame) -> list[Cell]:
    """The cell of each row of `runs` or of `parity`, the task's own model by an empty name.

    Precisions are those of cells.
    """
    columns = rows.reindex(columns=CELL).astype(object)
    columns = columns.where(columns.notna(), "")
    columns = columns.replace({"model": {TASKS_OWN: ""}, "precision": PRECISIONS})
    return [tuple(map(str, cell)) for cell in columns.itertuples(index=False)]
