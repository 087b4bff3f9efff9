"""What the best of k trials gives, in sentences and as a table."""

from typing import Any

import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.markdown import group_head, listed, metric_name, prose
from actstudy.analysis.page.sensitivity_tables import first_rows
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan

STEPS = (1, 2, 4, 8, 16, 32, 64)  # trials that a table has a column of
MIN_LEVELS = 2  # below, no level leads
MIN_TRIALS = 3  # below, there is no curve


def size_of(settings: TaskPlan) -> scale.Scale:
    """How values of `best_of` are written: a logarithm as differences of it are."""
    if settings.log_unit:
        return scale.of_differences(settings)
    return scale.of_metric(settings.metric, settings.predicts)


def name_of(settings: TaskPlan) -> str:
    """What the values of `best_of` are, without unit: `test accuracy`, `ln test perplexity`."""
    name = f"test {metric_name(settings.metric)}"
    return f"ln {name}" if settings.log_unit else name


def name_with_unit(settings: TaskPlan) -> str:
    """The same with the unit of its values, if they have one."""
    unit = size_of(settings).unit
    return f"{name_of(settings)} ({unit})" if unit else name_of(settings)


def sentences(tables: Tables, task: str) -> list[str]:
    """The leader by the number of trials, places at an edge, and blocks without a curve."""
    table = tables.of("best_of", task)
    texts = []
    for block, part in table.groupby("block", sort=False):
        head = group_head(str(block))
        refused = part.loc[part["k"] == 0, "reason"]
        if len(refused):
            texts.append(f"{head}No curve of the best of k trials: {refused.iloc[0]}.")
            continue
        if part["level"].nunique() < MIN_LEVELS or part["n_trials"].max() < MIN_TRIALS:
            continue
        texts.append(f"{head}{leaders(tables, task, part)}")
        texts += [f"{head}{text}" for text in edges(part)]
        if not part["value"].abs().lt(float("inf")).all():
            texts.append(f"{head}Diverged trials are infinitely bad: chance is not known here.")
    return texts


def part(tables: Tables, task: str) -> str:
    """The same as Markdown."""
    lines = [f"- {prose(sentence)}" for sentence in sentences(tables, task)]
    return "\n".join(["### What k trials give", "", *lines]) if lines else ""


def leaders(tables: Tables, task: str, part: pd.DataFrame) -> str:
    """Which level has the best expected value with one trial, and from how many on another has.

    Numbers of trials with which every level is infinitely bad have no leader.
    """
    settings = tables.plan.tasks[task]
    size = size_of(settings)
    gains = settings.sign * part.pivot(index="k", columns="level", values="value").astype(float)
    gains = gains.where(gains.abs() < float("inf")).dropna(how="all")
    best = gains.idxmax(axis=1)
    texts = []
    for k in gains.index:
        if best[k] == best.get(k - 1):
            continue
        number = size.number(settings.sign * gains.loc[k, best[k]])
        value = f"{number}{size.unit if size.unit == '%' else f' {size.unit}'}".strip()
        trials = "1 trial" if k == 1 else f"{k} trials"
        texts.append(f"with {trials} {best[k]} ({value})")
    n = int(part["n_trials"].iloc[0])
    name = name_of(settings)
    texts = texts or ["none, as every level is infinitely bad with any number"]
    return (
        f"Best expected result of the best of k of {n} trials ({part['trials_of'].iloc[0]}; "
        f"{name} of the one that val chooses): {', '.join(texts)}. That is no verdict."
    )


def edges(part: pd.DataFrame) -> list[str]:
    """A sentence on levels whose best trial lies at the edge of an axis: a better may be beyond."""
    last = part[(part["k"] == part["n_trials"]) & (part["at_edge"] != "")]
    names = [f"{row.level} ({row.best_trial}; {row.at_edge})" for row in last.itertuples()]
    if not names:
        return []
    return [f"Widen the axis: the best trial on val is at its edge for {listed(names)}."]


def table(tables: Tables, task: str) -> str:
    """The curves at some numbers of trials, with intervals, and hours; empty without any."""
    settings = tables.plan.tasks[task]
    size = size_of(settings)
    rows = []
    curves = tables.of("best_of", task).query("k > 0")
    lasts = curves.groupby(["block", "level"])["k"].max()
    steps = sorted({*lasts, *curves.loc[curves["k"].isin(STEPS), "k"]})
    for (block, level), part in curves.groupby(["block", "level"], sort=False):
        cells: dict[str, Any] = {"at": block} if block else {}
        cells["level"] = level
        cells |= {f"{k}": "" for k in steps}
        for row in part[part["k"].isin(steps)].to_dict("records"):
            value = size.with_interval(row["value"], row["low"], row["high"])
            cells[f"{row['k']}"] = value
        first = part[part["k"] == 1].iloc[0]
        cells |= {"hours of a trial": f"{first['hours']:.2g}", "seeds": first["n_seeds"]}
        rows.append(cells)
    return first_rows(rows, "best_of")
