"""Seconds of a study from its command to the last run and to the page, with a number of GPUs.

    python benchmarks/whole_study.py config/depth_full.yaml --cores 16 --gpus 1
        --out benchmarks/results

Runs the study, or a part of its seeds, tasks and activations, in an empty folder with the official
files of data/raw and an empty cache of compiled code. Adds a row to whole_study.parquet, in place
of one of the same study, part and GPUs. `--set` goes to `actstudy run`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import yaml

from actstudy.contract import store
from actstudy.study import planning

RAW = Path("data/raw")
KEY = ["study", "part", "gpus", "cores"]  # of a row


def part_of(file: Path, arguments: argparse.Namespace) -> str:
    """The text of a study, cut to what the arguments name."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    if arguments.activations:
        content["axes"]["activation"] = arguments.activations
    for task in list(content["tasks"]):
        if arguments.tasks and task not in arguments.tasks:
            del content["tasks"][task]
    if arguments.seeds:
        content["seeds"] = arguments.seeds
        for block in content["tasks"].values():
            block.pop("tune_lr", None)
    return yaml.safe_dump(content)


def trained(folder: Path, name: str, words: list[str]) -> dict[str, object]:
    """Seconds of a study in a folder that has nothing but its file."""
    if RAW.exists():
        (folder / "data").mkdir()
        (folder / RAW).symlink_to(RAW.absolute())
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(folder / "cache")}
    began = time.time()
    command = [sys.executable, "-m", "actstudy", "run", name, *words]
    subprocess.run(command, cwd=folder, check=True, env=environment)
    seconds = time.time() - began
    study = planning.load(folder / name)
    rows = [store.summary_row(folder / store.run_folder(run.spec)) for run in study.runs()]
    runs = pd.DataFrame(rows)
    ended = pd.to_datetime(runs["ended"]).map(pd.Timestamp.timestamp)
    return {
        "seconds": seconds,
        "runs_seconds": ended.max() - began,  # to the last run's end, in whole seconds
        "n_runs": len(runs),
        "completed": int((runs["status"] == "completed").sum()),
        "device": runs["device"].iloc[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path)
    parser.add_argument("--seeds", type=int, help="at the fixed learning rates alone")
    parser.add_argument("--tasks", nargs="+")
    parser.add_argument("--activations", nargs="+")
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--gpus", type=int, required=True)
    parser.add_argument("--set", nargs="+", default=[], help="KEY=VALUE of the study file")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    words = ["--cores", str(arguments.cores), "--resources", f"gpu={arguments.gpus}"]
    for setting in arguments.set:
        words += ["--set", setting]
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / arguments.study.name).write_text(part_of(arguments.study, arguments))
        row = trained(Path(name), arguments.study.name, words)
    cut = [arguments.seeds, arguments.tasks, arguments.activations, arguments.set]
    part = " ".join(str(words) for words in cut if words)
    about = {"gpus": arguments.gpus, "cores": arguments.cores}
    row = {"study": arguments.study.stem, "part": part, **about, **row}
    file = arguments.out / "whole_study.parquet"
    before = pd.read_parquet(file) if file.exists() else pd.DataFrame()
    frame = pd.concat([before, pd.DataFrame([row])], ignore_index=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    frame.drop_duplicates(KEY, keep="last").to_parquet(file, index=False)
    print(row)


if __name__ == "__main__":
    main()
