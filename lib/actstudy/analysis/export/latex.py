"""A task's means and contrasts as LaTeX, ready for \\input; they need the package booktabs."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.questions import contrasts
from actstudy.analysis.scale import Scale
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
    """Write means_<task>.tex and contrasts_<task>.tex of each task next to the other tables."""
    for task in tables.plan.tasks:
        for name, latex in (("means", means_latex), ("contrasts", contrasts_latex)):
            with store.replacing(folder / f"{name}_{task}.tex") as draft:
                draft.write_text(latex(tables, task), encoding="utf-8")


def means_latex(tables: Tables, task: str) -> str:
    """The mean test metric of each cell with sd and n as a booktabs table, group by group."""
    settings = tables.plan.tasks[task]
    own = scale.of_metric(settings.metric, settings.predicts)

    def cells(row: dict[Any, Any]) -> list[str]:
        return [number(own, row["mean"]), number(own, row["sd"]), f"{row['n']}"]

    title = f"{settings.title}: {scale.heading(settings.metric, settings.predicts)}"
    return table(title, tables.reported(task), ["Level", "Mean", "sd", "$n$"], "lrrr", cells)


def contrasts_latex(tables: Tables, task: str) -> str:
    """The contrasts of a task with the baseline as a booktabs table, group by group."""
    settings = tables.plan.tasks[task]
    size = scale.of_differences(settings)

    def cells(row: dict[Any, Any]) -> list[str]:
        interval = ""
        if size.interval(row["low"], row["high"]) != "none":
            interval = f"[{signed(size, row['low'])}, {signed(size, row['high'])}]"
        difference = signed(size, row["mean"])
        verdict = escaped(contrasts.describe_verdict(row))
        return [f"{row['n']}", difference, interval, chance(row["p"]), verdict]

    title = f"{settings.title}: test {metric_name(settings.metric)}"
    title += f", difference from {settings.baseline}"
    if size.unit:
        title += f" ({size.unit})"
    columns = ["Level", "$n$", "Mean difference", "Interval", "$p$", "Verdict"]
    return table(title, contrasts.primary(tables.of("contrasts", task)), columns, "lrrrrl", cells)


def table(
    title: str,
    frame: pd.DataFrame,
    columns: list[str],
    format_: str,
    cells: Callable[[dict[Any, Any]], list[str]],
) -> str:
    """A booktabs table under a comment with its title: a row per row of the frame.

    frame: with group, which heads its rows, and level, the first cell; cells: the others.
    """
    rows: list[list[str]] = []
    for group, part in frame.groupby("group", sort=False):
        head = "\\midrule\n" if rows else ""
        if group:
            head += rf"\multicolumn{{{len(columns)}}}{{l}}{{{escaped(group)}}} \\" + "\n"
        for row in part.to_dict("records"):
            rows.append([head + escaped(row["level"]), *cells(row)])
            head = ""
    styled = pd.DataFrame(rows, columns=columns).style.hide(axis="index")
    return f"% {escaped(title)}\n{styled.to_latex(column_format=format_, hrules=True)}"


def number(own: Scale, value: float) -> str:
    """A value in mathematics; empty if it is not finite."""
    return f"${own.number(value)}$" if math.isfinite(value) else ""


def signed(size: Scale, value: float) -> str:
    """A difference with its sign, in mathematics; empty if it is not finite."""
    return f"${size.signed(value)}$" if math.isfinite(value) else ""


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
