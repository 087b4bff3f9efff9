"""The task `tabular_regression`: a multilayer perceptron that predicts a number per row."""

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from actstudy.contract.spec import RunSpec
from actstudy.data.prepared import Prepared
from actstudy.nets.mlp import MLP
from actstudy.tasks.regression import evaluate, loss, ridge_regression, train_scores

__all__ = ["TASK", "build", "evaluate", "loss", "reference", "train_scores"]

TASK = {
    "title": "MLP",
    "takes": ["table"],
    "metric": "r2",
    "unit": "share of the variance of the test labels",
    "higher_is_better": True,
    "net": "mlp",
    "model_fields": ["hidden", "depth", "width", "norm", "dropout", "dropout_kind"],
    "predicts": "values",
    "x_axis": "step",
    "throughput_unit": "rows/s",
    "targets": [],
    "margin": 0.01,
    "margin_reason": "a hundredth of the variance of the test labels",
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


def build(spec: RunSpec, data: Prepared, make_act: Callable[[str], nn.Module]) -> nn.Module:
    """The untrained model of a spec, for data of the manifest's shape, with one output."""
    hidden = spec.hidden
    if hidden is None:
        hidden = (spec.width or 0,) * (spec.depth or 0)
    return MLP(
        in_features=math.prod(data.manifest["shape"]),
        hidden=hidden,
        classes=1,
        make_act=make_act,
        norm=spec.norm,
        dropout=spec.dropout,
        dropout_kind=spec.dropout_kind,
    )


def reference(data: Prepared) -> dict[str, Any]:
    """A linear method: ridge regression on the columns."""
    return ridge_regression(data)
