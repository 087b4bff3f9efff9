"""Who is compared with whom, and the verdict of the procedure on each pair."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from actstudy.analysis.questions import procedure, stats
from actstudy.analysis.questions.seed_values import Frames, Values
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.contract.schema import ENDED, UNREAD

OPEN_VERDICTS = ("undecided", "too few seeds")
COLUMNS = ["task", "group", "level", "baseline", "family", "metric", "unit", "n"]
COLUMNS += ["mean", "sd", "low", "high", "interval_level", "test_se", "p"]
COLUMNS += ["p_equivalent", "spend", "margin", "verdict", "decided_at", "more_seeds"]
COLUMNS += ["visible", "n_diverged", "n_diverged_baseline", "p_mcnemar"]
CONTRAST = ["task", "group", "level", "baseline", "family", "unit"]  # names a contrast
DIFFERENCES = [*CONTRAST, "seed", "difference"]
Scores = dict[tuple[str, str], pd.DataFrame]  # (group, level) -> `mean_scores` of that cell


class Pair(NamedTuple):
    """A level and the level that it is compared with, both of one group of cells."""

    group: str
    level: str
    opponent: str

    @property
    def cells(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """(group, level) of both sides."""
        return (self.group, self.level), (self.group, self.opponent)


def contrasts(frames: Frames, plan: Plan, values: Values) -> pd.DataFrame:
    """A row per contrast of every task: levels with the baseline (primary), then all pairs.

    frames: `runs`, and `predictions` as `collect` makes them; values: their `seed_values`. Columns
    COLUMNS. A family is judged on the seeds that all its cells have; a task without runs is left
    out, as a look collects the runs of one task alone.
    """
    rows: list[dict[str, Any]] = []
    for task, settings in plan.tasks.items():
        runs = frames["runs"][frames["runs"]["task"] == task]
        if runs.empty:
            continue
        scores = mean_scores(frames["predictions"], task)
        diverged = diverged_seeds(runs)
        for family, pairs in families(runs, settings.baseline).items():
            verdicts = judge(values[task], pairs, plan, task, family, reached(runs))
            for pair in pairs:
                head = {"task": task, "family": family, **describe_pair(pair, settings)}
                result = describe_result(pair, verdicts.get(pair), scores, settings.sign)
                rows.append({**head, **result, **compare_divergence(pair, diverged)})
    return pd.DataFrame(rows, columns=COLUMNS)


def families(runs: pd.DataFrame, baseline: str) -> dict[str, list[Pair]]:
    """The contrasts of both families of a task, group by group."""
    primary = []
    all_pairs = []
    for group, part in runs.groupby("group", sort=False):
        levels = list(part["level"].unique())
        primary += [Pair(group, level, baseline) for level in levels if level != baseline]
        all_pairs += [Pair(group, b, a) for a, b in itertools.combinations(levels, 2)]
    return {"primary": primary, "all pairs": all_pairs}


def judge(
    values: pd.DataFrame,
    pairs: Sequence[Pair],
    plan: Plan,
    task: str,
    family: str,
    seeds_reached: int,
) -> dict[Pair, procedure.Verdict]:
    """The verdicts of one family of a task; a pair with a cell that has no value has none."""
    settings = plan.tasks[task]
    judged = [pair for pair in pairs if set(pair.cells) <= set(values)]
    if not judged:
        return {}
    verdicts = procedure.judge(
        settings.sign * paired_differences(values, judged),
        settings.margin,
        f"{plan.study} {task} {family}",
        procedure.looks_of(settings.looks, family_share(plan)),
        list(values.index),
        seeds_reached,
    )
    return dict(zip(judged, verdicts, strict=True))


def paired_differences(values: pd.DataFrame, pairs: Sequence[Pair]) -> np.ndarray:
    """Level minus opponent of the same seed, shape (seeds, pairs), in compared units."""
    columns = []
    for pair in pairs:
        level, opponent = pair.cells
        columns.append(values[level] - values[opponent])
    return np.column_stack(columns)


def reached(runs: pd.DataFrame) -> int:
    """The number of seeds, from 0 without a gap, that have ended in every cell, in whatever way.

    A look is taken when all its runs have ended. Assumes seeds 0, 1, ..., N - 1 in each cell.
    """
    awaited = runs.loc[runs["status"].isin(UNREAD), "seed"]
    return int(awaited.min()) if len(awaited) else int(runs["seed"].max() + 1)


def family_share(plan: Plan) -> float:
    """The part of each spend that one task has: all, or with `family: study` an equal share."""
    return 1 / len(plan.tasks) if plan.family == "study" else 1.0


def describe_pair(pair: Pair, settings: TaskPlan) -> dict[str, Any]:
    """Columns on what is compared and in which unit."""
    return {
        "group": pair.group,
        "level": pair.level,
        "baseline": pair.opponent,
        "metric": settings.metric,
        "unit": settings.compared_unit,
        "margin": settings.margin,
    }


def describe_result(
    pair: Pair, verdict: procedure.Verdict | None, scores: Scores, sign: int
) -> dict[str, Any]:
    """Columns of a verdict, differences as level minus baseline whatever is better."""
    if verdict is None:
        return {"n": 0, "verdict": "too few seeds"}
    ends = (sign * verdict.low, sign * verdict.high)
    return {
        **vars(verdict),
        "mean": sign * verdict.mean,
        "low": min(ends),
        "high": max(ends),
        "test_se": test_error(*[scores.get(cell) for cell in pair.cells]),
    }


def seed_differences(contrasts: pd.DataFrame, values: Values) -> pd.DataFrame:
    """The differences that the primary contrasts rest on: a row per contrast and seed.

    contrasts: the table; values: what it was made of. Columns DIFFERENCES; `difference` is level
    minus baseline in `unit`. The rows of a contrast are its n seeds, those of the last look taken.
    """
    parts = []
    for row in contrasts[contrasts["family"] == "primary"].to_dict("records"):
        if not row["n"]:
            continue
        pair = Pair(row["group"], row["level"], row["baseline"])
        used = values[row["task"]].iloc[: row["n"]]
        head = {name: row[name] for name in CONTRAST}
        difference = paired_differences(used, [pair])[:, 0]
        parts.append(pd.DataFrame({**head, "seed": used.index, "difference": difference}))
    if not parts:
        return pd.DataFrame(columns=DIFFERENCES)
    return pd.concat(parts, ignore_index=True)


def mean_scores(predictions: pd.DataFrame, task: str) -> Scores:
    """(group, level) -> `score` per test example, its mean over completed seeds, and `weight`."""
    scores: Scores = {}
    rows = predictions[predictions["task"] == task]
    for (group, level), part in rows.groupby(["group", "level"], sort=False):
        mean = np.mean(np.stack(list(part["scores"])), axis=0)
        scores[str(group), str(level)] = pd.DataFrame(
            {"score": mean, "weight": part["weights"].iloc[0]}
        )
    return scores


def test_error(level: pd.DataFrame | None, opponent: pd.DataFrame | None) -> float:
    """Standard error of the mean difference over test examples, from `mean_scores`.

    Missing if a side has none, or if they are of different test sets.
    """
    if level is None or opponent is None or len(level) != len(opponent):
        return np.nan
    return stats.paired_test_error(level["score"] - opponent["score"], level["weight"])


def diverged_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """Whether each run that has ended diverged, indexed by seed, one column per (group, level)."""
    ended = runs[runs["status"].isin(ENDED)]
    diverged = ended.assign(diverged=ended["status"] == "diverged")
    return diverged.pivot(index="seed", columns=["group", "level"], values="diverged")


def compare_divergence(pair: Pair, diverged: pd.DataFrame) -> dict[str, Any]:
    """Columns on how many seeds diverged on either side, and McNemar's exact p of their shares.

    diverged: `diverged_seeds`; seeds that both sides have count. Nothing if a side has no run.
    """
    cells = list(pair.cells)
    if not set(cells) <= set(diverged):
        return {}
    both = diverged[cells].dropna().astype(bool)
    level = both[cells[0]]
    opponent = both[cells[1]]
    only_level = int((level & ~opponent).sum())
    only_opponent = int((opponent & ~level).sum())
    return {
        "n_diverged": int(level.sum()),
        "n_diverged_baseline": int(opponent.sum()),
        "p_mcnemar": stats.mcnemar_exact(only_level, only_opponent),
    }


def describe_verdict(row: Mapping[str, Any]) -> str:
    """The verdict of a row of `contrasts` in words, with the seeds that are still missing."""
    verdict = str(row["verdict"])
    if verdict == "too few seeds":
        return f"too few seeds ({row['n']} of {procedure.MIN_SEEDS})"
    if verdict != "undecided":
        early = pd.notna(row.get("decided_at")) and row["decided_at"] < row["n"]
        return f"{verdict}, decided at n = {row['decided_at']:.0f}" if early else verdict
    if pd.isna(row["more_seeds"]):
        return (
            f"undecided: not decidable at this margin; {procedure.VISIBLE_SEEDS} seeds can see "
            f"{row['visible']:.2g}"
        )
    plural = "" if row["more_seeds"] == 1 else "s"
    return f"undecided: {row['more_seeds']:.0f} more seed{plural}"
