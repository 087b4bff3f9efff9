"""Epochs of training a second, all runs together: packs beside the loop a user would write first,
and a careful one.

    python benchmarks/packs.py --widths 1 16 64 96 256 --out benchmarks/results

Deep plain MLPs of width 128 on data of MNIST's shapes, SGD, batch 128. first: DataLoader and
`.item()` every step, one model; resident: data on the device, nothing fetched, one model; both
without evaluation or probes. Packs evaluate every epoch and probe at the first step of every second
epoch: the speed is that of these epochs, and the cost of probes is the ratio of their seconds to
the epochs between, less one (the median of 15 pairs and its 95% interval). Four activations share a
pack. A run-epoch is one run's pass over 55,000 examples. On a GPU packs whose runs have a kernel
are measured twice: layer by layer, and by the kernel.
"""

import argparse
import contextlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from actstudy.contract.pack_kernels import why_not
from actstudy.data.prepared import Prepared
from actstudy.nets.activations import Sites
from actstudy.study.planning import run_spec
from actstudy.tasks import mlp
from actstudy.training import devices, loop, pack_kernel
from actstudy.training.settings import Settings
from actstudy.training.wiring import make_pack

COUNTS = {"train": 55_000, "val": 5_000, "test": 10_000}
ACTIVATIONS = ("gelu", "relu", "sigmoid", "tanh")
INITS = (
    *("he_normal", "he_uniform", "xavier_normal", "xavier_uniform"),
    *("normal", "zero", "orthogonal", "trunc_normal"),
)
WINDOWS, STEPS, STEPS_PER_EPOCH = 5, 60, COUNTS["train"] // 128
PAIRS, NEVER = 15, 10**9


def random_data() -> Prepared:
    """A prepared data set of MNIST's shapes and random content."""
    rng, arrays = np.random.default_rng(0), {}
    for split, n in COUNTS.items():
        arrays[f"{split}_x"] = rng.integers(0, 256, (n, 1, 28, 28), np.uint8)
        arrays[f"{split}_y"] = rng.integers(0, 10, n)
    manifest = {"shape": [1, 28, 28], "classes": 10, "mean": 33.0, "sd": 78.0, "counts": COUNTS}
    return Prepared(Path(), manifest, arrays, "")


def spec_of(arguments: argparse.Namespace, run: int, width: int, precision: str = "tf32") -> Any:
    """Run number `run` of a pack: four activations with all inits and three seeds each, as the full
    depth study.
    """
    fields = {
        "dataset": "mnist",
        "depth": arguments.depth,
        "width": 128,
        "norm": arguments.norm,
        "dropout": arguments.dropout,
        "init": INITS[run // 3 % 8],
    }
    recipe = {
        "optimizer": "sgd",
        "lr": 0.01,
        "schedule": "constant",
        "warmup": 0,
        "clip": None,
        "batch_size": 128,
    }
    engine = {
        "engine": "pack",
        "pack_width": width,
        "precision": precision,
        "epochs": 2 + 2 * PAIRS,
    }
    return run_spec(
        "mlp", run % 3, {**fields, **recipe, **engine, "activation": ACTIVATIONS[run * 4 // width]}
    )


def ways(spec: Any, device: torch.device) -> list[str]:
    """How the packs of a run's kind are trained, in turn."""
    has_kernel = device.type == "cuda" and why_not(spec) is None
    return ["layers", "kernel"] if has_kernel else ["layers"]


def packed(
    arguments: argparse.Namespace,
    data: Prepared,
    device: torch.device,
    width: int,
    precision: str,
    way: str,
) -> dict[str, Any]:
    """Run-epochs a second with evaluation and probes, and what probes cost: epochs with and
    without, in turns.
    """
    specs, marks = [spec_of(arguments, run, width, precision) for run in range(width)], []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as patches:
        if way == "layers":
            patches.enter_context(mock.patch.object(pack_kernel, "make", return_value=None))
        settings = Settings(quiet=True, probe_every=STEPS_PER_EPOCH)
        folders = [Path(folder) / str(i) for i in range(width)]
        pack = make_pack(specs, folders, data, device, settings)
        if way == "kernel" and not pack.by_kernel:
            raise SystemExit((folders[0] / "log.txt").read_text())

        def mark() -> bool:
            if pack.step % STEPS_PER_EPOCH == 0:
                marks.append({**pack.clock.seconds, "wall": time.perf_counter()})
                pack.probe_every = STEPS_PER_EPOCH if len(marks) % 2 == 0 else NEVER
            return False

        loop.fit(pack, mark, lambda: None, NEVER)
    epochs = (
        pd.DataFrame(marks).diff().iloc[1 : 1 + 2 * PAIRS]
    )  # the first, which compiled, and the last left out
    plain, probed = epochs.iloc[::2], epochs.iloc[1::2].median()
    pairs = np.sort(epochs["wall"].to_numpy()[1::2] / plain["wall"].to_numpy() - 1)
    edge = (
        int(stats.binom.ppf(0.025, PAIRS, 0.5)) - 1
    )  # order statistics about the median: at least 95%
    return {
        "run_epochs_per_second": width / probed["wall"],
        **{f"{name}_share": probed[name] / probed["wall"] for name in ("train", "eval", "probe")},
        **{"probes_cost": np.median(pairs), "low": pairs[edge], "high": pairs[-1 - edge]},
        "compile_seconds": pack.clock.seconds["compile"],
        "peak_gb": devices.peak_memory(device)[0] / 1e9,
        **{"precision": precision, "by": way, "width": width, "what": "pack"},
    }


def alone(
    arguments: argparse.Namespace, data: Prepared, device: torch.device, first: bool
) -> dict[str, float]:
    """Run-epochs a second of one model, without evaluation: the median over windows of steps."""
    model = mlp.build(spec_of(arguments, 0, 1), data, Sites("relu", {})).to(device)
    torch.set_float32_matmul_precision("highest" if first else "high")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    stepping, seconds = steps(data, device, first), []
    for window in range(1 + WINDOWS):
        began = time.perf_counter()
        for _ in range(STEPS):
            x, y = next(stepping)
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(((x.float() - 33.0) / 78.0).flatten(1)), y)
            loss.backward()
            optimizer.step()
            if first:
                loss.item()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds += [time.perf_counter() - began] if window else []
    return {"run_epochs_per_second": STEPS / statistics.median(seconds) / STEPS_PER_EPOCH}


def steps(
    data: Prepared, device: torch.device, first: bool
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches without end: from a DataLoader, or rows of what lies on the device."""
    x, y = (torch.from_numpy(data.arrays[f"train_{name}"]) for name in ("x", "y"))
    while first:
        for images, labels in DataLoader(TensorDataset(x, y), 128, shuffle=True, drop_last=True):
            yield images.to(device), labels.to(device)
    x, y = x.to(device), y.to(device)
    while True:
        for rows in torch.randperm(len(x), device=device).split(128)[:-1]:
            yield x[rows], y[rows]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--widths", type=int, nargs="+", default=[1, 16, 64, 96, 256])
    parser.add_argument("--depth", type=int, default=30)
    parser.add_argument("--precisions", nargs="+", default=["tf32"])
    parser.add_argument("--norm", default="none")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    device, data, rows = (
        torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu"),
        random_data(),
        [],
    )
    torch.set_num_threads(1)
    for name, first in (("first", True), ("resident", False)):
        rows.append({"what": name, "width": 1, **alone(arguments, data, device, first)})
        print(rows[-1], flush=True)
    for precision, width in itertools.product(arguments.precisions, arguments.widths):
        for way in ways(spec_of(arguments, 0, width, precision), device):
            rows.append(packed(arguments, data, device, width, precision, way))
            print(rows[-1], flush=True)
    about = {"depth": arguments.depth, "pairs": PAIRS}
    about |= {"norm": arguments.norm, "dropout": arguments.dropout}
    about |= {"device": devices.describe(device), "torch": torch.__version__}
    frame = pd.DataFrame(rows).assign(**about)
    frame["to_first"] = frame["run_epochs_per_second"] / frame["run_epochs_per_second"].iloc[0]
    frame.to_parquet(arguments.out / f"packs_{device.type}.parquet")
    print(frame.drop(columns=["device", "torch"]).round(3).to_string())


if __name__ == "__main__":
    main()
