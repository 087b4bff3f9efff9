"""A study read the other way: of one that compares something else and crosses activations.

Its levels are the activations then, and a group of cells is a place on the axis that it compares
and on all others.
"""

import dataclasses
import json

import numpy as np
import pandas as pd

from actstudy.analysis.questions import contrasts
from actstudy.analysis.questions.differences import seed_differences
from actstudy.analysis.questions.factors import crosses_framework
from actstudy.analysis.questions.seed_values import Frames, seed_values
from actstudy.contract.plan import Plan, TaskPlan, group_name

AXIS = "activation"
BASELINE = "relu"  # if it is among the activations; else the first


def activation_contrasts(frames: Frames, plan: Plan) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `contrasts` and `differences` of the turned study, without rows if there is none.

    frames: `runs`, and `predictions` as `collect` makes them. A family with its own 5%.
    """
    own = turned_plan(plan)
    parts = {name: turned_frame(frames[name], plan) for name in ("runs", "predictions")}
    values = seed_values(parts, own)
    table = contrasts.contrasts(parts, own, values)
    return table, seed_differences(table, own, values)


def can_turn(plan: Plan) -> bool:
    """Whether a study compares something else and crosses activations in a task.

    Those that cross frameworks have a question of their own for it, `effects`.
    """
    return bool(turned_tasks(plan))


def turned_tasks(plan: Plan) -> dict[str, TaskPlan]:
    """The tasks that cross activations without comparing them, with the baseline among these."""
    tasks = {}
    for task, settings in plan.tasks.items():
        if plan.compare == AXIS or crosses_framework(settings):
            continue
        if len(settings.axes.get(AXIS, [])) > 1:
            rows = [row for row in plan.runs if row["task"] == task]
            levels = list(dict.fromkeys(json.loads(row["places"])[AXIS] for row in rows))
            baseline = BASELINE if BASELINE in levels else levels[0]
            tasks[task] = dataclasses.replace(settings, baseline=baseline)
    return tasks


def turned_plan(plan: Plan) -> Plan:
    """The plan of these tasks, in which activations are compared."""
    tasks = turned_tasks(plan)
    runs = [turned_row(row, plan.compare) for row in plan.runs if row["task"] in tasks]
    levels = list(dict.fromkeys(str(row["level"]) for row in runs))
    return dataclasses.replace(plan, compare=AXIS, levels=levels, tasks=tasks, runs=runs)


def turned_row(row: dict[str, object], compare: str) -> dict[str, object]:
    """A row of a plan with its activation as level, and its level among its places."""
    places = {compare: row["level"], **json.loads(str(row["places"]))}
    level = places.pop(AXIS)
    lines = [f"{place}" for axis, place in places.items() if axis != "depth"]
    own = {"level": level, "level_value": level, "group": group_name(places)}
    return {**row, **own, "places": json.dumps(places), "line": ", ".join(lines)}


def turned_frame(frame: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """A frame of rows of runs, or of cells, with the labels of the turned plan; others left out.

    plan: of the study as it is. Cells that the plan does not have are left out too.
    """
    labels: dict[tuple[str, str, str], dict[str, object]] = {}
    tasks = turned_tasks(plan)
    for row in plan.runs:
        if row["task"] in tasks:
            key = (str(row["task"]), str(row["group"]), str(row["level"]))
            labels[key] = turned_row(row, plan.compare)
    if "group" not in frame:
        return frame
    keys = list(zip(frame["task"], frame["group"], frame["level"], strict=True))
    is_there = np.array([key in labels for key in keys], dtype=bool)
    frame = frame[is_there].copy()
    own = [labels[key] for key in keys if key in labels]
    for name in ("level", "level_value", "group", "places", "line"):
        if name in frame:
            frame[name] = pd.Series([row[name] for row in own], frame.index, dtype=object)
    return frame
