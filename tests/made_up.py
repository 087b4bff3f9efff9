"""Run folders that no training wrote: a study of any endings within milliseconds."""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from actstudy.analysis import tables
from actstudy.contract import schema, store
from actstudy.contract.plan import Plan
from actstudy.contract.spec import RunSpec
from actstudy.nets.activations import LEARNT
from actstudy.study import planning
from actstudy.study.grid import PlannedRun
from actstudy.study.planning import Study

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import run_folders

STEPS = 12  # of a run that went on to its end
PROBES = {
    ("site", "post_sd"): 1.0,
    ("site", "post_mean"): 0.1,
    ("site", "dead_fraction"): 0.0,
    ("site", "zero_fraction"): 0.5,
    ("site", "gradient_norm"): 0.3,
    ("parameter", "update_ratio"): 1e-3,
    ("model", "gradient_norm"): 0.5,
    ("model", "flow_ratio"): 1.0,
}
ENDINGS = (
    "completed",
    "short",  # ended by its patience, at half of its steps
    "chance",
    "diverged_at_once",
    "diverged",  # after a curve point
    "failed",
    "timeout",
    "out_of_memory",
    "nan",  # completed, but its reported metrics are no numbers
    "inf",
    "last_inf",  # only at the last step
    "missing",
    "damaged",
)
METRICS_OF_CURVES = {
    "tokens": ("loss", "perplexity", "word_perplexity"),
    "pairs": ("loss", "recall_at_1", "logit_scale"),
}
HAVE_RESULTS = ("completed", "short", "chance", "last_inf")
Ending = Callable[[PlannedRun], str]


def study_of(folder: Path, content: dict[str, Any]) -> Study:
    """The study of a file's content."""
    (folder / "made.yaml").write_text(yaml.safe_dump(content))
    return planning.load(folder / "made.yaml")


def no_shift(spec: RunSpec) -> float:
    """Levels without a difference."""
    return 0.0


def build(
    study: Study, folder: Path, ending: Ending, shift: Callable[[RunSpec], float] = no_shift
) -> tables.Tables:
    """The tables of a study whose runs ended as `ending` says, written and read again.

    shift: what is added to a run's accuracy.
    """
    plan = study.plan()
    for run in [*study.runs(), *study.tuning]:
        run_folder = store.run_folder(run.spec, folder / "runs")
        write_run(run.spec, run_folder, ending(run), plan, shift(run.spec))
    built = tables.build(plan, folder / "runs", [], pd.DataFrame())
    tables.write(built, folder / "tables")
    return tables.read(folder / "tables")


def write_run(spec: RunSpec, folder: Path, ending: str, plan: Plan, shift: float) -> None:
    """The folder of a run as training leaves it after an ending."""
    if ending == "missing" or folder.exists():
        return
    parts = parts_of(spec, ending, plan, shift)
    sealed = {name: schema.table(name, folder.name, rows) for name, rows in parts.items()}
    store.seal(folder, sealed)
    store.publish(folder)
    if ending == "damaged":
        (folder / "runs.parquet").write_bytes(b"")


def parts_of(spec: RunSpec, ending: str, plan: Plan, shift: float) -> dict[str, Any]:
    """The rows of a run's tables."""
    predicts = plan.tasks[spec.task].predicts
    tokens = predicts == "tokens"
    rng = np.random.default_rng([spec.seed, *spec.activation.encode()])
    steps = {"short": STEPS // 2, "diverged": 4, "diverged_at_once": 0}.get(ending, STEPS)
    recorded = ending.removesuffix("_at_once")
    if ending in ("short", "chance", "nan", "inf", "last_inf", "damaged"):
        recorded = "completed"
    row = {
        **run_folders.row_of(spec, STEPS),
        "status": recorded,
        "reason": None if recorded == "completed" else f"{recorded}: made up",
        "n_params": 100,
        "steps_done": steps,
        "throughput": 100.0 + rng.normal(),
    }
    if recorded == "completed":
        row["best_step"] = steps
        row |= results(ending, predicts, rng, shift)
    ended = recorded == "completed"
    return {
        "runs": [row],
        "curves": curves(spec, ending, steps, predicts, rng),
        "health": health(spec, steps, rng) if steps else [],
        "calibration": calibration() if ended and predicts in ("classes", "values") else [],
        "predictions": predictions(tokens) if ended else [],
    }


def results(ending: str, predicts: str, rng: np.random.Generator, shift: float) -> dict[str, float]:
    """The metrics of a completed run at the best and at the last step."""
    accuracy = 0.6 + 0.02 * rng.normal() + shift
    metrics = {"loss": 1.0, "accuracy": accuracy, "macro_f1": 0.6, "ece": 0.05}
    if predicts == "tokens":
        perplexity = 900 + 20 * rng.normal()
        metrics = {"loss": 5.0, "perplexity": 150.0, "word_perplexity": perplexity}
    if predicts == "pairs":
        recall = {"recall_at_1": accuracy, "recall_at_5": 0.9, "knn_accuracy": 0.7}
        metrics = {"loss": 1.0, **recall, "alignment": 0.4, "uniformity": -2.0}
    if ending == "chance" and predicts in ("classes", "values"):
        metrics["accuracy"] = 0.1
    if ending in ("nan", "inf"):
        metrics = dict.fromkeys(metrics, math.nan if ending == "nan" else math.inf)
    row = {}
    for checkpoint in ("reported", "last"):
        for metric, value in metrics.items():
            is_infinite = ending == "last_inf" and checkpoint == "last"
            row[f"{checkpoint}_{metric}"] = math.inf if is_infinite else float(value)
    return row


def curves(
    spec: RunSpec, ending: str, steps: int, predicts: str, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """A run's learning curves, a point per four steps."""
    metrics = METRICS_OF_CURVES.get(predicts, ("loss", "accuracy"))
    rows = []
    for step in range(4, steps + 1, 4):
        for split in ("train", "val"):
            for metric in metrics:
                value = 0.1 if ending == "chance" else 0.3 + 0.02 * step + 0.01 * rng.normal()
                if metric == "logit_scale":
                    value = 14.3 * 1.02**step * (1 + 0.01 * abs(rng.normal()))
                elif metric == "loss":
                    value = {"diverged": math.nan, "chance": 2.0}.get(ending, 1.0)
                elif ending in ("inf", "last_inf") and step == steps:
                    value = math.inf
                rows.append(
                    {
                        "step": step,
                        "epoch": step / 4,
                        "samples": step * 10,
                        "train_seconds": float(step),
                        "split": split,
                        "metric": metric,
                        "value": float(value),
                    }
                )
    return rows


def health(spec: RunSpec, steps: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """A run's probes at three steps: a site per layer, a weight and the model."""
    rows = []
    for step in (0, steps // 2, steps - 1):
        for (kind, probe), value in PROBES.items():
            for index in range((spec.depth or 2) if kind == "site" else 1):
                names = {"site": f"layers.{index}", "parameter": "layers.0.weight"}
                rows.append(
                    {
                        "step": step,
                        "kind": kind,
                        "name": names.get(kind, "model"),
                        "index": index,
                        "probe": probe,
                        "value": value * (1 + 0.1 * abs(rng.normal())),
                    }
                )
        rows += learnt(spec, step, rng)
    return rows


def learnt(spec: RunSpec, step: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """What the activation of a run has learnt at a step, one number per site, if it learns."""
    rows = []
    if spec.activation in LEARNT:
        for index in range(spec.depth or 2):
            name = f"layers.{index} {spec.activation} weight"
            place = {"step": step, "kind": "learnt", "name": name, "index": index}
            middle = 0.25 + 0.001 * step * rng.normal()
            for probe, value in (("mean", middle), ("min", middle - 0.1), ("max", middle + 0.1)):
                rows.append({**place, "probe": probe, "value": value})
    return rows


def calibration() -> list[dict[str, Any]]:
    """Fifteen bins of confidence at the best checkpoint."""
    rows = []
    for place in range(15):
        edges = {"lower": place / 15, "upper": (place + 1) / 15}
        counts = {"count": 10, "confidence_sum": 10 * (place + 0.5) / 15, "correct": 6}
        rows.append({"checkpoint": "best", "bin": place, **edges, **counts})
    return rows


def predictions(tokens: bool) -> list[dict[str, Any]]:
    """Four test examples, or documents."""
    rows = []
    for example in range(4):
        row: dict[str, Any] = {"example": example, "label": example, "predicted": 0}
        if tokens:
            row = {"example": example, "nll": 500.0, "tokens": 100, "words": 80}
        rows.append(row)
    return rows
