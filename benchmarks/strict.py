"""Strict mode: the same bits in fresh processes, and what that costs.

    python benchmarks/strict.py resnet18 gpt encoder --out benchmarks/results

The workloads of plain_loops.py. Three processes with `strict: true` train the same steps each;
their weights' SHA-256 must be one. Three without it, in between, are the speed that strict mode is
compared with.
"""

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from plain_loops import GPU, RECIPE, WORKLOADS, random_data

from actstudy.study.planning import run_spec
from actstudy.training.batches import batches
from actstudy.training.checkpoint import weights_sha256
from actstudy.training.settings import Settings
from actstudy.training.wiring import make_job

STEPS, WINDOW, REPEATS = 120, 20, 3


def once(workload: str, activation: str, strict: bool) -> tuple[str, float]:
    """The weights' SHA-256 after all steps, and the median seconds of a step over windows, the
    first left out.
    """
    own = WORKLOADS[workload]
    fields = {
        **RECIPE,
        **own["fields"],
        "activation": activation,
        "engine": "compiled",
        "strict": strict,
    }
    spec, data, seconds = run_spec(own["task"], 0, fields), random_data(own), []
    with tempfile.TemporaryDirectory() as folder:
        job = make_job(spec, Path(folder), data, GPU, Settings(quiet=True))
        for step, rows in itertools.islice(batches(job, 0), STEPS):
            if step % WINDOW == 0:
                torch.cuda.synchronize()
                began = time.perf_counter()
            job.train(step, rows)
            if step % WINDOW == WINDOW - 1:
                torch.cuda.synchronize()
                seconds.append((time.perf_counter() - began) / WINDOW)
        return weights_sha256(job.model.state_dict()), statistics.median(seconds[1:])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="+", choices=WORKLOADS)
    parser.add_argument("--activation", default="gelu")
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--once", choices=("strict", "free"), help=argparse.SUPPRESS
    )  # one of the processes
    arguments = parser.parse_args()
    if arguments.out is None and not arguments.once:
        parser.error("--out: missing; allowed: a folder")
    if arguments.once:
        print(*once(arguments.workloads[0], arguments.activation, arguments.once == "strict"))
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for workload in arguments.workloads:
        command = [
            sys.executable,
            __file__,
            workload,
            "--activation",
            arguments.activation,
            "--once",
        ]
        made: dict[str, list[list[str]]] = {"strict": [], "free": []}
        for kind in ("strict", "free") * REPEATS:
            done = subprocess.run([*command, kind], check=True, capture_output=True, text=True)
            made[kind].append(done.stdout.split())
        times = {
            kind: [float(seconds) * 1e3 for _, seconds in found] for kind, found in made.items()
        }
        middle = {kind: statistics.median(values) for kind, values in times.items()}
        rows.append(
            {
                "workload": workload,
                "activation": arguments.activation,
                "steps": STEPS,
                "repeats": REPEATS,
                "different_weights": len({digest for digest, _ in made["strict"]}),
                **{f"{kind}_ms": value for kind, value in middle.items()},
                **{
                    f"{kind}_{end.__name__}_ms": end(times[kind])
                    for kind in times
                    for end in (min, max)
                },
                "cost": middle["strict"] / middle["free"] - 1,
                "device": torch.cuda.get_device_name(),
                "torch": torch.__version__,
            }
        )
        print(rows[-1], flush=True)
    pd.DataFrame(rows).to_parquet(arguments.out / "strict.parquet")


if __name__ == "__main__":
    main()
