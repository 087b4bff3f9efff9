"""The task `mlp`: a multilayer perceptron that classifies signals, images or tables."""

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from actstudy.contract.spec import RunSpec
from actstudy.data.prepared import Prepared
from actstudy.nets.mlp import MLP
from actstudy.tasks.classification import evaluate, linear_on_inputs, loss, train_scores

__all__ = ["TASK", "build", "evaluate", "loss", "reference", "train_scores"]

TASK = {
    "title": "MLP",
    "takes": ["signals", "images", "table"],
    "metric": "accuracy",
    "unit": "share of test examples",
    "higher_is_better": True,
    "packs": True,
    "net": "mlp",
    "model_fields": ["hidden", "depth", "width", "norm", "dropout", "dropout_kind"],
    "predicts": "classes",
    "x_axis": "step",
    "throughput_unit": "examples/s",
    "targets": [0.6, 0.7],
    "margin": 0.01,
    "margin_reason": (
        "a smaller difference is lost in the choice of the 1,000 test signals, which moves an "
        "accuracy near 0.7 by 1.5 points, its standard error"
    ),
    "defaults": {
        "dataset": "mnist1d",
        "depth": 3,
        "width": 128,
        "dropout": 0.2,
        "optimizer": "adamw",
        "lr": 0.003,
        "betas": [0.9, 0.999],
        "eps": 1e-8,
        "weight_decay": 0.01,
        "clip": 1.0,
        "schedule": "cosine",
        "warmup": 2,
        "epochs": 40,
        "batch_size": 100,
    },
}


def build(spec: RunSpec, data: Prepared, make_act: Callable[[str], nn.Module]) -> nn.Module:
    """The untrained model of a spec, for data of the manifest's shape and classes."""
    hidden = spec.hidden
    if hidden is None:
        hidden = (spec.width or 0,) * (spec.depth or 0)
    return MLP(
        in_features=math.prod(data.manifest["shape"]),
        hidden=hidden,
        classes=data.manifest["classes"],
        make_act=make_act,
        norm=spec.norm,
        dropout=spec.dropout,
        dropout_kind=spec.dropout_kind,
    )


def reference(data: Prepared) -> dict[str, Any]:
    """A linear classifier: logistic regression on the inputs, of large data ridge regression."""
    return linear_on_inputs("linear classifier", data)
