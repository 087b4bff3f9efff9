"""`actstudy.verdicts`: which levels of somebody's own frame differ from a baseline."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from actstudy.contract import errors
from actstudy.contract.errors import StudyError
from actstudy.judging.judged import judged
from actstudy.judging.question import Question
from actstudy.judging.scores import SUMMARY, Scores

WHERE = "verdicts"  # what a refusal names
OPTIONAL = ("group", "diverged", "chance")  # columns that are read if they are there


def verdicts(
    frame: pd.DataFrame | Scores,
    *,
    baseline: str,
    margin: float | Mapping[str, float],
    higher_is_better: bool = True,
    paired: bool | None = None,
    looks: bool | Literal["anytime"] = False,
    family: Literal["task", "study"] = "task",
    all_pairs: bool = False,
    planned: Sequence[str] = (),
    value: str = "value",
    level: str = "level",
    seed: str = "seed",
    task: str = "task",
    chance: float | None = None,
    unit: str = "",
) -> pd.DataFrame:
    """A row per contrast of a level with the baseline: better, worse, equivalent or undecided.

    frame: a row per run, with a column for each of level, seed and value, whose names the
    arguments of these names give, and if there are several a task. Without a column `seed` each row
    is a run by itself, unpaired, as for `judge`. Further columns are used if
    they are there: `group` (levels of one group are compared), `diverged` (bool, for runs without
    a number) and `chance`. Without a column of values, columns mean, sd and n of each level do.
    margin: the smallest difference that matters, in the unit of the values; one, or one per task.
    paired: whether runs of one seed belong together; None: if both sides have the same seeds.
    looks: whether seeds came at 8, 12 and 20, or "anytime": one by one, in their order. family:
    what the 5% of false verdicts are for: each task, or all together. all_pairs: every pair of
    levels too, as a second family. planned: levels that count in the family even if none of their
    runs ended. chance: the value of a model that knows nothing, if it is not in the frame: runs
    that fell to it collapsed.

    mean, low and high are level minus baseline in the unit of the values; n counts pairs, or the
    runs of the smaller side; more_seeds is how many seeds an open contrast needs to find a
    difference of the margin. `attrs["method"]` says how runs were taken: paired by seed, unpaired
    or from summaries; `attrs["units"]` has the units of columns. StudyError, one line, if the
    numbers allow no verdict at all. The tests: docs/statistics.md.

    >>> import numpy as np, pandas as pd
    >>> noise = np.random.default_rng(0).normal(0, 0.005, (2, 10))
    >>> runs = pd.DataFrame(
    ...     {
    ...         "level": ["relu"] * 10 + ["silu"] * 10,
    ...         "seed": list(range(10)) * 2,
    ...         "value": np.concatenate([0.90 + noise[0], 0.92 + noise[1]]),
    ...     }
    ... )
    >>> table = verdicts(runs, baseline="relu", margin=0.005)
    >>> table[["level", "n", "verdict"]].to_dict("records")
    [{'level': 'silu', 'n': 10, 'verdict': 'better'}]
    """
    scores = frame
    if not isinstance(scores, Scores):
        names = {"level": level, "seed": seed, "value": value, "task": task}
        scores = scores_of(scores, names, chance, unit, higher_is_better)
    question = Question(str(baseline), margin, paired, looks, family, all_pairs, tuple(planned))
    table = judged(scores, question, WHERE)
    columns = ("mean", "sd", "low", "high", "visible", "mean_all", "margin")
    table.attrs["units"] = dict.fromkeys(columns, scores.unit)
    return table


def scores_of(
    frame: pd.DataFrame,
    names: Mapping[str, str],
    chance: float | None,
    unit: str,
    higher_is_better: bool,
) -> Scores:
    """A frame as Scores; names: what the columns level, seed, value and task are called in it."""
    if not isinstance(frame, pd.DataFrame):
        raise StudyError(f"{WHERE}: got {type(frame).__name__}; allowed: a pandas frame")
    about: dict[str, Any] = {"unit": unit, "higher_is_better": higher_is_better}
    if names["value"] not in frame and set(SUMMARY[1:]) <= set(frame):
        renamed = columns_of(frame, {name: names[name] for name in ("level", "task")})
        summaries = renamed.assign(**{name: frame[name] for name in SUMMARY[1:]})
        return Scores(summaries.head(0), metric="mean", summaries=summaries, **about)
    has_seeds = names["seed"] != "seed" or "seed" in frame
    own = names if has_seeds else {name: names[name] for name in ("level", "value", "task")}
    runs = columns_of(frame, own)
    if not has_seeds:
        check_no_steps(frame, runs)
        runs["seed"] = [f"row {row}" for row in range(len(runs))]
    if chance is not None and "chance" not in runs:
        runs["chance"] = float(chance)
    return Scores(runs, metric=names["value"], paired=None if has_seeds else False, **about)


def check_no_steps(frame: pd.DataFrame, runs: pd.DataFrame) -> None:
    """StudyError if rows without a seed are steps of a curve; runs: level, task, group of each."""
    from actstudy.judging.reading import roles

    for name in frame:
        if roles.last_part(str(name)) in roles.NAMES["step"]:
            cells = [runs[part].astype(str) for part in ("task", "group", "level") if part in runs]
            if frame[name].groupby(cells).nunique().max() > 1:
                raise StudyError(
                    f"{WHERE}: seed: got no column of seeds, and rows of one level at several "
                    f"{name}; steps of a run are no replicates (pseudo-replication); "
                    f"{errors.choices('', list(map(str, frame)))}"
                )


def columns_of(frame: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The columns of a frame under the names that they have here, and those of OPTIONAL.

    StudyError if one is not there, or twice; a task need not be there unless it is named.
    """
    known = [str(column) for column in frame]
    columns: dict[str, Any] = {}
    for name, own in [*names.items(), *zip(OPTIONAL, OPTIONAL, strict=True)]:
        is_optional = name in OPTIONAL or own == name == "task"
        if own not in frame and is_optional:
            continue
        if known.count(own) != 1:
            number = "two columns" if own in known else "no column"
            column = f"{number} {own!r:.60}"
            raise StudyError(f"{WHERE}: {name}: {column}; {errors.choices(own, known)}")
        columns[name] = frame[own]
    return pd.DataFrame(columns, index=frame.index)
