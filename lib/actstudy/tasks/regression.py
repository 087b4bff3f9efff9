"""What tasks that predict a number share: loss, scores while training, evaluation, a reference."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from actstudy.data.prepared import Prepared
from actstudy.tasks.classification import EVAL_BATCH, arrays_of
from actstudy.tasks.metrics import Evaluation

PENALTIES = tuple(10.0**power for power in range(-4, 6))  # of ridge regression, each tried on val


def loss(outputs: Tensor, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean squared error of standardised labels; outputs (B, 1), y (B,).

    label_smoothing is of classes and has no meaning here.
    """
    return functional.mse_loss(outputs.float().squeeze(1), y)


def train_scores(outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Nothing: the loss says it all."""
    return {}


@torch.no_grad()
def evaluate(forward: Callable[[Tensor], Tensor], data: Mapping[str, Tensor]) -> Evaluation:
    """Loss, R2 and RMSE on a whole split, in float64.

    forward: (B, ...) -> outputs (B, 1); data: x (N, ...), y (N,) standardised, `label` (N,) in its
    own unit, and `scale`, the mean and sd (2,) by which y was standardised.
    """
    parts = [forward(part).double().squeeze(1) for part in data["x"].split(EVAL_BATCH)]
    label = data["label"].cpu().numpy()
    mean, sd = data["scale"].tolist()
    predicted = mean + sd * torch.cat(parts).cpu().numpy()
    scores = {
        "loss": float(np.square((label - predicted) / sd).mean()),
        "r2": r2(label, predicted),
        "rmse": rmse(label, predicted),
    }
    columns = {
        "example": np.arange(len(label)),
        "label_value": label,
        "predicted_value": predicted,
    }
    return Evaluation(scores, columns)


def r2(label: np.ndarray, predicted: np.ndarray) -> float:
    """1 - sum (label - predicted)^2 / sum (label - mean label)^2, of numbers (N,).

    1 is perfect, 0 what the mean of the labels has; it has no lower end.
    """
    residual = np.square(label - predicted).sum()
    return float(1 - residual / np.square(label - label.mean()).sum())


def rmse(label: np.ndarray, predicted: np.ndarray) -> float:
    """sqrt(mean (label - predicted)^2), in the unit of the labels (N,)."""
    return math.sqrt(np.square(label - predicted).mean())


def ridge_regression(data: Prepared) -> dict[str, Any]:
    """Ridge regression on the standardised inputs, its penalty chosen on val by R2."""
    from sklearn.linear_model import Ridge

    x, _ = arrays_of(data, Tensor.double)
    label = {split: data.arrays[f"{split}_y"] for split in x}
    best: dict[str, float] = {}
    for penalty in PENALTIES:
        fit = Ridge(alpha=penalty).fit(x["train"], label["train"])
        scores = {split: r2(label[split], fit.predict(x[split])) for split in ("val", "test")}
        if not best or scores["val"] > best["val"]:
            best = scores
    return {"name": "ridge regression", "metric": "r2", **best}
