"""What an evaluation is, and metrics of classifiers.

Metrics are pure functions of labels and predictions, numpy arrays (N,).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

N_BINS = 15


@dataclass(frozen=True)
class Evaluation:
    """Scores of a split: metric -> value, columns of `predictions`, rows of `calibration`."""

    scores: dict[str, float]
    predictions: dict[str, Any]
    calibration: list[dict[str, Any]] = field(default_factory=list)


def accuracy(label: np.ndarray, predicted: np.ndarray) -> float:
    """Share of predictions that equal the label."""
    return float((label == predicted).mean())


def macro_f1(label: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN).

    F1 is 0 for a class without labels and predictions.
    """
    hits = np.bincount(label[label == predicted], minlength=classes)
    total = np.bincount(label, minlength=classes) + np.bincount(predicted, minlength=classes)
    return float(mean_f1(hits, total))


def mean_f1(hits: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Macro-F1 (...) of each class's true positives and its labels plus predictions (..., C)."""
    f1 = np.divide(2 * hits, total, out=np.zeros(total.shape), where=total > 0)
    return np.asarray(f1.mean(-1))


def calibration_bins(
    confidence: np.ndarray, correct: np.ndarray, n_bins: int = N_BINS
) -> list[dict[str, float]]:
    """Equal-width bins over (0, 1]: their count, sum of confidences and number correct."""
    edges = np.linspace(0, 1, n_bins + 1)
    index = np.clip(np.ceil(confidence.astype(np.float64) * n_bins).astype(int) - 1, 0, n_bins - 1)
    count = np.bincount(index, minlength=n_bins)
    confidence_sum = np.bincount(index, weights=confidence, minlength=n_bins)
    right = np.bincount(index, weights=correct, minlength=n_bins)
    return [
        {
            "bin": b,
            "lower": float(edges[b]),
            "upper": float(edges[b + 1]),
            "count": int(count[b]),
            "confidence_sum": float(confidence_sum[b]),
            "correct": int(right[b]),
        }
        for b in range(n_bins)
    ]


def ece(bins: list[dict[str, float]]) -> float:
    """Expected calibration error, l1 (Guo et al. 2017).

    The sum over bins of |sum of confidences - number correct| / N.
    """
    total = sum(b["count"] for b in bins)
    return gap([b["confidence_sum"] for b in bins], [b["correct"] for b in bins], total)


def gap(confidences: Sequence[float], right: Sequence[float], total: float) -> float:
    """`ece` of `total` examples, from each bin's sum of confidences and number correct."""
    return sum(abs(c - r) for c, r in zip(confidences, right, strict=True)) / total
