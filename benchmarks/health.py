"""What watching a training costs: our runs' probes, a Monitor in a careful loop, and hooks with
`.item()` there.

    python benchmarks/health.py resnet18 gpt --out benchmarks/results

The workloads of plain_loops.py. ours: pairs of windows with probes each 100 steps and without, in
turns; the cost of a pair is the ratio of their seconds a step, less one, beside the probes' own
share of the seconds; ms without. careful: the eager loop as it is, with a Monitor each 100 steps,
and with a forward hook at each activation that fetches its mean at each step.
"""

import argparse
import gc
import importlib
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import plain_loops
import torch
from scipy import stats
from torch import nn

from actstudy.contract.spec import RunSpec
from actstudy.data.prepared import Prepared
from actstudy.health import Monitor
from actstudy.health.sites import find_sites
from actstudy.study.planning import run_spec
from actstudy.training import loop
from actstudy.training.batches import batches
from actstudy.training.settings import Settings
from actstudy.training.wiring import make_job

EVERY, STEPS, WARM_UP, PAIRS = 100, 300, 10, 5


def ours(spec: RunSpec, data: Prepared) -> list[tuple[float, float, float]]:
    """Windows of STEPS steps in turns: seconds a step with probes and without, and the probes'
    share of the former.

    One job, so both train the same compiled code; what compiles and is recorded comes before.
    """
    found: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        job = make_job(spec, Path(folder), data, plain_loops.GPU, Settings(quiet=True))
        steps = batches(job, 0)
        for window in range(-1, 2 * PAIRS):  # the first prepares: its steps are probed in turns
            every = 2 if window < 0 else EVERY if window % 2 == 0 else 10**9
            first = max(0, WARM_UP + window * STEPS)
            n_steps = WARM_UP if window < 0 else STEPS
            job.clock.seconds.update(dict.fromkeys(job.clock.seconds, 0.0))
            job.clock.restart()
            began = time.perf_counter()
            for step, rows in itertools.islice(steps, n_steps):
                probed = (step - first) % every == every // 2
                job.probe_every = max(step, 1) if probed else 10**9
                loop.train_step(job, step, rows)
            torch.cuda.synchronize()
            job.pending.clear()
            seconds = time.perf_counter() - began
            found.append((seconds / STEPS, job.clock.seconds["probe"] / seconds))
    return [
        (on, off, share) for (on, share), (off, _) in zip(found[1::2], found[2::2], strict=True)
    ]


def naive(model: nn.Module) -> Callable[[], object]:
    """A hook at each activation that fetches a number at each step."""

    def fetch(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        output.float().mean().item()

    for module in find_sites(model, ()).values():
        module.register_forward_hook(fetch)
    return lambda: None


def monitored(model: nn.Module) -> Callable[[], object]:
    """A Monitor for as long as the model lives."""
    return Monitor(model, EVERY).__enter__().step


def seconds_a_step(steps: Iterator[None]) -> float:
    """Mean over STEPS steps, the first WARM_UP left out."""
    for _ in range(WARM_UP):
        next(steps)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(STEPS):
        next(steps)
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / STEPS


def measured(name: str, activation: str) -> list[dict[str, object]]:
    """Rows of one workload."""
    own = plain_loops.WORKLOADS[name]
    fields = {**plain_loops.RECIPE, **own["fields"], "activation": activation, "engine": "compiled"}
    spec, data = run_spec(own["task"], 0, fields), plain_loops.random_data(own)
    task: ModuleType = importlib.import_module(f"actstudy.tasks.{own['task']}")
    windows = np.array(ours(spec, data))
    pairs, shares = windows[:, 0] / windows[:, 1] - 1, windows[:, 2]
    mean, half = np.mean(pairs), stats.t.ppf(0.975, PAIRS - 1) * np.std(pairs, ddof=1) / PAIRS**0.5
    rows = [
        {
            "what": "ours",
            "cost": mean,
            "low": mean - half,
            "high": mean + half,
            "probe_share": np.median(shares),
        }
    ]
    rows[0]["ms"] = np.median(windows[:, 1]) * 1e3
    plain = None
    for what, watch in (("careful", None), ("monitor", monitored), ("hooks with .item()", naive)):
        gc.collect()
        seconds = seconds_a_step(plain_loops.careful(spec, task, data, watch))
        plain = plain or seconds
        rows.append({"what": what, "cost": seconds / plain - 1, "ms": seconds * 1e3})
    return [{"workload": name, "activation": activation, **row} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="+", choices=plain_loops.WORKLOADS)
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rows = []
    for name in arguments.workloads:
        rows += measured(name, arguments.activation)
        print(*rows, sep="\n", flush=True)
    about = {"every": EVERY, "steps": STEPS, "pairs": PAIRS, "device": torch.cuda.get_device_name()}
    frame = pd.DataFrame(rows).assign(**about, torch=torch.__version__)
    arguments.out.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(arguments.out / "health.parquet")
    print(frame.drop(columns=["device", "torch"]).round(4).to_string())


if __name__ == "__main__":
    main()
