"""The parity of whole models: as wide and deep as published, per framework, on made-up images.

    for f in keras-jax keras-tensorflow keras-torch
    do python benchmarks/parity_models.py $f --out benchmarks/results; done

A row per model and check, of images of 3 x 32 x 32 on a CPU. A process has one back end: each call
replaces the rows of its framework in parity_models.parquet.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from parity import SGD, images, run_of

from actstudy.training import parity

SHAPE = (3, 32, 32)
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
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    file = arguments.out / "parity_models.parquet"
    data = images(SHAPE)
    rows = []
    for model, activation in MODELS:
        run = run_of(arguments.framework, model, activation, SGD)
        began = time.perf_counter()
        checks = parity.content_of(run, lambda: data)
        names = ("framework", "model", "activation", "precision")
        about: dict[str, Any] = {name: getattr(run, name) for name in names}
        about |= {"seconds": time.perf_counter() - began, "error": checks["error"] or ""}
        rows += [{**about, **check} for check in checks["checks"] or [{}]]
        failed = [check["name"] for check in checks["checks"] if check["value"] > check["limit"]]
        print(*about.values(), len(checks["checks"]), "checks, failed:", failed, flush=True)
        write(file, rows, run.framework)


def write(file: Path, rows: list[dict[str, Any]], framework: str) -> None:
    """Write the rows of a framework by now, beside those of the others."""
    table = pd.DataFrame(rows).assign(torch=torch.__version__)
    if file.is_file():
        before = pd.read_parquet(file)
        table = pd.concat([before[before["framework"] != framework], table])
    file.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(file, index=False)


if __name__ == "__main__":
    main()
