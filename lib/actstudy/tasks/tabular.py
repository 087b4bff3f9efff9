"""The task `tabular`: a multilayer perceptron that classifies the rows of a table."""

from typing import Any

from actstudy.data.prepared import Prepared
from actstudy.tasks.classification import evaluate, linear_on_inputs, loss, train_scores
from actstudy.tasks.mlp import build

__all__ = ["TASK", "build", "evaluate", "loss", "reference", "train_scores"]

TASK = {
    "title": "MLP",
    "takes": ["table"],
    "metric": "accuracy",
    "unit": "share of test rows",
    "higher_is_better": True,
    "packs": True,
    "net": "mlp",
    "model_fields": ["hidden", "depth", "width", "norm", "dropout", "dropout_kind"],
    "predicts": "classes",
    "x_axis": "step",
    "throughput_unit": "rows/s",
    "targets": [],
    "margin": 0.01,
    "margin_reason": (
        "an accuracy near 0.9 has a standard error of 0.9 points on 1,000 test rows, of 3 points "
        "on 100"
    ),
    "defaults": {
        "depth": 2,
        "width": 64,
        "dropout": 0.0,
        "optimizer": "adamw",
        "lr": 0.001,
        "betas": [0.9, 0.999],
        "eps": 1e-8,
        "weight_decay": 0.01,
        "clip": 1.0,
        "schedule": "cosine",
        "warmup": 0,
        "steps": 1500,
        "eval_every": 50,
        "batch_size": 32,
    },
}


def reference(data: Prepared) -> dict[str, Any]:
    """A linear classifier: logistic regression on the columns, of large data ridge regression."""
    return linear_on_inputs("linear classifier", data)
