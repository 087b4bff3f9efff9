"""The Parquet file of `benchopt run`: solvers are levels, data sets tasks, repetitions seeds."""

import dataclasses
from pathlib import Path

from actstudy.judging.readers import tables
from actstudy.judging.reading import tabular
from actstudy.judging.reading.options import Options
from actstudy.judging.scores import Scores
from actstudy.own_data import frames

KIND = "benchopt"
NEEDED = ("solver_name", "objective_name", "idx_rep", "stop_val")
DATA = ("dataset_name", "data_name")  # as versions call it
VALUE = "objective_value"


def recognises(path: Path) -> bool:
    """Whether a Parquet file has the columns that benchopt writes."""
    import pyarrow as pa
    from pyarrow import parquet

    if path.suffix.lower() not in frames.PARQUET or not path.is_file():
        return False
    try:
        names = parquet.read_schema(path).names
    except (pa.ArrowException, OSError):
        return False
    return set(NEEDED) <= set(names)


def without_host(frame: frames.Frame) -> frames.Frame:
    """The table without what it says of host and versions."""
    columns = {}
    for name, column in frame.columns.items():
        if name in (*NEEDED, *DATA, "time") or name.startswith(("objective_", "p_")):
            columns[name] = column
    return dataclasses.replace(frame, columns=columns)


def read(path: Path, options: Options) -> Scores:
    """The scores of a file; StudyError if it is damaged or it is not clear which value counts."""
    frame = without_host(tables.frame_of(path))
    data = next((name for name in DATA if name in frame.columns), None)
    columns = dataclasses.replace(
        options,
        level=options.level or "solver_name",
        seed=options.seed or "idx_rep",
        task=options.task or data,
        step=options.step or "stop_val",
    )
    objectives = set(frame.columns["objective_name"].to_pylist())
    if len(objectives) > 1 and options.group is None:
        columns = dataclasses.replace(columns, group="objective_name")
    scores = tabular.scores(frame, columns, VALUE)
    assumed = (
        f"Benchopt: {columns.level} is taken as the level, {columns.task} as the task, "
        f"{columns.seed} as the seed. Pairs rest on repetitions that share their random numbers "
        "(benchopt's `get_seed`); if they do not: --unpaired.",
    )
    return dataclasses.replace(scores, assumptions=assumed + scores.assumptions)
