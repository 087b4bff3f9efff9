"""What the summary page says of health: findings by cell, and whether early health told the end."""

from typing import Any

import pandas as pd

from actstudy.analysis.page import cell_groups
from actstudy.analysis.page.markdown import cell_name, markdown, metric_name
from actstudy.analysis.questions.findings import of_cells
from actstudy.analysis.tables import Tables
from actstudy.contract.schema import UNREAD

LISTED = 20  # rows of findings on the page; the table has them all
FEW = 5  # so many notes are listed, more only counted
TOLD = 4  # so many groups of cells have a sentence each, more a table
WORDS = {
    "site dead_fraction": "the share of dead units",
    "site inactive_fraction": "the share of activations that are not above zero",
    "site saturated_fraction": "the share of saturated values",
    "site post_sd": "the standard deviation of the activations",
    "site gradient_norm": "the gradient norm at the sites (log10)",
    "model gradient_norm": "the gradient norm over all parameters (log10)",
}


def says(tables: Tables, task: str) -> dict[str, Any]:
    """The section on findings: a table of cells and findings, how many more there are, and which cells have none.

    Of very many cells a table of rules, with the number of cells that have each finding.
    """
    runs = tables.of("runs", task)
    read = runs[~runs["status"].isin(UNREAD)]
    cells = of_cells(tables.of("findings", task), runs)
    notes = cells[cells["severity"] == "note"]
    shown = cells if len(notes) <= FEW else cells[cells["severity"] != "note"]
    names = [
        cell_name(level, group)
        for group, level in read[["group", "level"]].drop_duplicates().to_numpy()
    ]
    with_finding = {cell_name(row.level, row.group) for row in cells.itertuples()}
    healthy, grid = [name for name in names if name not in with_finding], cell_groups.many(read)
    if grid and len(healthy) > LISTED:
        healthy = [f"{len(healthy)} of {len(names)} cells"]
    rows = [finding(row) for row in shown.head(LISTED).to_dict("records")]
    by_cell = markdown(rows, "Nothing worse than a note was found.")
    return {
        "table": cell_groups.by_rule(cells, len(names)) if grid else by_cell,
        "rule_rows": grid,
        "more": 0 if grid else max(0, len(shown) - LISTED),
        "notes": 0 if grid or len(notes) <= FEW else len(notes),
        "healthy": healthy,
        "all_healthy": cells.empty,
        "n_cells": len(names),
    }


def finding(row: dict[Any, Any]) -> dict[str, Any]:
    """A row of the table of findings."""
    return {
        "cell": cell_name(row["level"], row["group"]),
        "finding": row["rule"].replace("_", " "),
        "severity": row["severity"],
        "at its worst": row["text"],
        "seeds": f"{row['k']} of {row['n']}",
        "what may help": row["remedies"],
    }


def early(tables: Tables, task: str) -> dict[str, Any]:
    """The section on early health: of each group of cells the chosen probe and its correlation with the end."""
    metric, found = metric_name(tables.plan.tasks[task].metric), tables.of("early", task)
    rows = found[found["chosen"].astype(bool)].to_dict("records")
    outside = sum(excludes_zero(row) for row in rows)
    return {
        "sentences": [told(row, metric) for row in rows] if len(rows) <= TOLD else [],
        "table": markdown([tabled(row) for row in rows]) if len(rows) > TOLD else "",
        "outside": outside,
        "n_groups": len(rows),
        "silent": tables.of("runs", task)["group"].nunique() - len(rows),
    }


def told(row: dict[Any, Any], metric: str) -> str:
    """One sentence on a chosen probe."""
    where, n = f"{row['group']}: " if row["group"] else "", f"n = {row['n']:.0f} runs"
    text = f"{where}{chosen(row)} was chosen (rho {row['rho_chosen']:+.2f} over {row['n_chosen']} runs)"
    if pd.isna(row["rho"]):
        return f"{text}; over the other seeds ({n}) there is no correlation to report."
    if pd.isna(row["low"]):
        return (
            f"{text}; over the other seeds rho is {row['rho']:+.2f}, {n}, too few for an interval."
        )
    sign = "higher" if row["rho"] > 0 else "lower"
    reading = (
        f"the more of it, the {sign} the test {metric}"
        if excludes_zero(row)
        else "the interval includes zero"
    )
    own = (
        ""
        if pd.isna(row["rho_within"])
        else f"; between seeds of one level it is {row['rho_within']:+.2f}"
    )
    return (
        f"{text}; over the other seeds rho with the final test {metric} is {row['rho']:+.2f} "
        f"(95% interval {row['low']:+.2f} to {row['high']:+.2f}, {n}): {reading}{own}."
    )


def tabled(row: dict[Any, Any]) -> dict[str, Any]:
    """The same as a row of a table."""
    return {
        "group": row["group"],
        "chosen": chosen(row),
        "rho, choosing": f"{row['rho_chosen']:+.2f} (n = {row['n_chosen']})",
        "rho, other seeds": "none"
        if pd.isna(row["rho"])
        else f"{row['rho']:+.2f} (n = {row['n']:.0f})",
        "95% interval": "none"
        if pd.isna(row["low"])
        else f"{row['low']:+.2f} to {row['high']:+.2f}",
        "within a level": "none" if pd.isna(row["rho_within"]) else f"{row['rho_within']:+.2f}",
    }


def chosen(row: dict[Any, Any]) -> str:
    """The chosen probe and when it was read, in words."""
    when = f"at step {row['step']:.0f}" if row["step"] else "before the first step"
    return f"{WORDS[row['probe']]} {when}"


def excludes_zero(row: dict[Any, Any]) -> bool:
    """Whether there is an interval, and zero is not in it."""
    return bool(row["low"] > 0 or row["high"] < 0)
