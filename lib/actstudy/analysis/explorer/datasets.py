"""The tables that a study's page carries, by name, and what is left out of them."""

import json
from typing import NamedTuple

import pandas as pd

from actstudy.analysis import tables as study_tables
from actstudy.analysis.explorer import averages, thinning, training
from actstudy.analysis.export import latex
from actstudy.analysis.retry import rerun_command
from actstudy.analysis.tables import Tables
from actstudy.contract import store
from actstudy.contract.plan import Plan
from actstudy.contract.schema import CELL

# Values of health, calibration and boundaries are on the page as averages or in files alone.
IN_FILES_ALONE = ("curves", "health", "calibration", "boundaries")
AVERAGES = {
    "reliability": averages.reliability,
    "site_medians": averages.site_medians,
    "ended_cells": averages.ended_cells,
    "pairs": averages.pairs,
    "reference_lines": averages.reference_lines,
}
MAX_LATEX_ROWS = 500  # of a LaTeX file that a page holds whole
DRAWN_ALONE = ("mean_curves", "groups", *AVERAGES)  # not offered as tables to read


class Carried(NamedTuple):
    """Tables by name, and a sentence per thing that is left out of them."""

    frames: dict[str, pd.DataFrame]
    left_out: list[str]


def carried(tables: Tables, share: float = 1.0) -> Carried:
    """All tables of a page: those of the study that have rows, and what its figures draw.

    share: of the limits of `thinning`. A table without a row is left out.
    """
    thinned = {"runs": thinning.runs(runs(tables), share)}
    for name, frame in tables.frames.items():
        if name not in ("runs", *IN_FILES_ALONE):
            thinned[name] = thinning.rows(name, frame, share)
    thinned["survival"] = thinning.rows("survival", with_words(tables.frames["survival"]), share)
    thinned["incomplete"] = thinning.rows("incomplete", incomplete(tables), share)
    thinned["curves"] = thinning.curves(tables, share)
    thinned["mean_curves"] = thinning.mean_curves(averages.mean_curves(tables), share)
    for name, average in AVERAGES.items():
        thinned[name] = thinning.rows(name, average(tables), share)
    thinned["groups"] = thinning.rows("groups", groups(tables), share)
    frames = {name: part.frame for name, part in thinned.items() if len(part.frame)}
    return Carried(frames, [part.left_out for part in thinned.values() if part.left_out])


def with_words(frame: pd.DataFrame) -> pd.DataFrame:
    """A table with its places on axes as words, `depth=2, width=16`, not as JSON.

    A run of tables that have no places has none.
    """
    texts = frame["places"].astype(object)
    return frame.assign(places=[None if pd.isna(text) else in_words(text) for text in texts])


def in_words(places: str) -> str:
    """`depth=2, width=16` of JSON with a place per axis."""
    return ", ".join(f"{axis}={place}" for axis, place in json.loads(places).items())


def runs(tables: Tables) -> pd.DataFrame:
    """The table `runs` with what each run came to, its folder, and the command that repeats it."""
    frame = tables.frames["runs"]
    places = frame["task"] + "/" + frame["run_id"]
    return with_words(frame).assign(
        trained=training.trained(tables),
        folder=f"{store.RUNS}/" + places,
        rerun=commands(frame, tables.plan),
    )


def incomplete(tables: Tables) -> pd.DataFrame:
    """The table `incomplete` with the command that runs each again."""
    frame = tables.frames["incomplete"]
    return frame.assign(rerun=commands(frame, tables.plan))


def commands(frame: pd.DataFrame, plan: Plan) -> list[str]:
    """The command per run that runs it again; frame: with task, run_id, status and reason."""
    rows = frame[["task", "run_id", "status", "reason"]].astype(object).fillna("")
    return [rerun_command(plan, row) for row in rows.to_dict("records")]


def groups(tables: Tables) -> pd.DataFrame:
    """A row per group of cells, with its place on each crossed axis other than the compared one."""
    frame = tables.frames["runs"].drop_duplicates(["task", "group"])
    rows = []
    for task, group, places in frame[["task", "group", "places"]].itertuples(index=False):
        rows.append({"task": task, "group": group, **json.loads(places)})
    return pd.DataFrame(rows, columns=None if rows else CELL[:2])


def latex_files(tables: Tables) -> dict[str, dict[str, str]]:
    """Task -> the names of the study's LaTeX files of it -> their texts, of tasks of few cells."""
    files = {}
    for task in tables.plan.tasks:
        if len(tables.reported(task)) <= MAX_LATEX_ROWS:
            files[task] = {
                f"means_{task}.tex": latex.means_latex(tables, task),
                f"contrasts_{task}.tex": latex.contrasts_latex(tables, task),
            }
    return files


def readable(frames: dict[str, pd.DataFrame]) -> list[str]:
    """The names of the tables that a reader may open, contrasts, cells and runs first."""
    names = [name for name in study_tables.NAMES if name in frames and name not in DRAWN_ALONE]
    first = [name for name in ("contrasts", "cells", "runs") if name in names]
    return [*first, *(name for name in names if name not in first)]
