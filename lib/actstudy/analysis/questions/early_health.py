"""Does early health predict the result? A probe is chosen on half of the seeds, tested on the rest.

Its rank correlation with the result is reported on the seeds that were not used for the choice.
"""

from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis.questions import stats
from actstudy.analysis.questions.probes import PROBES
from actstudy.contract.plan import Plan

EARLY_SHARE = 0.25  # of a run's steps: what is read later is not early, however long an epoch is
MIN_RUNS = 4  # of a probe that may be chosen
SMALLEST_FLOAT32 = 1e-45  # for the logarithm of a gradient that is zero
CHOICE = ["task", "group", "probe", "step", "n_chosen", "rho_chosen", "chosen"]
RESULT = ["n", "rho", "low", "high", "rho_within"]
COLUMNS = [*CHOICE, *RESULT]


def early(
    runs: pd.DataFrame,
    health: pd.DataFrame,
    curves: pd.DataFrame,
    plan: Plan,
    values: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """A row per task, group and probe: rank correlation of its early value with the result.

    Columns COLUMNS; the result is the reported metric. rho_chosen is over the completed runs of
    the seeds at even positions that have the probe. `best_probe` says which one is `chosen`; it
    alone has rho, with its interval, over the seeds at odd positions, which were not used for the
    choice. rho_within: see `correlation_within_levels`. values: the `readings` of the completed
    runs, if they are known.
    """
    if health.empty or curves.empty or "total_steps" not in runs:
        return pd.DataFrame(columns=COLUMNS)
    rows: list[dict[str, Any]] = []
    if values is None:
        values = readings(runs[runs["status"] == "completed"], health, curves)
    metrics = {f"reported_{settings.metric}" for settings in plan.tasks.values()}
    runs = runs.filter(items=["task", "group", "level", "seed", "run_id", "status", *metrics])
    for (task, group), part in runs.groupby(["task", "group"], sort=False):
        results = reported_results(part, plan.tasks[task].metric)
        seeds = sorted(part["seed"].unique())
        choosing = values.merge(results[results["seed"].isin(seeds[0::2])], on="run_id")
        held_out = values.merge(results[results["seed"].isin(seeds[1::2])], on="run_id")
        probes = candidates(choosing)
        best = best_probe(probes)
        outcome = held_out_correlation(held_out[held_out["probe"] == best])
        for row in probes:
            is_best = row["probe"] == best
            head = {"task": task, "group": group, "chosen": is_best, **row}
            rows.append({**head, **outcome} if is_best else head)
    return pd.DataFrame(rows, columns=COLUMNS)


def reported_results(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """run_id, seed, level and `end`, the reported metric, of the completed runs that have it."""
    column = f"reported_{metric}"
    completed = runs[runs["status"] == "completed"]
    results = completed[["run_id", "seed", "level", column]].dropna()
    return results.rename(columns={column: "end"}).astype({"end": float})


def readings(runs: pd.DataFrame, health: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Each run's early value of each probe, its mean over sites: run_id, probe, step, value.

    The reading is the one nearest to the end of epoch 1, or to EARLY_SHARE of the planned steps if
    that is sooner; the earlier one if two are as near.
    """
    steps = runs.drop_duplicates("run_id").set_index("run_id")["total_steps"]
    limit = EARLY_SHARE * steps.astype(float)
    target = pd.concat([steps_per_epoch(curves).reindex(limit.index), limit], axis=1).min(axis=1)
    of_probes = pd.MultiIndex.from_frame(health[["kind", "probe"]]).isin(list(PROBES))
    of_runs = health["run_id"].isin(limit.index)
    reading = health.loc[of_probes & of_runs, ["run_id", "kind", "probe", "step", "value"]]
    target_step = reading["run_id"].map(target).astype(float)  # of no runs the map is of text
    distance = (reading["step"] - target_step).abs()
    reading = reading[distance == distance.groupby(reading["run_id"]).transform("min")]
    first = reading.groupby("run_id")["step"].transform("min")
    reading = reading[reading["step"] == first]
    reading = reading.assign(value=scaled(reading), probe=reading["kind"] + " " + reading["probe"])
    mean = reading.groupby(["run_id", "probe", "step"])["value"].mean()
    return mean.dropna().reset_index()


def steps_per_epoch(curves: pd.DataFrame) -> pd.Series:
    """Run -> steps of an epoch, the median over its evaluations."""
    points = curves[curves["epoch"] > 0]
    return (points["step"] / points["epoch"]).groupby(points["run_id"]).median()


def scaled(reading: pd.DataFrame) -> pd.Series:
    """The values of readings, as log10 if PROBES says so."""
    value = reading["value"].astype(float)
    keys = zip(reading["kind"], reading["probe"], strict=True)
    flags = [PROBES[key].is_logarithmic for key in keys]
    logarithmic = pd.Series(flags, index=value.index, dtype=bool)
    return value.mask(logarithmic, np.log10(value.clip(lower=SMALLEST_FLOAT32)))


def candidates(values: pd.DataFrame) -> list[dict[str, Any]]:
    """Per probe the median step of its reading, the number of runs that have it, and its rho."""
    rows = []
    for probe, part in values.groupby("probe"):
        correlation = stats.spearman(part["value"].tolist(), part["end"].tolist())
        rows.append(
            {
                "probe": probe,
                "step": part["step"].median(),
                "n_chosen": len(part),
                "rho_chosen": correlation.value,
            }
        )
    return rows


def best_probe(candidates: list[dict[str, Any]]) -> str | None:
    """The probe with the largest abs(rho_chosen) of those that the largest number of runs have.

    None if none of those has a rho, or if that number is below MIN_RUNS.
    """
    most_runs = max((row["n_chosen"] for row in candidates), default=0)
    best = None
    largest = -1.0
    for row in candidates:
        rho = row["rho_chosen"]
        if row["n_chosen"] < max(most_runs, MIN_RUNS) or np.isnan(rho) or abs(rho) <= largest:
            continue
        best = row["probe"]
        largest = abs(rho)
    return best


def held_out_correlation(values: pd.DataFrame) -> dict[str, float]:
    """Columns RESULT of one probe, over the seeds that did not choose it."""
    correlation = stats.spearman(values["value"].tolist(), values["end"].tolist())
    return {
        "n": correlation.n,
        "rho": correlation.value,
        "low": correlation.low,
        "high": correlation.high,
        "rho_within": correlation_within_levels(values),
    }


def correlation_within_levels(values: pd.DataFrame) -> float:
    """Correlation of ranks less the mean rank of their level: runs against others of their level.

    Missing if the runs of no level differ in both.
    """
    ranks = values[["value", "end"]].rank()
    centred = ranks - ranks.groupby(values["level"]).transform("mean")
    varies = len(centred) > 1 and (centred.std() > 1e-9).all()
    return float(centred.corr().loc["value", "end"]) if varies else np.nan
