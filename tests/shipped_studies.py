"""Every shipped study with built-up results of few seeds: what its figures have to hold for."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from made_up import parts_of

from actstudy.analysis import tables
from actstudy.analysis.run_tables import Part, Run, alike
from actstudy.analysis.tables import Tables
from actstudy.contract import schema, spec
from actstudy.study import planning
from actstudy.study.planning import Study

CONFIG = Path(__file__).parents[1] / "config"
FILES = sorted(CONFIG.glob("*.yaml"))
N_SEEDS = {  # of studies that need few
    "verdicts": 8,
    "smoke": 1,
    "depth_full": 1,
    "sigmoid": 1,
    "contrastive_checklist": 3,
    "sensitivity": 3,
    "full_sensitivity": 3,
    "sizes": 3,
}
SHARES = ("classes", "pairs")  # what a task predicts whose metric is a share
PROBLEMS = ("circle", "moons", "XOR")
GPU_STUDIES = ("full",)


def tables_of(file: Path, patch: Callable[..., None]) -> Tables:
    """The tables of a shipped study, a run of sigmoid's diverged; patch: sets an attribute."""
    study = planning.load(file)
    plan = study.plan()
    n_seeds = N_SEEDS.get(plan.study, 8)
    runs = [row for row in plan.runs if row["seed"] < n_seeds]
    plan = dataclasses.replace(plan, runs=runs)
    patch(tables, "RunTables", reader(study))
    references = []
    for task, data in sorted({(row["task"], row["data"]) for row in runs}):
        scores = {"val": 0.31, "test": 0.3} if plan.tasks[task].predicts in SHARES else {}
        reference = {"task": task, "data": data, "name": "a linear classifier", "metric": "m"}
        references.append({"val": 2000.0, "test": 2000.0, **reference, **scores})
    built = tables.build(plan, Path("nowhere"), references, planes(plan.levels))
    frames = built.frames
    frames["calibration"]["count"] *= 40
    dead = frames["health"]["probe"] == "dead_fraction"
    frames["health"].loc[dead, "value"] = 0.1 + 0.02 * frames["health"]["index"]
    if plan.study in GPU_STUDIES:
        frames["runs"] = on_two_gpus(frames["runs"])
    return built


def reader(study: Study) -> Callable[..., Any]:
    """What reads the tables of runs that are nowhere: they are built up at each call."""
    specs = {run.id: run.spec for run in [*study.possible, *study.tuning]}
    plan = study.plan()

    class Nowhere:
        """As `RunTables`."""

        def __init__(self, *_: Path | None) -> None:
            self.damaged: dict[str, str] = {}

        def parts(self, runs: list[Run], names: list[str]) -> Iterator[Part]:
            """All runs as one part, without predictions."""
            tables: dict[str, list[pa.Table]] = {name: [] for name in names}
            for _, run_id in runs:
                built = parts_of(specs[run_id], ending_of(specs[run_id]), plan, 0.0)
                for name in set(names) - {"predictions"}:
                    tables[name].append(schema.table(name, run_id, built[name]))
            yield Part(runs, {name: alike(tables[name]) for name in names})

    return Nowhere


def ending_of(run: spec.RunSpec) -> str:
    """How a built-up run ended: deep ones of sigmoid stay at chance, others complete."""
    return "chance" if run.activation == "sigmoid" and run.depth > 10 else "completed"


def planes(levels: list[str]) -> pd.DataFrame:
    """Toy problems on a grid of 5 by 5 points, learnt by every level."""
    rows = []
    for problem in PROBLEMS:
        for level in [*levels, "identity"]:
            for x in np.linspace(-1, 1, 5):
                for y in np.linspace(-1, 1, 5):
                    place = {"x": x, "y": y, "probability": (x + 1) / 2}
                    place |= {"problem": problem, "activation": level}
                    rows.append({**place, "kind": "grid", "label": -1})
                    rows.append({**place, "kind": "test", "label": int(x > 0)})
    return pd.DataFrame(rows)


def on_two_gpus(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs as if two GPUs had trained them, one after the other."""
    starts = pd.Timestamp("2026-01-01T00:00:00+00:00") + pd.to_timedelta(
        60.0 * np.arange(len(runs)), "s"
    )
    ends = starts + pd.to_timedelta(50, "s")
    return runs.assign(
        device_id=np.where(np.arange(len(runs)) % 2, "a", "b"),
        peak_memory_kind="cuda allocated",
        leased=starts.map(str),
        ended=ends.map(str),
    )
