"""Training throughput of actstudy beside the loop a user would write first and a careful one: same
model, same data.

    python benchmarks/throughput.py resnet18 gpt encoder --activations relu gelu silu \\
        --out benchmarks/results

first: DataLoader (images: transforms in 8 workers), default precision, `.item()` every step.
careful: data on the device, bf16 autocast, channels_last, TF32, fused AdamW, no `.item()`.
compiled: the careful loop with torch.compile around model and loss.
ours: `engine: compiled`, `precision: bf16`; without kernels: the same, of a model that has kernels
of the project's own. Data are random, of the real shapes; a figure is the median over windows of
steps after warming up. Rows of the file in OUT that are not measured anew stay there.
"""

import argparse
import functools
import gc
import importlib
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import torch
from plain_loops import (
    GPU,
    RECIPE,
    WORKLOADS,
    careful,
    first,
    model_of,
    random_data,
    trained,
    without_kernels,
)
from torch.utils.flop_counter import FlopCounterMode

from actstudy.contract import recipes
from actstudy.contract.spec import RunSpec
from actstudy.data.prepared import Prepared
from actstudy.study.planning import run_spec

WINDOWS = 5
WARM_UP = 8  # steps
STEPS = {  # of a window
    "first": 15,
    "careful": 40,
    "compiled": 40,
    "without kernels": 40,
    "ours": 40,
}
KEY = ["workload", "activation", "loop"]  # of a row
LOOPS = {
    "first": first,
    "careful": careful,
    "compiled": functools.partial(careful, compiles=True),
    "without kernels": without_kernels,
    "ours": trained,
}


def timed(name: str, make: Callable[..., Iterator[None]], *arguments: Any) -> dict[str, Any]:
    """Seconds of the first step and of later ones (median, lowest, highest window), peak bytes."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    steps = make(*arguments)
    seconds = []
    for index in range(WARM_UP):
        next(steps)
        torch.cuda.synchronize()
        if index == 1:
            start_up = time.perf_counter() - began
    for _ in range(WINDOWS):
        began = time.perf_counter()
        for _ in range(STEPS[name]):
            next(steps)
        torch.cuda.synchronize()
        seconds.append((time.perf_counter() - began) / STEPS[name])
    steps.close()  # type: ignore[attr-defined]
    middle = {"step": statistics.median(seconds), "fastest": min(seconds), "slowest": max(seconds)}
    return {**middle, "start_up": start_up, "peak_bytes": torch.cuda.max_memory_allocated()}


def flops(spec: RunSpec, task: ModuleType, data: Prepared) -> int:
    """Floating-point operations of one step's forward and backward pass, products and convolutions
    alone.
    """
    model = model_of(spec, data)
    arrays = data.on(GPU, "train")
    x, y = arrays["x"][: spec.batch_size], arrays["y"][: spec.batch_size]
    with FlopCounterMode(display=False) as counter, torch.autocast("cuda", dtype=torch.bfloat16):
        task.loss(model(data.inputs(GPU)(x)), y).backward()
    return int(counter.get_total_flops())


def matrix_rate(n: int = 8192) -> float:
    """Operations a second of one n^3 bf16 matrix product on random data: what this device can do at
    most.
    """
    a = torch.randn(n, n, device=GPU, dtype=torch.bfloat16)
    b = torch.randn(n, n, device=GPU, dtype=torch.bfloat16)
    seconds = []
    for _ in range(30):
        torch.cuda.synchronize()
        began = time.perf_counter()
        a @ b
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return 2 * n**3 / statistics.median(seconds[10:])


def measured(workload: str, activation: str, loops: list[str], rate: float) -> list[dict[str, Any]]:
    """A row per loop: units a second with its range, ratio to the first loop, share of the matrix
    rate, memory.
    """
    own = WORKLOADS[workload]
    spec = run_spec(
        own["task"], 0, {**RECIPE, **own["fields"], "activation": activation, "engine": "compiled"}
    )
    task = importlib.import_module(f"actstudy.tasks.{own['task']}")
    data = random_data(own)
    units = spec.batch_size * (spec.context or 1 if own["task"] == "lm" else 1)
    work = flops(spec, task, data)
    rows = []
    for name in loops:
        if name == "without kernels" and recipes.why_no_kernels(spec):
            continue
        times = timed(name, LOOPS[name], spec, task, data)
        rows.append(
            {
                "workload": workload,
                "activation": activation,
                "loop": name,
                "unit": task.TASK["throughput_unit"],
                "per_second": units / times["step"],
                "lowest": units / times["slowest"],
                "highest": units / times["fastest"],
                "share_of_matrix_rate": work / times["step"] / rate,
                "peak_gib": times["peak_bytes"] / 2**30,
                "start_up_seconds": times["start_up"],
                "n_windows": WINDOWS,
                "device": torch.cuda.get_device_name(),
                "torch": torch.__version__,
            }
        )
        print({k: v for k, v in rows[-1].items() if k not in ("device", "torch")}, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="+", choices=WORKLOADS)
    parser.add_argument(
        "--activations", nargs="+", default=["tanh", "relu", "leaky_relu", "gelu", "silu"]
    )
    parser.add_argument("--loops", nargs="+", default=list(STEPS), choices=STEPS)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / "throughput.parquet"
    before = pd.read_parquet(file) if file.exists() else pd.DataFrame()
    others = set(before.get("device", [])) - {torch.cuda.get_device_name(GPU)}
    if others:
        parser.error(f"--out: {file} has rows of {', '.join(others)}; allowed: another folder")
    rate = matrix_rate()
    rows = []
    print(f"{rate / 1e12:.0f} TFLOP/s, {os.cpu_count()} cores")
    for workload in arguments.workloads:
        for activation in arguments.activations:
            rows += measured(workload, activation, arguments.loops, rate)
            whole = pd.concat([before, pd.DataFrame(rows)], ignore_index=True)
            whole.drop_duplicates(KEY, keep="last").to_parquet(file, index=False)
    frame = pd.DataFrame(rows)
    frame.drop(columns=["device", "torch"]).to_markdown(
        arguments.out / "throughput.md", index=False, floatfmt=".3g"
    )


if __name__ == "__main__":
    main()
