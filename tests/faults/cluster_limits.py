"""On a real Slurm: a run that is longer than its jobs may be, and many short runs.

    python -m tests.faults.cluster_limits --epochs 4000 --runs 80

The first trains by jobs of three minutes, each of which is interrupted after one or two; the second
counts submissions, and the share of the jobs' time in which nothing was trained.
"""

import argparse
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from .clone import SAVES, Clone
from .cluster import Storm, prepare, random, slurm_cluster
from .watch import changed

LONG = """
seeds: 1
probe_every: 1000
defaults: {{width: 16, epochs: {epochs}, batch_size: 100, warmup: 0, dropout: 0.0}}
axes: {{activation: [relu]}}
tasks: {{mlp: {{}}}}
"""
SHORT = """
seeds: {seeds}
runs_per_job: {per_job}
defaults: {{width: 16, epochs: {epochs}, batch_size: 100, warmup: 0, dropout: 0.0}}
axes: {{activation: [relu, tanh, gelu, silu, elu, selu, mish, celu, sigmoid, softplus]}}
tasks: {{mlp: {{}}}}
"""
MANY = 1000  # runs of which a study decides itself how many share a job
DEFAULTS = ["slurm_partition=gpu", "mem_mb=2000"]
SIGNAL = "slurm_extra='--signal=TERM@60 --open-mode=append'"


def ask_for(clone: Clone, minutes: int) -> None:
    """Let the jobs of a clone ask for so much time."""
    file = clone.folder / "profiles/slurm/config.yaml"
    settings = yaml.safe_load(file.read_text())
    settings["default-resources"] = [*DEFAULTS, f"runtime={minutes}", SIGNAL]
    settings["actstudy-keep-successful-logs"] = True
    file.write_text(yaml.safe_dump(settings))


def finish(storm: Storm) -> None:
    """Drive a study to its end, without a fault."""
    storm.run(0, 0.0)


def long_run(storm: Storm, calm: Path, study: str) -> list[str]:
    """A row on a run whose jobs are interrupted each minute; the second entry: what is wrong."""
    began = time.monotonic()
    finish(storm)
    wrong = [*changed(calm, storm.results, study), *storm.lost, *storm.at_once]
    (row,) = storm.results.glob("runs/mlp/*/runs.parquet")
    facts = pq.read_table(row).to_pylist()[0]
    restarts = re.findall(r"Restarts=(\d+)", storm.slurm.ask("scontrol", "show", "job"))
    words = [
        f"{facts['train_seconds']:.0f} s of training, {facts['n_resumes']} resumes",
        f"{max(map(int, restarts))} requeues of one job, {time.monotonic() - began:.0f} s in all",
        f"wrong: {len(wrong)}",
    ]
    return ["; ".join(words), *wrong]


def short_runs(storm: Storm) -> str:
    """A row on runs that share jobs: submissions, and what of the jobs' time was no training."""
    finish(storm)
    rows = [
        pq.read_table(path).to_pylist()[0] for path in storm.results.glob("runs/mlp/*/runs.parquet")
    ]
    jobs = storm.slurm.ask("squeue", "-h", "-t", "all", "-o", "%k|%M").splitlines()
    of_training = [job.partition("|")[2] for job in jobs if "series" in job]
    whole = 0
    for clock in of_training:
        minutes, _, seconds = clock.partition(":")
        whole += 60 * int(minutes) + int(seconds)
    trained = sum(row["train_seconds"] for row in rows)
    evaluated = sum(row["eval_seconds"] + row["probe_seconds"] for row in rows)
    begun = sum(row["start_seconds"] for row in rows)
    return (
        f"{len(rows)} runs of {trained / len(rows):.1f} s in {len(of_training)} submissions; "
        f"no training in {100 * (1 - trained / whole):.0f}% of the jobs' {whole} s, "
        f"{100 * evaluated / whole:.0f}% evaluation and probes, {100 * begun / whole:.0f}% starts"
    )


def main() -> int:
    """Prints two rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=2500)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--short_epochs", type=int, default=40)
    arguments = parser.parse_args()
    status = 0
    if arguments.epochs:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            clone, calm = prepare(Path(name).resolve(), LONG.format(epochs=arguments.epochs))
            shutil.copytree(calm / "data", clone.folder / "results/data")
            ask_for(clone, minutes=3)
            with slurm_cluster.running(Path(name) / "slurm") as slurm:
                row, *wrong = long_run(Storm(clone, slurm, random.Random(0)), calm, "cluster")
            print("\n".join([row, *wrong]), flush=True)
            status = int(bool(wrong))
    if arguments.runs:
        per_job = "auto" if arguments.runs >= MANY else 20
        seeds = arguments.runs // 10
        text = SHORT.format(seeds=seeds, epochs=arguments.short_epochs, per_job=per_job)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            clone, _ = prepare(Path(name).resolve(), text, calmly=False)
            for rule in ("train", "packs"):  # checkpoints as often as people have them
                clone.edit(f"workflow/rules/{rule}.smk", f" {SAVES}", "")
            ask_for(clone, minutes=60)
            with slurm_cluster.running(Path(name) / "slurm") as slurm:
                print(short_runs(Storm(clone, slurm, random.Random(0))), flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
