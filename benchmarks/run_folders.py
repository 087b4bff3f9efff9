"""Run folders of any number that no training wrote, by the project's own schema: for benchmarks.

A run's numbers are drawn from its seed and level, so that two calls write the same folders.
"""

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from actstudy.contract import manifests, schema, store
from actstudy.contract.spec import RunSpec
from actstudy.study.planning import Study

PROBES = {"post_sd": 1.0, "dead_fraction": 0.02, "zero_fraction": 0.5, "gradient_norm": 0.3}
SITES = 2
PROBED_STEPS = 3
BINS = 15
EXAMPLES = 20
BATCHES = 10  # steps between two evaluations
TICK = 0.05  # seconds after which a file bears another time


def write(study: Study, root: Path, evaluations: int) -> int:
    """Write every run of a study that is not there, and how many curve rows each has.

    evaluations: of each run, of two metrics on train and val. The manifests get a later time, as
    Snakemake stamps them when a job has ended.
    """
    new = []
    for run in study.runs():
        folder = store.run_folder(run.spec, root)
        if not (folder / store.MANIFEST).is_file():
            write_run(run.spec, folder, evaluations)
            new.append(folder)
    time.sleep(TICK)
    for folder in new:
        (folder / store.MANIFEST).touch()
    return 4 * evaluations


def write_run(spec: RunSpec, folder: Path, evaluations: int) -> None:
    """Write the published files of one run, without a seal."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([spec.seed, *spec.activation.encode()])
    checksums = {}
    tables = {}
    for name, columns in columns_of(spec, evaluations, rng).items():
        tables[name] = schema.table(name, folder.name, columns)
        checksums[f"{name}.parquet"] = written(tables[name], folder / f"{name}.parquet")
    manifest = manifests.written(checksums, tables["runs"], folder)
    folder.joinpath(store.MANIFEST).write_text(store.json_text(manifest))


def written(table: pa.Table, path: Path) -> str:
    """The SHA-256 of a table's file, which is written."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_page_checksum=True)
    content = sink.getvalue().to_pybytes()
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def columns_of(
    spec: RunSpec, evaluations: int, rng: np.random.Generator
) -> dict[str, Mapping[str, Any]]:
    """Table -> its columns, of a run that completed."""
    accuracy = 0.6 + 0.001 * (spec.width or 0) ** 0.5 + 0.02 * rng.normal()
    return {
        "runs": runs(spec, evaluations, accuracy),
        "curves": curves(evaluations, accuracy, rng),
        "health": health(evaluations, rng),
        "calibration": calibration(),
        "predictions": predictions(accuracy, rng),
    }


def runs(spec: RunSpec, evaluations: int, accuracy: float) -> dict[str, list[Any]]:
    """The row of `runs`."""
    steps = BATCHES * evaluations
    row = {
        **row_of(spec, steps),
        "status": "completed",
        "n_params": 100 * (spec.width or 1),
        "steps_done": steps,
        "best_step": steps,
        "data_sha256": "0" * 64,
        "throughput": 100.0,
    }
    for checkpoint in ("reported", "last"):
        metrics = {"loss": 1.0, "accuracy": accuracy, "macro_f1": accuracy, "ece": 0.05}
        row |= {f"{checkpoint}_{metric}": value for metric, value in metrics.items()}
    return {name: [value] for name, value in row.items()}


def row_of(spec: RunSpec, steps: int) -> dict[str, Any]:
    """The columns of `runs` that do not depend on how a made-up run ends; steps: of a whole one."""
    return {
        **schema.spec_row(spec),
        "total_steps": steps,
        "order_hash": str(spec.seed),
        "throughput_unit": "samples/s",
        "timing_clean": True,
        "peak_memory_bytes": 10_000_000,
        "peak_memory_kind": "process",
        "device": "a CPU",
        "device_id": "host",
        "versions": "torch 2",
        "started": "2026-01-01T00:00:00+00:00",
        "ended": "2026-01-01T00:01:00+00:00",
        **{f"{bucket}_seconds": 1.0 for bucket in schema.BUCKETS},
    }


def curves(evaluations: int, accuracy: float, rng: np.random.Generator) -> dict[str, Any]:
    """Learning curves: loss and accuracy on train and val at each evaluation."""
    number = np.repeat(np.arange(1, evaluations + 1), 4)
    metric = np.tile(["loss", "accuracy"], 2 * evaluations)
    progress = 1 - np.exp(-5 * number / evaluations)
    value = np.where(metric == "loss", 2.3 - 1.3 * progress, 0.1 + (accuracy - 0.1) * progress)
    return {
        "step": BATCHES * number,
        "epoch": number.astype(float),
        "samples": 1000 * number,
        "train_seconds": 0.5 * number,
        "split": np.tile(["train", "train", "val", "val"], evaluations),
        "metric": metric,
        "value": np.round(value + 0.005 * rng.normal(size=len(number)), 4),
    }


def health(evaluations: int, rng: np.random.Generator) -> dict[str, Any]:
    """Probes of sites at a few steps."""
    last = BATCHES * evaluations
    steps = np.linspace(0, last - 1, PROBED_STEPS).astype(int)
    step, probe, site = np.meshgrid(steps, np.arange(len(PROBES)), np.arange(SITES), indexing="ij")
    names = np.array(list(PROBES))
    values = np.array(list(PROBES.values()))
    n = step.size
    return {
        "step": step.ravel(),
        "kind": ["site"] * n,
        "name": [f"layers.{place}" for place in site.ravel()],
        "index": site.ravel(),
        "probe": names[probe.ravel()],
        "value": np.round(values[probe.ravel()] * (1 + 0.1 * np.abs(rng.normal(size=n))), 4),
    }


def calibration() -> dict[str, Any]:
    """Bins of confidence at the best checkpoint."""
    edges = np.arange(BINS + 1) / BINS
    return {
        "checkpoint": ["best"] * BINS,
        "bin": np.arange(BINS),
        "lower": edges[:-1],
        "upper": edges[1:],
        "count": [10] * BINS,
        "confidence_sum": 10 * (edges[:-1] + edges[1:]) / 2,
        "correct": [6] * BINS,
    }


def predictions(accuracy: float, rng: np.random.Generator) -> dict[str, Any]:
    """Some test examples, as many right as the accuracy says on average."""
    label = np.arange(EXAMPLES) % 10
    is_right = rng.random(EXAMPLES) < accuracy
    return {
        "example": np.arange(EXAMPLES),
        "label": label,
        "predicted": np.where(is_right, label, (label + 1) % 10),
        "confidence": np.full(EXAMPLES, 0.7),
    }
