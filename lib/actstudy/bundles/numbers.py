"""Do the numbers of a study's tables belong to the runs beside them? Recomputed, compared exactly.

A run's own row, curves, health and bins of calibration stand in the study's tables as they are;
means and standard deviations of cells follow from its table of runs, differences of contrasts from
those of seeds, and a CSV has the numbers of its Parquet table.
"""

from collections.abc import Callable, Iterator, Mapping
from io import BytesIO

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from actstudy.analysis import tables
from actstudy.analysis.questions import contrasts, stats
from actstudy.analysis.questions.differences import CONTRAST
from actstudy.contract.counting import counted
from actstudy.contract.schema import CELL, OTHER_DATA, SCHEMAS, UNREAD
from actstudy.judging.scores import EXACT

OF_THE_PLAN = ("task", "seed", "depth", "status", "reason")  # columns that tables set anew
OF_RUNS = ("curves", "calibration", "health")  # tables that have the rows of runs as they are
ROUNDING = 1e-9  # of a mean that is taken in another order, relative
DESCRIBED = ("n", "mean", "sd", "min", "max")
Read = Callable[[str], bytes]  # the content of a file by name
Runs = Mapping[str, Mapping[str, pd.DataFrame]]  # run -> name -> its own table


def faults(read: Read, names: list[str], runs: Runs | None) -> Iterator[str]:
    """A line per table that does not follow from its runs, or from the tables before it.

    read: of the folder of tables; names: of its files; runs: of the study that are there, None if
    there is no run to compare with.
    """
    frames = {}
    for name in tables.NAMES:
        if f"{name}.parquet" in names:
            frames[name] = pd.read_parquet(BytesIO(read(f"{name}.parquet")))
    if runs is not None and "runs" in frames:
        yield from faults_of_runs(frames["runs"], runs)
        for name in OF_RUNS:
            if name in frames:
                yield from faults_of_rows(name, frames[name], runs)
    if {"runs", "cells"} <= set(frames):
        yield from faults_of_cells(frames["runs"], frames["cells"])
    if {"contrasts", "differences"} <= set(frames):
        yield from faults_of_contrasts(frames["contrasts"], frames["differences"])
    for name, frame in frames.items():
        if f"{name}.csv" in names:
            yield from faults_of_csv(name, frame, read(f"{name}.csv"))


def faults_of_runs(frame: pd.DataFrame, runs: Runs) -> Iterator[str]:
    """Runs that are in the table `runs` or in the bundle alone, or whose rows differ."""
    for row in frame.drop_duplicates("run_id").to_dict("records"):
        run = row["run_id"]
        is_read = row["status"] not in UNREAD
        if is_read and run not in runs:
            yield f"runs: {run} is {row['status']}, but it is not in the bundle"
        elif not is_read and row["status"] != OTHER_DATA and run in runs:
            yield f"runs: {run} is {row['status']}, but it is in the bundle"
        elif is_read:
            (own,) = runs[run]["runs"].to_dict("records")
            for name in sorted(set(own) & set(row) - {*OF_THE_PLAN}):
                if not is_same(own[name], row[name]):
                    yield f"runs: {run}: {name} is {row[name]!r:.40}; in its run {own[name]!r:.40}"
                    break


def faults_of_rows(name: str, frame: pd.DataFrame, runs: Runs) -> Iterator[str]:
    """Runs whose rows in a table are not those that they left."""
    columns = [field.name for field in SCHEMAS[name] if field.name in frame]
    keys = [field.name for field in SCHEMAS[name] if not field.nullable]
    rows = frame[columns].drop_duplicates()
    for run, part in rows.groupby("run_id", sort=False):
        own = runs.get(str(run), {}).get(name)
        if own is None:
            continue  # said of the table `runs`
        ordered = part.sort_values(keys).reset_index(drop=True)
        expected = own[columns].sort_values(keys).reset_index(drop=True)
        if len(ordered) != len(expected):
            yield f"{name}: {run} has {counted(len(ordered), 'row')}; in its run {len(expected)}"
        elif other := first_difference(ordered, expected):
            yield f"{name}: {run}: {other} is not that of its run"


def faults_of_cells(runs: pd.DataFrame, cells: pd.DataFrame) -> Iterator[str]:
    """Cells whose n, mean, sd, minimum or maximum are not those of their completed runs."""
    completed = runs[runs["status"] == "completed"]
    parts = dict(iter(completed.groupby(CELL, sort=False)))
    for row in cells.to_dict("records"):
        column = f"{row['checkpoint']}_{row['metric']}"
        part = parts.get(tuple(row[name] for name in CELL))
        values = pd.Series(dtype=float)
        if part is not None and column in part:
            values = part[column].astype(float)
        expected = stats.describe(values)
        for name in DESCRIBED:
            if not is_close(expected[name], row[name]):
                cell = ", ".join(filter(None, (row[key] for key in CELL)))
                yield (
                    f"cells: {cell}: {name} of {column} is {row[name]}; of its runs "
                    f"{expected[name]}"
                )
                break


def faults_of_contrasts(frame: pd.DataFrame, differences: pd.DataFrame) -> Iterator[str]:
    """Contrasts with the baseline whose n or mean are not those of their seeds' differences."""
    typical = differences[differences["is_typical"].astype(bool)]
    groups = typical.groupby(CONTRAST, sort=False)["difference"]
    expected = {key: (len(part), part.mean()) for key, part in groups}
    for row in contrasts.primary(frame).to_dict("records"):
        n, mean = expected.get(tuple(row[key] for key in CONTRAST), (0, np.nan))
        if row["n"] != n or not is_close(mean, row["mean"]):
            name = ", ".join(filter(None, (row[key] for key in CELL)))
            yield (
                f"contrasts: {name}: the mean of {row['n']} is {row['mean']}; of its differences "
                f"{mean}, of {n}"
            )


def faults_of_csv(name: str, frame: pd.DataFrame, content: bytes) -> Iterator[str]:
    """The first number of a CSV that its Parquet table has not."""
    if frame.columns.empty and not content.strip():
        return
    text = pd.read_csv(BytesIO(content), low_memory=False, **EXACT)
    written = text.rename(columns=lambda column: str(column).split(" [")[0])
    if [*written] != [str(column) for column in frame] or len(written) != len(frame):
        yield f"{name}.csv: its rows and columns are not those of {name}.parquet"
        return
    for column in frame.select_dtypes("number"):
        expected = frame[column].astype(float)
        values = pd.to_numeric(written[column], errors="coerce").astype(float)
        if frame[column].dtype == np.float32:
            values = values.astype(np.float32).astype(float)
        wrong = ~((values == expected) | (values.isna() & expected.isna()))
        if wrong.any():
            row = wrong.idxmax()
            yield (
                f"{name}.csv: row {row + 2}: {column} is {values[row]}; in {name}.parquet "
                f"{expected[row]}"
            )
            return


def first_difference(frame: pd.DataFrame, other: pd.DataFrame) -> str:
    """The first column in which two frames of the same rows differ, or an empty string."""
    for name in frame:
        pairs = zip(frame[name], other[name], strict=True)
        if not frame[name].equals(other[name]) and not all(is_same(a, b) for a, b in pairs):
            return str(name)
    return ""


def is_same(value: object, other: object) -> bool:
    """Whether two values of tables are equal; all that is missing is."""
    if pd.isna(value) or pd.isna(other):
        return bool(pd.isna(value) and pd.isna(other))
    return bool(value == other)


def is_close(value: float, other: float) -> bool:
    """Whether two numbers differ by rounding alone; all that is missing is one number."""
    return bool(np.isclose(value, other, rtol=ROUNDING, atol=0, equal_nan=True))


def tables_of(
    content: Read, names: tuple[str, ...] = ("runs", *OF_RUNS)
) -> dict[str, pd.DataFrame]:
    """A run's own tables by name; content: of its files."""
    frames = {}
    for name in names:
        table = pq.read_table(BytesIO(content(f"{name}.parquet")))
        frames[name] = table.to_pandas()
    return frames
