"""One value per run, if a source has several; which one, the user says."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from actstudy.contract.errors import StudyError
from actstudy.judging.reading.options import PICKS, Options, Pick, pick_of
from actstudy.own_data.frames import Frame

MAX_ROWS = 4  # of a run, that a refusal names


@dataclass(frozen=True)
class Several:
    """Values of runs at their steps, one per row.

    frame: columns run (which run, as a number), step, value, and `by` if a pick names a column;
    its index names the rows. value, step: what they are called, step empty if there is no column of
    steps, and then frame has columns level and seed; others: columns that a pick may name.
    """

    frame: pd.DataFrame
    value: str
    step: str
    others: tuple[str, ...]


def one_per_run(several: Several, options: Options, where: str) -> tuple[pd.DataFrame, list[str]]:
    """The rows that count, one per run, and what was assumed; StudyError if no pick is named.

    Rows keep their index and the order of their runs. Rows of one run without steps are of runs
    that were started again: none is picked, as that would choose by result.
    """
    frame = several.frame
    repeated = frame["run"].duplicated(keep=False)
    if not repeated.any():
        return frame, []
    if not several.step:
        raise StudyError(f"{where}: {restarts(frame[repeated])}")
    if options.pick is None:
        raise StudyError(f"{where}: {description(several, repeated)}")
    pick = pick_of(options.pick)
    if pick.kind == "mean":
        first = frame.drop_duplicates("run")
        means = frame.groupby("run", sort=False)["value"].agg(
            lambda values: values.mean(skipna=False)
        )
        return first.assign(value=means.to_numpy()), [pick.words]
    return frame.iloc[chosen_rows(frame, pick, options, where)], [pick.words]


def check_copies(frame: Frame, rows: pd.DataFrame, steps: list[str]) -> None:
    """StudyError if two rows of one run are equal in every column of the table.

    rows: columns run, value and, if there is a column of steps, `step`, which `steps` names then;
    its index are the numbers of the table's rows.
    """
    alike = rows[rows.duplicated(["run", "value", *steps], keep=False)]
    if alike.empty:
        return
    places = alike.index.to_numpy() - frame.first_row
    columns = {}
    for name, column in frame.columns.items():
        columns[name] = column.take(places).to_pandas().astype(str).to_numpy()
    whole = pd.DataFrame(columns, alike.index)
    copies = whole[whole.duplicated()]
    if len(copies):
        copied = int(copies.index[0])
        same = (whole == whole.loc[copied]).all(axis=1)
        raise frame.source.fault(
            f"row {copied}: is row {same.index[same][0]} again, in every column; copies are no "
            f"replicates (pseudo-replication), of which there are {len(copies)}; allowed: each row "
            "once"
        )


def restarts(rows: pd.DataFrame) -> str:
    """Which runs have several rows that are no steps; rows: theirs, with level, seed and run."""
    counts = rows.groupby("run", sort=False).size()
    own = rows[rows["run"] == counts.index[0]]
    were = "run was" if len(counts) == 1 else "runs were"
    often = "twice" if counts.max() == 2 else f"up to {counts.max()} times"
    first = f"seed {own['seed'].iloc[0]:.40} of {own['level'].iloc[0]:.60}"
    places = ", ".join(str(row) for row in own.index[:MAX_ROWS])
    return (
        f"row {own.index[0]}: {len(counts)} {were} started {often}: {first} (rows {places}); they "
        "are no replicates (pseudo-replication), and to pick one would be to choose by result; "
        "allowed: one row per run, or a column of steps (--step) if rows are steps"
    )


def description(several: Several, repeated: pd.Series) -> str:
    """What there is of a run with several values, and which picks there are."""
    rows = several.frame[repeated]
    run = rows["run"].iloc[0]
    own = rows[rows["run"] == run]
    first = own.index[0]
    line = f"row {first}: got {len(own)} values of {several.value} of one run"
    if several.step:
        line += f", at {several.step} {own['step'].min():g} to {own['step'].max():g}"
    names = ", ".join(several.others[:8])
    if len(several.others) > 8:
        names += f" and {len(several.others) - 8} more"
    named = f" (NAME: {names})" if names else ""
    line += "; they are no replicates (pseudo-replication); "
    return f"{line}allowed: one per level, seed and task, or --pick {PICKS}{named}"


def chosen_rows(frame: pd.DataFrame, pick: Pick, options: Options, where: str) -> np.ndarray:
    """The places of the chosen rows, one per run; of equals the earliest, of `last` the latest.

    Numbers that are not finite are never the best.
    """
    places = pd.Series(np.arange(len(frame)))
    ordered = pd.DataFrame({"run": frame["run"].to_numpy(), "place": places})
    if pick.kind == "last":
        ordered["key"] = -frame["step"].to_numpy()
        ordered = ordered.sort_values(["key", "place"], ascending=[True, False], kind="stable")
    else:
        ordered["key"] = sort_key(frame, pick, options)
        ordered["step"] = frame["step"].to_numpy()
        ordered = ordered.sort_values(["key", "step", "place"], kind="stable", na_position="last")
    chosen_places = ordered.drop_duplicates("run")
    if pick.name and chosen_places["key"].isna().any():
        row = frame.index[chosen_places.loc[chosen_places["key"].isna(), "place"].iloc[0]]
        raise StudyError(
            f"{where}: row {row}: pick: its run has no finite {pick.name}; "
            f"allowed: a column that every run has, or --pick last, best, mean"
        )
    return np.sort(chosen_places["place"].to_numpy())


def sort_key(frame: pd.DataFrame, pick: Pick, options: Options) -> np.ndarray:
    """A number per row, the smallest of a run for the row that is picked; NaN if it has none."""
    if pick.kind == "best":
        key = frame["value"].to_numpy(dtype=float)
        smallest_first = not options.higher_is_better
    else:
        key = frame["by"].to_numpy(dtype=float)
        smallest_first = pick.kind == "min"
    signed = key if smallest_first else -key
    return np.where(np.isfinite(signed), signed, np.nan)
