"""What k trials give: the expected test value of the best on val of k of a study's trials.

A trial is a tried learning rate (`tune_lr`), or else a recipe that the task crosses.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from actstudy.analysis.questions import crossed, tuning
from actstudy.analysis.questions.seed_values import Frames, chances
from actstudy.analysis.questions.subsets import expected_best, resampled_interval
from actstudy.contract.plan import RATE_AXIS, Plan, TaskPlan, group_name
from actstudy.contract.schema import ENDED
from actstudy.contract.streams import stream

COLUMNS = ["task", "block", "level", "trials_of", "metric", "unit", "k", "n_trials", "n_seeds"]
COLUMNS += ["n_diverged", "value", "low", "high", "hours", "best_trial", "at_edge", "reason"]
READ = ["task", "group", "level", "seed", "run_id", "data", "status", "train_seconds"]  # of `runs`
SECONDS_PER_HOUR = 3600


class Trials(NamedTuple):
    """The trials of some levels on one block: their runs, with what chooses and what is reported.

    axes: crossed field -> its places in their order; runs: columns level, trial, seed, status,
    val, test (both gains; diverged runs at chance, or minus infinity), seconds, and each axis.
    """

    task: str
    block: str
    axes: dict[str, list[str]]
    runs: pd.DataFrame


def best_of(frames: Frames, tuning_frames: Frames, plan: Plan) -> pd.DataFrame:
    """A row per block, level and k of each task that tunes its rate or crosses recipes.

    frames, tuning_frames: `runs` and `curves` of reported runs and of those that choose a rate
    (`predictions` of the former). Columns COLUMNS. value: the mean, over all subsets of k trials
    and over seeds, of the test metric (its logarithm if the task has a `log_unit`) of the trial
    that val chooses; low, high: bootstrap over trials and seeds; hours: k times the mean training
    time; best_trial: the best mean on val of all, at_edge: its axes on which no place lies beyond
    it. A block whose levels had different budgets has one row, with `reason` and no value.
    """
    rows: list[dict[str, Any]] = []
    for trials in every(frames, tuning_frames, plan):
        settings = plan.tasks[trials.task]
        head = {"task": trials.task, "block": trials.block, "trials_of": ", ".join(trials.axes)}
        head |= {"metric": settings.metric, "unit": settings.compared_unit}
        reason = unequal(trials)
        if reason:
            rows.append({**head, "level": "", "k": 0, "at_edge": "", "reason": reason})
            continue
        for level, runs in trials.runs.groupby("level", sort=False):
            own = trials._replace(runs=runs)
            rng = stream(0, " ".join([plan.study, trials.task, trials.block, "trials"]))
            for row in of_level(own, settings, rng):
                rows.append({**head, "level": level, **row, "reason": ""})
    return pd.DataFrame(rows, columns=COLUMNS)


def every(frames: Frames, tuning_frames: Frames, plan: Plan) -> Iterator[Trials]:
    """The trials of every task: those that chose a rate, else the crossed recipes."""
    for task, settings in plan.tasks.items():
        if settings.tune_lr:
            yield from tried_rates(frames, tuning_frames, plan, task)
    for block in crossed.blocks(frames, plan):
        settings = plan.tasks[block.task]
        if settings.tune_lr:
            continue
        recipe_of = {group: recipe for recipe, group in block.groups.items()}
        runs = frames["runs"].filter(items=[*READ, f"reported_{settings.metric}"])
        runs = runs[(runs["task"] == block.task) & runs["group"].isin(recipe_of)]
        places = pd.DataFrame(list(runs["group"].map(recipe_of)), runs.index, list(block.axes))
        own = with_values(runs.assign(**places), frames["curves"], frames, plan, block.task)
        yield Trials(block.task, block.name, block.axes, named(own, list(block.axes)))


def tried_rates(frames: Frames, tuning_frames: Frames, plan: Plan, task: str) -> Iterator[Trials]:
    """The runs that chose the rates of a task, per group of cells."""
    planned = pd.DataFrame([row for row in plan.tuning if row["task"] == task])
    if planned.empty:
        return
    fields = tuning_frames["runs"].set_index("run_id")
    fields = fields[~fields.index.duplicated()].drop(columns=list(planned), errors="ignore")
    runs = planned.join(fields, on="run_id")
    runs = runs.assign(status=runs["status"].fillna("missing"))
    for group, part in runs.groupby("group", sort=False):
        rates = {RATE_AXIS: [f"{rate:g}" for rate in sorted(part["lr"].unique())]}
        part = part.assign(**{RATE_AXIS: [f"{rate:g}" for rate in part["lr"]]})
        own = with_values(part, tuning_frames["curves"], frames, plan, task)
        yield Trials(task, str(group), rates, named(own, [RATE_AXIS]))


def named(runs: pd.DataFrame, axes: list[str]) -> pd.DataFrame:
    """The runs with `trial`, their places on some axes in words."""
    words = [group_name(places) for places in runs[axes].to_dict("records")]
    return runs.assign(trial=words)


def with_values(
    runs: pd.DataFrame, curves: pd.DataFrame, frames: Frames, plan: Plan, task: str
) -> pd.DataFrame:
    """Runs of a task with `val`, `test` (gains) and `seconds`; one that did not end has none.

    A run that diverged has the worst value; a completed one whose value is missing has none.
    curves: of these runs; frames: of reported ones, which say what chance is.
    """
    settings = plan.tasks[task]
    if settings.predicts == "tokens":
        worst = runs["data"].map(chances(frames, plan, task)).astype(float).fillna(np.inf)
    else:
        worst = tuning.worst_values(runs["data"], settings)
    completed = runs["status"] == "completed"
    diverged = runs["status"] == "diverged"
    best = runs["run_id"].map(tuning.best_of_runs(curves, settings)).astype(float)
    reported = f"reported_{settings.metric}"
    test = pd.to_numeric(runs[reported]) if reported in runs else best * np.nan
    values = {}
    for name, value in (("val", best), ("test", test)):
        value = value.astype(float).where(completed).where(~diverged, worst)
        if settings.log_unit:
            value = np.log(value)
        values[name] = settings.sign * value
    return runs.assign(**values, seconds=pd.to_numeric(runs.get("train_seconds", np.nan)))


def unequal(trials: Trials) -> str:
    """Why the levels of a block cannot be compared at a budget; empty if they can."""
    without = trials.runs[["val", "test"]].isna().any(axis=1)
    n_without = int((without & trials.runs["status"].isin(ENDED)).sum())
    if n_without:
        return f"ended runs without a value on val or test: {n_without}"
    done = trials.runs[trials.runs["val"].notna()]
    budgets = {}
    for level in trials.runs["level"].unique():
        own = done[done["level"] == level]
        budgets[level] = set(zip(own["trial"], own["seed"], strict=True))
    sizes = {level: len(budget) for level, budget in budgets.items()}
    if len({frozenset(budget) for budget in budgets.values()}) > 1:
        counts = ", ".join(f"{level} {size}" for level, size in sizes.items())
        return f"the budgets differ: runs that ended of the same trials and seeds: {counts}"
    if _square(trials.runs).size == 0:
        return "no seed has a run of two trials or more that has ended"
    return ""


def _square(runs: pd.DataFrame, name: str = "val") -> np.ndarray:
    """A value of one level's runs, (seeds, trials), of the seeds that have every trial."""
    level = runs["level"].iloc[0]
    own = runs[runs["level"] == level]
    table = own.pivot(index="seed", columns="trial", values=name)
    complete = own.pivot(index="seed", columns="trial", values="val").notna().all(axis=1)
    table = table[complete].reindex(columns=own["trial"].unique())
    return table.to_numpy(dtype=float) if table.shape[1] > 1 else np.empty((0, 0))


def of_level(
    trials: Trials, settings: TaskPlan, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """The rows of one level, from k = 1 to all trials; trials: its own alone."""
    runs = trials.runs
    val = _square(runs)
    test = _square(runs, "test")
    curve = expected_best(val, test).mean(axis=0)
    low, high = resampled_interval(val, test, rng)
    best, at_edge = best_trial(trials, val)
    ends = np.sort(settings.sign * np.stack([low, high]), axis=0)
    for place, value in enumerate(curve):
        yield {
            "k": place + 1,
            "n_trials": val.shape[1],
            "n_seeds": len(val),
            "n_diverged": int((runs["status"] == "diverged").sum()),
            "value": settings.sign * value,
            "low": ends[0, place],
            "high": ends[1, place],
            "hours": (place + 1) * runs["seconds"].mean() / SECONDS_PER_HOUR,
            "best_trial": best,
            "at_edge": at_edge,
        }


def best_trial(trials: Trials, val: np.ndarray) -> tuple[str, str]:
    """The trial with the best mean on val, ties to the first, and the axes at whose edge it is.

    An axis of words has no edge, nor has one of two places. Both are empty if each trial is
    infinitely bad with some seed.
    """
    means = val.mean(axis=0)
    if not np.isfinite(means).any():
        return "", ""
    names = trials.runs["trial"].unique()
    best = str(names[int(np.argmax(means))])
    row = trials.runs[trials.runs["trial"] == best].iloc[0]
    at_edge = []
    for axis, places in trials.axes.items():
        numbers = pd.to_numeric(pd.Series([place.split("=")[-1] for place in places]), "coerce")
        if numbers.isna().any() or len(numbers) < 3:
            continue
        own = numbers[places.index(row[axis])]
        if own == numbers.min():
            at_edge.append(f"{axis}: lowest")
        elif own == numbers.max():
            at_edge.append(f"{axis}: highest")
    return best, ", ".join(at_edge)
