"""Studies of any size within seconds: the tables of a small one, copied with other numbers."""

import dataclasses
import json

import numpy as np
import pandas as pd
from made_up import build, study_of

from actstudy.analysis.tables import Tables

AXIS = "copy"
BLOCK = {"epochs": 3, "depth": 2, "width": 16, "warmup": 0, "targets": [0.4], "seeds": 8}
LEVELS = ["tanh", "relu", "gelu", "silu", "elu"]
CLOCKS = ["epoch", "train_seconds"]  # the same for all values that a run has at a step
EVALUATIONS = 25  # per curve of a copied study


def small(folder, levels=tuple(LEVELS), **task):
    """The tables of a made-up study of one task, eight seeds per level."""
    content = {"baseline": "relu", "axes": {"activation": list(levels)}}
    study = study_of(folder, {**content, "tasks": {"mlp": {**BLOCK, **task}}})
    shifts = {"tanh": 0.02, "gelu": -0.01}
    return build(
        study, folder, lambda run: "completed", lambda spec: shifts.get(spec.activation, 0)
    )


def copied(tables, n_copies):
    """A study of n_copies groups of cells, each with the runs of the small one."""
    frames = {}
    for name, frame in tables.frames.items():
        frame = long_curves(frame) if name == "curves" else frame
        frames[name] = copies(frame, n_copies) if "group" in frame else frame
    task = tables.plan.tasks["mlp"]
    axes = {**task.axes, AXIS: list(range(n_copies))}
    plan = dataclasses.replace(tables.plan, tasks={"mlp": dataclasses.replace(task, axes=axes)})
    return Tables(plan, frames)


def copies(frame, n_copies):
    """A frame n_copies times, each copy a group of its own, its numbers a little different."""
    if frame.empty:
        return frame
    place = np.repeat(np.arange(n_copies), len(frame))
    many = pd.concat([frame] * n_copies, ignore_index=True)
    many["group"] = [f"{AXIS}={number}" for number in place]
    if "run_id" in many:
        many["run_id"] = many["run_id"] + "-" + place.astype(str)
    if "places" in many:
        many["places"] = [json.dumps({AXIS: str(number)}) for number in place]
    rng = np.random.default_rng(0)
    for column in many.select_dtypes("float").columns.difference(CLOCKS):
        many[column] = many[column] * (1 + 0.01 * rng.standard_normal(len(many)))
    if "step" in many and "train_seconds" in many:
        pace = 1 + 0.01 * rng.standard_normal(n_copies)
        many["train_seconds"] = pace[place] * many["step"]
    return many


def long_curves(frame):
    """Learning curves with EVALUATIONS points, of which the small study has few."""
    first = frame[frame["step"] == frame["step"].min()]
    first = first[first["split"] == "val"]
    parts = [first.assign(step=step, epoch=step / 4) for step in range(1, EVALUATIONS + 1)]
    return pd.concat(parts, ignore_index=True).sort_values(["run_id", "step"])
