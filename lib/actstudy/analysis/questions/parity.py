"""The table `parity`: every check of every cell of Keras runs against torch."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from actstudy.analysis.questions.verified import COLUMN
from actstudy.contract import frameworks, parity, spec
from actstudy.contract.spec import RunSpec

OF_CELL = ["task", "framework", "model", "data", "activation", "precision", "cell"]
COLUMNS = [*OF_CELL, "check", "where", "value", "limit", "passed"]
NO_CHECKS = "comparison"  # the check of a cell of which none could be made


def checks(runs: pd.DataFrame, runs_root: Path) -> pd.DataFrame:
    """A row per cell and check: where it was worst, its value, and the limit. Columns COLUMNS.

    runs: the table. cell: its name, which its file has. If no check could be made, one row that
    did not pass, `where` with the reason. Cells without a file have no rows.
    """
    rows: list[dict[str, Any]] = []
    files = runs_root.parent / parity.FOLDER.name
    for _, run in keras_runs(runs, runs_root):
        file = parity.path(run, files)
        if file.is_file() and all(row["cell"] != file.stem for row in rows):
            rows += [{**of_cell(run), **check} for check in checks_of(parity.read(file))]
    return pd.DataFrame(rows, columns=COLUMNS)


def with_cells(runs: pd.DataFrame, runs_root: Path) -> pd.DataFrame:
    """The table `runs`, if Keras trained any of it with the column COLUMN: its cell's name."""
    names: dict[tuple[str, str], str] = {}
    for run_id, run in keras_runs(runs, runs_root):
        names[run.task_name, run_id] = parity.name(run)
    if not names:
        return runs
    keys = zip(runs["task"], runs["run_id"], strict=True)
    return runs.assign(**{COLUMN: [names.get(key) for key in keys]})


def keras_runs(runs: pd.DataFrame, runs_root: Path) -> Iterator[tuple[str, RunSpec]]:
    """Run id and spec of those runs of the table that Keras trained, or should have."""
    if "framework" not in runs:
        return
    trained = runs[runs["framework"].fillna(frameworks.TORCH) != frameworks.TORCH]
    for task, run_id in trained[["task", "run_id"]].drop_duplicates().itertuples(index=False):
        path = runs_root / task / run_id / "spec.json"
        if path.is_file():
            yield run_id, spec.from_json(path.read_text(encoding="utf-8"))


def of_cell(run: RunSpec) -> dict[str, Any]:
    """The columns OF_CELL of a run; precision: that of its cell."""
    own = parity.cell(run)
    row = {name: getattr(own, name) for name in ("framework", "model", "activation", "precision")}
    return {**row, "task": run.task_name, "data": spec.data_name(run), "cell": parity.name(run)}


def checks_of(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The other columns of the rows of a cell's file."""
    if content.get("error"):
        unknown = dict.fromkeys(("value", "limit"), math.nan)
        yield {"check": NO_CHECKS, "where": content["error"], **unknown, "passed": False}
        return
    for values in content["checks"]:
        check = parity.Check(**values)
        measured = {"value": check.value, "limit": check.limit, "passed": check.passed}
        yield {"check": check.name, "where": check.where, **measured}
