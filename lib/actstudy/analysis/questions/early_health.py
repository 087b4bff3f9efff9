"""Does early health tell the end? A probe chosen on one half of the seeds, its correlation reported on the other."""

from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis.questions import stats
from actstudy.contract.plan import Plan

PROBES = {  # kind and probe -> whether its logarithm is taken
    ("site", "dead_fraction"): False,
    ("site", "inactive_fraction"): False,
    ("site", "saturated_fraction"): False,
    ("site", "post_sd"): False,
    ("site", "gradient_norm"): True,
    ("model", "gradient_norm"): True,
}
FIRST_PART = 0.25  # of a run's steps: what is read later is not early, be an epoch ever so long
SMALLEST = 1e-45  # of float32, for the logarithm of a gradient that is zero
CHOSEN = ["task", "group", "probe", "step", "n_chosen", "rho_chosen", "chosen"]
COLUMNS = [*CHOSEN, "n", "rho", "low", "high", "rho_within"]


def early(
    runs: pd.DataFrame, health: pd.DataFrame, curves: pd.DataFrame, plan: Plan
) -> pd.DataFrame:
    """A row per task, group and probe: rank correlation of its early value with the reported metric, columns COLUMNS.

    rho_chosen is over the completed runs of the seeds at even positions. The probe with the largest abs(rho_chosen) of
    those that all these runs have is `chosen`; it alone has rho, with its interval, over the seeds at odd positions,
    which had no say. rho_within compares runs with others of their level alone: ranks less their level's mean rank.
    """
    if health.empty or curves.empty or "total_steps" not in runs:
        return pd.DataFrame(columns=COLUMNS)
    rows = []
    values = readings(runs[runs["status"] == "completed"], health, curves)
    for (task, group), part in runs.groupby(["task", "group"], sort=False):
        metric = f"reported_{plan.tasks[task].metric}"
        ends = part.loc[part["status"] == "completed", ["run_id", "seed", "level", metric]].dropna()
        ends = ends.rename(columns={metric: "end"}).astype({"end": float})
        seeds = sorted(part["seed"].unique())
        chosen_on, held_out = (
            values.merge(ends[ends["seed"].isin(seeds[half::2])], on="run_id") for half in (0, 1)
        )
        made = candidates(chosen_on)
        name = choice(made)
        mine = held_out[held_out["probe"] == name]
        found = stats.spearman(mine["value"].tolist(), mine["end"].tolist())
        reported = {**vars(found), "rho_within": within(mine)}
        for row in made:
            is_it = row["probe"] == name
            rows.append(
                {
                    "task": task,
                    "group": group,
                    "chosen": is_it,
                    **row,
                    **(reported if is_it else {}),
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def readings(runs: pd.DataFrame, health: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Each run's early value of each probe, its mean over sites: columns run_id, probe, step, value.

    The reading is the one nearest to the end of epoch 1, or to FIRST_PART of the planned steps where that is sooner.
    """
    per_epoch = steps_per_epoch(curves)
    part = FIRST_PART * runs.drop_duplicates("run_id").set_index("run_id")["total_steps"].astype(
        float
    )
    target = pd.concat([per_epoch.reindex(part.index), part], axis=1).min(axis=1)
    wanted = pd.MultiIndex.from_frame(health[["kind", "probe"]]).isin(list(PROBES)) & health[
        "run_id"
    ].isin(part.index)
    found = health.loc[wanted, ["run_id", "kind", "probe", "step", "value"]]
    gap = (found["step"] - found["run_id"].map(target)).abs()
    found = found[gap == gap.groupby(found["run_id"]).transform("min")]
    found = found[
        found["step"] == found.groupby("run_id")["step"].transform("min")
    ]  # of two as near the earlier
    logged = [PROBES[key] for key in zip(found["kind"], found["probe"], strict=True)]
    value = (
        found["value"]
        .astype(float)
        .mask(logged, np.log10(found["value"].astype(float).clip(lower=SMALLEST)))
    )
    found = found.assign(value=value, probe=found["kind"] + " " + found["probe"])
    return found.groupby(["run_id", "probe", "step"])["value"].mean().dropna().reset_index()


def steps_per_epoch(curves: pd.DataFrame) -> pd.Series:
    """run_id -> median of step / epoch over its evaluations; no entry for a run without any."""
    points = curves[curves["epoch"] > 0]
    return (points["step"] / points["epoch"]).groupby(points["run_id"]).median()


def candidates(found: pd.DataFrame) -> list[dict[str, Any]]:
    """For each probe the step it was read at (median), the number of runs that have it and its rho over them."""
    made = []
    for probe, part in found.groupby("probe"):
        rho = stats.spearman(part["value"].tolist(), part["end"].tolist()).rho
        made.append(
            {
                "probe": probe,
                "step": part["step"].median(),
                "n_chosen": len(part),
                "rho_chosen": rho,
            }
        )
    return made


def choice(made: list[dict[str, Any]]) -> str | None:
    """The probe with the largest abs(rho_chosen) of those that the most runs have, four at least; None without one."""
    most = max((row["n_chosen"] for row in made), default=0)
    able = [row for row in made if row["n_chosen"] == most >= 4 and not np.isnan(row["rho_chosen"])]
    return max(able, key=lambda row: abs(row["rho_chosen"]))["probe"] if able else None


def within(found: pd.DataFrame) -> float:
    """Correlation of ranks less the mean rank of their level; missing where a level's runs do not differ."""
    ranks = found[["value", "end"]].rank()
    centred = ranks - ranks.groupby(found["level"]).transform("mean")
    varies = len(centred) > 1 and (centred.std() > 1e-9).all()
    return float(centred.corr().loc["value", "end"]) if varies else np.nan
