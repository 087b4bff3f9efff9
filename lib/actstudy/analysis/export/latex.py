"""The contrasts of a task as a LaTeX table, ready for \\input; it needs the package booktabs."""

import math
from pathlib import Path
from typing import Any

from actstudy.analysis.page.markdown import metric_name
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
    "*": "{*}",  # the same
} | {mark: f"\\{mark}" for mark in "%_&#${}"}
HEAD = [r"\begin{tabular}{lrrrrl}", r"\toprule"]
FOOT = [r"\bottomrule", r"\end{tabular}", ""]


def write(tables: Tables, folder: Path) -> None:
    """Write each task's contrasts beside the other tables, as contrasts_<task>.tex."""
    for task in tables.plan.tasks:
        with store.replacing(folder / f"contrasts_{task}.tex") as draft:
            draft.write_text(contrasts_latex(tables, task), encoding="utf-8")


def contrasts_latex(tables: Tables, task: str) -> str:
    """The primary contrasts of a task as a booktabs table: level, n, mean difference, interval, p, verdict.

    Groups of cells follow each other, each under its name.
    """
    settings, found = tables.plan.tasks[task], tables.of("contrasts", task)
    found = found[found["family"] == "primary"]
    unit = settings.log_unit or ""
    what = f"{settings.title}: test {metric_name(settings.metric)}, difference from {settings.baseline}"
    what += f" ({unit})" if unit else ""
    lines = [
        f"% {escaped(what)}",
        *HEAD,
        "Level & $n$ & Mean difference & Interval & $p$ & Verdict \\\\",
    ]
    for group, part in found.groupby("group", sort=False):
        lines.append(r"\midrule")
        lines += [rf"\multicolumn{{6}}{{l}}{{{escaped(group)}}} \\"] if group else []
        lines += [line(row) for row in part.to_dict("records")]
    return "\n".join([*lines, *FOOT])


def line(row: dict[str, Any]) -> str:
    """A contrast as a row of the table; what it has no seeds for stays empty."""
    low, high, p = (row[name] for name in ("low", "high", "p"))
    interval = (
        f"[{number(low)}, {number(high)}]" if math.isfinite(low) and math.isfinite(high) else ""
    )
    cells = [
        escaped(row["level"]),
        f"{row['n']}",
        number(row["mean"]),
        interval,
        chance(p),
        escaped(contrasts.describe_verdict(row)),
    ]
    return " & ".join(cells) + r" \\"


def number(value: float) -> str:
    """Four decimals with a sign, in mathematics; empty where there is no number."""
    return f"${value:+.4f}$" if math.isfinite(value) else ""


def chance(p: float) -> str:
    """A p-value with four decimals, or that it is smaller."""
    if not math.isfinite(p):
        return ""
    return f"{p:.4f}" if p >= 0.0001 else "$<0.0001$"


def escaped(text: object) -> str:
    """Text on one line of which no character means anything to TeX."""
    return "".join(SPECIAL.get(mark, mark) for mark in visible(" ".join(str(text).split())))
