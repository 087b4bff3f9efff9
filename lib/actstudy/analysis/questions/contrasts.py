"""From run tables to verdicts: who is compared with whom on which seeds, and what the procedure says of it."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from actstudy.analysis.questions import procedure, stats
from actstudy.analysis.questions.findings import UNREAD
from actstudy.contract.plan import Plan

Frames = Mapping[str, pd.DataFrame]
Cell = tuple[str, str]  # group and level
ENDED = ["completed", "diverged"]  # a diverged run is a result: it counts at chance level
COLUMNS = [
    *(
        "task",
        "group",
        "level",
        "baseline",
        "family",
        "metric",
        "unit",
        "n",
        "mean",
        "sd",
        "low",
        "high",
    ),
    *(
        "interval_level",
        "test_se",
        "p",
        "p_equivalent",
        "spend",
        "margin",
        "verdict",
        "decided_at",
        "more_seeds",
    ),
    *("visible", "n_diverged", "n_diverged_baseline", "p_mcnemar"),
]


def contrasts(frames: Frames, plan: Plan) -> pd.DataFrame:
    """A row per contrast of every task, columns COLUMNS: levels with the baseline (primary), then all pairs.

    frames: `runs`, and `predictions` as `examples` makes them. A family is judged on the seeds that all its cells have.
    """
    rows: list[dict[str, Any]] = []
    for task, settings in plan.tasks.items():
        runs = frames["runs"][frames["runs"]["task"] == task]
        if runs.empty:  # a look collects the runs of one task alone
            continue
        levels = {
            group: list(part["level"].unique()) for group, part in runs.groupby("group", sort=False)
        }
        pairs = [
            (group, pair)
            for group, names in levels.items()
            for pair in itertools.combinations(names, 2)
        ]
        baseline = settings.baseline
        primary = [
            (g, (name, baseline))
            for g, names in levels.items()
            for name in names
            if name != baseline
        ]
        wide, scores = task_values(frames, plan, task), mean_scores(frames, task)
        for family, wanted in (
            ("primary", primary),
            ("all pairs", [(g, pair[::-1]) for g, pair in pairs]),
        ):
            rows += judged(wide, scores, wanted, plan, runs, family)
        note_diverged(rows, runs, task)
    return pd.DataFrame(rows, columns=COLUMNS)


def judged(
    wide: pd.DataFrame,
    scores: Mapping[Cell, pd.DataFrame],
    wanted: list[tuple[str, tuple[str, str]]],
    plan: Plan,
    runs: pd.DataFrame,
    family: str,
) -> list[dict[str, Any]]:
    """The rows of one family of a task's runs; a contrast with a cell that has no value has n = 0 and no verdict."""
    task = str(runs["task"].iloc[0])
    settings = plan.tasks[task]
    able = [
        (group, pair) for group, pair in wanted if all((group, level) in wide for level in pair)
    ]
    sign = 1 if settings.higher_is_better else -1
    gaps = [wide[group, level] - wide[group, against] for group, (level, against) in able]
    differences = np.column_stack(gaps) if gaps else np.empty((len(wide), 0))
    looks = procedure.looks_of(settings.looks, share(plan))
    name = f"{plan.study} {task} {family}"
    verdicts = []
    if able:
        verdicts = procedure.judge(
            sign * differences, settings.margin, name, looks, list(wide.index), reached(runs)
        )
    found = dict(zip(able, verdicts, strict=True))
    rows = []
    for group, (level, against) in wanted:
        head: dict[str, Any] = {
            "task": task,
            "group": group,
            "level": level,
            "baseline": against,
            "family": family,
        }
        head |= {"metric": settings.metric, "unit": settings.log_unit or settings.unit}
        head |= {"margin": settings.margin, "n": 0, "verdict": "too few seeds"}
        if verdict := found.get((group, (level, against))):
            both = scores.get((group, level)), scores.get((group, against))
            head |= vars(verdict) | {"mean": sign * verdict.mean, "test_se": test_error(*both)}
            head |= {"low": min(sign * verdict.low, sign * verdict.high)}
            head |= {"high": max(sign * verdict.low, sign * verdict.high)}
        rows.append(head)
    return rows


def reached(runs: pd.DataFrame) -> int:
    """How many seeds have ended in every cell, whatever their end: a look is taken when all of its runs have."""
    waits = runs.loc[runs["status"].isin(UNREAD), "seed"]
    return int(waits.min() if len(waits) else runs["seed"].max() + 1)


def task_values(frames: Frames, plan: Plan, task: str) -> pd.DataFrame:
    """What is compared, indexed by seed, a column a (group, level): only seeds that all its columns have.

    The reported metric, its natural logarithm where the task has a `log_unit`; diverged runs are at chance level. A run
    that saw other batches than its seed's baseline, or ran at another precision or engine, is no value. Cells without
    any value are left out.
    """
    runs, settings = frames["runs"], plan.tasks[task]
    mine = runs[(runs["task"] == task) & runs["status"].isin(ENDED)]
    if mine.empty:
        return pd.DataFrame()
    value = mine[f"reported_{settings.metric}"].astype(float)
    value = value.mask(mine["status"] == "diverged", chance(frames, plan, task))
    mine = mine.assign(value=np.log(value) if settings.log_unit else value)[
        paired(mine, plan, settings.baseline)
    ]
    wide = mine.pivot(index="seed", columns=["group", "level"], values="value")
    return wide.dropna(axis=1, how="all").dropna().sort_index()


def paired(runs: pd.DataFrame, plan: Plan, baseline: str) -> pd.Series:
    """Whether each run saw the batches of its seed's baseline, at the same precision and engine."""
    same = [column for column in ("order_hash", "precision", "engine") if column != plan.compare]
    reference = runs.loc[runs["level"] == baseline, ["group", "seed", *same]]
    both = runs.merge(reference, on=["group", "seed"], how="left", suffixes=("", "_baseline"))
    agree = [
        (both[c] == both[f"{c}_baseline"]) | both[c].isna() | both[f"{c}_baseline"].isna()
        for c in same
    ]
    return pd.concat(agree, axis=1).all(axis=1).set_axis(runs.index)


def chance(frames: Frames, plan: Plan, task: str) -> float:
    """The metric of a model that knows nothing: 1 / classes, or the uniform model's word perplexity."""
    if plan.tasks[task].predicts == "classes":
        return plan.tasks[task].chance_level
    runs, made = frames["runs"], frames["predictions"]
    made = made[made["task"] == task]
    if made.empty:
        return np.nan
    one = made.iloc[0]
    (vocabulary,) = runs.loc[runs["run_id"] == one["run_id"], "vocabulary"].unique()
    return float(np.exp(one["tokens"] * np.log(float(vocabulary)) / one["weights"].sum()))


def examples(run_id: str, table: pa.Table) -> dict[str, Any]:
    """A run's predictions as one row: scores (correct, or nats of a document), weights (words of it), tokens in all."""
    if table["nll"].null_count < len(table):
        tokens, words = sum(table["tokens"].to_pylist()), table["words"].to_numpy().astype(float)
        return {
            "run_id": run_id,
            "scores": table["nll"].to_numpy(),
            "weights": words,
            "tokens": tokens,
        }
    correct = (table["label"].to_numpy() == table["predicted"].to_numpy()).astype(np.float32)
    return {
        "run_id": run_id,
        "scores": correct,
        "weights": np.ones(len(correct), np.float32),
        "tokens": 0,
    }


def mean_scores(frames: Frames, task: str) -> dict[Cell, pd.DataFrame]:
    """(group, level) -> score of each test example, its mean over completed seeds, and its weight."""
    made = frames["predictions"]
    return {
        (str(group), str(level)): pd.DataFrame(
            {
                "score": np.mean(np.stack(list(part["scores"])), axis=0),
                "weight": part["weights"].iloc[0],
            }
        )
        for (group, level), part in made[made["task"] == task].groupby(
            ["group", "level"], sort=False
        )
    }


def test_error(one: pd.DataFrame | None, other: pd.DataFrame | None) -> float:
    """Standard error of the mean difference over test examples, seeds averaged; missing where runs left none."""
    if one is None or other is None or len(one) != len(other):
        return np.nan
    return stats.paired_test_error(one["score"] - other["score"], one["weight"])


def note_diverged(rows: list[dict[str, Any]], runs: pd.DataFrame, task: str) -> None:
    """Add to each row of a task how many seeds diverged on either side, and McNemar's exact p of their shares."""
    ended = runs[runs["status"].isin(ENDED)]
    wide = ended.assign(lost=ended["status"] == "diverged").pivot(
        index="seed", columns=["group", "level"], values="lost"
    )
    for row in rows:
        cells = [(row["group"], row["level"]), (row["group"], row["baseline"])]
        if row["task"] != task or any(cell not in wide for cell in cells):
            continue
        mine, theirs = (wide[cells].dropna()[cell].astype(bool) for cell in cells)
        row |= {"n_diverged": int(mine.sum()), "n_diverged_baseline": int(theirs.sum())}
        row["p_mcnemar"] = stats.mcnemar_exact(
            int((mine & ~theirs).sum()), int((theirs & ~mine).sum())
        )


def said(row: Mapping[str, Any]) -> str:
    """A contrast's verdict in words, with what it would take where there is none yet."""
    if row["verdict"] == "too few seeds":
        return f"too few seeds ({row['n']} of {procedure.FEWEST})"
    if row["verdict"] != "undecided":
        early = pd.notna(row.get("decided_at")) and row["decided_at"] < row["n"]
        return (
            f"{row['verdict']}, decided at n = {row['decided_at']:.0f}"
            if early
            else str(row["verdict"])
        )
    if pd.isna(row["more_seeds"]):
        return f"undecided: not decidable at this margin; 20 seeds can see {row['visible']:.2g}"
    return f"undecided: {row['more_seeds']:.0f} more seed{'s' if row['more_seeds'] != 1 else ''}"


def share(plan: Plan) -> float:
    """The part of each spend that one task has: all of it, or with `family: study` its share among the tasks."""
    return 1 / len(plan.tasks) if plan.family == "study" else 1.0
