"""Seconds of a study's runs with 1, 4 and `auto` slots per GPU, in turn, and if bits are equal.

    python benchmarks/slots.py config/config.yaml --seeds 4 --cores 8 --out benchmarks/results

Trains the runs of a study, cut to some seeds, without tables and page, each time in an empty folder
with the same prepared data and an empty cache of compiled code; compares all tables but for times.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import yaml

from actstudy.contract import schema, store
from actstudy.contract.spec import data_name
from actstudy.study import planning
from actstudy.training.attempt import prepared

STUDY = "cut.yaml"
SLOTS = ("1", "4", "auto")


def cut(file: Path, seeds: int, tasks: list[str] | None) -> str:
    """The text of a study of some seeds and tasks."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    blocks = {task: content["tasks"][task] for task in tasks or content["tasks"]}
    return yaml.safe_dump({**content, "seeds": seeds, "tasks": blocks})


def trained(folder: Path, words: list[str], slots: str) -> tuple[dict[str, object], dict[str, str]]:
    """A row on all runs of the study in a folder, and by run what its tables hold, as text."""
    study = planning.load(folder / STUDY)
    runs = [store.run_folder(run.spec) for run in study.runs()]
    files = [str(run / store.MANIFEST) for run in runs]
    command = [sys.executable, "-m", "actstudy", "run", STUDY, *files, *words]
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(folder / "cache")}
    began = time.perf_counter()
    subprocess.run(
        [*command, "--set", f"slots_per_gpu={slots}"], cwd=folder, check=True, env=environment
    )
    seconds = time.perf_counter() - began
    rows = pd.DataFrame([store.summary_row(folder / run) for run in runs])
    row = {
        "slots_per_gpu": slots,
        "seconds": seconds,
        "n_runs": len(rows),
        "completed": int((rows["status"] == "completed").sum()),
        "timed": int(rows["timing_clean"].sum()),
        "slots": rows["slots_per_gpu"].value_counts().to_json(),
        "train_seconds": rows["train_seconds"].sum(),
        "device": rows["device"][0],
    }
    return row, {run.name: content(folder / run) for run in runs}


def content(run: Path) -> str:
    """A hash of all tables of a run without the columns that a clock decides."""
    hashes = []
    for table in store.read(run, *schema.SCHEMAS):
        sink = pa.BufferOutputStream()
        reproducible = schema.reproducible(table)
        with pa.ipc.new_stream(sink, reproducible.schema) as stream:
            stream.write_table(reproducible.combine_chunks())
        hashes.append(hashlib.sha256(sink.getvalue()).hexdigest())
    return " ".join(hashes)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("study", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--tasks", nargs="+")
    parser.add_argument("--slots", nargs="+", default=SLOTS)
    parser.add_argument("--cores", type=int, default=8)
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    text = cut(arguments.study, arguments.seeds, arguments.tasks)
    words = ["--cores", str(arguments.cores), "--resources", f"gpu={arguments.gpus}"]
    rows = []
    first: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        data = Path(name, "data")
        for place, slots in enumerate(arguments.repeats * list(arguments.slots)):
            folder = Path(name, str(place))
            (folder / "results").mkdir(parents=True)
            (folder / STUDY).write_text(text, encoding="utf-8")
            if not data.exists():
                for run in planning.load(folder / STUDY).possible:
                    prepared(data_name(run.spec), data / data_name(run.spec))
            (folder / "results/data").symlink_to(data)
            row, contents = trained(folder, words, slots)
            first = first or contents
            row["equal"] = sum(contents[run] == first[run] for run in first)
            rows.append(row)
            print(row, flush=True)
    frame = pd.DataFrame(rows)
    if arguments.out:
        frame.to_parquet(arguments.out / "slots.parquet", index=False)
    print(frame.to_string())


if __name__ == "__main__":
    main()
