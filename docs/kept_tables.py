"""Tables of example studies as the documents keep them, completed as far as they allow.

A table that is kept with today's columns is taken as it is. One that is absent, or lacks columns,
is computed from the kept runs by the functions of today; columns of comparisons that are kept stay.
Without runs what is missing is empty, and the pages say so.
"""

import dataclasses
import functools
import json
from pathlib import Path

import pandas as pd
from examples import EXAMPLES, STUDIES

from actstudy.advice.rules import rules
from actstudy.analysis import tables
from actstudy.analysis.export.spreadsheet import FORMULA
from actstudy.analysis.markdown import listed
from actstudy.analysis.questions import contrasts
from actstudy.analysis.questions.differences import seed_differences
from actstudy.analysis.questions.effects import effects
from actstudy.analysis.questions.pareto import pareto
from actstudy.analysis.questions.seed_values import seed_values
from actstudy.analysis.questions.survival import survival
from actstudy.analysis.questions.turned import activation_contrasts
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import Plan
from actstudy.contract.schema import CELL
from actstudy.study import planning

WHOLE = "explorer"  # the folder of tables that are all kept, as Parquet
KEY = [*CELL, "baseline", "family"]  # of the table `contrasts`
COMPUTED = (  # tables that may be computed of runs alone
    "cells",
    "survival",
    "pareto",
    "contrasts",
    "differences",
    "activation_contrasts",
    "activation_differences",
    "effects",
)
WORDS = {  # a table that pages need -> what they call it
    "runs": "single runs",
    "curves": "learning curves",
    "cells": "test values",
    "contrasts": "comparisons",
    "calibration": "calibration",
    "health": "health over training",
    "findings": "findings of health",
    "tuning": "learning rates that were tried",
    "boundaries": "decision boundaries",
}
LACKS = "Written from the tables that the documents keep of this study, without "
ORIGIN = "origin.json"  # of runs that are not kept: code, devices, versions, end of the last


def read(name: str) -> Tables:
    """The tables of an example study; name: of STUDIES."""
    folder = EXAMPLES / name
    if (folder / WHOLE / "plan.json").is_file():
        whole = tables.read(folder / WHOLE)
        return dataclasses.replace(whole, lacks=lacks(whole))
    plan = plan_of(name)
    stored = {}
    for table in tables.NAMES:
        frame = kept_table(folder, table)
        if frame is not None and not (table == "findings" and is_of_old_rules(frame)):
            stored[table] = frame
    frames = {table: like_today(stored.get(table), table) for table in tables.NAMES}
    frames["runs"] = runs_of(plan, stored)
    has_runs = has_results(Tables(plan, frames))
    if has_runs:
        frames |= computed(frames, plan, stored)
    others = frames["runs"][frames["runs"]["status"] != "completed"]
    frames["incomplete"] = others[[*CELL, "seed", "run_id", "status", "reason"]]
    there = {*stored, *COMPUTED} if has_runs else stored.keys() - {"runs"}
    if frames["pareto"].empty:
        there -= {"pareto"}
    note = folder / ORIGIN
    origin = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else None
    absent = frozenset(table for table in tables.NAMES if table not in there)
    own = Tables(plan, frames, absent, origin=origin)
    return dataclasses.replace(own, lacks=lacks(own))


def plan_of(name: str) -> Plan:
    """The plan of an example study; what was decided while it ran is in its folder."""
    study = planning.load(*STUDIES[name])
    return dataclasses.replace(study, folder=str(EXAMPLES / name)).plan()


def kept_table(folder: Path, table: str) -> pd.DataFrame | None:
    """A table of an example study without units in its head, or None."""
    for path in (folder / "tables" / table, folder / table):
        if path.with_suffix(".parquet").is_file():
            return pd.read_parquet(path.with_suffix(".parquet"))
        if path.with_suffix(".csv").is_file():
            frame = pd.read_csv(path.with_suffix(".csv"), low_memory=False)
            text = frame.select_dtypes(exclude="number").map(as_it_was)
            return frame.assign(**text).rename(columns=lambda name: name.split(" [")[0])
    return None


def as_it_was(value: object) -> object:
    """A CSV's text without the apostrophe that `spreadsheet.inert` put before it."""
    if isinstance(value, str) and value.startswith("'") and value[1:].startswith(FORMULA):
        return value[1:]
    return value


def is_of_old_rules(findings: pd.DataFrame) -> bool:
    """Whether findings are of rules that are no longer, or do not say of which run they are."""
    known = {(rule.name, rule.severity) for rule in rules()}
    pairs = zip(findings["rule"], findings["severity"], strict=True)
    return "cause" not in findings or not known.issuperset(pairs)


@functools.cache
def today() -> dict[str, pd.DataFrame]:
    """The tables of the default study, which are whole: what columns there are, and of what."""
    return tables.read(EXAMPLES / "default" / WHOLE).frames


def is_whole(frame: pd.DataFrame | None, columns: list[str]) -> bool:
    """Whether a table is there with some columns."""
    return frame is not None and set(columns) <= set(frame.columns)


def like_today(frame: pd.DataFrame | None, table: str) -> pd.DataFrame:
    """A table with all columns that it has today, those that it lacks empty; texts are texts."""
    model = today()[table]
    if frame is None:
        return model.iloc[:0]
    columns = {}
    for name in [*model.columns, *frame.columns.difference(model.columns, sort=False)]:
        if name not in frame:
            columns[name] = pd.Series(None, frame.index, object)
            continue
        column = frame[name]
        is_text = not pd.api.types.is_numeric_dtype(column) or column.isna().all()
        is_never_empty = name not in model or not model[name].isna().any()
        is_number = name in model and pd.api.types.is_numeric_dtype(model[name])
        is_filled = is_text and is_never_empty and not is_number
        columns[name] = column.astype(object).fillna("") if is_filled else column
    return pd.DataFrame(columns)


def runs_of(plan: Plan, stored: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The table `runs`: rows of the plan with what is kept of them, under the ids that are kept.

    Without their status all runs completed but those of the table `incomplete`.
    """
    planned = pd.DataFrame(plan.runs)
    key = [*CELL, "seed"]  # not its id, which another version of the recipe changes
    own = stored.get("runs", planned[["run_id"]])
    if is_whole(own, key):
        planned = planned.drop(columns="run_id")
        ids = like_today(own, "runs")[[*key, "run_id"]]
        planned = planned.merge(ids, on=key, validate="one_to_one")
    if "status" not in own:
        columns = [*key, "status", "reason"]
        others = like_today(stored.get("incomplete"), "incomplete")[columns]
        ends = planned[["run_id", *key]].merge(others, on=key, how="left").drop(columns=key)
        own = own.merge(ends.fillna({"status": "completed"}), on="run_id")
    own = own.drop(columns=planned.columns.drop("run_id").intersection(own.columns))
    return like_today(planned.merge(own, on="run_id"), "runs")


def computed(
    frames: dict[str, pd.DataFrame], plan: Plan, stored: dict[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """Those tables of the kept runs that are not kept with today's columns."""
    without = pd.DataFrame(columns=["run_id", "task", "group", "level", "seed"])
    own = {**frames, "predictions": without}
    own["cells"] = tables.cells(own["runs"], plan)
    own["survival"] = survival(own, plan)
    if own["runs"]["device"].notna().all():
        own["pareto"] = pareto(own["runs"], plan)
    values = seed_values(own, plan)
    of_baseline = contrasts.contrasts(own, plan, values)
    own["contrasts"] = kept_columns(of_baseline, stored.get("contrasts"))
    own["differences"] = seed_differences(own["contrasts"], plan, values)
    of_activations = activation_contrasts(own, plan)
    own["activation_contrasts"], own["activation_differences"] = of_activations
    own["effects"] = effects(own, plan)
    return {
        table: own[table]
        for table in COMPUTED
        if not is_whole(stored.get(table), list(today()[table].columns))
    }


def kept_columns(table: pd.DataFrame, stored: pd.DataFrame | None) -> pd.DataFrame:
    """The table `contrasts`, computed, with those of its columns that are kept."""
    if stored is None:
        return table
    there = like_today(stored, "contrasts")[table.columns.intersection(stored.columns)]
    new = table[[*KEY, *table.columns.difference(there.columns)]]
    return new.merge(there, on=KEY, how="left", validate="one_to_one")[table.columns]


def has_results(own: Tables) -> bool:
    """Whether single runs have their test values."""
    return bool(own.frames["runs"].filter(like="reported_").notna().to_numpy().any())


def is_partial(own: Tables) -> bool:
    """Whether not all planned runs were run."""
    return bool((own.frames["runs"]["status"] == "missing").any())


def lacks(own: Tables) -> str:
    """The sentence on what a study's pages lack; empty if its tables are whole."""
    missing = []
    for table, words in WORDS.items():
        is_asked = own.plan.tuning or table != "tuning"
        may_be_empty = table == "findings"  # nothing was amiss
        is_there = table not in own.absent and (may_be_empty or len(own.frames[table]) > 0)
        if is_asked and not is_there:
            missing.append(words)
    return f"{LACKS}{listed(missing)}" if missing else ""
