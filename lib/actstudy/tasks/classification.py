"""What all classification tasks share: loss, scores while training, evaluation, references."""

import math
import sys
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

EVAL_BATCH = 1024
MAX_ITERATIONS = 200  # of Newton's method; 20 suffice on the embedded data
TOLERANCE = 1e-6  # of the gradient's largest component, at which a fit has converged
POWERS = range(-4, 2)  # of 10: sklearn's C, the inverse of the L2 strength
MAX_FOR_LOGISTIC = 10**9  # train rows x values x classes; beyond it a fit takes hours
THUMBNAIL = 16  # pixels of a side
SLOW_SIZE = 10**7  # values of train from which a fit takes minutes and is announced


def loss(logits: Tensor, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats; logits (B, C), y (B,). Half precision is widened to float32."""
    if logits.dtype != torch.float64:
        logits = logits.float()
    return functional.cross_entropy(logits, y, label_smoothing=label_smoothing)


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
    """Loss, accuracy, macro-F1 and ECE on a whole split: x (N, ...), y (N,).

    forward: (B, ...) -> logits (B, C).
    """
    y = data["y"]
    logits = torch.cat([forward(part).float() for part in data["x"].split(EVAL_BATCH)])
    return _evaluations(logits[None], y, [loss(logits, y).item()], [0])[0]


@torch.no_grad()
def evaluate_runs(logits: Tensor, y: Tensor, runs: Sequence[int]) -> list[Evaluation]:
    """Loss, accuracy, macro-F1 and ECE of some runs of a pack on a whole split.

    logits: (R, N, C) of all runs, also of those that are not evaluated, as a tensor of another
    shape may be summed in another order; y: (N,).
    """
    loss_values = losses(logits, y.expand(len(logits), -1)).tolist()
    return _evaluations(logits, y, loss_values, runs)


@torch.no_grad()
def counted(logits: Tensor, y: Tensor) -> dict[str, Tensor]:
    """What the scores of a pack's runs follow from, each (R, ...), where the logits (R, N, C) are.

    y (N,). All but the loss are counts or, as sums of float32 in float64, exact: in any order.
    """
    confidence, predicted = logits.softmax(2).max(2)
    correct = predicted == y
    place = torch.ceil(confidence.double() * metrics.N_BINS) - 1
    place = place.nan_to_num(metrics.N_BINS).clamp(0, metrics.N_BINS - 1)
    sums = []
    right = []
    for b in range(metrics.N_BINS):
        inside = place == b
        sums.append(torch.where(inside, confidence, 0).sum(1, dtype=torch.float64))
        right.append((inside & correct).sum(1))
    classes = torch.arange(logits.shape[2], device=y.device)
    guesses = predicted[:, :, None] == classes
    counts = {
        "loss": losses(logits, y.expand(len(logits), -1)),
        "confidences": torch.stack(sums, 1),
        "right": torch.stack(right, 1),
        "hits": (guesses & correct[:, :, None]).sum(1),
        "guesses": guesses.sum(1),
    }
    if len(classes) > 5:
        counts["top5"] = _top5(logits, y)
    return counts


def evaluate_counts(
    counts: Mapping[str, Tensor], y: Tensor, runs: Sequence[int]
) -> list[Evaluation]:
    """The scores, alone, that `evaluate_runs` has, from what `counted` returns."""
    host = {name: value.tolist() for name, value in counts.items()}
    hits = np.array(host["hits"])
    guesses = np.array(host["guesses"])
    labels = np.bincount(y.cpu().numpy(), minlength=hits.shape[1])
    macro_f1 = metrics.mean_f1(hits, labels + guesses)
    evaluations = []
    for run in runs:
        scores = {
            "loss": host["loss"][run],
            "accuracy": float(hits[run].sum() / len(y)),
            "macro_f1": float(macro_f1[run]),
            "ece": metrics.gap(host["confidences"][run], host["right"][run], len(y)),
        }
        if "top5" in host:
            scores["top5"] = host["top5"][run]
        evaluations.append(Evaluation(scores, {}))
    return evaluations


def _evaluations(
    logits: Tensor, y: Tensor, loss_values: Sequence[float], runs: Sequence[int]
) -> list[Evaluation]:
    classes = logits.shape[2]
    label = y.cpu().numpy()
    confidence, predicted = (part.cpu().numpy() for part in logits.softmax(2).max(2))
    top5 = _top5(logits, y).tolist() if classes > 5 else None
    evaluations = []
    for run in runs:
        bins = metrics.calibration_bins(confidence[run], label == predicted[run])
        scores = {
            "loss": loss_values[run],
            "accuracy": metrics.accuracy(label, predicted[run]),
            "macro_f1": metrics.macro_f1(label, predicted[run], classes),
            "ece": metrics.ece(bins),
        }
        if top5:
            scores["top5"] = top5[run]
        columns = {
            "example": np.arange(len(label)),
            "label": label,
            "predicted": predicted[run],
            "confidence": confidence[run].astype(np.float64),
        }
        evaluations.append(Evaluation(scores, columns, bins))
    return evaluations


def _top5(logits: Tensor, y: Tensor) -> Tensor:
    """Share, per run, of examples whose label is among the five largest logits."""
    hits = (logits.topk(5).indices == y[:, None]).any(2)
    return hits.float().mean(1)


def logistic_regression(
    name: str, inputs: Mapping[str, Any], labels: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Multinomial logistic regression as a reference, L2 strength selected on val.

    Strengths from the strongest on, until val falls; of large data, of which a weak strength would
    take longer than a study, until it gains less than its standard error.
    Fits are in float64 and end at the optimum, so that the scores do not depend on rounding: in
    float32, to sklearn's default tolerance, they changed with the number of threads. L-BFGS reaches
    such an optimum later than Newton's method does (docs/faults.md).
    inputs: split -> (N, features); labels: split -> (N,).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    inputs = {split: part.astype(np.float64) for split, part in inputs.items()}
    x = inputs["train"]
    is_large = x.size > SLOW_SIZE
    fits = []
    best_accuracy = -math.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # also of fits that are not selected
        for power in POWERS:
            if is_large:
                print(f"{name}: {x.shape[0]:,} x {x.shape[1]:,}, C = 1e{power}", file=sys.stderr)
            model = LogisticRegression(
                C=10.0**power, solver="newton-cg", tol=TOLERANCE, max_iter=MAX_ITERATIONS
            )
            fits.append(model.fit(x, labels["train"]))
            accuracy = model.score(inputs["val"], labels["val"])
            error = math.sqrt(accuracy * (1 - accuracy) / len(labels["val"]))
            least = error if is_large else 0.0
            if accuracy - best_accuracy < least:
                break
            best_accuracy = accuracy
    best, scores = best_on_val(fits, inputs, labels)
    suffix = "" if best.n_iter_.max() < MAX_ITERATIONS else " (not converged)"
    return {"name": f"{name}{suffix}", **scores}


def best_on_val(
    fits: Sequence[Any], inputs: Mapping[str, Any], labels: Mapping[str, np.ndarray]
) -> tuple[Any, dict[str, Any]]:
    """The fitted classifier with the best accuracy on val, and a reference's row without a name."""
    best = max(fits, key=lambda fit: fit.score(inputs["val"], labels["val"]))
    scores = {split: float(best.score(inputs[split], labels[split])) for split in ("val", "test")}
    return best, {"metric": "accuracy", **scores}


def linear_on_inputs(name: str, data: Prepared) -> dict[str, Any]:
    """Logistic regression on the standardised inputs themselves, of large data `ridge`."""
    size = data.n("train") * math.prod(data.manifest["shape"]) * data.manifest["classes"]
    if size > MAX_FOR_LOGISTIC:
        return ridge(data)
    return logistic_regression(name, *arrays_of(data, lambda x: x))


def ridge(data: Prepared) -> dict[str, Any]:
    """One-against-all ridge regression, of images on averages of patches; penalty selected on val.

    Images have the shape (C, H, W); all other data are taken as they are.
    """
    from sklearn.linear_model import RidgeClassifier

    reduce = thumbnails if len(data.manifest["shape"]) == 3 else torch.Tensor.double
    x, y = arrays_of(data, reduce)
    fits = []
    for alpha in (10.0, 1e3, 1e5):
        fits.append(RidgeClassifier(alpha=alpha).fit(x["train"], y["train"]))
    _, scores = best_on_val(fits, x, y)
    seen = f"{THUMBNAIL}x{THUMBNAIL} thumbnails" if reduce is thumbnails else "inputs"
    return {"name": f"ridge regression on {seen}", **scores}


def thumbnails(images: Tensor) -> Tensor:
    """Averages over patches in float64: (N, C, H, W) -> (N, C, THUMBNAIL, THUMBNAIL)."""
    return functional.adaptive_avg_pool2d(images, THUMBNAIL).double()


def arrays_of(
    data: Prepared, reduce: Callable[[Tensor], Tensor]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Split -> reduced standardised inputs (N, features), and split -> labels (N,)."""
    cpu = torch.device("cpu")
    inputs = data.inputs(cpu)
    x = {}
    y = {}
    for split in SPLITS:
        arrays = data.on(cpu, split)
        parts = [reduce(inputs(part)) for part in arrays["x"].split(EVAL_BATCH)]
        x[split] = torch.cat(parts).flatten(1).numpy()
        y[split] = arrays["y"].numpy()
    return x, y
