"""A table as scores: long (a row per run, or per step of one), wide, or summaries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from actstudy.contract.errors import choices
from actstudy.judging.reading import cells, confounders, missing, wide
from actstudy.judging.reading.options import Options, pick_of
from actstudy.judging.reading.picking import Several, check_copies, one_per_run
from actstudy.judging.reading.roles import column_of, said_or_assumed
from actstudy.judging.scores import CELL, Scores
from actstudy.own_data.frames import Frame

SD = ("sd", "std", "stdev")
NUMBERS = ("n", "n_seeds", "n_runs", "runs", "seeds")
KEY = [*CELL, "seed"]


@dataclass(frozen=True)
class Columns:
    """The columns of a table by their role, None if there is none."""

    level: str
    seed: str | None
    task: str | None
    group: str | None
    step: str | None
    diverged: str | None
    chance: str | None


def scores(
    frame: Frame,
    options: Options,
    value: str | None = None,
    unended: np.ndarray | None = None,
) -> Scores:
    """What a table says of runs.

    value: the column that counts, if neither the user nor a name says so. unended: rows of runs
    that have not ended, whose value does not count, bool (N,). StudyError, with the row, for texts
    among numbers, and for several rows of a run of which none is picked.
    """
    names = list(frame.columns)
    where = frame.source.name
    assumed: list[str] = []
    level = column_of("level", options, names, where)
    if level is None or wide.is_by_seed(frame, level, options):
        return wide.scores(frame, level, options)
    roles: dict[str, str | None] = {"level": level}
    for role in ("seed", "task", "group", "step", "diverged", "chance"):
        used = [name for name in roles.values() if name]
        roles[role] = column_of(role, options, names, where, used)
    others = {role: name for role, name in roles.items() if role != "level"}
    columns = Columns(level, **others)
    for role, name in roles.items():
        if name and role in ("level", "seed", "task", "group"):
            assumed.append(said_or_assumed(role, name, options))
    summaries = summary_columns(names, options)
    if summaries:
        return summarised(frame, columns, summaries, assumed)
    counted = value_column(frame, [name for name in roles.values() if name], options, value)
    if options.value is None:
        assumed.append(f"{counted!r} is what is judged.")
    return long(frame, columns, (counted, unended), options, assumed)


def value_column(
    frame: Frame, used: Sequence[str], options: Options, otherwise: str | None = None
) -> str:
    """The column of the values; StudyError with what there is if it is not clear which."""
    names = [name for name in frame.columns if name not in used]
    named = column_of("value", options, names, frame.source.name)
    if named is not None:
        return named
    if otherwise in names:
        return str(otherwise)
    fitting = cells.numeric(frame, names)
    if len(fitting) != 1:
        got = "several columns of numbers" if fitting else "no column of numbers"
        raise frame.source.fault(f"value: got {got}; {choices('', fitting or names)}")
    return fitting[0]


def summary_columns(names: Sequence[str], options: Options) -> dict[str, str]:
    """mean, sd and n -> their columns, if a table has all three and no value is named."""
    if options.value is not None:
        return {}
    lower = {name.strip().lower(): name for name in reversed(names)}
    columns: dict[str, str] = {}
    for role, spellings in (("mean", ("mean",)), ("sd", SD), ("n", NUMBERS)):
        for spelling in spellings:
            if spelling in lower:
                columns.setdefault(role, lower[spelling])
    return columns if len(columns) == 3 else {}


def summarised(
    frame: Frame, columns: Columns, summaries: dict[str, str], assumed: list[str]
) -> Scores:
    """Scores of means, standard deviations and numbers of runs alone."""
    rows = pd.DataFrame(index=row_names(frame))
    rows["level"] = cells.texts(frame, columns.level, "level").to_numpy()
    for role in ("task", "group"):
        name = getattr(columns, role)
        if name:
            rows[role] = cells.texts(frame, name, role).to_numpy()
    for role, name in summaries.items():
        rows[role] = cells.numbers(frame, name)[0]
    assumed.append(
        f"Only means are known: {summaries['sd']!r} is taken as the sample standard deviation of "
        f"the runs, not the error of their mean, {summaries['n']!r} as their number."
    )
    none = pd.DataFrame(columns=["level", "seed", "value"])
    sentences = tuple(filter(None, assumed))
    return Scores(none, "mean", assumptions=sentences, summaries=rows, paired=False)


def row_names(frame: Frame) -> np.ndarray:
    """The numbers of the rows as a spreadsheet counts, (N,)."""
    return np.arange(frame.n) + frame.first_row


def long(
    frame: Frame,
    columns: Columns,
    judged: tuple[str, np.ndarray | None],
    options: Options,
    assumed: list[str],
) -> Scores:
    """Scores of a table with a row per run, or several rows of which one is picked.

    judged: the column of values, and of which rows it does not count, None of none.
    """
    value, unended = judged
    rows = pd.DataFrame(index=row_names(frame))
    for role in CELL:
        name = getattr(columns, role)
        rows[role] = cells.texts(frame, name, role).to_numpy() if name else ""
    rows["value"], empty = cells.numbers(frame, value)
    if unended is not None:
        empty = empty | unended
        rows["value"] = rows["value"].mask(unended)
    if columns.chance:
        rows["chance"] = cells.numbers(frame, columns.chance)[0]
    if columns.diverged:
        rows["diverged"] = flags(frame, columns.diverged)
        empty = empty & ~rows["diverged"].to_numpy()
    if columns.seed:
        rows["seed"] = cells.texts(frame, columns.seed, "seed").to_numpy()
        rows["run"] = rows.groupby(KEY, sort=False).ngroup()
    else:
        check_no_steps(frame, rows, columns)
        rows["seed"] = [f"{frame.source.name}:{row}" for row in rows.index]
        rows["run"] = np.arange(len(rows))
        assumed.append("There is no column of seeds: unpaired, each row counts as a run by itself.")
    others = add_steps(frame, rows, columns, options, value)
    alike = confounded(frame, rows, (value, *filter(None, vars(columns).values())), assumed)
    rows = measured(rows, empty, assumed)
    check_copies(frame, rows, ["step"] if columns.step else [])
    several = Several(rows, value, columns.step or "", others)
    picked, words = one_per_run(several, options, frame.source.name)
    picked = picked.drop(columns=["run", "step", "by"], errors="ignore")
    sentences = tuple(filter(None, [*assumed, *words]))
    paired = None if columns.seed else False
    return Scores(picked, value, "", options.higher_is_better, sentences, None, paired, alike)


def confounded(
    frame: Frame, rows: pd.DataFrame, used: Collection[str], assumed: list[str]
) -> tuple[str, ...]:
    """Further columns that differ exactly as the level does; adds a sentence on them."""
    others = {}
    for name, column in frame.columns.items():
        if name not in used and not cells.is_nested(column):
            others[name] = column.to_pandas()
    alike = confounders.coinciding(rows[CELL], others)
    assumed += confounders.sentences(alike)
    return tuple(alike)


def measured(rows: pd.DataFrame, empty: np.ndarray, assumed: list[str]) -> pd.DataFrame:
    """The rows without those of steps at which a run was not measured, and a column EMPTY."""
    if not empty.any():
        return rows.assign(**{missing.EMPTY: False})
    says_nothing, is_lost = missing.of_steps(rows, empty)
    if says_nothing.any():
        first = rows.index[says_nothing][0]
        count = f"{says_nothing.sum()} (the first: row {first})"
        assumed.append(f"Steps at which a run was not measured, left out: {count}.")
    return rows.assign(**{missing.EMPTY: is_lost})[~says_nothing]


def add_steps(
    frame: Frame, rows: pd.DataFrame, columns: Columns, options: Options, value: str
) -> tuple[str, ...]:
    """Adds `step`, the place in its run if there is no such column, and `by`; what to pick by."""
    if columns.step:
        rows["step"] = cells.numbers(frame, columns.step)[0]
    else:
        rows["step"] = rows.groupby("run").cumcount().astype(float)
    used = [value, *(name for name in vars(columns).values() if name)]
    others = tuple(cells.numeric(frame, [name for name in frame.columns if name not in used]))
    if options.pick is not None:
        name = pick_of(options.pick).name
        if name and name not in frame.columns:
            raise frame.source.fault(f"pick: got {name!r:.60}; {choices(name, others)}")
        if name:
            rows["by"] = cells.numbers(frame, name)[0]
    return others


def check_no_steps(frame: Frame, rows: pd.DataFrame, columns: Columns) -> None:
    """StudyError if rows without a seed are steps of a curve."""
    if columns.step is None:
        return
    steps = pd.Series(cells.numbers(frame, columns.step)[0], rows.index)
    counts = steps.groupby([rows[role] for role in CELL], sort=False).nunique()
    if (counts > 1).any():
        got = f"no column of seeds, and rows of one level at several {columns.step}"
        raise frame.source.fault(
            f"seed: got {got}; steps of a run are no replicates (pseudo-replication); "
            f"{choices('', list(frame.columns))}"
        )


def flags(frame: Frame, name: str) -> np.ndarray:
    """A column of true and false, in words, or 1 and 0, as bool (N,); empty is false."""
    words = {
        "true": True,
        "false": False,
        "1": True,
        "0": False,
        "yes": True,
        "no": False,
        "": False,
    }
    filled = pd.Series(frame.columns[name].to_pandas()).astype(object)
    spelled = filled.where(filled.notna(), "").astype(str).str.strip().str.lower()
    spelled = spelled.str.removesuffix(".0")
    known = spelled.isin(list(words))
    if not known.all():
        row = int(np.flatnonzero(~known)[0])
        got = f"got {str(filled.iloc[row])!r:.60}"
        raise frame.source.fault(f"{frame.place(row, name)}: {got}; allowed: true or false")
    return spelled.map(words).to_numpy(dtype=bool)
