"""GPU hours of a study of images, from a few steps of each of its cells on made-up images.

    python benchmarks/study_hours.py config/frameworks.yaml config/frameworks_full.yaml
        --out benchmarks/results --minutes 9

No data need be there: times do not depend on what images show. Every cell (a run without its seed)
is timed as `python -m actstudy cost` times it: start, compilation, steps, validations and probes of
a training of 12 steps, in a process of its own, scaled to the run's length. Cells that differ only
in what an image shows, as CIFAR-10 and CIFAR-100 do, are timed once. Each visible GPU times one
cell at a time; without a GPU one cell is timed at a time.

A row of study_hours.parquet: a cell of a study, its seconds for one seed, its number of seeds and
the device. A cell that fails, or for which no time was left, has a reason instead. The file is
replaced whenever a cell has been timed, and keeps its times of the same device: a second call goes
on where the first one ended.
"""

import argparse
import dataclasses
import itertools
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch

from actstudy.commands import cost
from actstudy.contract import frameworks, host, parity, parity_stamp, registry, store
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RECIPE, RunSpec, canonical, data_name
from actstudy.data import names_of_classes, prepared
from actstudy.study import planning
from actstudy.study.planning import Study

TEST = 10_000  # examples of every test split
RESERVE = 150  # seconds that must be left for a cell to start
NOT_TIMED = {"seconds": float("nan"), "memory": 0, "reason": "not timed: the minutes were over"}
Timing = dict[str, Any]  # the keys of NOT_TIMED


def made_up(dataset: str) -> prepared.Splits:
    """Noise of the size and number of a data set's images, every class as often as another."""
    declared = registry.dataset(dataset)
    n_train = registry.train_size(dataset) or 0
    noise = np.random.default_rng(0)
    splits = {}
    for split, n in (("train", n_train), ("val", n_train // 9), ("test", TEST)):
        x = noise.integers(0, 256, (n, *declared["shape"]), np.uint8)
        splits[split] = {"x": x, "y": np.arange(n) % declared["classes"]}
    return splits


def provide(names: Iterable[str]) -> None:
    """Prepare made-up images under the names of data sets, in the present folder."""
    with (
        mock.patch.object(prepared, "load_raw", made_up),
        mock.patch.object(names_of_classes, "read", return_value=None),  # of official files
    ):
        for name in dict.fromkeys(names):
            prepared.prepare(name, store.DATA / name)


def cells_of(study: Study) -> dict[str, list[RunSpec]]:
    """The runs of a study, those of one cell together."""
    cells: dict[str, list[RunSpec]] = {}
    for run in study.possible:
        cells.setdefault(canonical(dataclasses.replace(run.spec, seed=0)), []).append(run.spec)
    return cells


def shape_of(spec: RunSpec) -> str:
    """What a run's time depends on, as JSON: all but seed and recipe, and of its data the size."""
    declared = registry.dataset(spec.dataset)
    size = f"{declared['shape']} x {registry.train_size(spec.dataset)}"
    made_up_data = {"dataset": size, "data_version": 1}
    return canonical(dataclasses.replace(spec, seed=0, recipe=RECIPE, **made_up_data))


def rows_of(study: Study, timings: Mapping[str, Timing]) -> Iterator[dict[str, Any]]:
    """A row per cell of a study; timings: by shape, of the cells that have been timed."""
    for runs in cells_of(study).values():
        spec = runs[0]
        shape = shape_of(spec)
        yield {
            "study": study.name,
            "framework": spec.framework,
            "model": spec.model,
            "data": data_name(spec),
            "precision": spec.precision,
            "engine": spec.engine,
            "n_seeds": len(runs),
            "shape": shape,
            **timings.get(shape, NOT_TIMED),
        }


def timed(spec: RunSpec, study: Study, gpu: str | None) -> Timing:
    """The seconds of a run and its peak memory, or why it could not be timed.

    gpu: the UUID of the only GPU that the run sees; None on a CPU. This process sees no other from
    now on.
    """
    if gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    if spec.framework != frameworks.TORCH:
        skip_parity(spec)
    try:
        measured = cost.measured(spec, study)
    except StudyError as fault:
        place = f"{study.file}: tasks.{spec.task_name}: "  # a path of this machine
        return {**NOT_TIMED, "reason": str(fault).removeprefix(place)}
    if measured is None:
        return {**NOT_TIMED, "reason": "diverged"}
    return {"seconds": measured.seconds, "memory": measured.memory, "reason": ""}


def skip_parity(spec: RunSpec) -> None:
    """Let a Keras run start without a comparison: what it computes does not matter here."""
    check = parity.Check("skipped", "a benchmark of time", 0.0, 0.0)
    content = {"name": parity.name(spec), "spec": {}, "checks": [vars(check)], "error": None}
    stamp = parity_stamp.stamp(spec.framework)
    store.write_json(parity.path(spec), {**content, "stamp": stamp})


def timings_of(
    cells: Mapping[str, tuple[RunSpec, Study]],
    pool: Executor,
    gpus: Sequence[str | None],
    end: float,
) -> Iterator[tuple[str, Timing]]:
    """Shape and timing of each cell, as they arrive; a GPU times one cell at a time.

    cells: by shape. end: by `time.monotonic`; no cell starts in the last RESERVE seconds before it.
    """
    waiting = list(cells.items())
    free = list(gpus)
    started: dict[Future[Timing], tuple[str, str | None]] = {}
    while True:
        while waiting and free and time.monotonic() + RESERVE < end:
            shape, (spec, study) = waiting.pop(0)
            gpu = free.pop(0)
            started[pool.submit(timed, spec, study, gpu)] = (shape, gpu)
        if not started:
            return
        for future in wait(started, return_when=FIRST_COMPLETED).done:
            shape, gpu = started.pop(future)
            free.append(gpu)
            fault = future.exception()
            yield shape, {**NOT_TIMED, "reason": repr(fault)} if fault else future.result()


def timed_before(file: Path, device: str) -> dict[str, Timing]:
    """Shape -> what a file holds of the cells that were timed on a device."""
    if not file.is_file():
        return {}
    frame = pd.read_parquet(file).fillna({"reason": ""})
    frame = frame[(frame["device"] == device) & (frame["reason"] == "")]
    return frame.drop_duplicates("shape").set_index("shape")[list(NOT_TIMED)].to_dict("index")


def processes(n: int, folder: str) -> ProcessPoolExecutor:
    """Processes that work in a folder and know nothing of CUDA until a GPU is named to them."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(
        n, spawn, initializer=os.chdir, initargs=(folder,), max_tasks_per_child=1
    )


def time_cells(studies: Sequence[Study], file: Path, device: str, end: float) -> pd.DataFrame:
    """Time the cells of studies that a file lacks, and write all rows to it after each."""
    timings = timed_before(file, device)
    missing: dict[str, tuple[RunSpec, Study]] = {}
    for study in studies:
        for runs in cells_of(study).values():
            shape = shape_of(runs[0])
            if shape not in timings:
                missing.setdefault(shape, (runs[0], study))
    gpus = host.gpus() or [None]
    with tempfile.TemporaryDirectory(prefix="actstudy-hours-") as folder:
        os.chdir(folder)
        provide(spec.dataset for spec, _ in missing.values())
        with processes(len(gpus), folder) as pool:
            for shape, timing in timings_of(missing, pool, gpus, end):
                spec = missing[shape][0]
                cell = f"{spec.framework} {spec.model} {spec.dataset} {spec.precision}"
                print(f"{cell}: {timing}", flush=True)
                timings[shape] = timing
                write(studies, timings, file, device)
        os.chdir("/")
    return write(studies, timings, file, device)


def write(
    studies: Sequence[Study], timings: Mapping[str, Timing], file: Path, device: str
) -> pd.DataFrame:
    """Replace a file by the rows of studies, which are returned."""
    rows = itertools.chain.from_iterable(rows_of(study, timings) for study in studies)
    frame = pd.DataFrame(list(rows)).assign(device=device)
    with store.replacing(file) as draft:
        frame.to_parquet(draft, index=False)
    return frame


def main(files: Sequence[str], file: Path, minutes: float) -> None:
    """Time the cells of some studies that a file lacks; print hours."""
    end = time.monotonic() + 60 * minutes
    studies = [planning.load(Path(study).absolute()) for study in files]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    frame = time_cells(studies, file, device, end)
    frame["hours"] = frame["seconds"] * frame["n_seeds"] / 3600
    cell = ["study", "framework", "model", "data", "precision"]
    print(frame.groupby(cell, dropna=False)["hours"].sum(skipna=False))
    print(frame.groupby("study")[["hours", "n_seeds"]].sum(skipna=False))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--minutes", type=float, default=float("inf"), help="for timing")
    arguments = parser.parse_args()
    main(arguments.files, arguments.out.absolute() / "study_hours.parquet", arguments.minutes)
