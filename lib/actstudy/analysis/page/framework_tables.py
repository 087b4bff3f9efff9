"""The tables of the section on frameworks: differences, standard deviations, speed; as Markdown."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import markdown
from actstudy.analysis.questions.contrasts import verdict_words
from actstudy.analysis.questions.effects import SEED
from actstudy.analysis.questions.factors import FACTORS
from actstudy.analysis.questions.speed import MIN_PROCESSES
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted

MAX_ROWS = 24
MAX_COLUMNS = 3  # of cells beside each other
FAMILY = {"primary": "the answer's", "all pairs": "all pairs"}  # else the factor's own


def others(n: int, name: str) -> str:
    """How many rows a table does not show, and which file has them."""
    return f"{counted(n, 'more row')} {'is' if n == 1 else 'are'} in tables/{name}.csv."


def differences(tables: Tables, task: str) -> str:
    """The rows of `effects` but for those of seeds: of as many factors as MAX_ROWS has room for."""
    table = tables.of("effects", task)
    rows: list[pd.DataFrame] = []
    for factor in FACTORS:
        rows.append(table[table["factor"] == factor])
        if sum(len(part) for part in rows) > MAX_ROWS:
            break
    listed = pd.concat(rows).head(MAX_ROWS)
    text = markdown([_difference(tables, row) for row in listed.to_dict("records")], "")
    n_more = int((table["factor"] != SEED).sum()) - len(listed)
    return f"{text}\n\n{others(n_more, 'effects')}" if n_more else text


def _difference(tables: Tables, row: dict[Any, Any]) -> dict[str, Any]:
    settings = tables.plan.tasks[row["task"]]
    size = scale.of_differences(settings)
    unit = f", {size.unit}" if size.unit else ""
    return {
        "factor": row["factor"],
        "levels": f"{row['level']} against {row['baseline']}",
        "at": row["group"],
        f"difference{unit}": size.signed(row["mean"]) if row["n"] else "none",
        "interval": size.bounded(row["low"], row["high"]),
        f"typical size{unit}": size.with_interval(row["size"], row["size_low"], row["size_high"]),
        "pairs": row["n"],
        "verdict": verdict_words(row),
        "family": FAMILY.get(row["family"], "the factor's own"),
    }


def deviations(tables: Tables, task: str) -> str:
    """The standard deviations of `components`: of few cells a row per source, else one per cell.

    A cell is a block and an arithmetic. Without those of which `without_deviations` has sentences.
    """
    size = scale.of_differences(tables.plan.tasks[task])
    by_cell: dict[str, dict[str, Any]] = {}
    for cell, part in cells(tables, task):
        if reason_of(part):
            continue
        own = by_cell.setdefault(cell or "standard deviation", {})
        for row in part.to_dict("records"):
            source = f"{row['source']} ({row['levels']})" if row["levels"] else row["source"]
            text = row["reason"] or size.deviation(row["sd"], row["low"], row["high"])
            own[source.replace(" | ", " against ")] = f"{text}, n = {row['n_seeds']}"
    if len(by_cell) > MAX_COLUMNS:
        rows = [{"cell": cell, **own} for cell, own in by_cell.items()]
        text = markdown(rows[:MAX_ROWS], "")
        n_more = len(rows) - MAX_ROWS
        return f"{text}\n\n{others(n_more, 'components')}" if n_more > 0 else text
    table = pd.DataFrame(by_cell).fillna("").rename_axis("source").reset_index()
    return markdown(table.to_dict("records"), "")


def without_deviations(tables: Tables, task: str) -> Iterator[str]:
    """A sentence per reason why a cell does not say how much its framework moves the result."""
    by_reason: dict[str, list[str]] = {}
    for cell, part in cells(tables, task):
        reason = reason_of(part)
        if reason:
            by_reason.setdefault(reason, []).append(cell)
    for reason, names in by_reason.items():
        own = "; ".join(filter(None, names[:MAX_ROWS]))
        of_cells = f" for {own}" if own else ""
        yield f"No standard deviations of framework, activation and seed{of_cells}: {reason}."


def cells(tables: Tables, task: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """The name of each block and arithmetic of `components`, empty for the only one; its rows."""
    for place, part in tables.of("components", task).groupby(["block", "at"], sort=False):
        yield ", ".join(filter(None, place)), part


def reason_of(part: pd.DataFrame) -> str:
    """Why a cell's rows of `components` have none of the framework; empty if they have one."""
    reasons: list[str] = part.loc[part["source"] == "framework", "reason"].tolist()
    return reasons[0] if reasons else ""


def speed(tables: Tables, task: str) -> str:
    """Throughput, seconds of compiling steps and memory, a row per cell, device and execution.

    Cells of which no run was timed are left out.
    """
    table = tables.of("speed", task)
    table = table[table["n"] > 0]
    rows = []
    for row in table.head(MAX_ROWS).to_dict("records"):
        rows.append(_speed(row))
    text = markdown(rows, "No run was timed.")
    n_more = len(table) - MAX_ROWS
    return f"{text}\n\n{others(n_more, 'speed')}" if n_more > 0 else text


def _speed(row: dict[Any, Any]) -> dict[str, Any]:
    trained_by = ", ".join(filter(None, [row["framework"], row["engine"]]))
    few = f"{row['n']} (no interval: it takes {MIN_PROCESSES})"
    return {
        "trained by": trained_by,
        "at": ", ".join(filter(None, [row["block"], row["at"]])),
        "execution": "not recorded" if pd.isna(row["execution"]) else row["execution"],
        "device": row["device"],
        "processes": row["n"] if row["n"] >= MIN_PROCESSES else few,
        f"throughput ({row['throughput_unit']})": measured(row, "throughput", 1.0, 0),
        "over torch": measured(row, "ratio", 1.0, 2),
        "compiling steps (s)": measured(row, "compile_seconds", 1.0, 1),
        "peak memory (MB)": f"{measured(row, 'memory', 1e-6, 0)}, {row['memory_kind']}",
    }


def measured(row: dict[Any, Any], name: str, factor: float, digits: int) -> str:
    """A measure of a row of `speed` with its interval, if it has them."""
    value, low, high = (row[column] for column in (name, f"{name}_low", f"{name}_high"))
    if pd.isna(value):
        return ""
    text = f"{factor * value:,.{digits}f}"
    if pd.isna(low):
        return text
    return f"{text} ({factor * low:,.{digits}f} to {factor * high:,.{digits}f})"
