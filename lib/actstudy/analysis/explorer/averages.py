"""What figures of the page need over seeds and no table has, computed as static figures do it."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis import reference_rows
from actstudy.analysis.explorer import conditions
from actstudy.analysis.figures import calibration, health, health_frames
from actstudy.analysis.figures.curves import of_ended
from actstudy.analysis.questions import contrasts
from actstudy.analysis.questions.outcomes import (
    BEST,
    JUDGED_BY,
    TRAINS,
    best_validation,
    outcomes,
    stall_bounds,
)
from actstudy.analysis.tables import Tables
from actstudy.contract.schema import CELL, ENDED

OPPOSITE = {"better": "worse", "worse": "better"}
SITE_PROBES = tuple(health.HEATMAPS)
LINE = [*CELL, "split", "metric"]  # of a learning curve's mean
OUTCOMES = [*CELL, "line", "depth", "n", "n_ended", "n_train", "n_completed", "mean", "outcome"]
BINS = [*CELL, "bin", "n_seeds", "count", "confidence", "correct"]
MEDIANS = [*CELL, "probe", "index", "site", "step", "n", "median"]
PAIRS = [*CELL, "baseline", "family", "n", "mean", "low", "high", "interval_level", "verdict"]
PAIRS += ["condition", "turned"]
CURVE_MEANS = [*LINE, "step", "epoch", "train_seconds", "n", "mean"]
REFERENCE = ["task", "data", "name", "metric", "val", "test"]
NAMED = ["task", "group", "level", "data", "name", "metric"]
REFERENCES = [*NAMED, "split", "value"]


def mean_curves(tables: Tables) -> pd.DataFrame:
    """Mean over seeds of each learning curve, as far as all of its cell's seeds go.

    n: seeds; epoch and train_seconds: their means at that step. Columns CURVE_MEANS.
    """
    curves = tables.frames["curves"]
    if curves.empty:
        return pd.DataFrame(columns=CURVE_MEANS)
    ended = of_ended(tables, curves[curves["split"] != BEST])
    n_seeds = ended.groupby(LINE, sort=False)["seed"].transform("nunique")
    grouped = ended.assign(n_seeds=n_seeds).groupby([*LINE, "step"], sort=False)
    means = grouped.agg(
        epoch=("epoch", "mean"),
        train_seconds=("train_seconds", "mean"),
        n=("seed", "nunique"),
        n_seeds=("n_seeds", "first"),
        mean=("value", "mean"),
    ).reset_index()
    return means.loc[means["n"] == means["n_seeds"], CURVE_MEANS]


def reference_lines(tables: Tables) -> pd.DataFrame:
    """The validation and test scores of reference methods; columns REFERENCES.

    A row per split and group of cells that a score is of, and per level if it is not of all those
    of its groups; group or level: missing for all.
    """
    frame = tables.frames["references"]
    if frame.empty:
        return pd.DataFrame(columns=REFERENCES)
    parts = []
    for row in frame.to_dict("records"):
        runs = tables.of("runs", row["task"])
        parts.append(cells_of(row, runs).assign(**{name: row[name] for name in REFERENCE}))
    scores = pd.concat(parts).melt(NAMED, ["val", "test"], var_name="split", value_name="value")
    return scores.dropna(subset=["value"])[REFERENCES]


def cells_of(row: dict[Any, Any], runs: pd.DataFrame) -> pd.DataFrame:
    """The groups and levels whose runs a reference's score is of; missing for all of them."""
    are_of = reference_rows.is_of(row, runs)
    own = runs.loc[are_of, ["group", "level"]].drop_duplicates()
    others = runs.loc[~are_of, ["group", "level"]].drop_duplicates()
    if others.empty:
        return pd.DataFrame([{"group": None, "level": None}])
    if set(own["group"]) & set(others["group"]):
        return own.reset_index(drop=True)
    return own.drop_duplicates("group").assign(level=None).reset_index(drop=True)


def reliability(tables: Tables) -> pd.DataFrame:
    """Share correct and mean confidence per bin at the best checkpoint, pooled over seeds.

    Bins of few predictions are left out, as in the static figure. Columns BINS.
    """
    frame = tables.frames["calibration"]
    if frame.empty:
        return pd.DataFrame(columns=BINS)
    best = frame[frame["checkpoint"] == "best"]
    bins = best.groupby([*CELL, "bin"], sort=False).agg(
        n_seeds=("seed", "nunique"),
        count=("count", "sum"),
        confidence=("confidence_sum", "sum"),
        correct=("correct", "sum"),
    )
    bins = bins[bins["count"] >= calibration.MIN_BIN_PREDICTIONS].reset_index()
    shares = {name: bins[name] / bins["count"] for name in ("confidence", "correct")}
    return bins.assign(**shares)[BINS]


def site_medians(tables: Tables, tasks: Iterable[str] | None = None) -> pd.DataFrame:
    """Medians over seeds of a probe at a site and step, of the groups that heatmaps have room for.

    tasks: all by default. Columns MEDIANS.
    """
    parts = []
    for task in tables.plan.tasks if tasks is None else tasks:
        groups = health_frames.groups_shown(tables, task)
        for probe in SITE_PROBES:
            rows = health_frames.probed(tables, task, "site", probe, groups)
            if not (rows["value"] > 0).any():
                continue
            by_site = rows.groupby(["group", "level", "index", "step"], sort=False)
            medians = by_site.agg(
                site=("name", "first"), n=("seed", "nunique"), median=("value", "median")
            )
            parts.append(medians.reset_index().assign(task=task, probe=probe))
    return pd.concat(parts)[MEDIANS] if parts else pd.DataFrame(columns=MEDIANS)


def ended_cells(tables: Tables) -> pd.DataFrame:
    """Per cell of tasks that cross depth: how many runs train, and their mean reported metric.

    n: planned runs, n_ended: those that completed or diverged; outcome: how most of its runs ended.
    Columns OUTCOMES.
    """
    rows = []
    for task, settings in tables.plan.tasks.items():
        if "depth" not in settings.axes or settings.predicts not in JUDGED_BY:
            continue
        runs = tables.of("runs", task)
        metric = JUDGED_BY[settings.predicts]
        best = best_validation(tables.of("curves", task), metric)
        if best.empty and tables.lacks:
            continue
        ends = outcomes(runs, best, stall_bounds(runs, settings))
        runs = runs.assign(end=ends, value=runs[f"reported_{settings.metric}"])
        for cell, part in runs.groupby([*CELL, "line", "depth"], sort=False):
            done = part[part["status"] == "completed"]
            values = done["value"].astype(float)
            n_ended = int(part["status"].isin(ENDED).sum())
            counts = [len(part), n_ended, int((part["end"] == TRAINS).sum()), len(done)]
            mean = values.mean() if len(values) else np.nan
            rows.append([*cell, *counts, mean, part["end"].mode().iloc[0]])
    return pd.DataFrame(rows, columns=OUTCOMES)


def pairs(tables: Tables) -> pd.DataFrame:
    """The verdict of every pair of levels, once per side from which it is read; columns PAIRS.

    Each pair is of the family of all pairs, if that has it, else of the primary one; turned: the
    pair read from its other side.
    """
    frame = tables.frames["contrasts"]
    if frame.empty:
        return pd.DataFrame(columns=PAIRS)
    rows = []
    for row in pairs_once(frame).assign(turned=False)[PAIRS].to_dict("records"):
        turned = {"level": row["baseline"], "baseline": row["level"], "mean": -row["mean"]}
        turned["turned"] = True
        turned["condition"] = conditions.turned(row)
        turned |= {"low": -row["high"], "high": -row["low"]}
        turned["verdict"] = OPPOSITE.get(row["verdict"], row["verdict"])
        rows += [row, {**row, **turned}]
    return pd.DataFrame(rows, columns=PAIRS)


def pairs_once(frame: pd.DataFrame) -> pd.DataFrame:
    """A row of `contrasts` per pair of levels: of the family of all pairs, else the primary one."""
    all_first = pd.concat([frame[frame["family"] == "all pairs"], contrasts.primary(frame)])
    names = zip(all_first["level"], all_first["baseline"], strict=True)
    pair = [json.dumps(sorted(levels)) for levels in names]
    once = all_first.assign(pair=pair).drop_duplicates(["task", "group", "pair"])
    return once.drop(columns="pair")
