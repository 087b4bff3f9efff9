"""Who is compared with whom, and the verdict of the procedure on each pair."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from actstudy.analysis.questions import anytime, collapse, procedure, reservations
from actstudy.analysis.questions.collapse import Gains
from actstudy.analysis.questions.example_scores import scores_of_cells, test_error
from actstudy.analysis.questions.power import MAX_MORE_SEEDS
from actstudy.analysis.questions.seed_values import Frames, TaskValues, Values
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.contract.schema import UNREAD

OPEN_VERDICTS = (procedure.UNDECIDED, procedure.TOO_FEW)
READ = ["task", "group", "level", "seed", "run_id", "data", "status"]  # of `runs`
COLUMNS = ["task", "group", "level", "baseline", "family", "metric", "unit", "n", "seeds"]
COLUMNS += ["mean", "sd", "low", "high", "interval_level", "mean_all", "test_se", "p"]
COLUMNS += ["p_equivalent", "spend", "margin", "n_needed", "verdict", "condition", "contradiction"]
COLUMNS += ["decided_at", "more_seeds", "more_seeds_as_seen", "visible", *reservations.COLUMNS]


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
    COLUMNS. A contrast is judged on the seeds of which both runs are typical (`collapse`); a task
    without runs is left out, as a look collects the runs of one task alone.
    """
    rows: list[dict[str, Any]] = []
    every = frames["runs"].filter(items=READ)
    for task, settings in plan.tasks.items():
        runs = every[every["task"] == task]
        if runs.empty:
            continue
        scores = scores_of_cells(frames["predictions"], runs)
        share = family_share(plan)
        for family, pairs in families(runs, settings.baseline).items():
            verdicts = verdicts_of(values[task], pairs, settings, share, reached(runs))
            seeds = slice(max((verdict.seeds for verdict in verdicts), default=0))
            gains = collapse.gains(values[task].of_rows(seeds), settings)
            for pair, verdict in zip(pairs, verdicts, strict=True):
                head = {"task": task, "family": family, **describe_pair(pair, settings)}
                result = describe_result(pair, verdict, gains, settings, len(pairs))
                risks = reservations.risks(gains, *pair.cells)
                level, opponent = (scores.get(cell) for cell in pair.cells)
                error = test_error(level, opponent, typical_seeds(gains, pair))
                rows.append({**head, **result, **risks, "test_se": error})
    return pd.DataFrame(rows, columns=COLUMNS)


def primary(contrasts: pd.DataFrame) -> pd.DataFrame:
    """The contrasts with the baseline."""
    return contrasts[contrasts["family"] == "primary"]


def families(runs: pd.DataFrame, baseline: str) -> dict[str, list[Pair]]:
    """The contrasts of both families of a task, group by group."""
    with_baseline = []
    all_pairs = []
    for group, part in runs.groupby("group", sort=False):
        levels = list(part["level"].unique())
        with_baseline += [Pair(group, level, baseline) for level in levels if level != baseline]
        all_pairs += [Pair(group, b, a) for a, b in itertools.combinations(levels, 2)]
    return {"primary": with_baseline, "all pairs": all_pairs}


def verdicts_of(
    values: TaskValues,
    pairs: Sequence[Pair],
    settings: TaskPlan,
    share: float,
    seeds_reached: int,
) -> list[procedure.Verdict]:
    """A verdict per pair of one family, by the rule of its task: looks, all seeds, any number.

    share: the part of the 5% that the task has. At any number of seeds those below `seeds_reached`
    count, in their order: which run of a later one ends first has no part in it.
    """
    if not settings.at_any_n:
        looks = procedure.looks_of(settings.in_looks, share)
        return judge(values, pairs, settings, looks, seeds_reached)
    if not pairs:
        return []
    own = values.of_rows(np.asarray(values.values.index < seeds_reached))
    differences = paired_differences(collapse.gains(own, settings), pairs)
    return anytime.judge(differences, settings.margin, procedure.ALPHA * share)


def judge(
    values: TaskValues,
    pairs: Sequence[Pair],
    settings: TaskPlan,
    looks: procedure.Looks,
    seeds_reached: int,
) -> list[procedure.Verdict]:
    """A verdict per pair of one family; which runs are typical at a look, its own seeds say."""
    if not pairs:
        return []

    def differences(rows: np.ndarray) -> np.ndarray:
        return paired_differences(collapse.gains(values.of_rows(rows), settings), pairs)

    seeds = list(values.values.index)
    every = differences(np.full(len(seeds), True))
    at_look = differences if len(looks) > 1 else None
    return procedure.judge(every, settings.margin, looks, seeds, seeds_reached, at_look)


def paired_differences(gains: Gains, pairs: Sequence[Pair]) -> np.ndarray:
    """Gain of the level minus that of its opponent of the same seed, shape (seeds, pairs).

    Missing if a run is missing or not typical, or if both diverged: then neither has a number.
    """
    columns = np.full((len(gains.every), len(pairs)), np.nan)
    places = {cell: place for place, cell in enumerate(gains.every.columns)}
    typical = gains.typical.to_numpy()
    diverged = gains.diverged.to_numpy()
    for column, pair in enumerate(pairs):
        if not set(pair.cells) <= set(places):
            continue
        level, opponent = (places[cell] for cell in pair.cells)
        difference = typical[:, level] - typical[:, opponent]
        without_number = diverged[:, level] & diverged[:, opponent]
        columns[:, column] = np.where(without_number, np.nan, difference)
    return columns


def typical_seeds(gains: Gains, pair: Pair) -> pd.Index:
    """The seeds of which a pair has a difference that counts."""
    return gains.every.index[np.isfinite(paired_differences(gains, [pair])[:, 0])]


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
    pair: Pair, verdict: procedure.Verdict, gains: Gains, settings: TaskPlan, family: int
) -> dict[str, Any]:
    """Columns of a verdict, differences as level minus baseline whatever is better."""
    sign = settings.sign
    ends = (sign * verdict.low, sign * verdict.high)
    row = {**vars(verdict), "mean": sign * verdict.mean, "low": min(ends), "high": max(ends)}
    row |= {"condition": "", "contradiction": ""}
    level, opponent = pair.cells
    if not {level, opponent} <= set(gains.every):
        return row
    mean_all = float((gains.every[level] - gains.every[opponent]).mean())
    row["mean_all"] = sign * mean_all
    row["condition"] = reservations.condition(
        verdict, gains, level, opponent, family, settings.at_any_n
    )
    row["contradiction"] = reservations.contradiction(verdict, mean_all, settings.margin)
    return row


def describe_verdict(row: Mapping[str, Any]) -> str:
    """The verdict of a row of `contrasts` in words, with the seeds that would decide it."""
    words = verdict_words(row)
    if row["verdict"] != procedure.UNDECIDED:
        return words
    for_margin, as_seen = more_seeds(row)
    is_paired = row.get("method", procedure.PAIRED) == procedure.PAIRED
    added = "seeds to add" if is_paired else "runs to add on both sides"
    return f"{words}; {added}: {for_margin} (margin), {as_seen} (difference seen)"


def verdict_words(row: Mapping[str, Any]) -> str:
    """The verdict alone, with its condition, when it came if early, and what speaks against it.

    It says as well if its runs diverged and count.
    """
    return "; ".join(filter(None, [_bare_words(row), reservations.diverged(row)]))


def _bare_words(row: Mapping[str, Any]) -> str:
    verdict = str(row["verdict"])
    if verdict == procedure.TOO_FEW:
        needed = pairs_needed(row)
        if row["seeds"] >= needed:
            few = f"{row['n']} of {row['seeds']} seeds, it takes {needed}"
            return f"too few typical pairs ({few})"
        return f"too few seeds ({row['n']} of {needed})"
    if verdict == procedure.UNDECIDED:
        return verdict
    words = f"{verdict} {row['condition']}".strip()
    if pd.notna(row["decided_at"]) and row["decided_at"] < row["seeds"]:
        words += f", decided after {row['decided_at']:.0f} seeds"
    if row["contradiction"]:
        words += f", but {row['contradiction']}"
    return words


def pairs_needed(row: Mapping[str, Any]) -> int:
    """The pairs below which a row of `contrasts` has no verdict; earlier tables do not say it."""
    needed = row.get("n_needed")
    return procedure.MIN_SEEDS if needed is None or pd.isna(needed) else int(needed)


def most_needed(rows: pd.DataFrame) -> int:
    """The pairs that every row of `contrasts` needs for a verdict."""
    return max(map(pairs_needed, rows.to_dict("records")), default=procedure.MIN_SEEDS)


def more_seeds(row: Mapping[str, Any]) -> list[str]:
    """How many more seeds see a difference of the margin, and one of the observed size."""
    both = (row["more_seeds"], row["more_seeds_as_seen"])
    return [f"over {MAX_MORE_SEEDS}" if pd.isna(n) else f"{n:.0f}" for n in both]
