"""The task `vision`: ResNet-18, or another model of `nets`, that classifies images."""

import importlib
from collections.abc import Callable
from typing import Any

from torch import nn

from actstudy.contract.spec import RunSpec
from actstudy.data.prepared import Prepared
from actstudy.tasks.classification import evaluate, linear_on_inputs, loss, train_scores

__all__ = ["TASK", "build", "evaluate", "loss", "reference", "train_scores"]

TASK = {
    "title": "ResNet-18",
    "takes": ["images"],
    "metric": "accuracy",
    "unit": "share of test images",
    "higher_is_better": True,
    "net": "resnet18",
    "nets": ["resnet18", "resnet50", "mobilenetv2", "convnext_tiny"],
    "model_fields": ["width", "stem", "augment", "mix"],
    "predicts": "classes",
    "x_axis": "epoch",
    "throughput_unit": "images/s",
    "targets": [0.8, 0.85],
    "margin": 0.005,
    "margin_reason": (
        "a smaller difference is lost in the choice of the 2,000 test images, which moves an "
        "accuracy near 0.85 by 0.8 points, its standard error"
    ),
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
    # a run's code is its own model's file alone, so that no model is imported above
    net = importlib.import_module(f"actstudy.nets.{spec.model or TASK['net']}")
    model: nn.Module = net.build(
        spec, data.manifest["shape"][0], data.manifest["classes"], make_act
    )
    return model


def reference(data: Prepared) -> dict[str, Any]:
    """A linear classifier: logistic regression on pixels, of large data ridge on thumbnails."""
    return linear_on_inputs("logistic regression on pixels", data)
