"""Contrastive losses: what breaks them, what they cost, beside torch's and those of libraries.

    python benchmarks/losses.py faults       # the grid of benchmarks/loss_faults.py
    python benchmarks/losses.py cost         # time and memory of einsum against views and batch
    python benchmarks/losses.py memory       # peak of a step over the bytes of its logits
    python benchmarks/losses.py speed        # clip beside open_clip's and what one writes first
    python benchmarks/losses.py tf32         # errors of TF32, beside those of half precision

`faults` and `speed` need `pip install open_clip_torch pytorch-metric-learning lightly`. Each writes
benchmarks/results/losses_NAME.parquet. A step is a forward and a backward pass, one thread; seconds
are the process's own. Bytes are the peak resident memory of a process above that before the step;
`held` are those that torch's allocator gave at a time, the same each time.
"""

import argparse
import os
import resource
import statistics
from collections.abc import Callable, Iterator
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import loss_faults
import loss_memory
import loss_tf32
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from windows import seconds_of

from actstudy.losses import LOSSES, ContrastiveLoss

RESULTS = Path(__file__).parent / "results"
WIDTH = 128  # of features
BATCHES = {2: (512, 2048), 3: (64, 128, 192), 4: (16, 32, 48), 5: (8, 16, 24)}
BLOCKS = 16  # of rows of a chunked loss
PROCESSES = 5
WINDOW_SECONDS = 0.05
MEMORY_BATCHES = {2: 1024, 3: 100, 4: 32}
SPEED_BATCHES = (64, 256, 1024, 2048)
SPEED_WIDTH = 512
ROUNDS = 15


def cases() -> Iterator[tuple[str, str, Callable[[], nn.Module]]]:
    """Who, which loss, and what makes it."""
    import loss_libraries

    for name in LOSSES:
        yield "actstudy", name, lambda name=name: ContrastiveLoss(name)
    for name, case in loss_faults.UNSTABLE.items():
        who = "checklist" if name in loss_faults.CHECKLIST else "twin"
        yield who, name, case.make
    for name, factory in loss_libraries.LIBRARIES.items():
        yield "library", name, factory


def faults() -> pd.DataFrame:
    """A row per loss, precision and fault; one without a scale has no row of a runaway one."""
    import loss_libraries

    rows = []
    for who, name, factory in cases():
        for precision in loss_faults.PRECISIONS:
            for fault in loss_faults.FAULTS:
                loss = factory()
                if fault.startswith("runaway") and not hasattr(loss, "log_scale"):
                    continue
                seen = loss_faults.outcome(loss, precision, fault)
                rows.append({"who": who, "loss": name, "precision": precision, "fault": fault})
                rows[-1] |= vars(seen)
    versions = {name: version(name) for name in loss_libraries.PACKAGES}
    return pd.DataFrame(rows).assign(**versions)


def views_of(n: int, samples: int, width: int) -> list[Tensor]:
    return [torch.randn(samples, width, requires_grad=True) for _ in range(n)]


def step(loss: nn.Module, views: list[Tensor]) -> None:
    """A forward and a backward pass."""
    value = loss(*views)
    torch.autograd.grad(value, [*views, *loss.parameters()])


def peak() -> int:
    """Peak resident bytes of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident() -> int:
    """Resident bytes of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measured(case: tuple[int, int, int | None]) -> tuple[float, int]:
    """Seconds of a step, and the bytes that its first one adds to the process."""
    n, samples, chunk = case
    step(ContrastiveLoss("einsum", chunk=1), views_of(n, 4, WIDTH))  # what a first step loads
    loss = ContrastiveLoss("einsum", chunk=chunk, check=False)
    views = views_of(n, samples, WIDTH)
    before = resident()
    step(loss, views)
    added = peak() - before
    return seconds_of(lambda: step(loss, views), WINDOW_SECONDS), added


def bytes_of_torch(n: int, samples: int, chunk: int | None) -> int:
    """Bytes that a step of einsum holds at its peak, as torch's allocator counts them."""
    loss = ContrastiveLoss("einsum", chunk=chunk, check=False)
    views = views_of(n, samples, WIDTH)
    return loss_memory.peak(lambda: step(loss, views))


def cost() -> pd.DataFrame:
    """A row per number of views, batch and chunk: medians over processes."""
    step(ContrastiveLoss("einsum", chunk=2), views_of(3, 4, WIDTH))  # and imports
    rows = []
    for n, batches in BATCHES.items():
        for samples in batches:
            for chunk in (None, max(1, samples // BLOCKS)):
                readings = []
                for _ in range(PROCESSES):
                    with get_context("fork").Pool(1) as pool:  # a fresh process each
                        readings.append(pool.apply(measured, ((n, samples, chunk),)))
                seconds, added = np.array(readings).T
                row = {"n": n, "batch": samples, "chunk": chunk or samples, "width": WIDTH}
                row |= {"whole": chunk is None, "seconds": float(np.median(seconds))}
                row |= {"bytes": int(np.median(added)), "bytes_low": int(added.min())}
                row |= {"bytes_high": int(added.max()), "logit_bytes": 4 * samples**n}
                with get_context("fork").Pool(1) as pool:  # what it frees is no other's
                    row["held"] = pool.apply(bytes_of_torch, (n, samples, chunk))
                rows.append(row)
                print(row)
    return pd.DataFrame(rows)


def memory() -> pd.DataFrame:
    """A row per loss, number of views, and with a clamp or not: the peak of a step."""
    rows = []
    for name, loss in LOSSES.items():
        for n, samples in MEMORY_BATCHES.items():
            batch = samples if loss.axis_per_view else MEMORY_BATCHES[2]
            for clamp in (None, 5.0):
                peak_bytes, size = loss_memory.peak_of_step(name, n, batch, clamp)
                row = {"loss": name, "n": n, "batch": batch, "clamps": clamp is not None}
                rows.append({**row, "bytes": peak_bytes, "logit_bytes": size})
    return pd.DataFrame(rows)


def speed() -> pd.DataFrame:
    """A row per batch and loss: the median of seconds over rounds, and of ratios to ours."""
    import loss_libraries

    rows = []
    for samples in SPEED_BATCHES:
        losses: dict[str, nn.Module] = {"actstudy clip": ContrastiveLoss("clip")}
        losses["actstudy clip, check=False"] = ContrastiveLoss("clip", check=False)
        for name in ("open_clip ClipLoss", "x / norm, cross_entropy", "torch cosine_similarity"):
            if name != "torch cosine_similarity" or samples <= 64:  # it has (B, B, D) values
                losses[name] = loss_libraries.LIBRARIES[name]()
        views = views_of(2, samples, SPEED_WIDTH)
        seconds: dict[str, list[float]] = {name: [] for name in losses}
        for _ in range(ROUNDS):
            for name, loss in losses.items():
                seconds[name].append(seconds_of(lambda x=loss, y=views: step(x, y), WINDOW_SECONDS))
        for name, values in seconds.items():
            ratios = np.divide(seconds["actstudy clip"], values)
            low, high = np.quantile(ratios, [0.25, 0.75])
            row = {"loss": name, "batch": samples, "width": SPEED_WIDTH}
            row |= {"seconds": statistics.median(values), "ours_to_it": float(np.median(ratios))}
            rows.append(row | {"low": low, "high": high})
            print(rows[-1])
    return pd.DataFrame(rows)


TABLES = {"faults": faults, "cost": cost, "memory": memory, "speed": speed}
TABLES["tf32"] = loss_tf32.tf32
WITH_LIBRARIES = {"faults", "speed"}
INSTALL = "pip install open_clip_torch pytorch-metric-learning lightly"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", choices=TABLES)
    tables = parser.parse_args().tables
    try:
        import loss_libraries  # noqa: F401  # whether it can be
    except ModuleNotFoundError as error:
        if WITH_LIBRARIES.intersection(tables):
            parser.error(f"{error}; to fix: {INSTALL}")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name in tables:
        frame = TABLES[name]().assign(torch=torch.__version__)
        frame.to_parquet(RESULTS / f"losses_{name}.parquet", index=False)
        print(f"{name}: {len(frame)} rows")


if __name__ == "__main__":
    main()
