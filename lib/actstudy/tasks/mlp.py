"""The task `mlp`: a multilayer perceptron that classifies signals."""

import warnings
from collections.abc import Callable

import numpy as np
from torch import nn

from actstudy.data.prepared import Prepared
from actstudy.nets.mlp import MLP
from actstudy.study.spec import RunSpec
from actstudy.tasks.classification import evaluate, loss, train_scores

__all__ = ["TASK", "build", "evaluate", "loss", "reference", "train_scores"]

TASK = {
    "title": "MLP on MNIST-1D",
    "takes": "signals",
    "metric": "accuracy",
    "unit": "share of test signals",
    "higher_is_better": True,
    "throughput_unit": "signals/s",
    "targets": [0.6, 0.7],
    "margin": 0.01,
    "margin_reason": "about two thirds of the standard error, 1.5 points, of an accuracy near 0.7 on 1,000 signals",
    "defaults": {
        "dataset": "mnist1d",
        "depth": 3,
        "width": 128,
        "dropout": 0.2,
        "optimizer": "adamw",
        "lr": 0.003,
        "weight_decay": 0.01,
        "schedule": "cosine",
        "warmup": 2,
        "epochs": 40,
        "batch_size": 100,
    },
}


def build(spec: RunSpec, data: Prepared, make_act: Callable[[str], nn.Module]) -> nn.Module:
    """The untrained model of a spec, for data of the manifest's shape and classes."""
    hidden = spec.hidden if spec.hidden is not None else (spec.width or 0,) * (spec.depth or 0)
    (in_features,) = data.manifest["shape"]
    return MLP(in_features, hidden, data.manifest["classes"], make_act, spec.norm, spec.dropout)


def reference(data: Prepared) -> dict[str, str | float]:
    """A linear classifier on the raw signals (logistic regression, its L2 strength chosen on val), scored on test."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    x = {split: np.asarray(data.arrays[f"{split}_x"]) for split in ("train", "val", "test")}
    y = {split: np.asarray(data.arrays[f"{split}_y"]) for split in ("train", "val", "test")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = [LogisticRegression(C=10.0**power, max_iter=2000).fit(x["train"], y["train"]) for power in range(-4, 3)]
    best = max(fits, key=lambda fit: fit.score(x["val"], y["val"]))
    return {"name": "linear classifier", "metric": "accuracy", "value": float(best.score(x["test"], y["test"]))}
