"""Which runs survive: the share that did not diverge, of each cell and along each crossed axis."""

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from actstudy.analysis.questions.seed_values import Frames
from actstudy.contract.plan import Plan
from actstudy.contract.reading import Value, share_of
from actstudy.contract.schema import ENDED

OF_CELLS = "cell"
OF_ALL = "all"
COLUMNS = ["task", "of", "group", "level", "places", "n_planned", "n", "n_survived"]
COLUMNS += ["survival", "low", "high", "median_step", "reason"]
NONE_LEVEL = ""  # of a row that is of all levels
READ = ["task", "group", "level", "places", "status", "steps_done", "reason"]  # of `runs`


def survival(frames: Frames, plan: Plan) -> pd.DataFrame:
    """A row per cell, per value of each crossed axis, and one of all runs of a task.

    frames: `runs`. Columns COLUMNS. of: OF_CELLS, OF_ALL, or the axis whose value `level` is; n:
    runs that ended, completed or diverged; survival: the share of these that did not diverge, with
    its 95% Wilson interval, missing if none has ended; places: JSON text of a cell's place on each
    crossed axis, the compared one among them; median_step: of the last step of those that diverged;
    reason: of the first of them. Rows of several cells take their runs as independent, though runs
    of a seed share data and first weights: their intervals are too narrow if seeds matter.
    """
    rows: list[dict[str, Any]] = []
    every = frames["runs"].filter(items=READ)  # of all columns each part would take long
    for task in plan.tasks:
        runs = every[every["task"] == task]
        if len(runs):
            rows += [{"task": task, **row} for row in of_task(with_places(runs, plan.compare))]
    return pd.DataFrame(rows, columns=COLUMNS)


def with_places(runs: pd.DataFrame, compare: str) -> pd.DataFrame:
    """The runs with `on_axes`: axis -> place of each, the compared axis first."""
    on_axes = []
    for level, text in zip(runs["level"], runs["places"], strict=True):
        on_axes.append({compare: level, **json.loads(text)})
    return runs.assign(on_axes=on_axes)


def of_task(runs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of one task; runs: as `with_places` gives them."""
    for (group, level), part in runs.groupby(["group", "level"], sort=False):
        places = json.dumps(part["on_axes"].iloc[0])
        yield {"of": OF_CELLS, "group": group, "level": level, "places": places, **counts(part)}
    axes = dict.fromkeys(itertools.chain.from_iterable(runs["on_axes"]))
    for axis in axes:
        place = runs["on_axes"].map(lambda places, axis=axis: places.get(axis, ""))
        for value, part in runs.groupby(place, sort=False):
            places = json.dumps({axis: value})
            yield {"of": axis, "group": "", "level": value, "places": places, **counts(part)}
    yield {"of": OF_ALL, "group": "", "level": NONE_LEVEL, "places": "{}", **counts(runs)}


def counts(runs: pd.DataFrame) -> dict[str, Any]:
    """The numbers of a row: how many ended and survived, their share, when the others diverged."""
    ended = runs[runs["status"].isin(ENDED)]
    diverged = ended[ended["status"] == "diverged"]
    row: dict[str, Any] = {
        "n_planned": len(runs),
        "n": len(ended),
        "n_survived": len(ended) - len(diverged),
        "median_step": None,
        "reason": "",
    }
    if len(ended):
        share = share_of(row["n_survived"], len(ended))
        row |= {"survival": share.value, "low": share.low, "high": share.high}
    if len(diverged) and "steps_done" in diverged:
        row["median_step"] = diverged["steps_done"].astype(float).median()
    if len(diverged):
        row["reason"] = str(diverged["reason"].fillna("").iloc[0])
    return row


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of cells."""
    return table[table["of"] == OF_CELLS]


def value_of(row: Mapping[str, Any]) -> Value:
    """The share of a row that has one, in percent."""
    value, low, high = (100 * row[name] for name in ("survival", "low", "high"))
    return Value(value, low, high, int(row["n"]), "%")
