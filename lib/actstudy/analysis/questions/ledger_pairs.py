"""Runs of two sides of a recommendation, paired by seed, for the ledger."""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from actstudy.analysis.questions import seed_values
from actstudy.analysis.questions.ledger_gains import mean_gain
from actstudy.analysis.questions.procedure import ALPHA
from actstudy.analysis.questions.seed_values import Frames
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.contract.reading import Absent, Reading, Value, share_of


class Side(NamedTuple):
    """A level, at a precision if that is not empty."""

    level: str
    precision: str = ""

    def __str__(self) -> str:
        return f"{self.level} at {self.precision}" if self.precision else self.level

    def of(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Its runs; Absent if there are none."""
        own = runs[runs["level"] == self.level]
        if self.precision:
            own = own[own["precision"] == self.precision]
        if own.empty:
            raise Absent(f"needs runs of {self}")
        return own


Sides = tuple[Side, Side]


def readings(
    frames: Frames,
    plan: Plan,
    task: str,
    pairs: Sequence[Sequence[str]],
    precisions: Sequence[Sequence[str]],
) -> Iterator[Reading]:
    """A reading per pair of levels, and per pair of precisions, without any per group of cells.

    `gain` and `margins` over the seeds of both, diverged runs at chance level; `survives` and
    `survives_against`: the shares that did not diverge. Runs are paired by seed alone, as batches
    of another size or precision are no others to a reader who follows the advice.
    """
    settings = plan.tasks[task]
    runs = seed_values.compared(frames, plan, task)
    if runs.empty:
        raise ValueError(f"no run of task {task} has ended")
    runs = runs.assign(rest=[rest_of(text) for text in runs["places"]])
    groups = [("", runs)]
    if not precisions:
        groups = [(str(name), part) for name, part in runs.groupby("group", sort=False)]
    several = list(sides(pairs, precisions))
    for group, part in groups:
        for level, other in several:
            words = [f"{level} against {other}"] if len(several) > 1 else []
            if len(groups) > 1:
                words.append(group)
            values = compared(level.of(part), other.of(part), settings)
            yield Reading(values, ", ".join(words))


def rest_of(text: str) -> str:
    """A run's places, as JSON text, without its precision."""
    return json.dumps({axis: at for axis, at in json.loads(text).items() if axis != "precision"})


def sides(pairs: Sequence[Sequence[str]], precisions: Sequence[Sequence[str]]) -> Iterator[Sides]:
    """Who follows and who does not, of each pair of levels at each pair of precisions."""
    for name, several in (("pairs", pairs), ("precisions", precisions)):
        for pair in several:
            if len(pair) != 2:
                raise ValueError(f"{name}: got {list(pair)}; allowed: who follows, who does not")
    for levels in pairs:
        for at in precisions or [("", "")]:
            first, second = (Side(*side) for side in zip(levels, at, strict=True))
            yield first, second


def compared(level: pd.DataFrame, other: pd.DataFrame, settings: TaskPlan) -> dict[str, Value]:
    """The values of two sides of one reading."""
    columns = ["seed", "rest", "value"]
    both = level[columns].merge(other[columns], on=["seed", "rest"])
    if both.empty:
        raise ValueError("no seed has ended on both sides")
    gains = settings.sign * (both["value_x"] - both["value_y"])
    values = mean_gain(gains, settings, 1 - ALPHA)
    for name, side in (("survives", level), ("survives_against", other)):
        n_survived = int((~side["is_diverged"].astype(bool)).sum())
        share = share_of(n_survived, len(side))
        values[name] = Value(100 * share.value, 100 * share.low, 100 * share.high, share.n, "%")
    return values
