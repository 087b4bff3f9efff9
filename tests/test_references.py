"""Reference methods score the same whatever the number of threads, and are made again if edited."""

import json
import math

import numpy as np
import pytest
import threadpoolctl

from actstudy.contract import code
from actstudy.data import prepared
from actstudy.study import jobs
from actstudy.tasks import classification, mlp, vision


def test_a_reference_ends_at_the_optimum(monkeypatch):
    """The gradient of each fit, computed here, is zero, so rounding cannot move its scores."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6)).astype(np.float32)
    y = (x @ rng.normal(size=(6, 3)) + rng.normal(size=(400, 3))).argmax(1)
    inputs = {"train": x[:200], "val": x[200:300], "test": x[300:]}
    labels = {"train": y[:200], "val": y[200:300], "test": y[300:]}
    fits = []
    best_on_val = classification.best_on_val

    def recorded(candidates, *arguments):
        fits.extend(candidates)
        return best_on_val(candidates, *arguments)

    monkeypatch.setattr(classification, "best_on_val", recorded)
    assert classification.logistic_regression("linear", inputs, labels)["name"] == "linear"
    assert len(fits) >= 3
    for fit in fits:
        errors = fit.predict_proba(inputs["train"].astype(float)) - np.eye(3)[labels["train"]]
        gradient = (fit.coef_ / fit.C + errors.T @ inputs["train"]) / 200
        assert np.abs(gradient).max() < 2 * classification.TOLERANCE


@pytest.mark.parametrize("threads", [1, 2])
def test_the_linear_classifier_of_mnist1d_is_that_of_any_number_of_threads(
    prepared_folder, threads
):
    """It was 0.325 with one thread and 0.326 with two."""
    data = prepared.load(prepared_folder("mnist1d"))
    with threadpoolctl.threadpool_limits(threads):
        scores = mlp.reference(data)
    assert (scores["val"], scores["test"]) == (0.288, 0.325)


@pytest.mark.parametrize(
    ("task", "dataset", "seen"),
    [
        (mlp, "fashion_mnist_tenth", "16x16 thumbnails"),
        (vision, "fashion_mnist_tenth", "16x16 thumbnails"),
        (mlp, "mnist1d", "inputs"),
    ],
)
def test_the_reference_of_large_data_is_ridge_regression(
    monkeypatch, prepared_folder, task, dataset, seen
):
    """Logistic regression would take hours of them, for `mlp` as for `vision`."""
    data = prepared.load(prepared_folder(dataset))
    size = data.n("train") * math.prod(data.manifest["shape"]) * data.manifest["classes"]
    monkeypatch.setattr(classification, "MAX_FOR_LOGISTIC", size - 1)
    scores = task.reference(data)
    assert scores["name"] == f"ridge regression on {seen}"
    assert min(scores["val"], scores["test"]) > 0.2  # chance is 0.1
    monkeypatch.setattr(classification, "MAX_FOR_LOGISTIC", size)
    monkeypatch.setattr(classification, "logistic_regression", lambda name, *_: {"name": name})
    assert "ridge" not in task.reference(data)["name"]


def test_a_reference_is_made_again_if_its_code_changes(monkeypatch):
    before = json.loads(jobs.reference_of("mlp", "mnist1d"))
    digest_of = code.digest_of

    def edited(piece):
        return "edited" if piece == "tasks/classification.py" else digest_of(piece)

    monkeypatch.setattr(code, "digest_of", edited)
    assert json.loads(jobs.reference_of("mlp", "mnist1d")) != before
