"""The contrasts of a task as a LaTeX table, ready for \\input; it needs the package booktabs."""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from actstudy.analysis.markdown import metric_name
from actstudy.analysis.questions import contrasts
from actstudy.analysis.tables import Tables
from actstudy.contract import store
from actstudy.contract.errors import visible

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "{''}",  # a shorthand of some languages
    "[": "{[}",  # at the start of a row it would be an argument of the line break before it
    "*": "{*}",  # likewise
} | {mark: f"\\{mark}" for mark in "%_&#${}"}  # pandas leaves " [ * < > | as they are


def write(tables: Tables, folder: Path) -> None:
    """Write each task's contrasts next to the other tables, as contrasts_<task>.tex."""
    for task in tables.plan.tasks:
        with store.replacing(folder / f"contrasts_{task}.tex") as draft:
            draft.write_text(contrasts_latex(tables, task), encoding="utf-8")


def contrasts_latex(tables: Tables, task: str) -> str:
    """The contrasts of a task with the baseline as a booktabs table, group by group."""
    settings = tables.plan.tasks[task]
    primary = tables.of("contrasts", task).query("family == 'primary'")
    title = f"{settings.title}: test {metric_name(settings.metric)}"
    title += f", difference from {settings.baseline}"
    if settings.log_unit:
        title += f" ({settings.log_unit})"
    columns = ["Level", "$n$", "Mean difference", "Interval", "$p$", "Verdict"]
    rows: list[list[str]] = []
    for group, part in primary.groupby("group", sort=False):
        head = "\\midrule\n" if rows else ""
        if group:
            head += rf"\multicolumn{{{len(columns)}}}{{l}}{{{escaped(group)}}} \\" + "\n"
        for row in part.to_dict("records"):
            rows.append(_row(row, head))
            head = ""
    table = pd.DataFrame(rows, columns=columns).style.hide(axis="index")
    return f"% {escaped(title)}\n{table.to_latex(column_format='lrrrrl', hrules=True)}"


def _row(row: dict[Any, Any], head: str) -> list[str]:
    """A contrast's cells, below the lines `head`; what it has too few seeds for stays empty."""
    interval = ""
    if math.isfinite(row["low"]) and math.isfinite(row["high"]):
        interval = f"[{number(row['low'])}, {number(row['high'])}]"
    level = head + escaped(row["level"])
    verdict = escaped(contrasts.describe_verdict(row))
    return [level, f"{row['n']}", number(row["mean"]), interval, chance(row["p"]), verdict]


def number(value: float) -> str:
    """Four decimals with a sign, in mathematics; empty if it is not finite."""
    return f"${value:+.4f}$" if math.isfinite(value) else ""


def chance(p: float) -> str:
    """A p-value with four decimals, or that it is smaller; empty if it is not finite."""
    if not math.isfinite(p):
        return ""
    if p < 0.0001:
        return "$<0.0001$"
    return f"{p:.4f}"


def escaped(text: object) -> str:
    """Text on one line in which no character has a meaning to TeX."""
    return "".join(SPECIAL.get(mark, mark) for mark in visible(" ".join(str(text).split())))
