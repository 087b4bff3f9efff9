"""Metrics against other people's implementations."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from actstudy.tasks import classification, metrics


def naive_ece(confidence, correct, n_bins=15):
    """The definition, bin by bin: (lower, upper]."""
    edges, total = np.linspace(0, 1, n_bins + 1), 0.0
    for low, high in itertools.pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return total


def test_ece_is_the_definition_with_a_confidence_of_exactly_one():
    rng = np.random.default_rng(0)
    confidence = np.append(rng.uniform(0.1, 1, 5000), [1.0] * 50)
    correct = rng.random(len(confidence)) < confidence**2
    assert (confidence == 1.0).sum() == 50
    bins = metrics.calibration_bins(confidence, correct)
    assert sum(b["count"] for b in bins) == len(confidence)
    assert metrics.ece(bins) == pytest.approx(naive_ece(confidence, correct), abs=1e-9)


def test_ece_equals_torchmetrics_below_one():
    from torchmetrics.functional.classification import multiclass_calibration_error

    generator = torch.Generator().manual_seed(0)
    probabilities = torch.randn(2000, 10, generator=generator).mul(2).softmax(1)
    label = torch.randint(0, 10, (2000,), generator=generator)
    confidence, predicted = probabilities.max(1)
    bins = metrics.calibration_bins(confidence.numpy(), (predicted == label).numpy())
    expected = multiclass_calibration_error(
        probabilities, label, num_classes=10, n_bins=15, norm="l1"
    ).item()
    assert metrics.ece(bins) == pytest.approx(expected, abs=1e-5)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
@settings(max_examples=60)
def test_accuracy_and_f1(pairs):
    label, predicted = np.array(pairs).T
    assert metrics.accuracy(label, predicted) == pytest.approx((label == predicted).mean())
    expected = f1_score(label, predicted, labels=range(5), average="macro", zero_division=0)
    assert metrics.macro_f1(label, predicted, 5) == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
@pytest.mark.parametrize("classes", [2, 5, 6, 10, 130])
@pytest.mark.parametrize("n", [1, 33, 1000])
def test_scores_of_counts_are_those_of_predictions_to_the_last_bit(classes, n):
    """Also of runs that are sure, undecided, or not finite in some or all examples."""
    generator = torch.Generator().manual_seed(n)
    scales = torch.tensor([0.0, 1.0, 10.0, 100.0, 1.0, 1.0])[:, None, None]
    logits = torch.randn(6, n, classes, generator=generator) * scales
    logits[4, 0, 0] = float("nan")
    logits[5] = float("inf")
    y = torch.randint(0, classes, (n,), generator=generator)
    expected = classification.evaluate_runs(logits, y, [5, 4, 3, 2, 1, 0])
    counts = classification.counted(logits, y)
    got = classification.evaluate_counts(counts, y, [5, 4, 3, 2, 1, 0])
    for of_counts, known in zip(got, expected, strict=True):
        assert repr(of_counts.scores) == repr(known.scores)  # NaN is NaN
