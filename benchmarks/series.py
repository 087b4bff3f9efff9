"""Seconds of a study's runs, a process each against series: wall and processor time, in turn.

    python benchmarks/series.py config/config.yaml --seeds 2 --repeats 3 --out benchmarks/results

Trains the runs of a study that are no packs, cut to some seeds, without tables and page, each time
in an empty folder with the same prepared data.

    python benchmarks/series.py config/full.yaml --device cuda --seeds 3 --out benchmarks/results

Trains compiled runs of `cls` and `lm` of a study, but short and on embedded data, each
task's once in one process and once in a process per run, strict, each way with an empty cache of
compiled code; compares their weights too.
"""

import argparse
import functools
import itertools
import os
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
from actstudy.contract.spec import RunSpec, data_name, run_id
from actstudy.study import packs, planning, series
from actstudy.training import devices
from actstudy.training.attempt import prepared

SIZES = ("1", "auto")
STUDY = "few.yaml"
# of compiled runs; the embedded texts have no more tokens, and passages are short
VOCABULARY = {"vocabulary": 20000}
STEPS = {"steps": 300, "eval_every": 150}
SHORT = {
    "cls": {"dataset": "sotu_eras", "context": 48, **VOCABULARY, **STEPS},
    "lm": {"dataset": "sotu_text", **VOCABULARY, **STEPS},
}
SHORTER = {"warmup": 0, "epochs": None, "strict": True}
SECONDS = ("start_seconds", "compile_seconds", "train_seconds", "eval_seconds", "probe_seconds")


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


def shortened(file: Path, names_of_tasks: list[str], seeds: int, activations: int) -> str:
    """The text of a study of few short runs of some tasks."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    names = content["axes"]["activation"]
    content["axes"]["activation"] = names[1 : 1 + activations]  # from the baseline on
    tasks = {}
    for task in names_of_tasks:
        tasks[task] = {**content["tasks"][task], **SHORTER, **SHORT[task]}
        tasks[task].pop("targets", None)
    return yaml.safe_dump({**content, "seeds": seeds, "tasks": tasks})


def trained_by_hand(
    jobs: list[list[RunSpec]], folder: Path, data: Path, device: str
) -> tuple[float, pd.DataFrame]:
    """Wall seconds of jobs, one after another, and the rows of their runs; the cache is empty."""
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(folder / "cache")}
    words = ["--device", device, "--quiet", "--data_dir", str(data), "--log_dir", str(folder)]
    began = time.perf_counter()
    for members in jobs:
        text = packs.to_json(members)
        command = [sys.executable, "-m", "actstudy", "series", "--members", text, *words]
        subprocess.run(command, check=True, env=environment)
    wall = time.perf_counter() - began
    runs = itertools.chain(*jobs)
    rows = [store.summary_row(folder / run_id(run)) for run in runs]
    if failed := [row["reason"] for row in rows if row["status"] != "completed"]:
        raise SystemExit(f"not completed: {failed[0]}")
    return wall, pd.DataFrame(rows)


def compiled(text: str, root: Path, device: str) -> pd.DataFrame:
    """A row per task and way: seconds of all its runs, per run of each kind, equal weights."""
    (root / STUDY).write_text(text, encoding="utf-8")
    runs = [run.spec for run in planning.load(root / STUDY).possible]
    rows = []
    for task in dict.fromkeys(run.task for run in runs):
        specs = series.by_code([run for run in runs if run.task == task])
        prepared(data_name(specs[0]), root / "data" / data_name(specs[0]))
        ways = {"together": [specs], "alone": [[run] for run in specs]}
        hashes = []
        for way, jobs in ways.items():
            wall, frame = trained_by_hand(jobs, root / task / way, root / "data", device)
            hashes.append(frame.set_index("run_id")["weights_sha256"])
            means = frame[list(SECONDS)].mean().to_dict()
            rows.append({"task": task, "way": way, "runs": len(specs), "seconds": wall, **means})
            rows[-1]["device"] = frame["device"][0]
            print(frame[["run_id", *SECONDS]].round(2).to_string(index=False), flush=True)
        same = (hashes[0] == hashes[1].reindex(hashes[0].index)) & hashes[0].notna()
        for row in rows[-2:]:
            row["equal_weights"] = int(same.sum())
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("study", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    compiled_only = parser.add_argument_group("compiled runs")
    compiled_only.add_argument("--tasks", nargs="+", choices=SHORT, default=list(SHORT))
    compiled_only.add_argument("--activations", type=int, default=2)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.device == "cuda":
        few = (arguments.tasks, arguments.seeds, arguments.activations)
        text = shortened(arguments.study, *few)
        with tempfile.TemporaryDirectory() as name:
            frame = compiled(text, Path(name), arguments.device)
        file = "series_gpu.parquet"
        table = frame.drop(columns="device").round(2).to_string(index=False)
    else:
        frame = of_processes(arguments.study, arguments.seeds, arguments.repeats)
        file = "series.parquet"
        table = frame.groupby("runs_per_job").median(numeric_only=True).to_string()
    if arguments.out:
        frame.to_parquet(arguments.out / file, index=False)
    print(table)


def of_processes(study: Path, seeds: int, repeats: int) -> pd.DataFrame:
    """A row per repetition and way, of a study's runs on a CPU."""
    text = cut(study, seeds)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / STUDY).write_text(text, encoding="utf-8")
        for run in planning.load(Path(name, STUDY)).possible:
            prepared(data_name(run.spec), Path(name, "data", data_name(run.spec)))
        measure = functools.partial(trained, text, data=Path(name, "data"))
        for repeat, size in itertools.product(range(repeats), SIZES):
            rows.append({"repeat": repeat, "runs_per_job": size, **measure(size)})
    device = devices.describe(torch.device("cpu"))
    return pd.DataFrame(rows).assign(cores=host.cores(), device=device)


if __name__ == "__main__":
    main()
