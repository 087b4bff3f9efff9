"""Do small studies predict large ones? Orders of levels and verdicts of each beside the largest."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis.evidence import NO_PREDICTIONS
from actstudy.analysis.questions import collapse
from actstudy.analysis.questions.collapse import Gains
from actstudy.analysis.questions.seed_values import task_values
from actstudy.contract.errors import StudyError
from actstudy.contract.streams import stream
from actstudy.judging.statistics import orders
from actstudy.judging.studies import beside
from actstudy.judging.studies.beside import Study, verdict_of
from actstudy.judging.studies.paired import NEEDED

SIGNS = ("better", "worse")
COLUMNS = [
    "task",
    "group",
    "group_large",
    "small",
    "large",
    "n_levels",
    "levels",
    "n_small",
    "n_large",
]
COLUMNS += ["tau", "tau_low", "tau_high", "p", "best_small", "best_large"]
COLUMNS += ["n_compared", "n_decided", "n_agree", "agree", "agree_low", "agree_high", "verdicts"]
ALLOWED = f"studies with {orders.MIN_LEVELS} levels or more of a group in common"


def transfers(studies: Sequence[Study]) -> tuple[pd.DataFrame, list[str]]:
    """A row per smaller study, task and group of cells beside the last study; and what is left out.

    tau: of the mean gains of the levels that both have, with its interval, and p against an order
    by chance; n_decided: contrasts
    with the same baseline that both studies call better or worse, n_agree: those with one sign;
    verdicts: how often which pair of them. Columns COLUMNS. StudyError if nothing can be compared.
    """
    *smaller, large = studies
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for small in smaller:
        for study in (small, large):
            lacking = [name for name in NEEDED if name not in study.runs]
            if lacking:
                fault = f"no column {lacking[0]} in its table of runs"
                raise StudyError(f"{study.name}: {fault}; allowed: tables with runs")
        for task in [name for name in small.plan.tasks if name in large.plan.tasks]:
            settings = vars(small.plan.tasks[task])
            of_large = vars(large.plan.tasks[task])
            unlike = beside.differing(settings, of_large, beside.SETTINGS)
            if unlike:
                name, own, other = unlike[0]
                words = f"{name} is {own} in {small.name} and {other} in {large.name}"
                notes.append(f"{task}: {words}")
                continue
            own_rows, left_out = of_task(small, large, task)
            rows += own_rows
            notes += left_out
    if not rows:
        names = "; ".join(f"{study.name} has {', '.join(study.plan.tasks)}" for study in studies)
        fault = notes[0] if notes else f"no common task: {names}"
        raise StudyError(f"transfer: {fault}; allowed: {ALLOWED}")
    return pd.DataFrame(rows, columns=COLUMNS), list(dict.fromkeys(notes))


def of_task(small: Study, large: Study, task: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of one task, and a note per group with too few levels with runs."""
    gains = [gains_of(study, task) for study in (small, large)]
    pairs = group_pairs(small, large, task)
    rows = []
    notes = []
    if not pairs:
        content = f"{beside.content_of(small, task)}; {beside.content_of(large, task)}"
        notes.append(f"{task}: no group in common: {content}")
    for groups in pairs:
        levels = []
        for level in dict.fromkeys(level for _, level in beside.cells_of(small, task)):
            cells = zip(gains, groups, strict=True)
            if all(has_runs(own, (group, level)) for own, group in cells):
                levels.append(level)
        if len(levels) < orders.MIN_LEVELS:
            where = ", ".join(dict.fromkeys(filter(None, groups)))
            head = f"{task}, {where}" if where else task
            words = ", ".join(levels) or "none"
            pair = f"{small.name} and {large.name}"
            notes.append(f"{head}: got {len(levels)} levels with runs in both {pair} ({words})")
            continue
        rows.append(of_group(small, large, task, groups, levels, gains))
    return rows, notes


def group_pairs(small: Study, large: Study, task: str) -> list[tuple[str, str]]:
    """The groups of cells that are compared, as each study calls them.

    Those of one name; without any, the only group of one study with each of the other's.
    """
    own = list(dict.fromkeys(group for group, _ in beside.cells_of(small, task)))
    others = list(dict.fromkeys(group for group, _ in beside.cells_of(large, task)))
    same = [(group, group) for group in own if group in others]
    if same:
        return same
    if len(own) == 1 or len(others) == 1:
        return list(itertools.product(own, others))
    return []


def has_runs(gains: Gains, cell: tuple[str, str]) -> bool:
    """Whether a cell has a typical run."""
    return cell in gains.typical and bool(gains.typical[cell].notna().any())


def gains_of(study: Study, task: str) -> Gains:
    """The gains of a study's task, of runs that have ended and are pairs of their baseline's."""
    metric = f"reported_{study.plan.tasks[task].metric}"
    if metric not in study.runs:
        fault = f"no column {metric} in its table of runs"
        raise StudyError(f"{study.name}: {fault}; allowed: tables of a study that has run")
    frames = {"runs": study.runs, "predictions": NO_PREDICTIONS}
    values = task_values(frames, study.plan, task)
    if values.values.empty:
        fault = f"no run of {task} has ended"
        raise StudyError(f"{study.name}: {fault}; allowed: tables of a study that has run")
    return collapse.gains(values, study.plan.tasks[task])


def of_group(
    small: Study,
    large: Study,
    task: str,
    groups: tuple[str, str],
    levels: list[str],
    gains: list[Gains],
) -> dict[str, Any]:
    """A row: levels of one group of each study."""
    values = []
    for own, group in zip(gains, groups, strict=True):
        part = own.typical[[(group, level) for level in levels]].dropna(how="all")
        values.append(part.to_numpy(dtype=float))
    rng = stream(0, f"transfer {task} {groups}")
    order = orders.agreement(values[0], values[1], rng)
    means = [np.nanmean(own, axis=0) for own in values]
    best = [levels[int(np.argmax(own))] for own in means]
    pairs = list(verdict_pairs(small, large, task, groups, levels))
    decided = [pair for pair in pairs if set(pair) <= set(SIGNS)]
    agree = orders.share(sum(a == b for a, b in decided), len(decided))
    counts = pd.Series([f"{a} - {b}" for a, b in pairs], dtype=object).value_counts(sort=False)
    return {
        **{"task": task, "group": groups[0], "group_large": groups[1]},
        **{"small": small.name, "large": large.name},
        **{"n_levels": len(levels), "levels": ", ".join(levels)},
        **{"n_small": len(values[0]), "n_large": len(values[1])},
        **{"tau": order.value, "tau_low": order.low, "tau_high": order.high},
        "p": orders.chance_p(means[0], means[1], rng),
        **{"best_small": best[0], "best_large": best[1]},
        **{"n_compared": len(pairs), "n_decided": agree.n},
        **{"n_agree": sum(a == b for a, b in decided)},
        **{"agree": agree.value, "agree_low": agree.low, "agree_high": agree.high},
        "verdicts": "; ".join(f"{words}: {n}" for words, n in counts.items()),
    }


def verdict_pairs(
    small: Study, large: Study, task: str, groups: tuple[str, str], levels: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """The verdicts of both studies on each level that both compare with one baseline."""
    tables = []
    for study, group in zip((small, large), groups, strict=True):
        rows = study.of("verdicts", task)
        rows = rows[rows["group"] == group]
        tables.append(rows.drop_duplicates("level").set_index("level"))
    for level in levels:
        if not all(level in table.index for table in tables):
            continue
        first, other = (table.loc[level] for table in tables)
        if first["baseline"] == other["baseline"]:
            yield verdict_of(first), verdict_of(other)
