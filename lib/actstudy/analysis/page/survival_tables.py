"""Which runs survived: sentences and a table, for tasks whose runs do not train or stall."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from actstudy.analysis.markdown import listed, markdown
from actstudy.analysis.questions.outcomes import JUDGED_BY
from actstudy.analysis.questions.survival import OF_ALL, OF_CELLS
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted

MAX_NAMED = 6  # levels with a sentence each
HEADING = {OF_ALL: "all runs"}
NOTE = (
    "Runs that did not diverge of those that ended, with the 95% Wilson interval of their share in "
    "percent. A row of several cells takes their runs as independent, which those of one seed are "
    "not: its interval is too narrow if seeds matter. tables/survival.csv has all, with the steps "
    "at which the others diverged."
)


def section(tables: Tables, task: str) -> dict[str, str]:
    """The tables of a task's survival for summary.md, and how to read them; empty without any.

    A task whose runs train or stall has sentences on that instead.
    """
    table = "" if tables.plan.tasks[task].predicts in JUDGED_BY else cells(tables, task)
    if not table:
        return dict.fromkeys(("cells", "by_axis", "note"), "")
    return {"cells": table, "by_axis": by_axis(tables, task), "note": NOTE}


def sentences(tables: Tables, task: str) -> list[str]:
    """How many runs diverged, of which levels, when and why.

    Empty if the task's runs have outcomes of their own, or if none of a task without pairs
    diverged.
    """
    settings = tables.plan.tasks[task]
    table = tables.of("survival", task)
    table = table[table["n"] > 0]
    if settings.predicts in JUDGED_BY or table.empty:
        return []
    (total,) = table[table["of"] == OF_ALL].to_dict("records")
    if total["n"] == total["n_survived"] and settings.predicts != "pairs":
        return []
    levels = table[table["of"] == tables.plan.compare]
    lost = levels[levels["n_survived"] < levels["n"]].sort_values("survival", kind="stable")
    whole = levels[levels["n_survived"] == levels["n"]]
    n_lost = total["n"] - total["n_survived"]
    texts = [
        f"Of {total['n']} runs that ended {n_lost or 'none'} diverged: {share(total)} survived."
    ]
    for row in lost.head(MAX_NAMED).to_dict("records"):
        steps = row["median_step"]
        step = "" if pd.isna(steps) else f", the others ended after {words_of(steps)} (median)"
        reason = f"; such as: {row['reason']}" if row["reason"] else ""
        texts.append(f"{row['level']}: {survivors(row)} survived{step}{reason}.")
    if len(lost) > MAX_NAMED:
        texts.append(f"Of {counted(len(lost) - MAX_NAMED, 'more level')} some run diverged.")
    if len(lost) and len(whole):
        lowest = f"{100 * whole['low'].min():.0f}%"
        names = listed(list(whole["level"]))
        texts.append(f"No run of {names} diverged; a survival of {lowest} is not excluded.")
    return texts


def cells(tables: Tables, task: str) -> str:
    """A row per level, a column per group of cells; empty if no run diverged or there is one group.

    The last column is of all runs of a level.
    """
    table = tables.of("survival", task)
    own = table[(table["of"] == OF_CELLS) & (table["n"] > 0)]
    if own["group"].nunique() < 2 or (own["n"] == own["n_survived"]).all():
        return ""
    entries = [(row["level"], row["group"], survivors(row)) for row in own.to_dict("records")]
    for row in table[table["of"] == tables.plan.compare].to_dict("records"):
        if row["n"]:
            entries.append((row["level"], HEADING[OF_ALL], survivors(row)))
    return by_level(entries)


def by_axis(tables: Tables, task: str) -> str:
    """A row per value of each other axis, and one of all runs."""
    table = tables.of("survival", task)
    rows = []
    for row in table.to_dict("records"):
        if row["of"] not in (OF_CELLS, tables.plan.compare) and row["n"]:
            name = HEADING.get(row["of"], f"{row['of']}={row['level']}")
            rows.append({"": name, "survived": survivors(row)})
    return markdown(rows)


def by_level(entries: list[tuple[str, str, str]]) -> str:
    """Entries (level, column, text) as a table with a row per level."""
    columns = list(dict.fromkeys(column for _, column, _ in entries))
    texts = {(level, column): text for level, column, text in entries}
    rows = []
    for level in dict.fromkeys(level for level, _, _ in entries):
        own = {column: texts.get((level, column), "none") for column in columns}
        rows.append({"": level, **own})
    return markdown(rows)


def survivors(row: Mapping[str, Any]) -> str:
    """`7 of 8 (53 to 98)`."""
    return f"{row['n_survived']} of {row['n']} ({100 * row['low']:.0f} to {100 * row['high']:.0f})"


def words_of(steps: float) -> str:
    """`1 step`, `8.5 steps`."""
    return counted(f"{steps:g}", "step")


def share(row: Mapping[str, Any]) -> str:
    """`94% (90 to 97%)`."""
    low, high = (f"{100 * row[end]:.0f}" for end in ("low", "high"))
    return f"{100 * row['survival']:.0f}% ({low} to {high}%)"
