"""How well parity tells faults from rounding: planted faults, fifty clean pairs.

    python benchmarks/parity.py keras-jax --out benchmarks/results

Narrow models on made-up images of three channels. A fault is named if the first check that fails
is the one that it should fail; a clean pair is an alarm if any check fails. Clean pairs are
COMBINATIONS of a model, an activation and an optimizer, each with SEEDS seeds.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from actstudy.contract import own, store
from actstudy.contract.parity import Check
from actstudy.contract.spec import RunSpec
from actstudy.data.prepared import Prepared
from actstudy.training import parity

SGD = {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
ADAM = {"optimizer": "adam", "weight_decay": 1e-3, "clip": None}
ADAMW = {"optimizer": "adamw", "weight_decay": 0.05}
OPTIMIZERS = {"sgd": SGD, "adamw": ADAMW}  # those that faults are planted in
SMALL = {"model": "parity_net:small"}
RESNET18 = {"model": "resnet18", "width": 4}
RESNET50 = {"model": "resnet50", "width": 4, "depth": 1}
MOBILENET = {"model": "mobilenetv2", "width": 8, "depth": 1}
DEEP_MOBILENET = {"model": "mobilenetv2", "width": 8}  # of the published depth
CONVNEXT = {"model": "convnext_tiny", "width": 8, "depth": 1}
COMBINATIONS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    (SMALL, "relu", SGD),
    (SMALL, "prelu", ADAM),
    (SMALL, "elu", ADAMW),
    (DEEP_MOBILENET, "relu6", SGD),
    (MOBILENET, "gelu", ADAMW),
    (MOBILENET, "hardswish", ADAM),
    (RESNET50, "relu", SGD),
    (RESNET50, "gelu", ADAMW),
    (RESNET18, "silu", SGD),
    (CONVNEXT, "gelu", ADAMW),
]
SEEDS = 5
SHAPE = (3, 16, 16)
EXAMPLES = {"train": 64, "val": 32, "test": 32}
CLASSES = 10


def images(shape: tuple[int, int, int] = SHAPE) -> Prepared:
    """Made-up images (3, height, width), smooth enough that their pixels are not alike."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for split, n in EXAMPLES.items():
        coarse = rng.integers(0, 256, (n, 3, shape[1] // 4, shape[2] // 4), dtype=np.uint8)
        arrays[f"{split}_x"] = coarse.repeat(4, 2).repeat(4, 3)
        arrays[f"{split}_y"] = rng.integers(0, CLASSES, n)
    manifest = {
        "kind": "images",
        "shape": list(shape),
        "classes": CLASSES,
        "counts": EXAMPLES,
        "mean": 127.5,
        "sd": 73.9,
    }
    return Prepared(Path(), manifest, arrays, "made up")


def cell(framework: str, combination: int, seed: int = 0) -> RunSpec:
    """The run of one of COMBINATIONS."""
    return run_of(framework, *COMBINATIONS[combination], seed)


def run_of(
    framework: str,
    model: dict[str, Any],
    activation: str,
    optimizer: dict[str, Any],
    seed: int = 0,
) -> RunSpec:
    """A run of the task vision; its data set's name says nothing here."""
    fields = {**model, **optimizer, "activation": activation, "framework": framework}
    return RunSpec(task="vision", dataset="cifar10", seed=seed, batch_size=16, **fields)


def cases(framework: str) -> Iterator[tuple[str, Any, str, RunSpec]]:
    """Fault or `clean`, what plants it, the check that should name it, and the cell."""
    from parity_faults import FAULTS

    for name, (fault, check, optimizer) in FAULTS.items():
        run = run_of(framework, SMALL, "gelu", OPTIMIZERS[optimizer])
        yield name, fault, check, run
    for combination in range(len(COMBINATIONS)):
        for seed in range(SEEDS):
            yield "clean", nullcontext, "", cell(framework, combination, seed)


def row(name: str, check: str, run: RunSpec, checks: list[Check]) -> dict[str, Any]:
    """A row of the benchmark's table: of a fault the first check that failed, and all values."""
    failed = [check for check in checks if not check.passed]
    values = {f"value of {check.name}": check.value for check in checks}
    first = failed[0] if failed else Check("", "", 0.0, 0.0)
    return {
        "fault": name,
        "should_fail": check,
        "failed": first.name,
        "where": first.where,
        "value": first.value,
        "limit": first.limit,
        "model": run.model,
        "width": run.width,
        "depth": run.depth,
        "activation": run.activation,
        "optimizer": run.optimizer,
        "seed": run.seed,
        **values,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("framework")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="cases whose name begins so")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    own.look_in(Path(__file__).parent)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder  # seeds share compiled steps
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        data = images()
        start = run_of(arguments.framework, SMALL, "relu", SGD)
        parity.keras_side(parity.short_run(start, EXAMPLES["train"]), data)  # imports Keras
        for name, plant, check, run in cases(arguments.framework):
            if not name.startswith(arguments.only):
                continue
            began = time.perf_counter()
            with plant():
                rows.append(row(name, check, run, parity.check(run, data)))
            print(f"{time.perf_counter() - began:.0f} s", *list(rows[-1].values())[:10], flush=True)
            write(rows, arguments.framework, arguments.out)


def write(rows: list[dict[str, Any]], framework: str, folder: Path) -> None:
    """Write the table of all cases by now: a whole benchmark takes a quarter of an hour."""
    about = {"framework": framework, "torch": torch.__version__}
    with store.replacing(folder / "parity.parquet") as draft:
        pd.DataFrame(rows).assign(**about).to_parquet(draft)


if __name__ == "__main__":
    main()
