"""What all classification tasks share: the loss, what is watched while training, and the evaluation of a split."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from actstudy.data.prepared import SPLITS, Prepared
from actstudy.tasks import metrics
from actstudy.tasks.metrics import Evaluation

EVAL_BATCH, MOST_ITERATIONS = 1024, 2000


def loss(logits: Tensor, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats; logits (B, C), y (B,)."""
    return functional.cross_entropy(logits.float(), y, label_smoothing=label_smoothing)


def losses(logits: Tensor, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """The mean cross-entropy of every run of a pack, (R,); logits (R, B, C), y (R, B)."""
    flat = logits.float().flatten(0, 1)
    each = functional.cross_entropy(
        flat, y.flatten(), reduction="none", label_smoothing=label_smoothing
    )
    return each.view_as(y).mean(1)


def train_scores(logits: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Scalars of one training batch that cost nothing: accuracy; logits (B, C), y (B,)."""
    return {"accuracy": (logits.argmax(1) == y).float().mean()}


@torch.no_grad()
def evaluate(forward: Callable[[Tensor], Tensor], data: Mapping[str, Tensor]) -> Evaluation:
    """Loss, accuracy, macro-F1 and ECE of `forward` (B, ...) -> logits (B, C) on a whole split: x (N, ...), y (N,)."""
    logits, y = (
        torch.cat([forward(part).float() for part in data["x"].split(EVAL_BATCH)]),
        data["y"],
    )
    return _evaluations(logits[None], y, [loss(logits, y).item()], [0])[0]


@torch.no_grad()
def evaluate_runs(logits: Tensor, y: Tensor, runs: Sequence[int]) -> list[Evaluation]:
    """The same of some runs of a pack: logits (R, N, C) of all, y (N,); the others' place, not their values, counts."""
    return _evaluations(logits, y, losses(logits, y.expand(len(logits), -1)).tolist(), runs)


def _evaluations(
    logits: Tensor, y: Tensor, loss_values: Sequence[float], runs: Sequence[int]
) -> list[Evaluation]:
    classes, label = logits.shape[2], y.cpu().numpy()
    confidence, predicted = (part.cpu().numpy() for part in logits.softmax(2).max(2))
    top = (
        (logits.topk(5).indices == y[:, None]).any(2).float().mean(1).tolist()
        if classes > 5
        else None
    )
    found = []
    for run in runs:
        bins = metrics.calibration_bins(confidence[run], label == predicted[run])
        scores = {
            "loss": loss_values[run],
            "accuracy": metrics.accuracy(label, predicted[run]),
            "macro_f1": metrics.macro_f1(label, predicted[run], classes),
            "ece": metrics.ece(bins),
        }
        if top:
            scores["top5"] = top[run]
        columns = {"example": np.arange(len(label)), "label": label, "predicted": predicted[run]}
        found.append(
            Evaluation(scores, {**columns, "confidence": confidence[run].astype(np.float64)}, bins)
        )
    return found


def logistic_regression(
    name: str, inputs: Mapping[str, Any], labels: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Multinomial logistic regression as a reference, L2 strength chosen on val; split -> inputs (N, features)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of fits that are not chosen
        fits = [
            LogisticRegression(C=10.0**power, max_iter=MOST_ITERATIONS).fit(
                inputs["train"], labels["train"]
            )
            for power in range(-4, 2)
        ]
    best, row = best_on_val(fits, inputs, labels)
    ended = "" if best.n_iter_.max() < MOST_ITERATIONS else " (not converged)"
    return {"name": f"{name}{ended}", **row}


def best_on_val(
    fits: Sequence[Any], inputs: Mapping[str, Any], labels: Mapping[str, np.ndarray]
) -> tuple[Any, dict[str, Any]]:
    """The fitted classifier with the best accuracy on val, and its accuracies as a reference's row but for the name."""
    best = max(fits, key=lambda fit: fit.score(inputs["val"], labels["val"]))
    scores = {split: float(best.score(inputs[split], labels[split])) for split in ("val", "test")}
    return best, {"metric": "accuracy", **scores}


def linear_on_inputs(name: str, data: Prepared) -> dict[str, Any]:
    """Logistic regression on the standardised inputs themselves."""
    cpu = torch.device("cpu")
    splits, inputs = {split: data.on(cpu, split) for split in SPLITS}, data.inputs(cpu)
    x = {split: inputs(arrays["x"]).flatten(1).numpy() for split, arrays in splits.items()}
    return logistic_regression(
        name, x, {split: arrays["y"].numpy() for split, arrays in splits.items()}
    )
