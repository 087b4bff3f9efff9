"""What the advisor finds in the runs of a study, and how many seeds of a cell share a finding."""

from typing import Any

import pandas as pd

from actstudy.advice.rules import SEVERITIES, advise, read_by_rules, rules

CELL = ["task", "group", "level"]
HEALTH = ["step", "kind", "name", "index", "probe", "value"]
CURVES = ["step", "epoch", "split", "metric", "value"]
COLUMNS = [
    *CELL,
    "seed",
    "run_id",
    "rule",
    "severity",
    "value",
    "place",
    "step",
    "places",
    "text",
    "remedies",
]
UNREAD = ["missing", "damaged"]  # runs that left nothing
CELLS = [*CELL, "rule", "severity", "value", "place", "step", "text", "remedies", "k", "n"]


def findings(runs: pd.DataFrame, health: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """A row per run and finding, the worst of a run first; remedies joined by `; `."""
    seen = health[health["probe"].isin(read_by_rules())] if len(health) else health
    losses = curves[curves["metric"] == "loss"] if len(curves) else curves
    probes, losses_of = by_run(seen), by_run(losses)
    rows = []
    for run in runs[~runs["status"].isin(UNREAD)].to_dict("records"):
        facts = {str(field): value for field, value in run.items() if not pd.isna(value)}
        head = {key: run[key] for key in (*CELL, "seed", "run_id")}
        mine = (
            records(probes.get((run["run_id"], run["group"])), HEALTH),
            records(losses_of.get((run["run_id"], run["group"])), CURVES),
        )
        for found in advise(*mine, facts):
            rows.append(head | vars(found) | {"remedies": "; ".join(found.remedies)})
    return pd.DataFrame(rows, columns=COLUMNS)


def by_run(frame: pd.DataFrame) -> dict[Any, pd.DataFrame]:
    """(run_id, group) -> its rows: a run may stand in two groups, at a chosen rate that is the fixed one."""
    return dict(iter(frame.groupby(["run_id", "group"], sort=False)))


def records(frame: pd.DataFrame | None, names: list[str]) -> list[dict[str, Any]]:
    """Rows as dictionaries of some columns: `to_dict`, but quick enough for millions of rows."""
    if frame is None:
        return []
    return [
        dict(zip(names, row, strict=True))
        for row in zip(*(frame[name].tolist() for name in names), strict=True)
    ]


def of_cells(found: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """A row per cell and rule, columns CELLS: its worst run's severity, value and place, in k of the cell's n runs.

    found: rows of `findings`; runs: those of the study. The severest come first, then what most runs of a cell share.
    """
    n = runs[~runs["status"].isin(UNREAD)].groupby(CELL).size()
    rows = []
    for (*cell, _), part in found.assign(**badness(found)).groupby([*CELL, "rule"], sort=False):
        worst = part.sort_values(["rank", "outside"], ascending=False, kind="stable").iloc[0]
        rows.append({**worst, "k": part["run_id"].nunique(), "n": n.loc[tuple(cell)]})
    made = pd.DataFrame(rows, columns=[*CELLS, "rank"])
    made["share"] = made["k"] / made["n"]
    order = ["rank", "share"]
    return made.sort_values(order, ascending=False, kind="stable")[CELLS].reset_index(drop=True)


def badness(found: pd.DataFrame) -> dict[str, list[float]]:
    """How bad each finding is: `rank` of its severity, how far `outside` of its rule's thresholds its value lies."""
    bounds = {
        key: [rule for rule in rules() if (rule.name, rule.severity) == key] for key in keys(found)
    }
    outside = [
        max(rule.outside(v) for rule in bounds[key])
        for key, v in zip(keys(found), found["value"], strict=True)
    ]
    return {
        "rank": [SEVERITIES.index(severity) for severity in found["severity"]],
        "outside": outside,
    }


def keys(found: pd.DataFrame) -> list[tuple[str, str]]:
    """Rule and severity of each finding."""
    return list(zip(found["rule"], found["severity"], strict=True))
