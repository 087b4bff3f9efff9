"""Anyone's numbers, checked: a row per run, or a row per level if only means are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from actstudy.contract import errors
from actstudy.contract.counting import counted
from actstudy.contract.errors import StudyError

ROW = ("level", "seed", "value")  # columns that every frame of runs has
SUMMARY = ("level", "mean", "sd", "n")  # columns that every frame of summaries has
CELL = ["task", "group", "level"]
FLAGS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
# of `pd.read_csv`: floats as they were written, which pandas 3.1 gives by default
EXACT: dict[str, Any] = {}
if [*map(int, pd.__version__.split(".")[:2])] < [3, 1]:
    EXACT = {"float_precision": "round_trip"}
MIN_REPEATS = 3  # runs of equal values that do not seem to depend on their seeds
FIX = "to fix: a column `diverged` that is true of runs that diverged; leave out those never made"
MAX_SEEDS = 2_000  # of a level: more rows are examples or steps, not runs


@dataclass(frozen=True)
class Scores:
    """What is judged: the runs of some levels, or their summaries, and what was assumed.

    frame: a row per run with level, seed, value, and if there are any task, group (levels of one
    group are compared), diverged (bool) and chance (the value of a model that knows nothing).
    metric, unit: of the values. assumptions: what the reader took for granted, each a sentence for
    the user. summaries: instead of values a row per level with mean, sd, n, and if there are
    several a task; frame is then empty. paired: whether runs of one seed belong together, None if
    the seeds shall say. confounders: settings that differ exactly as the level does.
    """

    frame: pd.DataFrame
    metric: str = "value"
    unit: str = ""
    higher_is_better: bool = True
    assumptions: tuple[str, ...] = ()
    summaries: pd.DataFrame | None = None
    paired: bool | None = None
    confounders: tuple[str, ...] = ()


def checked(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """The runs as they are judged: columns task, group, level, seed, value, diverged, chance.

    where: what a refusal names, such as the file; it names rows by the frame's index. StudyError
    if a column of ROW is not there, a number is no finite one although its run is not marked as
    diverged, a run is there twice (rows of one run are no replicates), or nothing can be compared.
    """
    check_columns(frame, ROW, where)
    rows = pd.DataFrame(index=frame.index)
    for name in CELL:
        rows[name] = text_column(frame, name, where)
    rows["seed"] = seed_column(frame, where)
    rows["diverged"] = flag_column(frame, "diverged", where)
    rows["chance"] = number_column(frame, "chance", where)
    rows["value"] = number_column(frame, "value", where)
    check_finite(rows, where)
    check_repeats(rows, where)
    check_levels(rows, where)
    rows["value"] = rows["value"].mask(rows["diverged"], rows["chance"])
    check_variation(rows, where)
    return rows


def check_columns(frame: pd.DataFrame, needed: Sequence[str], where: str) -> None:
    """StudyError if a needed column is not there, is there twice, or there are no rows."""
    names = [str(name) for name in frame.columns]
    for name in needed:
        if names.count(name) != 1:
            number = "two" if name in names else "no"
            raise StudyError(f"{where}: {number} column {name!r}; {errors.choices(name, names)}")
    if frame.empty:
        raise StudyError(f"{where}: got no rows; allowed: a row per run")


def text_column(frame: pd.DataFrame, name: str, where: str) -> pd.Series:
    """A column of names as text; of a column that is not there empty text."""
    if name not in frame:
        return pd.Series("", frame.index)
    if frame[name].isna().any():
        row = frame.index[frame[name].isna()][0]
        raise StudyError(f"{where}: row {row}: {name}: got nothing; allowed: a name")
    return frame[name].astype(str)


def seed_column(frame: pd.DataFrame, where: str) -> pd.Series:
    """The seeds: whole numbers if all are, else text."""
    seeds = frame["seed"]
    if seeds.isna().any():
        row = frame.index[seeds.isna()][0]
        raise StudyError(f"{where}: row {row}: seed: got nothing; allowed: a seed or a run's name")
    numbers = pd.to_numeric(seeds, errors="coerce")
    if numbers.notna().all() and (numbers % 1 == 0).all() and (numbers.abs() < 2**53).all():
        return numbers.astype("int64")
    return seeds.astype(str)


def flag_column(frame: pd.DataFrame, name: str, where: str) -> pd.Series:
    """A column of yes and no, in words or as 1 and 0; no if it is missing or not there."""
    if name not in frame:
        return pd.Series(False, frame.index)
    words = frame[name].astype(object).fillna(False).map(lambda value: str(value).lower())
    flags = words.map(FLAGS)
    if flags.isna().any():
        row = frame.index[flags.isna()][0]
        got = words[flags.isna()].iloc[0]
        raise StudyError(f"{where}: row {row}: {name}: got {got!r:.60}; allowed: true, false, 1, 0")
    return flags.astype(bool)


def number_column(frame: pd.DataFrame, name: str, where: str) -> pd.Series:
    """A column of numbers; missing ones of a column that is not there. Text is refused."""
    if name not in frame:
        return pd.Series(np.nan, frame.index)
    numbers = pd.to_numeric(frame[name], errors="coerce")
    if np.iscomplexobj(numbers):
        raise StudyError(f"{where}: {name}: got complex numbers; allowed: numbers")
    wrong = numbers.isna() & frame[name].notna()
    if wrong.any():
        row = frame.index[wrong][0]
        got = frame.loc[wrong, name].iloc[0]
        raise StudyError(f"{where}: row {row}: {name}: got {str(got)!r:.60}; allowed: a number")
    return numbers.astype(float)


def check_finite(rows: pd.DataFrame, where: str) -> None:
    """StudyError for a value that is no finite number, unless its run is marked as diverged."""
    lost = (~np.isfinite(rows["value"]) & ~rows["diverged"]).to_numpy()
    if lost.any():
        row = rows.index[lost][0]
        got = rows["value"].to_numpy()[lost][0]
        raise without_value(where, f"row {row}", got, lost, FIX)


def without_value(where: str, place: str, got: Any, lost: np.ndarray, fix: str) -> StudyError:
    """The refusal of runs of which it is not known why they have no value.

    place: the first of them; got: what it has; lost: which runs they are, bool (N,); fix: what to
    do.
    """
    have = "has" if lost.sum() == 1 else "have"
    count = f"{lost.sum()} of {len(lost)} runs {have} no finite value"
    return StudyError(f"{where}: {place}: value: got {got}; {count}; allowed: a number; {fix}")


def check_repeats(rows: pd.DataFrame, where: str) -> None:
    """StudyError if two rows are of one run: they are no replicates."""
    repeated = rows.duplicated([*CELL, "seed"])
    if not repeated.any():
        return
    row = rows[repeated].iloc[0]
    name = " ".join(filter(None, [row["task"], row["group"], row["level"]]))
    raise StudyError(
        f"{where}: row {rows.index[repeated][0]}: got {name!r:.60}, seed {row['seed']} again, "
        f"as in {counted(repeated.sum(), 'row')}; rows of one run are no replicates "
        "(pseudo-replication); allowed: one value per run: its last, its best on validation data, "
        "or a mean"
    )


def check_levels(rows: pd.DataFrame, where: str) -> None:
    """StudyError if there is nothing to compare, or more rows than anyone has runs."""
    levels = sorted(rows["level"].unique())
    if len(levels) < 2:
        raise StudyError(f"{where}: level: got {levels[0]!r:.60} alone; allowed: two or more")
    counts = rows.groupby(CELL, sort=False).size()
    if counts.max() == 1:
        raise StudyError(
            f"{where}: got one run of each level, which says nothing of the next one; "
            "allowed: two runs or more (a verdict takes 8 seeds)"
        )
    if counts.max() > MAX_SEEDS:
        raise StudyError(
            f"{where}: got {counts.max():,} rows of {counts.idxmax()[2]!r:.60}; allowed: up to "
            f"{MAX_SEEDS:,} runs of a level: a row per run, not per example or step"
        )
    ended = rows.assign(counts=~rows["diverged"] | rows["chance"].notna())
    has_value = ended.groupby(CELL, sort=False)["counts"].any()
    if not has_value.all():
        level = has_value.index[~has_value][0][2]
        raise StudyError(
            f"{where}: level {level!r:.60}: all of its runs diverged, and chance level, which they "
            "fall to, is not known; allowed: a column `chance` or --chance, or to leave it out"
        )


def check_variation(rows: pd.DataFrame, where: str) -> None:
    """StudyError if all values of a task are equal, or those of each of its cells."""
    for task, part in rows.groupby("task", sort=False):
        values = part["value"]
        known = values.dropna()
        if len(known) > 1 and known.min() == known.max():
            of_task = f" of task {task!r:.60}" if task else ""
            raise StudyError(
                f"{where}: value: got {known.iloc[0]:g} in all {len(known)} rows{of_task}; "
                "allowed: a metric that runs differ in"
            )
        cells = values.groupby([part["group"], part["level"]]).agg(["nunique", "count"])
        repeated = cells[cells["count"] >= MIN_REPEATS]
        if len(repeated) > 1 and (cells["nunique"] == 1).all():
            raise StudyError(
                f"{where}: value: got one value in all runs of each level; allowed: results that "
                "depend on the seed, as others are no sample"
            )


def checked_summaries(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Summaries as they are judged: columns task, group, level, mean, sd, n; StudyError if wrong.

    sd: the sample standard deviation of the n runs (divisor n - 1), not of their mean.
    """
    check_columns(frame, SUMMARY, where)
    rows = pd.DataFrame(index=frame.index)
    for name in CELL:
        rows[name] = text_column(frame, name, where)
    for name in ("mean", "sd", "n"):
        rows[name] = number_column(frame, name, where)
    allowed = {
        "mean": (np.isfinite(rows["mean"]), "a finite number"),
        "sd": ((rows["sd"] >= 0) & np.isfinite(rows["sd"]), "a finite number from 0 on"),
        "n": ((rows["n"] >= 1) & (rows["n"] % 1 == 0), "a whole number of runs"),
    }
    for name, (is_right, words) in allowed.items():
        if not is_right.all():
            row = rows.index[~is_right][0]
            got = rows.loc[~is_right, name].iloc[0]
            raise StudyError(f"{where}: row {row}: {name}: got {got}; allowed: {words}")
    repeated = rows.duplicated(CELL)
    if repeated.any():
        level = rows.loc[repeated, "level"].iloc[0]
        row = rows.index[repeated][0]
        raise StudyError(f"{where}: row {row}: got {level!r:.60} again; allowed: a row per level")
    if rows["level"].nunique() < 2:
        raise StudyError(f"{where}: level: got {rows['level'].iloc[0]!r:.60} alone; allowed: two")
    return rows.astype({"n": int})
