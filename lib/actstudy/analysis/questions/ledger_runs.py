"""Measurements that a study's own runs answer: the group `runs` of a ledger.

Levels are compared seed by seed, as in the table `contrasts`. data: the data set that a claim is
of, group: its group of cells; by default those of the task's first runs.
"""

import itertools
from collections.abc import Mapping, Sequence

from actstudy.analysis.questions import ledger_pairs, seed_values
from actstudy.analysis.questions.ledger_gains import (
    dead_shares,
    gain,
    is_share,
    mean_gain,
    mean_share,
    runs_of,
    smallest,
)
from actstudy.analysis.questions.procedure import ALPHA
from actstudy.analysis.questions.seed_values import Frames
from actstudy.contract.plan import Plan
from actstudy.contract.reading import Absent, Reading, exact, mean_of, share_of

ALIKE = ["level", "seed", "data", "lr", "batch_size", "order_hash"]  # in runs that differ otherwise


def cell(
    frames: Frames,
    plan: Plan,
    task: str,
    level: str,
    metric: str = "",
    data: str = "",
    group: str = "",
) -> list[Reading]:
    """`mean` of a level's reported metric over completed runs, in % of a share.

    `diverged`: the share of runs that did.
    """
    settings = plan.tasks[task]
    runs = runs_of(frames, task, [level], data, group)
    completed = runs[runs["status"] == "completed"]
    n_diverged = int((runs["status"] == "diverged").sum())
    n_ended = n_diverged + len(completed)
    if not n_ended:
        raise ValueError(f"no run of {level} in task {task} has ended")
    values = completed[f"reported_{metric or settings.metric}"].astype(float)
    factor, unit = (100, "%") if is_share(settings) else (1, "")
    mean = mean_of((factor * values).to_list(), unit)
    return [Reading({"mean": mean, "diverged": share_of(n_diverged, n_ended)})]


def contrast(
    frames: Frames,
    plan: Plan,
    task: str,
    level: str,
    against: str = "relu",
    data: str = "",
    group: str = "",
) -> list[Reading]:
    """`gain` of a level over another one, and the same in `margins`."""
    place = runs_of(frames, task, [level, against], data, group)["group"].iloc[0]
    return [Reading(gain(frames, plan, task, place, level, against))]


def contrasts_of_tasks(
    frames: Frames, plan: Plan, tasks: Sequence[str], level: str, against: str = "relu"
) -> list[Reading]:
    """`contrast` in each of some tasks, each of them a condition."""
    readings = []
    for task in tasks:
        (reading,) = contrast(frames, plan, task, level, against)
        readings.append(Reading(reading.values, plan.tasks[task].title))
    return readings


def order(
    frames: Frames,
    plan: Plan,
    task: str,
    levels: Sequence[str | list[str]],
    data: str = "",
    group: str = "",
) -> list[Reading]:
    """`smallest` gain of a level over one of the next place: above 0 the order holds.

    levels: best first; a place may be a list of levels, in any order among themselves. `in_order`:
    the share of such pairs whose mean gain is above 0.
    """
    places = [[place] if isinstance(place, str) else place for place in levels]
    runs = runs_of(frames, task, list(itertools.chain(*places)), data, group)
    gains = []
    for better, worse in itertools.pairwise(places):
        for pair in itertools.product(better, worse):
            gains.append(gain(frames, plan, task, runs["group"].iloc[0], *pair)["gain"])
    n_right = sum(pair.value > 0 for pair in gains)
    return [Reading({"smallest": smallest(gains), "in_order": exact(n_right / len(gains))})]


def share_near_best(
    frames: Frames, plan: Plan, tasks: Sequence[str], level: str = "relu"
) -> list[Reading]:
    """`share` of (task, seed) cells in which a level is within the task's margin of the best one.

    The best of that seed, in the task's first group of cells. A mean over tasks: its interval is
    that of tasks (`ledger_gains.mean_share`), as seeds of one task have much in common.
    """
    shares = []
    for task in tasks:
        settings = plan.tasks[task]
        place = runs_of(frames, task, [level])["group"].iloc[0]
        values = seed_values.task_values(frames, plan, task).values
        if (place, level) not in values:
            raise ValueError(f"no run of {level} in task {task} has ended")
        cells = settings.sign * values[place].dropna(subset=[level])
        shares.append(float((cells.max(axis=1) - cells[level] <= settings.margin).mean()))
    return [Reading({"share": mean_share(shares)})]


def precision_change(
    frames: Frames, plan: Plan, task: str, precision: str = "bf16", against: str = "fp32"
) -> list[Reading]:
    """Per level the `gain` by a precision over runs alike in all else, and the same in `margins`.

    The intervals are of all levels together (Bonferroni).
    """
    settings = plan.tasks[task]
    runs = seed_values.compared(frames, plan, task)
    sides = []
    for name in (precision, against):
        side = runs.loc[runs["precision"] == name, [*ALIKE, "value"]]
        if side.empty:
            raise Absent(f"needs task {task} at precision {name}")
        sides.append(side)
    both = sides[0].merge(sides[1], on=ALIKE, suffixes=("", "_against"))
    both["gain"] = settings.sign * (both["value"] - both["value_against"])
    confidence = 1 - ALPHA / both["level"].nunique()
    readings = []
    for level, part in both.groupby("level", sort=False):
        readings.append(Reading(mean_gain(part["gain"], settings, confidence), str(level)))
    return readings


def contrast_if_dead(
    frames: Frames, plan: Plan, task: str, level: str, against: str = "relu", above: float = 0.15
) -> list[Reading]:
    """`gain` of a level over runs of another one of whose units more than `above` are dead.

    Paired by seed, a mean over groups. `gain_below`: over its other runs; `dead`: the mean share of
    dead units in the former.
    """
    settings = plan.tasks[task]
    runs = seed_values.compared(frames, plan, task)[["run_id", "level", "group", "seed", "value"]]
    others = runs[runs["level"] == against]
    others = others.assign(dead=others["run_id"].map(dead_shares(frames["health"])))
    both = others.merge(
        runs[runs["level"] == level], on=["group", "seed"], suffixes=("_against", "")
    )
    both["gain"] = settings.sign * (both["value"] - both["value_against"])
    has_many = both["dead"] > above
    if has_many.all() or not has_many.any():
        raise Absent(f"needs runs of {against} with more and with fewer dead units than {above:g}")
    by_seed = both.assign(has_many=has_many).groupby(["has_many", "seed"])[["gain", "dead"]].mean()
    values = {
        "gain": mean_gain(by_seed.loc[True, "gain"], settings, 1 - ALPHA)["gain"],
        "gain_below": mean_gain(by_seed.loc[False, "gain"], settings, 1 - ALPHA)["gain"],
        "dead": mean_of((100 * by_seed.loc[True, "dead"]).to_list(), "%"),
    }
    return [Reading(values)]


def dead_units(
    frames: Frames,
    plan: Plan,
    task: str,
    level: str,
    data: str = "",
    group: str = "",
    rule: str = "dead",
    units: Mapping[str, int] | None = None,
) -> list[Reading]:
    """`dead`: the share of a level's hidden units that are dead at the last probe, in %.

    rule: with `never_positive` those never above 0 count, be they 0 or not. units: how many a site
    has, by patterns of its name; without them it is a mean over sites.
    """
    runs = runs_of(frames, task, [level], data, group)
    health = frames["health"]
    own = health[health["run_id"].isin(runs["run_id"])]
    shares = runs["run_id"].map(dead_shares(own, rule, units)).dropna()
    if shares.empty:
        raise ValueError(f"no run of {level} in task {task} has probes")
    return [Reading({"dead": mean_of((100 * shares).to_list(), "%")})]


def recommendation(
    frames: Frames,
    plan: Plan,
    task: str,
    pairs: Sequence[Sequence[str]],
    precisions: Sequence[Sequence[str]] = (),
) -> list[Reading]:
    """`gain` of who follows a recommendation, and the same in `margins`, diverged runs at chance.

    `survives`, `survives_against`: the shares of runs that did not diverge. pairs: the level that
    follows it and the one that does not, each pair a condition; so is each group of cells, or with
    precisions each pair of these: that of the one and that of the other.
    """
    return list(ledger_pairs.readings(frames, plan, task, pairs, precisions))


MEASUREMENTS = {
    "cell": cell,
    "contrast": contrast,
    "contrasts_of_tasks": contrasts_of_tasks,
    "order": order,
    "share_near_best": share_near_best,
    "precision_change": precision_change,
    "contrast_if_dead": contrast_if_dead,
    "dead_units": dead_units,
    "recommendation": recommendation,
}
