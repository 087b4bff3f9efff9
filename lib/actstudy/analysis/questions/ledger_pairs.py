"""Runs of two sides of a recommendation, paired by seed, for the ledger."""

import itertools
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


def sides(levels: str | Sequence[str], precisions: str | Sequence[str]) -> list[Side]:
    """Every level at every precision."""
    return [Side(*pair) for pair in itertools.product(listed(levels), listed(precisions))]


def listed(value: str | Sequence[str]) -> list[str]:
    """A name as a list of one."""
    return [value] if isinstance(value, str) else list(value)


def readings(
    frames: Frames, plan: Plan, task: str, followed: Sequence[Side], against: Sequence[Side]
) -> Iterator[Reading]:
    """A reading per pair of sides, and per group of cells if no side names a precision.

    `gain` and `margins` over the seeds of both, diverged runs at chance level; `survives` and
    `survives_against`: the shares that did not diverge. Runs are paired by seed alone, as batches
    of another size or precision are no others to a reader who follows the advice.
    """
    settings = plan.tasks[task]
    runs = seed_values.compared(frames, plan, task)
    if runs.empty:
        raise ValueError(f"no run of task {task} has ended")
    groups = [("", runs)]
    if not any(side.precision for side in [*followed, *against]):
        groups = [(str(name), part) for name, part in runs.groupby("group", sort=False)]
    pairs = list(itertools.product(followed, against))
    for group, part in groups:
        for level, other in pairs:
            words = [f"{level} against {other}"] if len(pairs) > 1 else []
            condition = ", ".join([*words, *([group] if len(groups) > 1 else [])])
            yield Reading(compared(level.of(part), other.of(part), settings), condition)


def compared(level: pd.DataFrame, other: pd.DataFrame, settings: TaskPlan) -> dict[str, Value]:
    """The values of two sides of one reading."""
    columns = ["seed", "value", "is_diverged"]
    both = level[columns].merge(other[columns], on="seed", suffixes=("", "_against"))
    if both.empty:
        raise ValueError("no seed has ended on both sides")
    gains = settings.sign * (both["value"] - both["value_against"])
    values = mean_gain(gains, settings, 1 - ALPHA)
    for name, side in (("survives", level), ("survives_against", other)):
        n_survived = int((~side["is_diverged"].astype(bool)).sum())
        share = share_of(n_survived, len(side))
        values[name] = Value(100 * share.value, 100 * share.low, 100 * share.high, share.n, "%")
    return values
