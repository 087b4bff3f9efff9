"""Seconds of a study's runs, a process each against series: wall and processor time, in turn.

    python benchmarks/series.py config/config.yaml --seeds 2 --repeats 3 --out benchmarks/results

Trains the runs of a study that are no packs, cut to some seeds, without tables and page, each time
in an empty folder with the same prepared data.
"""

import argparse
import functools
import itertools
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
import yaml

from actstudy.contract import host, store
from actstudy.contract.spec import data_name
from actstudy.study import planning
from actstudy.training import devices
from actstudy.training.attempt import prepared

SIZES = ("1", "auto")
STUDY = "few.yaml"


def cut(file: Path, seeds: int) -> str:
    """The text of a study of fewer seeds without its packs."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    single = {}
    for task, block in content["tasks"].items():
        if (block or {}).get("engine") != "pack":
            single[task] = block
    return yaml.safe_dump({**content, "seeds": seeds, "tasks": single})


def trained(text: str, size: str, data: Path) -> dict[str, float]:
    """Wall and processor seconds of all runs of a study in an empty folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / STUDY).write_text(text, encoding="utf-8")
        shutil.copytree(data, folder / "results/data")
        study = planning.load(folder / STUDY)
        files = [str(store.run_folder(run.spec) / "runs.parquet") for run in study.runs()]
        words = ["run", STUDY, *files, "--set", f"runs_per_job={size}"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        command = [sys.executable, "-m", "actstudy", *words]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        tables = [pd.read_parquet(folder / file) for file in files]
        runs = pd.concat(tables)
    return {
        "seconds": wall,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "start_seconds": runs["start_seconds"].sum(),
        "train_seconds": runs["train_seconds"].sum(),
        "n_runs": len(runs),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("study", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    text = cut(arguments.study, arguments.seeds)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / STUDY).write_text(text, encoding="utf-8")
        for run in planning.load(Path(name, STUDY)).possible:
            prepared(data_name(run.spec), Path(name, "data", data_name(run.spec)))
        measure = functools.partial(trained, text, data=Path(name, "data"))
        for repeat, size in itertools.product(range(arguments.repeats), SIZES):
            rows.append({"repeat": repeat, "runs_per_job": size, **measure(size)})
    frame = pd.DataFrame(rows).assign(
        cores=host.cores(), device=devices.describe(torch.device("cpu"))
    )
    if arguments.out:
        frame.to_parquet(arguments.out / "series.parquet", index=False)
    print(frame.groupby("runs_per_job").median(numeric_only=True).to_string())


if __name__ == "__main__":
    main()
