"""CSV files that the pages of Weights & Biases export: a chart, or the table of runs."""

import csv
import dataclasses
from pathlib import Path

import numpy as np

from actstudy.contract.errors import StudyError
from actstudy.judging.readers import cells, delimited, tabular
from actstudy.judging.readers.options import Options
from actstudy.judging.readers.roles import column_of
from actstudy.judging.readers.runs import Run, listed, scores
from actstudy.judging.scores import Scores
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
        if not empty.all():
            curves.setdefault(name, {})[metric] = (steps[~empty], values[~empty])
    runs = [Run(name, {}, metrics) for name, metrics in curves.items()]
    return scores(runs, options, frame.source.name, x_axis)


def runs_table(frame: Frame, options: Options) -> Scores:
    """The scores of an exported table of runs; those that have not finished are left out."""
    names = cells.texts(frame, "Name", "name of a run")
    states = cells.texts(frame, "State", "state")
    ended = (states == FINISHED).to_numpy()
    assumed = []
    if not ended.all():
        others = [f"{name} ({state})" for name, state in zip(names, states, strict=True)]
        unended = [text for text, has_ended in zip(others, ended, strict=True) if not has_ended]
        assumed.append(f"Runs that did not finish, left out: {listed(unended)}.")
    columns = {name: column.filter(ended) for name, column in frame.columns.items()}
    finished = Frame(frame.source, columns, int(ended.sum()), frame.first_row)
    if not finished.n:
        raise frame.source.fault("got no run that finished; allowed: two levels with runs")
    free = [name for name in columns if name not in NOT_SETTINGS]
    level = column_of("level", options, free, frame.source.name)
    if level is None:
        read = from_names(finished, names[ended].tolist(), free, options)
    else:
        read = tabular.scores(finished, options)
    return dataclasses.replace(read, assumptions=(*assumed, *read.assumptions))


def from_names(frame: Frame, names: list[str], free: list[str], options: Options) -> Scores:
    """The scores of runs whose names say their level."""
    value = tabular.value_column(
        frame, [name for name in frame.columns if name not in free], options
    )
    values, empty = cells.numbers(frame, value)
    runs = []
    for place, name in enumerate(names):
        point = (np.zeros(1), values[place : place + 1])
        runs.append(Run(name, {}, {} if empty[place] else {value: point}))
    return scores(runs, options, frame.source.name)
