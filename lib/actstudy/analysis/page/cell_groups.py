"""Tables of a study of many cells: a row per group of cells, a column per level."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from actstudy.analysis.markdown import markdown
from actstudy.analysis.questions.contrasts import describe_verdict, most_needed
from actstudy.analysis.scale import Scale

MAX_CELLS = 40  # in a table with a row per cell


def are_many(cells: pd.DataFrame) -> bool:
    """Whether these cells (columns group and level), in several groups, exceed MAX_CELLS."""
    n_cells = len(cells[["group", "level"]].drop_duplicates())
    return cells["group"].nunique() > 1 and n_cells > MAX_CELLS


def crossed(entries: Iterable[tuple[str, str, str]], note: str) -> str:
    """One table of entries (group, level, text) and a note below it; empty without entries.

    The longer side goes down the page: rows are levels if there are more levels than groups.
    """
    texts = {(group, level): text for group, level, text in entries}
    groups = list(dict.fromkeys(group for group, _ in texts))
    levels = list(dict.fromkeys(level for _, level in texts))
    if not texts:
        return ""
    rows, columns = groups, levels
    if len(levels) > len(groups):
        rows, columns = levels, groups
        texts = transpose(texts)
    table = [_row(name, columns, texts) for name in rows]
    return f"{markdown(table)}\n\n{note}"


def transpose(texts: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """(level, group) -> text of (group, level) -> text."""
    return {(level, group): text for (group, level), text in texts.items()}


def _row(name: str, columns: list[str], texts: dict[tuple[str, str], str]) -> dict[str, str]:
    return {"": name, **{column: texts.get((name, column), "none") for column in columns}}


def means(cells: pd.DataFrame, size: Scale) -> str:
    """The mean test metric of each cell; cells: rows of `Tables.reported`."""
    entries = []
    for row in cells.itertuples():
        text = size.spread(row.mean, row.sd)
        if row.n < row.n_planned:
            text += f", n = {row.n} of {row.n_planned}"
        entries.append((row.group, row.level, text))
    n = cells["n_planned"].max()
    note = (
        f"Mean{f', {size.unit}' if size.unit else ''} (sd over seeds); n = {n} seeds per cell "
        "unless stated otherwise."
    )
    return crossed(entries, note)


def differences(contrasts: pd.DataFrame, name: str, size: Scale) -> str:
    """The mean difference of each contrast, with its verdict if any contrast has enough seeds.

    name: of the differences, with their unit.
    """
    too_few = (contrasts["verdict"] == "too few seeds").all()
    n = " to ".join(map(str, sorted({contrasts["n"].min(), contrasts["n"].max()})))
    seeds = f"n = {n} seeds"
    if too_few:
        seeds = f"no verdict, too few seeds ({n} of {most_needed(contrasts)})"
    entries = []
    for row in contrasts.to_dict("records"):
        text = size.signed(row["mean"]) if row["n"] else "none"
        if not too_few:
            text += f", {describe_verdict(row)}"
        entries.append((row["group"], row["level"], text))
    note = (
        f"Mean {name}; {seeds}. "
        "Intervals, p and the test set's standard errors: tables/contrasts.csv."
    )
    return crossed(entries, note)


def collapses(contrasts: pd.DataFrame) -> str:
    """How many contrasts of each level have collapsed runs, on either side."""
    counts = contrasts["level"].value_counts()
    levels = ", ".join(f"{count} of {level}" for level, count in counts.items())
    return (
        f"Cells with collapsed runs of their own or of the baseline: {levels} "
        "(tables/contrasts.csv)."
    )


def steps(targets: pd.DataFrame, planned: pd.Series) -> str:
    """Median steps to each target; planned: (group, level) -> number of seeds."""
    entries = []
    for row in targets.to_dict("records"):
        text = _steps_text(row, planned[row["group"], row["level"]])
        entries.append((f"{row['group']}, to {row['target']}", row["level"], text))
    note = (
        "Median steps, with the number of seeds that reached the target unless all did; "
        "none: no run has ended. Seconds: tables/targets.csv."
    )
    return crossed(entries, note)


def _steps_text(row: dict[Any, Any], n_planned: int) -> str:
    median = "after the end"
    if pd.notna(row["median_steps"]):
        median = f"{row['median_steps']:.0f}"
    reached = f"{row['n_reached']} of {row['n']}"
    if row["n"] < n_planned:
        return f"{median}, {reached} that ended"
    if row["n_reached"] == 0:
        return "never"
    if row["n_reached"] == row["n"]:
        return median
    return f"{median}, {reached}"
