"""What the rules find in the runs of a study, and how many seeds of a cell share a finding."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
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
    probes_of = Records(probes, HEALTH)
    losses_of = Records(losses, CURVES)
    stalled = stalls(runs, curves, tasks)
    rows = []
    for run in runs[~runs["status"].isin(UNREAD)].to_dict("records"):
        facts = {str(field): value for field, value in run.items() if not pd.isna(value)}
        facts |= stalled.get(run["run_id"], {})
        head = {name: run[name] for name in (*CELL, "seed", "run_id")}
        key = (run["run_id"], run["group"])
        for finding in advise(probes_of(*key), losses_of(*key), facts):
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


class Records:
    """A run's rows of a long table as dictionaries, without a frame or texts for each run."""

    def __init__(self, frame: pd.DataFrame, names: list[str]) -> None:
        """names: the columns that are asked for."""
        self._places: dict[Any, np.ndarray] = {}
        # name, values; of texts their places among the third
        self._columns: list[tuple[str, np.ndarray, np.ndarray | None]] = []
        if len(frame):
            self._places = frame.groupby(["run_id", "group"], sort=False).indices
        for name in names if len(frame) else []:
            if pd.api.types.is_numeric_dtype(frame[name]):
                self._columns.append((name, frame[name].to_numpy(), None))
            else:
                codes, texts = pd.factorize(frame[name], use_na_sentinel=False)
                self._columns.append((name, codes, np.asarray(texts, dtype=object)))

    def __call__(self, run_id: str, group: str) -> list[dict[str, Any]]:
        """Rows in order; a run is in two groups if the chosen rate is the fixed one."""
        places = self._places.get((run_id, group))
        if places is None:
            return []
        names = [name for name, _, _ in self._columns]
        values = []
        for _, column, texts in self._columns:
            own = column[places]
            values.append((own if texts is None else texts[own]).tolist())
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


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
