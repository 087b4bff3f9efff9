"""The task `vision`: ResNet-18 that classifies images."""

from collections.abc import Callable
from typing import Any

from torch import nn

from actstudy.data.prepared import Prepared
from actstudy.nets.resnet import ResNet18
from actstudy.study.spec import RunSpec
from actstudy.tasks.classification import evaluate, linear_on_inputs, loss, train_scores

__all__ = ["TASK", "build", "evaluate", "loss", "reference", "train_scores"]

TASK = {
    "title": "ResNet-18 on Fashion-MNIST (a tenth)",
    "takes": "images",
    "metric": "accuracy",
    "unit": "share of test images",
    "higher_is_better": True,
    "model_fields": ["width", "stem"],
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


def build(spec: RunSpec, data: Prepared, make_act: Callable[[str], nn.Module]) -> nn.Module:
    """The untrained model of a spec, for data of the manifest's shape and classes."""
    channels = data.manifest["shape"][0]
    return ResNet18(channels, data.manifest["classes"], spec.width or 0, spec.stem, make_act)


def reference(data: Prepared) -> dict[str, Any]:
    """A linear classifier on the pixels: logistic regression."""
    return linear_on_inputs("logistic regression on pixels", data)
