"""Verdicts on anyone's runs: the procedure of docs/statistics.md, and what stands in its place.

Runs that share seeds go through the very functions that judge a study's own runs.
"""

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from actstudy.analysis.questions import collapse, contrasts, procedure, reservations
from actstudy.analysis.questions.collapse import Gains
from actstudy.analysis.questions.contrasts import Pair
from actstudy.analysis.questions.seed_values import TaskValues, by_cell
from actstudy.contract.plan import TaskPlan
from actstudy.judging import question as asking
from actstudy.judging.question import PAIRED, SUMMARIES, UNPAIRED, Question
from actstudy.judging.scores import Scores, checked, checked_summaries
from actstudy.judging.statistics.summaries import judge_summaries
from actstudy.judging.statistics.unpaired import judge_unpaired
from actstudy.judging.statistics.welch import MIN_RUNS

COLUMNS = ["task", "group", "level", "baseline", "family", "n", "mean", "sd", "low", "high"]
COLUMNS += ["interval_level", "p", "p_equivalent", "verdict", "condition", "decided_at"]
COLUMNS += ["more_seeds", "more_seeds_as_seen", "visible", "method", "n_level", "n_baseline"]
COLUMNS += ["metric", "unit", "margin", "spend", "seeds", "n_needed", "mean_all", "contradiction"]
COLUMNS += ["shared_seeds", *reservations.COLUMNS]
WHOLE = ["n_level", "n_baseline", "decided_at", "more_seeds", "more_seeds_as_seen", "shared_seeds"]


def judged(scores: Scores, question: Question, where: str) -> pd.DataFrame:
    """A row per contrast, COLUMNS; where: what a refusal names.

    `attrs` of the frame: method (PAIRED, UNPAIRED or SUMMARIES). StudyError if nothing can be
    judged: see `scores.checked` and `question.check`.
    """
    if scores.summaries is not None:
        method = SUMMARIES
        rows = checked_summaries(scores.summaries, where)
    else:
        rows = checked(scores.frame, where)
    asking.check(question, rows, where)
    if scores.summaries is None:
        method = asking.method_of(question, scores, rows, where)
    asking.refuse_options(question, method, where)
    if method == PAIRED:
        asking.check_order(rows, question.looks, where)
    parts: list[dict[str, Any]] = []
    tasks = list(rows["task"].unique())
    share = 1 / len(tasks) if question.family == "study" else 1.0
    judges = {PAIRED: paired_rows, UNPAIRED: unpaired_rows, SUMMARIES: summary_rows}
    for task in tasks:
        settings = asking.task_plan(question, scores, task)
        head = {"task": task, "method": method}
        tail = {} if method == PAIRED else {"n_needed": MIN_RUNS}
        for row in judges[method](rows[rows["task"] == task], settings, question, share):
            parts.append(head | row | tail)
    table = pd.DataFrame(parts, columns=COLUMNS)
    if method == PAIRED:
        table["shared_seeds"] = asking.seeds_shared(table, rows)
    table = table.astype(dict.fromkeys(WHOLE, "Int64"))
    table.attrs["method"] = method
    return table


def paired_rows(
    rows: pd.DataFrame, settings: TaskPlan, question: Question, share: float
) -> list[dict[str, Any]]:
    """The contrasts of one task whose runs share seeds, as `contrasts.contrasts` makes them."""
    numbered, reached = in_order(rows)
    values = task_values(numbered)
    table = []
    for family, pairs in families(rows, question).items():
        if family != "primary" and not question.all_pairs:
            continue
        verdicts = contrasts.verdicts_of(values, pairs, settings, share, reached)
        seeds = slice(max((verdict.seeds for verdict in verdicts), default=0))
        gains = collapse.gains(values.of_rows(seeds), settings)
        counts = Counts.of(gains, numbered[numbered["seed"] <= gains.every.index.max()])
        for pair, verdict in zip(pairs, verdicts, strict=True):
            row = {"family": family, **contrasts.describe_pair(pair, settings)}
            row |= contrasts.describe_result(pair, verdict, gains, settings, len(pairs))
            row |= reservations.risks(gains, *pair.cells)
            table.append(with_counts(row, counts, pair))
    return table


def unpaired_rows(
    rows: pd.DataFrame, settings: TaskPlan, question: Question, share: float
) -> list[dict[str, Any]]:
    """The contrasts of one task whose runs are independent."""
    gains = collapse.gains(task_values(rows), settings)
    counts = Counts.of(gains, rows)
    spend = procedure.ALPHA * share
    pairs = families(rows, question)["primary"]
    groups = dict.fromkeys(pair.group for pair in pairs)
    table = []
    for group in groups:
        own = [pair for pair in pairs if pair.group == group]
        cells = [(group, settings.baseline), *(pair.cells[0] for pair in own)]
        samples = [sample_of(gains, cell) for cell in cells]
        verdicts = judge_unpaired(samples, settings.margin, spend * len(own) / len(pairs))
        for pair, verdict in zip(own, verdicts, strict=True):
            row = {"family": "primary", **contrasts.describe_pair(pair, settings)}
            row |= contrasts.describe_result(pair, verdict, gains, settings, len(own))
            row |= reservations.risks(gains, *pair.cells)
            row.pop("p_mcnemar", None)  # of pairs
            if set(pair.cells) <= set(gains.every):
                level, opponent = (gains.every[cell].mean() for cell in pair.cells)
                row["mean_all"] = settings.sign * (level - opponent)
            table.append(with_counts(row, counts, pair))
    return table


def families(rows: pd.DataFrame, question: Question) -> dict[str, list[Pair]]:
    """The contrasts of a task by family; levels that were planned have some without a run, too."""
    cells = rows[["group", "level"]].drop_duplicates()
    groups = list(cells["group"].unique())
    columns = itertools.product(groups, question.planned)
    planned = pd.DataFrame(columns, columns=["group", "level"])
    return contrasts.families(pd.concat([cells, planned]), question.baseline)


def sample_of(gains: Gains, cell: tuple[str, str]) -> np.ndarray:
    """The gains of the typical runs of a cell."""
    if cell not in gains.typical:
        return np.empty(0)
    return gains.typical[cell].dropna().to_numpy(dtype=float)


def summary_rows(
    rows: pd.DataFrame, settings: TaskPlan, question: Question, share: float
) -> list[dict[str, Any]]:
    """The contrasts of one task of which summaries alone are known."""
    pairs = families(rows, question)["primary"]
    spend = procedure.ALPHA * share
    table = []
    for group, part in rows.groupby("group", sort=False):
        is_baseline = part["level"] == settings.baseline
        ordered = pd.concat([part[is_baseline], part[~is_baseline]])
        own_spend = spend * (len(ordered) - 1) / len(pairs)
        verdicts = judge_summaries(ordered, settings.margin, settings.sign, own_spend)
        n_baseline = ordered["n"].iloc[0]
        for level, n, verdict in zip(ordered["level"][1:], ordered["n"][1:], verdicts, strict=True):
            pair = Pair(str(group), level, settings.baseline)
            row = {"family": "primary", **contrasts.describe_pair(pair, settings)}
            row |= vars(verdict) | signed(verdict, settings.sign)
            row |= {"condition": "", "contradiction": ""}
            table.append(row | {"n_level": n, "n_baseline": n_baseline})
    return table


def signed(verdict: procedure.Verdict, sign: int) -> dict[str, float]:
    """Mean and interval of a verdict as level minus baseline, whatever is better."""
    ends = (sign * verdict.low, sign * verdict.high)
    return {"mean": sign * verdict.mean, "low": min(ends), "high": max(ends)}


class Counts(NamedTuple):
    """Per (group, level): its typical runs, whether chance level is known, and how runs ended."""

    typical: dict[tuple[str, str], int]
    has_chance: dict[tuple[str, str], bool]
    runs: dict[tuple[str, str], int]
    diverged: dict[tuple[str, str], int]

    @classmethod
    def of(cls, gains: Gains, rows: pd.DataFrame) -> "Counts":
        """The counts of the gains of a task; rows: the runs that they are made of."""
        flags = rows.groupby(["group", "level"])["diverged"]
        has_chance = gains.chance.notna().to_dict()
        runs = flags.size().to_dict()
        return cls(gains.typical.count().to_dict(), has_chance, runs, flags.sum().to_dict())


def with_counts(row: Mapping[str, Any], counts: Counts, pair: Pair) -> dict[str, Any]:
    """A row with the runs of both sides that count.

    Without chance level a run that diverged has no value, and it is not known whether a side
    trains: a verdict takes for granted that it does only if runs of it diverged.
    """
    full = dict(row)
    for suffix, cell in zip(("", "_baseline"), pair.cells, strict=True):
        full[f"n{suffix or '_level'}"] = counts.typical.get(cell, 0)
        if f"trains{suffix}" in full and not counts.has_chance.get(cell):
            n = counts.runs.get(cell, 0)  # none before the last look
            lost = counts.diverged.get(cell, 0)
            full |= {f"n_runs{suffix}": n, f"trains{suffix}": None}
            full |= dict.fromkeys((f"n_diverged{suffix}", f"n_collapsed{suffix}"), lost)
            full[f"risk{suffix}"] = collapse.largest_risk(lost, n)
    if not any(counts.has_chance.get(cell) for cell in pair.cells):
        full["condition"] = condition_of_endings(full, pair)
    return full


def condition_of_endings(row: Mapping[str, Any], pair: Pair) -> str:
    """What a verdict takes for granted if nothing but divergence is known of collapses, in words.

    A side that is not better may diverge as well, which makes it no better.
    """
    is_lost = {side: bool(row.get(f"n_diverged{side}")) for side in ("", "_baseline")}
    verdict = str(row["verdict"])
    if verdict.startswith("equivalent") and any(is_lost.values()):
        return reservations.WHEN_BOTH_TRAIN
    if verdict == "better" and is_lost[""]:
        return reservations.WHEN_IT_TRAINS
    return f"when {pair.opponent} trains" if verdict == "worse" and is_lost["_baseline"] else ""


def task_values(rows: pd.DataFrame) -> TaskValues:
    """Runs of one task, a row per seed and a column per (group, level)."""
    return by_cell(rows.rename(columns={"diverged": "is_diverged"}))


def in_order(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The runs with seeds that looks can count, and how many seeds there are.

    Seeds that count from 0, with no more gaps than seeds, stay as they are. Others are numbered
    from 0 in their order, of which looks take the first 8, 12 and 20.
    """
    seeds = sorted(rows["seed"].unique())
    is_number = pd.api.types.is_integer_dtype(rows["seed"])
    if is_number and seeds[0] == 0 and seeds[-1] < 2 * len(seeds):
        return rows, int(seeds[-1]) + 1
    places = {seed: place for place, seed in enumerate(seeds)}
    return rows.assign(seed=rows["seed"].map(places)), len(seeds)
