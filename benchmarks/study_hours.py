"""GPU hours of a study of images, from a few steps of each of its cells on made-up images.

    python benchmarks/study_hours.py config/frameworks.yaml config/frameworks_full.yaml
        --out benchmarks/results --minutes 9

No data need be there: times do not depend on what images show. Every cell (a run without its seed)
is timed as `python -m actstudy cost` times it: start, compilation, steps, validations and probes of
a training of 12 steps, scaled to the run's length. Cells that differ only in what an image shows,
as CIFAR-10 and CIFAR-100 do, are timed once. A row of study_hours.parquet: a cell of a study, its
seconds for one seed, its number of seeds and the device. A cell that fails, or comes after the
minutes are over, has a reason instead. A file that is there already keeps its times of the same
device, so that a second call goes on where the first one ended.
"""

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from actstudy.commands import cost
from actstudy.contract import frameworks, parity, registry, store
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec, canonical, data_name
from actstudy.data import prepared
from actstudy.study import planning
from actstudy.study.planning import Study

TEST = 10_000  # examples of every test split
NOT_TIMED = {"seconds": float("nan"), "memory": 0, "reason": "not timed: the minutes were over"}


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


def provide(names: Sequence[str]) -> None:
    """Prepare made-up images under the names of data sets, in the present folder."""
    prepared.load_raw = made_up
    for name in dict.fromkeys(names):
        prepared.prepare(name, store.DATA / name)


def cells_of(study: Study) -> dict[str, list[RunSpec]]:
    """The runs of a study, those of one cell together."""
    cells: dict[str, list[RunSpec]] = {}
    for run in study.possible:
        cells.setdefault(canonical(dataclasses.replace(run.spec, seed=0)), []).append(run.spec)
    return cells


def shape_of(spec: RunSpec) -> str:
    """What a run's time depends on, as JSON: all but its seed, and of its data the size alone."""
    declared = registry.dataset(spec.dataset)
    size = f"{declared['shape']} x {registry.train_size(spec.dataset)}"
    return canonical(dataclasses.replace(spec, seed=0, dataset=size, data_version=1))


def rows_of(
    study: Study, seconds_of: dict[str, dict[str, Any]], end: float
) -> Iterator[dict[str, Any]]:
    """A row per cell of a study; seconds_of: what has been timed, by shape, which is added to.

    end: of the time for it, by `time.monotonic`.
    """
    for runs in cells_of(study).values():
        spec = runs[0]
        shape = shape_of(spec)
        if shape not in seconds_of:
            in_time = time.monotonic() < end
            seconds_of[shape] = timed(spec, study) if in_time else NOT_TIMED
        yield {
            "study": study.name,
            "framework": spec.framework,
            "model": spec.model,
            "data": data_name(spec),
            "precision": spec.precision,
            "engine": spec.engine,
            "n_seeds": len(runs),
            "shape": shape,
            **seconds_of[shape],
        }


def timed(spec: RunSpec, study: Study) -> dict[str, Any]:
    """The seconds of a run and its peak memory, or why it could not be timed."""
    if spec.framework != frameworks.TORCH:  # whether it computes what torch does is not asked here
        passed = {"name": parity.name(spec), "spec": {}, "checks": [], "error": None}
        store.write_json(parity.path(spec), passed)
    try:
        measured = cost.measured(spec, study)
    except StudyError as fault:
        return {"seconds": float("nan"), "memory": 0, "reason": str(fault)}
    print(f"{spec.framework} {spec.model} {spec.dataset} {spec.precision}: {measured}", flush=True)
    return {"seconds": measured.seconds, "memory": measured.memory, "reason": ""}


def timed_before(file: Path, device: str) -> dict[str, dict[str, Any]]:
    """Shape -> what a file holds of the cells that were timed on a device."""
    if not file.is_file():
        return {}
    frame = pd.read_parquet(file).fillna({"reason": ""})
    frame = frame[(frame["device"] == device) & (frame["reason"] == "")]
    return frame.drop_duplicates("shape").set_index("shape")[list(NOT_TIMED)].to_dict("index")


def main(files: Sequence[str], file: Path, minutes: float) -> None:
    """Time the cells of some studies that a file lacks; print hours and write all rows to it."""
    studies = [planning.load(Path(study).absolute()) for study in files]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    seconds_of = timed_before(file, device)
    rows: list[dict[str, Any]] = []
    end = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory(prefix="actstudy-hours-") as folder:
        os.chdir(folder)
        for study in studies:
            provide([run.spec.dataset for run in study.possible])
            rows += rows_of(study, seconds_of, end)
        os.chdir("/")
    frame = pd.DataFrame(rows).assign(device=device)
    frame.to_parquet(file, index=False)
    frame["hours"] = frame["seconds"] * frame["n_seeds"] / 3600
    cell = ["study", "framework", "model", "data", "precision"]
    print(frame.groupby(cell)["hours"].sum(skipna=False))
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
