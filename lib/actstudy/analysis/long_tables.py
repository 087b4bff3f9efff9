"""Learning curves and health: tables that grow with what a run records, and what asks of each run.

Both are read part by part. Of a study with more than MAX_ROWS rows in one of them each part is
answered whole and let go: the tables `curves` and `health` then hold evenly spaced rows of each
run, so that memory, figures and pages do not grow with the number of evaluations or probes. What
is asked run by run (findings, targets, the best of val, early readings) is asked of all rows.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from actstudy.analysis.collect import LABELS, joined, labelled, runs_of
from actstudy.analysis.questions import early_health, findings
from actstudy.analysis.questions.learnt import learnt
from actstudy.analysis.questions.outcomes import BEST
from actstudy.analysis.run_tables import Part, RunTables
from actstudy.contract.plan import Plan
from actstudy.contract.schema import UNREAD

MAX_ROWS = 2_000_000  # of `curves` and of `health`, each about 1 GB as a frame with its copies
MIN_POINTS = {"curves": 12, "health": 3}  # of a series, before runs are left out
SERIES = {  # the columns that name one series of a run
    "curves": ["run_id", "group", "split", "metric"],
    "health": ["run_id", "group", "kind", "name", "index", "probe"],
}


class Long(NamedTuple):
    """The two tables, and what was asked of each run."""

    curves: pd.DataFrame
    health: pd.DataFrame
    answering: pd.DataFrame  # rows of curves that answer `targets`, and have the best of val
    findings: pd.DataFrame
    early: pd.DataFrame | None  # early readings; None: those of the table `health`
    learnt: pd.DataFrame


def read(plan: Plan, source: RunTables, runs: pd.DataFrame) -> Long:
    """The long tables of the runs of a study; runs: its table of that name.

    A study whose claims ask of all rows together is never thinned.
    """
    ended = runs[~runs["status"].isin(UNREAD)]
    parts = source.parts(runs_of(ended), list(SERIES))
    small: list[Part] = []
    n_rows = dict.fromkeys(SERIES, 0)
    is_whole = bool(plan.claims or plan.ledger)
    for part in parts:
        small.append(part)
        for name in SERIES:
            n_rows[name] += sum(map(len, part.tables[name]))
        if max(n_rows.values()) > MAX_ROWS and not is_whole:
            return _thinned(plan, itertools.chain(small, parts), ended)
    return _whole(plan, small, runs, ended)


def _whole(plan: Plan, parts: Sequence[Part], runs: pd.DataFrame, ended: pd.DataFrame) -> Long:
    """All rows, in the order of the plan."""
    frames = {}
    for name in SERIES:
        tables = list(itertools.chain(*(part.tables[name] for part in parts)))
        frames[name] = labelled(ended, joined(_of_one_kind(tables)))
    curves = frames["curves"]
    health = frames["health"]
    table = findings.findings(runs, health, curves, plan.tasks)
    return Long(curves, health, curves, table, None, learnt(health))


def _of_one_kind(tables: Sequence[pa.Table]) -> Sequence[pa.Table]:
    """Tables without empty ones, unless all are."""
    return [table for table in tables if len(table)] or tables[:1]


def _thinned(plan: Plan, parts: Iterable[Part], ended: pd.DataFrame) -> Long:
    """Evenly spaced rows of each run, and what was asked of all rows of it."""
    columns: dict[str, list[pd.DataFrame]] = {name: [] for name in Long._fields}
    points: dict[str, tuple[int, set[str]]] = {}
    for part in parts:
        own = ended[ended["run_id"].isin([run_id for _, run_id in part.runs])]
        rows = {name: labelled(own, joined(part.tables[name])) for name in SERIES}
        curves = rows["curves"]
        health = rows["health"]
        for name in SERIES:
            if name not in points and len(rows[name]):
                points[name] = room(name, rows[name], ended)
            if name in points:
                n, in_table = points[name]
                some = rows[name][rows[name]["run_id"].isin(in_table)]
                columns[name].append(spaced(some, SERIES[name], n))
        best = best_of_val(curves)
        columns["curves"].append(best.assign(split=BEST))
        columns["answering"].append(pd.concat([best, reaching(curves, plan)]))
        columns["findings"].append(findings.findings(own, health, curves, plan.tasks))
        completed = own[own["status"] == "completed"]
        columns["early"].append(early_health.readings(completed, health, curves))
        columns["learnt"].append(learnt(health))
    whole = {name: in_order(frames, ended) for name, frames in columns.items()}
    return Long(**whole)


def room(name: str, rows: pd.DataFrame, runs: pd.DataFrame) -> tuple[int, set[str]]:
    """How many points a series may have, and the runs that are in the table.

    All runs, unless they have too many series: then the first seeds of all cells. rows: of some
    runs, which say how many series one has.
    """
    of_part = rows["run_id"].nunique()
    series_per_run = -(-len(rows[SERIES[name]].drop_duplicates()) // of_part)
    ids = runs.sort_values("seed", kind="stable")["run_id"].drop_duplicates()
    n_runs = max(1, min(len(ids), MAX_ROWS // (series_per_run * MIN_POINTS[name])))
    n_points = max(MIN_POINTS[name], MAX_ROWS // (series_per_run * n_runs))
    return n_points, set(ids[:n_runs])


def spaced(frame: pd.DataFrame, key: list[str], n_kept: int) -> pd.DataFrame:
    """Of each group of rows its first, its last and evenly spaced ones between, n_kept in all."""
    grouped = frame.groupby(key, sort=False, dropna=False)
    place = grouped.cumcount()
    size = grouped["step"].transform("size")
    gaps = np.minimum(size, n_kept) - 1
    slot = np.floor(place * gaps / np.maximum(size - 1, 1))
    before = np.floor((place - 1) * gaps / np.maximum(size - 1, 1))
    return frame[(place == 0) | (slot > before)]


def best_of_val(curves: pd.DataFrame) -> pd.DataFrame:
    """The first largest and the first smallest value of each run's metrics on val."""
    val = curves[curves["split"] == "val"]
    by_metric = val.groupby(SERIES["curves"], sort=False)["value"]
    largest = val[val["value"] == by_metric.transform("max")]
    smallest = val[val["value"] == by_metric.transform("min")]
    both = [rows.drop_duplicates(SERIES["curves"]) for rows in (largest, smallest)]
    return pd.concat(both)


def reaching(curves: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The rows at which val first reaches each target of its task."""
    rows = [curves.take([])]  # a slice, even of no row, would hold the texts of all rows
    val = curves[curves["split"] == "val"].sort_values("step", kind="stable")
    for task, settings in plan.tasks.items():
        own = val[(val["task"] == task) & (val["metric"] == settings.metric)]
        for target in settings.targets:
            reached = own[settings.sign * (own["value"] - target) >= 0]
            rows.append(reached.drop_duplicates(SERIES["curves"]))
    return pd.concat(rows)


def in_order(frames: Sequence[pd.DataFrame], runs: pd.DataFrame) -> pd.DataFrame:
    """Rows of runs in the order of the plan; runs: the plan's."""
    some = [frame for frame in frames if len(frame)] or list(frames[:1]) or [runs[LABELS].head(0)]
    rows = pd.concat(some, ignore_index=True)
    place = {run_id: place for place, run_id in enumerate(runs["run_id"].drop_duplicates())}
    order = rows["run_id"].map(place).argsort(kind="stable")
    return rows.iloc[order].reset_index(drop=True)
