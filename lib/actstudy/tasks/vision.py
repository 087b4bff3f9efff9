"""The task `vision`: ResNet-18 that classifies images."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from actstudy.contract.spec import RunSpec
from actstudy.data.prepared import SPLITS, Prepared
from actstudy.nets.resnet import ResNet18
from actstudy.tasks.classification import (
    EVAL_BATCH,
    best_on_val,
    evaluate,
    linear_on_inputs,
    loss,
    train_scores,
)

__all__ = ["TASK", "build", "evaluate", "loss", "reference", "train_scores"]

TASK = {
    "title": "ResNet-18",
    "takes": ["images"],
    "metric": "accuracy",
    "unit": "share of test images",
    "higher_is_better": True,
    "model_fields": ["width", "stem", "augment"],
    "predicts": "classes",
    "x_axis": "epoch",
    "throughput_unit": "images/s",
    "targets": [0.8, 0.85],
    "margin": 0.005,
    "margin_reason": "about two thirds of the standard error, 0.8 points, of an accuracy near 0.85 on 2,000 images",
    "defaults": {
        "dataset": "fashion_mnist_tenth",
        "width": 8,
        "stem": "small",
        "optimizer": "adamw",
        "lr": 0.005,
        "betas": [0.9, 0.999],
        "eps": 1e-8,
        "weight_decay": 0.05,
        "clip": 1.0,
        "schedule": "cosine",
        "warmup": 1,
        "steps": 250,
        "eval_every": 50,
        "batch_size": 50,
    },
}
MOST_FOR_LOGISTIC = (
    10**9
)  # train images x values x classes: beyond, logistic regression takes hours
THUMBNAIL = 16  # pixels of a side


def build(spec: RunSpec, data: Prepared, make_act: Callable[[str], nn.Module]) -> nn.Module:
    """The untrained model of a spec, for data of the manifest's shape and classes."""
    channels = data.manifest["shape"][0]
    return ResNet18(channels, data.manifest["classes"], spec.width or 0, spec.stem, make_act)


def reference(data: Prepared) -> dict[str, Any]:
    """A linear classifier: logistic regression on pixels, on large data ridge regression on thumbnails."""
    size = data.n("train") * math.prod(data.manifest["shape"]) * data.manifest["classes"]
    if size <= MOST_FOR_LOGISTIC:
        return linear_on_inputs("logistic regression on pixels", data)
    return ridge_on_thumbnails(data)


def ridge_on_thumbnails(data: Prepared) -> dict[str, Any]:
    """One-against-all ridge regression on averages of patches, its penalty chosen on val."""
    from sklearn.linear_model import RidgeClassifier

    cpu = torch.device("cpu")
    splits, inputs = {split: data.on(cpu, split) for split in SPLITS}, data.inputs(cpu)
    x, y = {}, {split: arrays["y"].numpy() for split, arrays in splits.items()}
    for split, arrays in splits.items():
        parts = [
            adaptive_avg_pool2d(inputs(part), THUMBNAIL) for part in arrays["x"].split(EVAL_BATCH)
        ]
        x[split] = torch.cat(parts).flatten(1).numpy()
    fits = [RidgeClassifier(alpha=10.0**power).fit(x["train"], y["train"]) for power in (1, 3, 5)]
    return {
        "name": f"ridge regression on {THUMBNAIL}x{THUMBNAIL} thumbnails",
        **best_on_val(fits, x, y)[1],
    }
