"""The checks of parity, on records of torch's engine on both sides; with Keras: tests/keras."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from runs import quiet, run, small

from actstudy.analysis.questions import parity as table
from actstudy.contract import parity as contract
from actstudy.contract import store
from actstudy.data import prepared
from actstudy.frameworks import parity_checks
from actstudy.training import parity

SPEC = small("vision", "gelu", framework="keras-jax", batch_size=20)


@pytest.fixture(scope="module")
def sides(prepared_folder):
    data = prepared.load(prepared_folder("fashion_mnist_tenth"))
    short = parity.short_run(SPEC, data.n("train"))
    return [parity.torch_side(short, data, exact) for exact in (False, False, True)]


@pytest.fixture(scope="module")
def records(sides):
    shared = parity.warmed(sides[0])
    sides[0].restart(sides[0].start)
    first, second = (parity.observe(side, shared) for side in sides[:2])
    return first, second, parity.updated(sides[2], shared), shared


def failed(first, second, exact, shared):
    checks = parity_checks.compare(first, second, exact, shared)
    return [check.name for check in checks if not check.passed]


def test_torch_agrees_with_itself(records):
    assert failed(*records) == []


@pytest.mark.parametrize(
    ("field", "check"),
    [("rate", "learning rate"), ("loss", "first loss"), ("labels", "labels"), ("rows", "order")],
)
def test_a_step_that_differs_is_named(records, field, check):
    first, second, exact, shared = records
    changed = dataclasses.replace(second.steps[0], **{field: getattr(second.steps[0], field) + 1})
    other = dataclasses.replace(second, steps=[changed, *second.steps[1:]])
    assert failed(first, other, exact, shared) == [check]


def test_an_update_without_a_number_fails(records):
    first, second, exact, shared = records
    name = "stages.1.0.bn1.running_var"
    broken = [{**after, name: np.full_like(after[name], np.nan)} for after in second.updated]
    other = dataclasses.replace(second, updated=broken)
    (check,) = [
        check for check in parity_checks.compare(first, other, exact, shared) if not check.passed
    ]
    assert (check.name, check.where) == ("one step", name)


def test_a_failed_cell_ends_its_runs_and_is_in_the_table(tmp_path, monkeypatch, data_folder):
    monkeypatch.chdir(tmp_path)
    check = {"name": "logits", "where": "conv1", "value": 0.5, "limit": 2e-6}
    file = contract.path(SPEC)
    store.write_json(file, {"name": file.stem, "checks": [check], "error": None})
    folder = store.run_folder(SPEC)
    assert run(SPEC, folder, data_folder, quiet()) == "failed"
    row = store.summary_row(folder)
    assert row["reason"] == "parity: logits at conv1: 0.5, allowed 2e-06"
    runs = pd.DataFrame([{"task": "vision", "run_id": folder.name, "framework": "keras-jax"}])
    (seen,) = table.checks(runs, store.RUNS).to_dict("records")
    assert (seen["check"], seen["where"], seen["passed"]) == ("logits", "conv1", False)
    assert json.loads(file.read_text())["checks"] == [check]
