"""Published numbers beside the study's own: reproduced, not reproduced, or undecided, and whether the order agrees."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from actstudy.analysis.page import markdown
from actstudy.analysis.questions.contrasts import ENDED
from actstudy.contract.plan import TaskPlan
from actstudy.study.claims import Claims

COLUMNS = [
    "task",
    "level",
    "group",
    "metric",
    "claimed",
    "claimed_sd",
    "claimed_n",
    "tolerance",
    "ours",
    "ours_sd",
    "n",
]
COLUMNS += ["n_diverged", "low", "high", "difference", "verdict"]
LARGEST = 8  # claims whose orders (8! = 40,320) are all tried for tau's p


@dataclass(frozen=True)
class Compared:
    """What claims need of a task that is no task of a study."""

    metric: str
    sign: int
    chance_level: float


Task = TaskPlan | Compared


def claims(
    frames: Mapping[str, pd.DataFrame],
    stated: Mapping[str, Any] | None,
    tasks: Mapping[str, Task],
) -> pd.DataFrame:
    """A row per claim: the level's value in this study beside the published one, both in the claim's metric.

    Where other axes are crossed, a level's value is that of its cell with the best mean validation metric.
    """
    rows = []
    stated = stated or {"values": {}}
    for level, claim in stated["values"].items():
        runs = frames["runs"][frames["runs"]["level"] == level]
        task = runs["task"].iloc[0]
        group = best_group(runs, frames["curves"], tasks[task])
        cell = runs[runs["group"] == group]
        values = _values(cell, frames["curves"], stated["metric"], tasks[task])
        head = {"task": task, "level": level, "group": group, "metric": stated["metric"]}
        published = {"claimed": claim["mean"], "claimed_sd": claim["sd"], "claimed_n": claim["n"]}
        diverged = int((cell["status"] == "diverged").sum())
        rows.append(
            {
                **head,
                **published,
                **judged(values, claim["mean"], stated["tolerance"]),
                "n_diverged": diverged,
            }
        )
    kinds = dict.fromkeys(["claimed", "claimed_sd", "claimed_n"], float)
    return pd.DataFrame(rows, columns=COLUMNS).astype(kinds)


def judged(values: np.ndarray, claimed: float, tolerance: float) -> dict[str, Any]:
    """Our mean with its 95% t interval, and what it says of the claim; a single value is its own interval."""
    n = len(values)
    ours, sd = (
        (float(values.mean()) if n else math.nan),
        (float(values.std(ddof=1)) if n > 1 else math.nan),
    )
    half = float(stats.t.ppf(0.975, n - 1) * sd / math.sqrt(n)) if n > 1 else 0.0
    low, high = ours - half, ours + half
    if claimed - tolerance <= low and high <= claimed + tolerance:
        verdict = "reproduced"
    elif high < claimed - tolerance or claimed + tolerance < low:
        verdict = "not reproduced"
    else:
        verdict = "undecided"  # also where there is no value
    shown = {"low": low, "high": high} if n > 1 else {"low": math.nan, "high": math.nan}
    found = {"ours": ours, "ours_sd": sd, "n": n, **shown, "difference": ours - claimed}
    return {"tolerance": tolerance, **found, "verdict": verdict}


def best_group(runs: pd.DataFrame, curves: pd.DataFrame, task: Task) -> str:
    """The group of one level's cell whose runs' best validation metrics have the best mean; test is never asked.

    A cell with a run that did not complete is chosen only where every cell has one; ties go to the first.
    """
    groups = list(dict.fromkeys(runs["group"]))
    if len(groups) == 1:
        return str(groups[0])
    asked = (
        (curves["split"] == "val")
        & (curves["metric"] == task.metric)
        & curves["run_id"].isin(runs["run_id"])
    )
    best = (task.sign * curves.loc[asked].set_index("run_id")["value"]).groupby("run_id").max()
    scores = runs["run_id"].map(best).groupby(runs["group"]).mean()
    whole = (runs["status"] == "completed").groupby(runs["group"]).all()
    return str(
        max(groups, key=lambda group: (whole[group], np.nan_to_num(scores[group], nan=-np.inf)))
    )


def _values(cell: pd.DataFrame, curves: pd.DataFrame, metric: str, task: Task) -> np.ndarray:
    """The claim's metric of each run; a diverged run counts at chance, and makes all undecided where there is none."""
    ended = cell[cell["status"].isin(ENDED)]
    if metric == "mean_train_loss":
        asked = (curves["split"] == "train") & (curves["metric"] == "loss")
        values = ended["run_id"].map(curves[asked].groupby("run_id")["value"].mean())
    else:
        values = ended["reported_accuracy" if metric == "error_percent" else metric].astype(float)
    known = metric == "error_percent" or metric.endswith("_accuracy")
    chance = task.chance_level if known else math.nan
    diverged = ended["status"] == "diverged"
    if diverged.any() and math.isnan(chance):
        return np.array([])
    values = values.mask(diverged, chance) if diverged.any() else values
    values = 100 * (1 - values) if metric == "error_percent" else values
    return values.dropna().to_numpy(float)


def agreement(table: pd.DataFrame) -> dict[str, Any]:
    """Kendall's tau-b of claimed and our values, its two-sided p exact over all orders up to 8 claims, then scipy's."""
    both = table.dropna(subset=["claimed", "ours"])
    x, y = both["claimed"].to_numpy(float), both["ours"].to_numpy(float)
    if len(np.unique(x)) < 2 or len(np.unique(y)) < 2:
        return {"tau": math.nan, "p": math.nan, "n": len(both)}
    tau, p = stats.kendalltau(x, y)
    if len(x) <= LARGEST:
        first, second = np.triu_indices(len(x), 1)
        orders = np.array(list(itertools.permutations(y)))
        concord = np.sign(orders[:, first] - orders[:, second]) @ np.sign(x[first] - x[second])
        p = (
            np.abs(concord) >= abs(concord[0]) - 1e-9
        ).mean()  # tau-b's divisor is the same for all orders
    return {"tau": float(tau), "p": float(p), "n": len(both)}


def sentences(table: pd.DataFrame, stated: Mapping[str, Any]) -> list[str]:
    """What the table says, in words: the source, how many claims hold, the order."""
    counts = [
        (verdict, int((table["verdict"] == verdict).sum()))
        for verdict in ("reproduced", "not reproduced", "undecided")
    ]
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts if count)
    lines = [
        f"Claims of {stated['source']}: {told}, within {stated['tolerance']:g} of {markdown.metric_name(stated['metric'])}."
    ]
    single = int((table["n"] == 1).sum())
    if single:
        lines.append(
            f"{single} of {len(table)} rest on one run of ours (n = 1), which has no interval."
        )
    if (table["group"] != "").any():
        lines.append(
            "Of the cells of a level, the one with the best mean validation metric stands here; test chose none."
        )
    order = agreement(table)
    if order["n"] > 1 and not math.isnan(order["tau"]):
        lines.append(
            f"Order: Kendall's tau {order['tau']:+.2f} over {order['n']} values (exact p = {order['p']:.4f})."
        )
    return lines


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows that `analysis.text.markdown` prints."""
    several = (table["group"] != "").any()
    return [_row(row, several) for row in table.to_dict("records")]


def _row(row: Mapping[str, Any], several: bool) -> dict[str, Any]:
    small = "" if row["claimed_n"] != row["claimed_n"] else f", n = {row['claimed_n']:.0f}"
    spread = (
        "" if row["claimed_sd"] != row["claimed_sd"] else f" (sd {row['claimed_sd']:.4g}{small})"
    )
    known = row["low"] == row["low"]
    interval = f"{row['low']:.4f} to {row['high']:.4f}" if known else "none"
    verdict = row["verdict"] + (f"; {row['n_diverged']} diverged" if row["n_diverged"] else "")
    return {
        "level": row["level"],
        **({"cell": row["group"]} if several else {}),
        "claimed": f"{row['claimed']:.4f}{spread or small}",
        "ours": "none" if row["ours"] != row["ours"] else f"{row['ours']:.4f}",
        "n": row["n"],
        "95% interval": interval,
        "difference": "none" if row["ours"] != row["ours"] else f"{row['difference']:+.4f}",
        "verdict": verdict,
    }


def section(table: pd.DataFrame, stated: Mapping[str, Any] | None) -> str:
    """The Markdown of the claims of a study, empty where it makes none."""
    if not stated:
        return ""
    return "\n".join(
        [
            " ".join(map(markdown.prose, sentences(table, stated))),
            "",
            markdown.markdown(rows(table)),
        ]
    )


def replicated(losses: Path, task: str, stated: Claims) -> str:
    """The Markdown of a replica's claims, from the Parquet of losses that `training.replicas.write` wrote."""
    curves = pd.read_parquet(losses)
    curves["status"] = np.where(np.isfinite(curves["value"]), "completed", "diverged")
    names = ["task", "group", "level", "seed", "run_id"]
    runs = curves.groupby(names, sort=False, as_index=False)[
        "status"
    ].max()  # diverged, where a loss is not finite
    published = stated.model_dump()
    compared = Compared("loss", sign=-1, chance_level=math.nan)
    table = claims({"runs": runs, "curves": curves}, published, {task: compared})
    return section(table, published)
