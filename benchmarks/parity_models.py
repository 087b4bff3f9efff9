"""The parity of whole models: as wide and deep as published, per framework, on made-up images.

    for f in keras-jax keras-tensorflow keras-torch
    do python benchmarks/parity_models.py $f --out benchmarks/results; done

A row per model and check, of images of 3 x 32 x 32 on a CPU. A process has one back end: each call
replaces the rows of its models in parity_models.parquet.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from parity import SGD, images, run_of

from actstudy.contract import store
from actstudy.training import parity

SHAPE = (3, 32, 32)
CELL = ["framework", "model", "precision"]
MODELS: list[tuple[dict[str, Any], str]] = [
    ({"model": "resnet18", "width": 64}, "relu"),
    ({"model": "resnet50", "width": 64}, "relu"),
    ({"model": "resnet50", "width": 64, "precision": "bf16"}, "relu"),
    ({"model": "mobilenetv2", "width": 32}, "relu6"),
    ({"model": "convnext_tiny", "width": 96, "drop_path": 0.1}, "gelu"),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("framework")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="cells whose MODEL-PRECISION begins so")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    file = arguments.out / "parity_models.parquet"
    data = images(SHAPE)
    for model, activation in MODELS:
        run = run_of(arguments.framework, model, activation, SGD)
        if not f"{run.model}-{run.precision}".startswith(arguments.only):
            continue
        began = time.perf_counter()
        checks = parity.content_of(run, lambda: data)
        about: dict[str, Any] = {name: getattr(run, name) for name in [*CELL, "activation"]}
        about |= {"seconds": time.perf_counter() - began, "error": checks["error"] or ""}
        rows = [{**about, **check} for check in checks["checks"] or [{}]]
        failed = [check["name"] for check in checks["checks"] if check["value"] > check["limit"]]
        print(*about.values(), len(checks["checks"]), "checks, failed:", failed, flush=True)
        write(file, rows)


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows of a model, beside those of the others."""
    table = pd.DataFrame(rows).assign(torch=torch.__version__)
    if file.is_file():
        before = pd.read_parquet(file)
        is_replaced = (before[CELL] == table[CELL].iloc[0]).all(axis=1)
        table = pd.concat([before[~is_replaced], table])
    with store.replacing(file) as draft:
        table.to_parquet(draft, index=False)


if __name__ == "__main__":
    main()
