"""Seconds from `snakemake` to a run's second step, by cause: medians over fresh processes.

    python benchmarks/startup.py config/full.yaml --out benchmarks/results

The first process of a task compiles into an empty cache (cold), the others find it there (warm).
The study's data must be prepared (results/data), as they are when a run starts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from actstudy.contract import spec
from actstudy.study import planning

PHASES = """
import json, sys, time
import psutil
marks = {"process": psutil.Process().create_time(), "interpreter": time.time()}
import torch
marks["import torch"] = time.time()
import importlib
from pathlib import Path
from actstudy.data import prepared
from actstudy.contract import spec
from actstudy.training import devices, leases
from actstudy.training.batches import batches
from actstudy.training.settings import Settings
from actstudy.training.wiring import make_job
one = spec.from_json(sys.argv[1])
importlib.import_module(f"actstudy.tasks.{one.task}")
marks["import actstudy"] = time.time()
with devices.lease("auto", leases.Slots(), lambda: True) as lease:
    marks["GPU"] = time.time()
    data = prepared.load(Path("results/data") / spec.data_name(one))
    marks["checksums of the data"] = time.time()
    job = make_job(one, Path(sys.argv[2]), data, lease.device, Settings(quiet=True))
    marks["model and data to the device"] = time.time()
    steps = batches(job, 0)
    for name in ("first step", "second step", "third step"):
        job.train(*next(steps))["loss"].item()
        marks[name] = time.time()
names = list(marks)
seconds = {b: marks[b] - marks[a] for a, b in zip(names, names[1:])}
print(json.dumps({**seconds, "device": devices.describe(lease.device)}))
"""


def phases(one: spec.RunSpec, cache: str) -> dict[str, float]:
    """Seconds of each phase in a fresh process whose compiled code is kept in `cache`."""
    environment = {
        **os.environ,
        "TORCHINDUCTOR_CACHE_DIR": cache,
        "TRITON_CACHE_DIR": f"{cache}/triton",
    }
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", PHASES, spec.canonical(one), folder]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study")
    parser.add_argument("--repeats", type=int, default=3, help="warm processes of each task")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    study, rows = planning.load(arguments.study), []
    began = time.time()
    plan_only = [
        sys.executable,
        "-m",
        "snakemake",
        "--configfile",
        arguments.study,
        "-n",
        "--quiet",
        "all",
    ]
    subprocess.run(plan_only, check=True, capture_output=True)
    print(f"snakemake -n: {time.time() - began:.1f} s")
    for task in study.tasks:
        one = next(run.spec for run in study.runs() if run.spec.task == task)
        with tempfile.TemporaryDirectory() as cache:
            for index in range(1 + arguments.repeats):
                rows.append(
                    {"task": task, "cache": "warm" if index else "cold", **phases(one, cache)}
                )
    frame = pd.DataFrame(rows)
    frame.to_parquet(arguments.out / "startup.parquet")
    shown = frame.drop(columns="device").groupby(["task", "cache"], sort=False).median().T
    print(
        frame["device"].iloc[0],
        f"n = 1 cold, {arguments.repeats} warm",
        shown.round(2).to_string(),
        sep="\n",
    )


if __name__ == "__main__":
    main()
