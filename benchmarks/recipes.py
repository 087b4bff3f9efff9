"""Recipes of training: the runs of study files, trained several at a time, and val by recipe.

    python benchmarks/recipes.py config/recipes/lm.yaml --places 32 --device cpu --minutes 9
    python benchmarks/recipes.py config/recipes/lm.yaml --table

A recipe is what a run sets besides its activation and its seed. Every recipe of a file is trained
with the same activations and seeds: an equal budget of runs. The files are studies as snakemake
runs them, with the same runs; this trains them without tables and pages of hundreds of cells.

A row of recipes.parquet: a run with its recipe and its best metric on val. No score of test is read
unless --test asks for it, once recipes are chosen. The file keeps the rows of other studies, and
a run that is done is not trained again: a second call goes on where the first one ended.
"""

import argparse
import dataclasses
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from actstudy.analysis import markdown
from actstudy.contract import registry, store
from actstudy.contract.spec import RunSpec, data_name
from actstudy.study import packs, planning, series
from actstudy.study.planning import Study

PER_JOB = 8  # runs that a process trains one after another on a CPU, which saves its start
NOT_OF_RECIPE = {"activation": "relu", "activation_args": {}, "code": {}, "seed": 0}
COLUMNS = ["study", "task", "data", "recipe", "activation", "seed", "val", "test", "status"]
COLUMNS += ["reference", "best_step", "total_steps", "train_seconds", "device", "run_id"]


@dataclass(frozen=True)
class Job:
    """Words of one process, and what it trains, empty if it prepares or scores a reference."""

    words: list[str]
    members: Sequence[RunSpec] = ()


def recipe_of(spec: RunSpec, names: Iterable[str]) -> str:
    """The run's values of some fields, as JSON."""
    return json.dumps({name: getattr(spec, name) for name in names})


def varied(specs: Sequence[RunSpec]) -> list[str]:
    """The fields that differ between recipes of some runs, in RunSpec's order."""
    values: dict[str, set[str]] = {}
    for spec in specs:
        for name, value in vars(dataclasses.replace(spec, **NOT_OF_RECIPE)).items():
            values.setdefault(name, set()).add(repr(value))
    return [name for name, seen in values.items() if len(seen) > 1]


def jobs_of(specs: Sequence[RunSpec], device: str, slots: int) -> Iterator[Job]:
    """The jobs that train runs which are not done, every recipe's first seed before any second.

    A job has one pack, or runs that may share a process: of a GPU those of one compiled code, of a
    CPU at most PER_JOB.
    """
    flags = ["--device", device, "--slots_per_gpu", str(slots), "--quiet"]
    for kind, members in grouped(specs, device):
        if not all(store.verifies(store.run_folder(spec)) for spec in members):
            yield Job([kind, "--members", packs.to_json(members), *flags], members)


def grouped(specs: Sequence[RunSpec], device: str) -> Iterator[tuple[str, list[RunSpec]]]:
    """`pack` or `series`, and the runs of each job, seed by seed over all recipes."""
    alike: dict[tuple[int, str], list[RunSpec]] = {}
    for spec in sorted(specs, key=lambda spec: spec.seed):
        key = packs.shared(spec)
        if spec.engine == "compiled" and device != "cpu":
            key = series.code_of(spec)
        alike.setdefault((spec.seed, key), []).append(spec)
    for members in alike.values():
        is_pack = members[0].engine == "pack"
        size = members[0].pack_width if is_pack else PER_JOB
        for first in range(0, len(members), size):
            yield ("pack" if is_pack else "series"), members[first : first + size]


def preparations(specs: Iterable[RunSpec]) -> Iterator[Job]:
    """Jobs that prepare data which are not there."""
    for name in dict.fromkeys(map(data_name, specs)):
        if not (store.DATA / name / store.MANIFEST).is_file():
            yield Job(["prepare", name, str(store.DATA / name)])


def reference_file(task: str, data: str) -> Path:
    """Where the reference's score of prepared data is, as in the workflow."""
    return Path(f"results/references/{task}-{data}.json")


def reference_on_val(spec: RunSpec) -> float | None:
    """The score of the reference on a run's val split, if it is there."""
    note = store.read_note(reference_file(spec.task_name, data_name(spec)), {})
    return note.get("val") if isinstance(note, dict) else None


def references(specs: Iterable[RunSpec]) -> Iterator[Job]:
    """Jobs that score references which are not there."""
    for task, data in dict.fromkeys((spec.task_name, data_name(spec)) for spec in specs):
        file = reference_file(task, data)
        if not file.is_file():
            yield Job(["reference", task, str(store.DATA / data), str(file)])


def work(jobs: Iterable[Job], places: int, end: float) -> None:
    """Run jobs, some at a time; at the time `end` those that run are told to stop.

    A run that is stopped goes on where it was if it is asked for again.
    """
    waiting = list(jobs)
    total = len(waiting)
    running: list[subprocess.Popen[bytes]] = []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    while waiting or running:
        while waiting and len(running) < places and time.monotonic() < end:
            command = [sys.executable, "-m", "actstudy", *waiting.pop(0).words]
            # its lines, which name scores of test, stay unread
            running.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
        if time.monotonic() >= end:
            waiting.clear()
            for process in running:
                process.terminate()
        time.sleep(0.2)
        ended = [process for process in running if process.poll() is not None]
        running = [process for process in running if process not in ended]
        if ended:
            done = total - len(waiting) - len(running)
            print(f"{done} of {total} jobs", file=sys.stderr, flush=True)


def row_of(
    study: Study, spec: RunSpec, names: Iterable[str], with_test: bool
) -> dict[str, Any] | None:
    """The row of a run, or None if it is not done."""
    folder = store.run_folder(spec)
    if not store.verifies(folder):
        return None
    runs, curves = store.read(folder, "runs", "curves")
    run = runs.to_pylist()[0]
    task = registry.task(spec.task)
    val = curves.filter(pc.equal(curves["split"], "val"))
    best = pc.min_max(val.filter(pc.equal(val["metric"], task["metric"]))["value"]).as_py()
    row = {name: run[name] for name in COLUMNS if name in run}
    return {
        **row,
        "study": study.name,
        "task": spec.task_name,
        "data": data_name(spec),
        "recipe": recipe_of(spec, names),
        "val": best["max" if task["higher_is_better"] else "min"],
        "reference": reference_on_val(spec),
        "test": run[f"reported_{task['metric']}"] if with_test else None,
    }


def rows_of(study: Study, with_test: bool = False) -> list[dict[str, Any]]:
    """A row per run of a study that is done."""
    rows = []
    for task in study.tasks:
        specs = [run.spec for run in study.possible if run.task == task]
        names = varied(specs)
        done = [row_of(study, spec, names, with_test) for spec in specs]
        rows += filter(None, done)
    return rows


def write(studies: Sequence[Study], file: Path, with_test: bool = False) -> pd.DataFrame:
    """Replace the rows of studies in a file; returns theirs."""
    names = [study.name for study in studies]
    rows = list(itertools.chain.from_iterable(rows_of(study, with_test) for study in studies))
    frame = pd.DataFrame(rows, columns=COLUMNS)
    parts = [frame]
    if file.is_file():
        old = pd.read_parquet(file)
        parts.insert(0, old[~old["study"].isin(names)])
    with store.replacing(file) as draft:
        pd.concat([part for part in parts if len(part)] or parts).to_parquet(draft, index=False)
    return frame


def trail(frame: pd.DataFrame, task: str) -> str:
    """Recipes of a task as Markdown, values by seed, the best mean over activations first."""
    rows = frame[frame["task"] == task]
    activations = list(dict.fromkeys(rows["activation"]))
    means = rows.pivot_table(index="recipe", columns="activation", values="val", sort=False)
    order = means.mean(axis=1, skipna=False)
    order = order.sort_values(ascending=not registry.task(task)["higher_is_better"])
    body = []
    for recipe in order.index:
        own = rows[rows["recipe"] == recipe]
        settings = ", ".join(f"{name} {value}" for name, value in json.loads(recipe).items())
        values = []
        for name in activations:
            by_seed = own[own["activation"] == name].sort_values("seed")["val"]
            values.append(", ".join(f"{value:.5g}" for value in by_seed))
        counts = [str(len(own)), f"{own['train_seconds'].mean():.1f}"]
        body.append([settings, f"{order[recipe]:.5g}", *values, *counts])
    head = ["recipe", "mean", *activations, "runs", "seconds a run"]
    return markdown.markdown([dict(zip(head, row, strict=True)) for row in body])


def main(arguments: argparse.Namespace) -> None:
    """Train what is not done of the studies' runs, write rows and print the trail."""
    end = time.monotonic() + 60 * arguments.minutes
    studies = [planning.load(Path(file).absolute()) for file in arguments.files]
    runs = itertools.chain.from_iterable(study.possible for study in studies)
    specs = [run.spec for run in runs]
    if not arguments.table:
        work(preparations(specs), arguments.places, end)
        jobs = [*jobs_of(specs, arguments.device, arguments.slots_per_gpu), *references(specs)]
        work(jobs, arguments.places, end)
    for study in studies:
        frame = write([study], arguments.out, arguments.test)
        for task in study.tasks:
            n_runs = sum(run.task == task for run in study.possible)
            print(f"\n## {study.name}: {task}, {sum(frame['task'] == task)} of {n_runs} runs\n")
            own = frame[frame["task"] == task].drop_duplicates("data")
            for row in own.to_dict("records"):
                print(f"{row['data']}: reference on val {row['reference'] or 'not scored'}")
            print(trail(frame, task), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", help="study files")
    parser.add_argument("--places", type=int, default=1, help="processes at a time")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--slots_per_gpu", type=int, default=1, help="processes that share a GPU")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--table", action="store_true", help="train nothing")
    parser.add_argument("--test", action="store_true", help="also the score of test")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/recipes.parquet"))
    main(parser.parse_args())
