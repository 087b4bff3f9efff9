"""CSV files that the pages of Weights & Biases export: a chart, or the table of runs."""

import csv
import dataclasses
from pathlib import Path

import numpy as np

from actstudy.contract.errors import StudyError
from actstudy.judging.readers import delimited
from actstudy.judging.reading import cells, tabular
from actstudy.judging.reading.missing import FIX, listed
from actstudy.judging.reading.options import NOT_MADE, Options
from actstudy.judging.reading.roles import column_of
from actstudy.judging.reading.runs import Run, scores
from actstudy.judging.scores import Scores, without_value
from actstudy.own_data.frames import Frame

KIND = "wandb-csv"
DASH = " - "  # between a run and a metric in the name of a column
ENDS = ("__MIN", "__MAX")
RUNS_TABLE = {"Name", "State"}
FINISHED = "finished"
NOT_SETTINGS = ("Name", "State", "Notes", "User", "Tags", "Created", "Runtime", "Sweep", "ID")


def recognises(path: Path) -> bool:
    """Whether a CSV has the columns of such an export, by its first line."""
    if not delimited.recognises(path):
        return False
    try:
        names = list(delimited.head_of(path))
    except (StudyError, OSError, csv.Error):
        return False
    return is_chart(names) or set(names) >= RUNS_TABLE


def is_chart(names: list[str]) -> bool:
    """Whether columns are those of a chart: `Step`, `RUN - METRIC`, `RUN - METRIC__MIN`, ..."""
    others = names[1:]
    return len(others) > 1 and all(DASH in name for name in others)


def read(path: Path, options: Options) -> Scores:
    """The scores of an export; StudyError, with the row, if it is damaged or not clear."""
    frame = delimited.frame_of(path)
    names = list(frame.columns)
    return chart(frame, options) if is_chart(names) else runs_table(frame, options)


def chart(frame: Frame, options: Options) -> Scores:
    """The scores of an exported chart, a column per run."""
    x_axis, *columns = frame.columns
    steps = cells.numbers(frame, x_axis)[0]
    curves: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for column in columns:
        if column.endswith(ENDS):
            continue
        name, _, metric = column.rpartition(DASH)
        values, empty = cells.numbers(frame, column)
        own = curves.setdefault(name, {})
        if not empty.all():
            own[metric] = (steps[~empty], values[~empty])
    runs = [Run(name, {}, metrics) for name, metrics in curves.items()]
    return scores(runs, options, frame.source.name, x_axis)


def runs_table(frame: Frame, options: Options) -> Scores:
    """The scores of an exported table of runs; one that has not finished has no value."""
    names = cells.texts(frame, "Name", "name of a run")
    states = cells.texts(frame, "State", "state")
    unended = (states != FINISHED).to_numpy()
    if unended.all():
        raise frame.source.fault("got no run that finished; allowed: two levels with runs")
    others = [f"{name} ({state})" for name, state in zip(names, states, strict=True)]
    called = [text for text, is_unended in zip(others, unended, strict=True) if is_unended]
    assumed = unfinished(called, unended, options, frame.source.name)
    if options.missing == NOT_MADE:
        names = names[~unended]
        columns = {name: column.filter(~unended) for name, column in frame.columns.items()}
        frame = Frame(frame.source, columns, len(names), frame.first_row)
        unended = np.full(len(names), False)
    free = [name for name in frame.columns if name not in NOT_SETTINGS]
    level = column_of("level", options, free, frame.source.name)
    if level is None:
        read = from_names(frame, names.tolist(), unended, options)
    else:
        read = tabular.scores(frame, options, unended=unended)
    return dataclasses.replace(read, assumptions=(*assumed, *read.assumptions))


def unfinished(called: list[str], unended: np.ndarray, options: Options, where: str) -> list[str]:
    """What is said of runs that did not finish; StudyError if the user says nothing of them.

    called: their names, with their states; unended: which of all runs they are, bool (N,).
    """
    if not called:
        return []
    if options.missing is None:
        raise without_value(where, f"run {called[0]}", "none that counts", unended, FIX)
    ending = "never made" if options.missing == NOT_MADE else "diverged"
    return [f"Runs that did not finish are taken as {ending}: {listed(called)}."]


def from_names(frame: Frame, names: list[str], unended: np.ndarray, options: Options) -> Scores:
    """The scores of runs whose names say their level; unended: those without a value."""
    used = [name for name in frame.columns if name in NOT_SETTINGS]
    value = tabular.value_column(frame, used, options)
    values, empty = cells.numbers(frame, value)
    has_value = ~(empty | unended)
    runs = []
    for place, name in enumerate(names):
        point = (np.zeros(1), values[place : place + 1])
        runs.append(Run(name, {}, {value: point} if has_value[place] else {}))
    return scores(runs, options, frame.source.name)
