"""The summary page of a study of very many cells: a row a group of cells, a column a level; tables/ has the rest."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from actstudy.analysis.page.markdown import cell_name, markdown, signed, spread
from actstudy.analysis.questions.contrasts import describe_verdict
from actstudy.analysis.questions.procedure import MIN_SEEDS

MOST_CELLS = 40  # in a table with a row each


def many(cells: pd.DataFrame) -> bool:
    """Whether these rows (columns group and level, or none of either) are of more cells than have a row each."""
    if len(cells) <= MOST_CELLS:
        return False
    return (
        cells["group"].nunique() > 1
        and len(cells[["group", "level"]].drop_duplicates()) > MOST_CELLS
    )


def crossed(told: Iterable[tuple[str, str, str]], note: str) -> str:
    """What is told of each (group, level) as one table, and a line on what it leaves out.

    The longer side goes down the page: rows are levels where there are more of them than groups.
    """
    found = {(group, level): text for group, level, text in told}
    down, across = (list(dict.fromkeys(key[i] for key in found)) for i in (0, 1))
    if len(across) > len(down):
        down, across, found = across, down, {key[::-1]: text for key, text in found.items()}
    rows = [
        {"": row} | {column: found.get((row, column), "none") for column in across} for row in down
    ]
    return f"{markdown(rows)}\n\n{note}" if rows else ""


def means(cells: pd.DataFrame) -> str:
    """The mean test metric of each cell."""

    def told(n: int, planned: int, mean: float, sd: float) -> str:
        return spread(mean, sd) + (f", n = {n} of {planned}" if n < planned else "")

    columns = (cells[name] for name in ("group", "level", "n", "n_planned", "mean", "sd"))
    entries = ((group, level, told(*rest)) for group, level, *rest in zip(*columns, strict=True))
    n = f"Mean (sd over seeds), n = {cells['n_planned'].max()} seeds a cell where no other n stands."
    return crossed(
        entries, f"{n} Smallest, largest, last step's and other metrics' values: tables/cells.csv."
    )


def differences(found: pd.DataFrame, what: str, size: float) -> str:
    """The mean difference of each contrast from the baseline's cell, and the verdict where there may be one.

    what: the differences' name, with their unit; size: that of the metric's values, which sets the decimals.
    """
    rows, few = found.to_dict("records"), (found["verdict"] == "too few seeds").all()

    def told(row: dict[Any, Any]) -> str:
        difference = signed(row["mean"], size) if row["n"] else "none"
        return difference if few else f"{difference}, {describe_verdict(row)}"

    entries = ((row["group"], row["level"], told(row)) for row in rows)
    n = " to ".join(f"{seeds}" for seeds in sorted({found["n"].min(), found["n"].max()}))
    verdict = f"no verdict, too few seeds ({n} of {MIN_SEEDS})" if few else f"n = {n} seeds"
    note = f"Mean {what}; {verdict}. Intervals, p and the test set's standard errors: tables/contrasts.csv."
    return crossed(entries, note)


def lost(diverged: pd.DataFrame) -> str:
    """How many contrasts of each level have diverged runs, of either side."""
    counts = (f"{count} of {level}" for level, count in diverged["level"].value_counts().items())
    told = f"Cells in which runs, or their baselines' runs, diverged: {', '.join(counts)} (tables/contrasts.csv)"
    return f"{told}; these runs count at chance level."


def steps(found: pd.DataFrame, planned: pd.Series) -> str:
    """Median steps to each target, and how many seeds reached it where not all did.

    planned: (group, level) -> seeds.
    """

    def told(median: float, reached: int, n: int, of: int) -> str:
        if n == of and reached in (0, n):
            return f"{median:.0f}" if reached else "never"
        when = "after the end" if pd.isna(median) else f"{median:.0f}"
        return f"{when}, {reached} of {n}{' that ended' if n < of else ''}"

    entries = (
        (
            f"{row.group}, to {row.target}",
            row.level,
            told(row.median_steps, row.n_reached, row.n, planned[row.group, row.level]),
        )
        for row in found.itertuples()
    )
    return crossed(
        entries,
        "Median steps; how many seeds got there, where not all; none: no run ended. Seconds: tables/targets.csv.",
    )


def by_rule(cells: pd.DataFrame, n_cells: int) -> str:
    """Findings of cells (sorted, the worst first): a row a rule, with how many cells have it and one of the worst."""
    rows = []
    for _, part in cells.groupby("rule", sort=False):
        first = part.iloc[0]
        rows.append(
            {
                "finding": first["rule"].replace("_", " "),
                "severity, at most": first["severity"],
                "cells": f"{len(part)} of {n_cells}",
                "one of the worst": f"{cell_name(first['level'], first['group'])}: {first['text']}",
                "what may help": first["remedies"],
            }
        )
    return markdown(rows)
