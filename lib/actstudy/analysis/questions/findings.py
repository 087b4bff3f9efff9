"""What the rules find in the runs of a study, and how many seeds of a cell share a finding."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from actstudy.advice.readings import OF_CURVES
from actstudy.advice.rules import SEVERITIES, Rule, advise, read_by_rules, rules
from actstudy.analysis.questions.outcomes import (
    JUDGED_BY,
    STALLS,
    best_validation,
    outcomes,
    stall_bounds,
)
from actstudy.contract.plan import TaskPlan
from actstudy.contract.schema import CELL, UNREAD

RUN = ["run_id", "group"]  # a run is in two groups if the chosen rate is the fixed one
HEALTH = ["step", "kind", "name", "index", "probe", "value"]
CURVES = ["step", "epoch", "split", "metric", "value"]
COLUMNS = ["task", "group", "level", "seed", "run_id", "rule", "severity", "value"]
COLUMNS += ["place", "step", "places", "text", "remedies", "first", "cause"]
CELLS = [*CELL, "rule", "severity", "value", "place", "step", "text", "remedies"]
CELLS += ["consequences", "k", "n"]


def findings(
    runs: pd.DataFrame, health: pd.DataFrame, curves: pd.DataFrame, tasks: Mapping[str, TaskPlan]
) -> pd.DataFrame:
    """A row per run and finding, the worst of a run first; remedies joined by `; `.

    `cause` is the rule of the finding that a finding is the likely consequence of, or empty;
    tasks: those of the plan, whose data say what a guess is worth.
    """
    probes = health[health["probe"].isin(read_by_rules())] if len(health) else health
    losses = curves[curves["metric"].isin(OF_CURVES)] if len(curves) else curves
    probes_by_run = by_run(probes.filter(items=[*RUN, *HEALTH]))
    losses_by_run = by_run(losses.filter(items=[*RUN, *CURVES]))
    stalled = stalls(runs, curves, tasks)
    rows = []
    for run in runs[~runs["status"].isin(UNREAD)].to_dict("records"):
        facts = {str(field): value for field, value in run.items() if not pd.isna(value)}
        facts |= stalled.get(run["run_id"], {})
        head = {name: run[name] for name in (*CELL, "seed", "run_id")}
        key = (run["run_id"], run["group"])
        run_probes = records(probes_by_run.get(key), HEALTH)
        run_losses = records(losses_by_run.get(key), CURVES)
        for finding in advise(run_probes, run_losses, facts):
            rows.append({**head, **vars(finding), "remedies": "; ".join(finding.remedies)})
    return pd.DataFrame(rows, columns=COLUMNS)


def stalls(
    runs: pd.DataFrame, curves: pd.DataFrame, tasks: Mapping[str, TaskPlan]
) -> dict[str, dict[str, float]]:
    """Run -> the fact that its best validation is that of a guess, of completed runs that stall."""
    if curves.empty:
        return {}
    stalled = {}
    for task, part in runs.groupby("task"):
        settings = tasks[str(task)]
        metric = JUDGED_BY.get(settings.predicts, "")
        best = best_validation(curves, metric)
        part = part[part["run_id"].isin(best.index)]
        ends = outcomes(part, best, stall_bounds(part, settings))
        for run_id, end in zip(part["run_id"], ends, strict=True):
            if end == STALLS:
                stalled[run_id] = {f"{metric}_at_chance": float(best[run_id])}
    return stalled


def by_run(frame: pd.DataFrame) -> dict[Any, pd.DataFrame]:
    """RUN -> its rows."""
    return dict(iter(frame.groupby(RUN, sort=False)))


def records(frame: pd.DataFrame | None, names: list[str]) -> list[dict[str, Any]]:
    """Rows as dictionaries of some columns; faster than `to_dict` for millions of rows."""
    if frame is None:
        return []
    rows = zip(*[frame[name].tolist() for name in names], strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def of_cells(findings: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """A row per cell and rule that is a cause, columns CELLS: its worst run's severity and value.

    consequences: the rules that follow from it in any run; k of the cell's n runs have it. The
    severest come first, by their severest consequence, then those that the largest share of a
    cell's runs has. findings: that table's rows; runs: those of the study.
    """
    n = runs[~runs["status"].isin(UNREAD)].groupby(CELL).size()
    ranked = findings.assign(**badness(findings))
    is_cause = findings["cause"] == ""
    effects = dict(iter(ranked[~is_cause].groupby([*CELL, "cause"], sort=False)))
    rows = []
    for key, part in ranked[is_cause].groupby([*CELL, "rule"], sort=False):
        worst = part.sort_values(["rank", "outside"], ascending=False, kind="stable").iloc[0]
        row = {**worst, "consequences": "", "k": part["run_id"].nunique(), "n": n.loc[key[:-1]]}
        if key in effects:
            row["consequences"] = ", ".join(effects[key]["rule"].unique())
            row["rank"] = max(row["rank"], effects[key]["rank"].max())
        rows.append(row)
    cells = pd.DataFrame(rows, columns=[*CELLS, "rank"])
    cells["share"] = cells["k"] / cells["n"]
    cells = cells.sort_values(["rank", "share"], ascending=False, kind="stable")
    return cells[CELLS].reset_index(drop=True)


def badness(findings: pd.DataFrame) -> dict[str, Sequence[float]]:
    """Per finding the `rank` of its severity, and how far `outside` of its thresholds it lies."""
    rules_by_key: dict[tuple[str, str], list[Rule]] = {}
    for rule in rules():
        rules_by_key.setdefault((rule.name, rule.severity), []).append(rule)
    distances = []
    for finding in findings.itertuples():
        broken = rules_by_key[finding.rule, finding.severity]
        distances.append(max(rule.outside(finding.value) for rule in broken))
    ranks = [SEVERITIES.index(severity) for severity in findings["severity"]]
    return {"rank": ranks, "outside": distances}
