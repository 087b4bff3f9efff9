"""Runs without a value, by one rule for all readers: refused, diverged, or never made.

A run has no value if the one that counts is empty, null, NaN or infinite. It diverged if a column
`diverged` says so, or if the user says it of all of them (NOT_FINITE); runs with an empty value
were never made if the user says so (NOT_MADE). Else they are refused: none is left out in silence.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from actstudy.judging.reading.options import NOT_FINITE, NOT_MADE, Options
from actstudy.judging.scores import Scores, without_value

EMPTY = "is_empty"  # a reader's column: whether nothing stands for the value, not even NaN
FIX = (
    f"to fix: --diverged {NOT_FINITE} if these runs diverged, --diverged {NOT_MADE} if those with "
    "an empty value were never made, or a column `diverged`"
)
WRITTEN = (
    f"a NaN or infinity that is written is no empty value, so --diverged {NOT_MADE} says "
    f"nothing of it; to fix: --diverged {NOT_FINITE} if these runs diverged, or a column "
    "`diverged`; leave out those never made"
)
MAX_NAMED = 3  # runs that a sentence names


def listed(called: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(called) - MAX_NAMED} more" if len(called) > MAX_NAMED else ""
    return ", ".join(called[:MAX_NAMED]) + more


def settled(scores: Scores, options: Options, where: str) -> Scores:
    """The scores without runs that were never made, and with those marked that diverged.

    The column EMPTY is gone. StudyError, with the row, if a run without a value is neither.
    """
    if scores.summaries is not None:
        return scores
    frame = scores.frame
    is_marked = column_of_flags(frame, "diverged")
    is_empty = column_of_flags(frame, EMPTY)
    frame = frame.drop(columns=EMPTY, errors="ignore")
    values = frame["value"].to_numpy(dtype=float)
    lost = ~np.isfinite(values) & ~is_marked
    if not lost.any():
        return dataclasses.replace(scores, frame=frame)
    if options.missing == NOT_FINITE:
        marked = frame.assign(diverged=is_marked | lost, value=np.where(lost, np.nan, values))
        sentence = f"Runs without a finite value are taken as diverged: {counted(frame, lost)}."
        return with_sentence(scores, marked, sentence)
    refused = lost & ~is_empty if options.missing == NOT_MADE else lost
    if refused.any():
        place = int(np.flatnonzero(refused)[0])
        got = "nothing" if is_empty[place] else values[place]
        fix = WRITTEN if options.missing == NOT_MADE else FIX
        raise without_value(where, named(frame.index[place]), got, refused, fix)
    sentence = f"Runs with an empty value are taken as never made: {counted(frame, lost)}."
    return with_sentence(scores, frame[~lost], sentence)


def column_of_flags(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A column of true and false, bool (N,); false if it is not there."""
    if name not in frame:
        return np.full(len(frame), False)
    return frame[name].eq(True).to_numpy(dtype=bool)


def with_sentence(scores: Scores, frame: pd.DataFrame, sentence: str) -> Scores:
    """The scores with another frame and one assumption more."""
    assumptions = (*scores.assumptions, sentence)
    return dataclasses.replace(scores, frame=frame, assumptions=assumptions)


def counted(frame: pd.DataFrame, which: np.ndarray) -> str:
    """How many rows, of how many, and which is the first: `2 of 30, the first in row 15`."""
    first = named(frame.index[which][0])
    return f"{which.sum()} of {len(frame)}, the first in {first}"


def named(label: Any) -> str:
    """A row as messages name it: by its number, with its column if there is one, or by its run."""
    is_row = isinstance(label, int | np.integer) or str(label).partition(", ")[0].isdigit()
    return f"row {label}" if is_row else f"run {label}"


def without_metric(
    lost: Sequence[str], total: int, metric: str, options: Options, where: str
) -> list[str]:
    """What is said of runs that never logged a metric; StudyError if the user says nothing of them.

    lost: their names, of `total` runs.
    """
    if not lost:
        return []
    if options.missing is None:
        is_lost = np.arange(total) < len(lost)
        raise without_value(where, f"run {lost[0]}", f"no {metric}", is_lost, FIX)
    if options.missing == NOT_MADE:
        return [f"Runs without {metric} are taken as never made: {listed(lost)}."]
    return []


def of_steps(rows: pd.DataFrame, is_empty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows of curves say nothing, and which of the others are without a value, bool (N,).

    rows: columns task, run and step. An empty cell is a step at which its run was not measured,
    unless the run has no value at all, or none from there on although another run of its task has
    one at that step: then the run has lost its value. Of a run without any the last row is kept.
    """
    run = rows["run"]
    known = pd.Series(~is_empty, rows.index)
    has_value = known.groupby(run).transform("any").to_numpy()
    last_step = rows["step"].where(known).groupby(run).transform("max").to_numpy()
    steps = pd.MultiIndex.from_frame(rows[["task", "step"]])
    is_measured = steps.isin(steps[~is_empty])
    is_after = rows["step"].to_numpy() > np.nan_to_num(last_step, nan=-np.inf)
    is_last = ~run.duplicated(keep="last").to_numpy()
    is_lost = is_empty & np.where(has_value, is_after & is_measured, is_last)
    return is_empty & ~is_lost, is_lost
