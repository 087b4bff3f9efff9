"""Health on the pages: findings, and whether early health predicts the result."""

import itertools
from typing import Any

import pandas as pd

from actstudy.analysis.markdown import cell_name, group_head, listed, markdown, metric_name
from actstudy.analysis.questions import stats
from actstudy.analysis.questions.findings import of_cells
from actstudy.analysis.questions.probes import PROBES
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted
from actstudy.contract.schema import CELL, UNREAD

MAX_ROWS = 20  # of findings on the page; the table has all
MAX_NOTES_LISTED = 5  # more are only counted
MAX_SENTENCES = 4  # a sentence per group of cells; more groups have a table


def in_short(tables: Tables, task: str) -> str:
    """How many findings are errors or warnings, and one of the worst, as a sentence; or nothing."""
    runs = tables.of("runs", task)
    cells = of_cells(tables.of("findings", task), runs)
    grave = cells[cells["severity"] != "note"]
    if grave.empty:
        return ""
    counts = grave["severity"].value_counts()
    numbers = []
    for severity in ("error", "warning"):
        if severity in counts:
            plural = "" if counts[severity] == 1 else "s"
            numbers.append(f"{counts[severity]} {severity}{plural}")
    worst = grave.iloc[0]
    n_cells = len(grave[CELL].drop_duplicates())
    return (
        f"Health: {listed(numbers)} in {n_cells} of {len(_cell_names(runs))} cells; one of the "
        f"worst is {worst['rule'].replace('_', ' ')} in "
        f"{cell_name(worst['level'], worst['group'])}: {worst['text']}."
    )


def findings(tables: Tables, task: str) -> dict[str, Any]:
    """The section on findings: a row per cell and rule, how many are left out, healthy cells."""
    runs = tables.of("runs", task)
    cells = of_cells(tables.of("findings", task), runs)
    is_note = cells["severity"] == "note"
    n_notes = int(is_note.sum())
    if n_notes > MAX_NOTES_LISTED:
        listed = cells[~is_note]
    else:
        listed = cells
        n_notes = 0
    rows = [_finding(row) for row in listed.head(MAX_ROWS).to_dict("records")]
    names = _cell_names(read_runs(tables, task))
    return {
        "by_rule": False,
        "table": markdown(rows, "Nothing worse than a note was found."),
        "more": max(0, len(listed) - MAX_ROWS),
        "notes": n_notes,
        "healthy": _without_finding(names, cells),
        "all_healthy": cells.empty,
        "n_cells": len(names),
    }


def findings_by_rule(tables: Tables, task: str) -> dict[str, Any]:
    """The section on findings of many cells: a row per rule, with the number of its cells."""
    runs = tables.of("runs", task)
    cells = of_cells(tables.of("findings", task), runs)
    names = _cell_names(read_runs(tables, task))
    healthy = _without_finding(names, cells)
    if len(healthy) > MAX_ROWS:
        healthy = [f"{len(healthy)} of {len(names)} cells"]
    rules = cells.groupby("rule", sort=False)
    return {
        "by_rule": True,
        "table": markdown([_rule(cells_of_rule, len(names)) for _, cells_of_rule in rules]),
        "more": 0,
        "notes": 0,
        "healthy": healthy,
        "all_healthy": cells.empty,
        "n_cells": len(names),
    }


def read_runs(tables: Tables, task: str) -> pd.DataFrame:
    """The rows of `runs` of the runs that left tables."""
    runs = tables.of("runs", task)
    return runs[~runs["status"].isin(UNREAD)]


def _cell_names(runs: pd.DataFrame) -> list[str]:
    cells = runs[["group", "level"]].drop_duplicates()
    return [cell_name(row.level, row.group) for row in cells.itertuples()]


def _without_finding(names: list[str], cells: pd.DataFrame) -> list[str]:
    with_finding = {cell_name(row.level, row.group) for row in cells.itertuples()}
    return [name for name in names if name not in with_finding]


def _finding(row: dict[Any, Any]) -> dict[str, Any]:
    """A row of the table of findings by cell."""
    return {
        "cell": cell_name(row["level"], row["group"]),
        "finding": _with_consequences(row["rule"], row["consequences"]),
        "severity": row["severity"],
        "at its worst": row["text"],
        "seeds": f"{row['k']} of {row['n']}",
        "what may help": row["remedies"],
    }


def _with_consequences(rule: str, consequences: str) -> str:
    """A finding and the rules that likely follow from it, in words."""
    words = f"{rule}, and likely from it: {consequences}" if consequences else rule
    return words.replace("_", " ")


def _rule(cells: pd.DataFrame, n_cells: int) -> dict[str, Any]:
    """A row of the table of findings by rule; cells: those of one rule, the worst first."""
    worst = cells.iloc[0]
    lists = [names.split(", ") for names in cells["consequences"] if names]
    consequences = dict.fromkeys(itertools.chain.from_iterable(lists))
    return {
        "finding": _with_consequences(worst["rule"], ", ".join(consequences)),
        "worst severity": worst["severity"],
        "cells": f"{len(cells)} of {n_cells}",
        "one of the worst": f"{cell_name(worst['level'], worst['group'])}: {worst['text']}",
        "what may help": worst["remedies"],
    }


def early(tables: Tables, task: str) -> dict[str, Any]:
    """The section on early health: the chosen probe of each group and its correlation.

    If no interval excludes zero it is one short sentence.
    """
    metric = metric_name(tables.plan.tasks[task].metric)
    groups = tables.of("early", task)
    rows = groups[groups["chosen"].astype(bool)].to_dict("records")
    sentences = []
    table = ""
    n_outside = sum(excludes_zero(row) for row in rows)
    if rows and not n_outside:
        sentences = [_nothing_early(rows, metric)]
    elif len(rows) > MAX_SENTENCES:
        table = markdown([_early_row(row) for row in rows])
    else:
        sentences = [_early_sentence(row, metric) for row in rows]
    return {
        "sentences": sentences,
        "table": table,
        "outside": n_outside,
        "n_groups": len(rows),
        "silent": tables.of("runs", task)["group"].nunique() - len(rows),
    }


def _nothing_early(rows: list[dict[Any, Any]], metric: str) -> str:
    """The sentence on groups of which no interval excludes zero."""
    n_runs = sorted({int(row["n"]) for row in rows})
    runs = " to ".join(str(n) for n in dict.fromkeys((n_runs[0], n_runs[-1])))
    return (
        f"No early probe was shown to predict the final test {metric}; groups of cells whose "
        f"interval of rho excludes zero: 0 of {len(rows)} (n = {runs} runs each)."
    )


def _early_sentence(row: dict[Any, Any], metric: str) -> str:
    """One sentence on a chosen probe."""
    choice = f"rho {row['rho_chosen']:+.2f} over {counted(row['n_chosen'], 'run')}"
    start = f"{group_head(row['group'])}{_probe(row)} was chosen ({choice}); over the other seeds"
    n = f"n = {row['n']:.0f} runs"
    if pd.isna(row["rho"]):
        return f"{start} ({n}) there is no correlation to report."
    if pd.isna(row["low"]):
        return f"{start} rho is {row['rho']:+.2f}, {n}, too few for an interval."
    interval = f"{stats.LEVEL:.0%} interval {row['low']:+.2f} to {row['high']:+.2f}, {n}"
    reading = "the interval includes zero"
    if excludes_zero(row):
        direction = "higher" if row["rho"] > 0 else "lower"
        reading = f"larger values go with a {direction} test {metric}"
    within = ""
    if pd.notna(row["rho_within"]):
        within = f"; between seeds of one level it is {row['rho_within']:+.2f}"
    return (
        f"{start} rho with the final test {metric} is {row['rho']:+.2f} "
        f"({interval}): {reading}{within}."
    )


def _early_row(row: dict[Any, Any]) -> dict[str, Any]:
    """A row of the table of chosen probes."""
    rho = "none"
    interval = "none"
    within = "none"
    if pd.notna(row["rho"]):
        rho = f"{row['rho']:+.2f} (n = {row['n']:.0f})"
    if pd.notna(row["low"]):
        interval = f"{row['low']:+.2f} to {row['high']:+.2f}"
    if pd.notna(row["rho_within"]):
        within = f"{row['rho_within']:+.2f}"
    return {
        "group": row["group"],
        "chosen": _probe(row),
        "rho, choosing": f"{row['rho_chosen']:+.2f} (n = {row['n_chosen']})",
        "rho, other seeds": rho,
        f"{stats.LEVEL:.0%} interval": interval,
        "within a level": within,
    }


def _probe(row: dict[Any, Any]) -> str:
    """The chosen probe and when it was read, in words."""
    when = f"at step {row['step']:.0f}" if row["step"] else "before the first step"
    kind, probe = row["probe"].split()
    return f"{PROBES[kind, probe].description} {when}"


def excludes_zero(row: dict[Any, Any]) -> bool:
    """Whether there is an interval that excludes zero."""
    return bool(row["low"] > 0 or row["high"] < 0)
