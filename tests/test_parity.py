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
from actstudy.frameworks.record import Record
from actstudy.training import parity

HALF_CHECKS = ["logits in bf16", "one step in bf16"]
SPEC = small("vision", "gelu", framework="keras-jax", batch_size=20)


@pytest.fixture(scope="module")
def sides(prepared_folder):
    data = prepared.load(prepared_folder("fashion_mnist_tenth"))
    short = parity.short_run(SPEC, data.n("train"))
    return [parity.torch_side(short, data, exact) for exact in (False, False, True)]


@pytest.fixture(scope="module")
def half(prepared_folder, records):
    data = prepared.load(prepared_folder("fashion_mnist_tenth"))
    short = parity.short_run(SPEC, data.n("train"))
    side = parity.torch_side(dataclasses.replace(short, precision="bf16"), data)
    return parity.observe(side, records[-1])


@pytest.fixture(scope="module")
def records(sides):
    shared = parity.warmed(sides[0])
    sides[0].restart(sides[0].start)
    return *(parity.observe(side, shared) for side in sides), shared


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


def test_an_optimizer_that_forgets_its_first_steps_is_named(records):
    first, second, exact, shared = records
    other = dataclasses.replace(second, chained=second.updated[::2])
    assert failed(first, other, exact, shared) == ["three steps"]


def record(logits, start=0.0):
    """A record of logits alone."""
    outputs = {"conv1": np.asarray(logits) / 2, "logits": np.asarray(logits)}
    return Record({}, {"w": np.full(2, start)}, [], outputs, [], [], [])


@pytest.mark.parametrize(
    ("own", "apart", "passes"),
    [
        (0.0, 1.9e-6, True),
        (0.0, 3e-6, False),
        (3e-6, 8e-6, True),
        (3e-6, 1e-5, False),
    ],
)
def test_logits_may_differ_by_what_torchs_own_rounding_allows(own, apart, passes):
    right = np.array([1.0, -1.0, 0.5])
    check = parity_checks.logits(record(right), record(right + apart), record(right - own))
    assert check.passed == passes
    assert check.where == ("logits" if passes else "conv1")


@pytest.mark.parametrize(("own", "passes"), [(1e-7, False), (1e-5, True)])
def test_first_losses_may_differ_by_what_torchs_own_rounding_allows(records, own, passes):
    first, second, exact, _ = records
    apart = dataclasses.replace(second.steps[0], loss=first.steps[0].loss + 2e-5)
    keras = dataclasses.replace(second, steps=[apart])
    right = dataclasses.replace(exact, losses=[loss + own for loss in first.losses])
    assert parity_checks.first_loss(first, keras, right).passed == passes


def test_steps_in_float64_may_differ_by_what_becomes_of_a_moved_last_digit():
    start = {"w": np.zeros(3)}
    keras = {"w": np.full(3, 1e-6)}
    near, far = ([{"w": np.full(3, own)}] for own in (1e-12, 2e-7))
    assert not parity_checks.exact_steps(start, keras, near).passed
    assert parity_checks.exact_steps(start, keras, far).passed


def test_bf16_may_be_three_times_as_far_from_fp32_as_torchs_own(records, half):
    full, _, _, shared = records
    assert all(check.passed for check in parity_checks.compare_half(full, half, half, shared))
    apart = {layer: value + 0.5 for layer, value in half.outputs.items()}
    coarse = dataclasses.replace(half, outputs=apart, updated=[shared for _ in half.updated])
    checks = parity_checks.compare_half(full, half, coarse, shared)
    assert [check.name for check in checks if not check.passed] == HALF_CHECKS


def test_runs_of_half_precision_have_a_cell_of_their_own():
    names = {}
    for precision in ("fp32", "tf32", "bf16", "fp16"):
        names[precision] = contract.name(dataclasses.replace(SPEC, precision=precision))
    assert names["fp32"] == names["tf32"] != names["bf16"] == names["fp16"]


CHECK = {"name": "logits", "where": "conv1", "value": 0.5, "limit": 2e-6}
DAMAGED = [
    "",
    "{}",
    "[]",
    '{"checks": [{"name"',
    '{"checks": [], "error": null}',
    "\xff",
    '{"checks": [{"name": "logits"}], "error": null}',
    json.dumps({"checks": [{**CHECK, "value": "x"}], "error": None}),
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_comparison_stops_its_runs_with_what_to_do(
    tmp_path, monkeypatch, data_folder, content
):
    monkeypatch.chdir(tmp_path)
    file = contract.path(SPEC)
    file.parent.mkdir(parents=True)
    file.write_bytes(content.encode("latin-1"))
    folder = store.run_folder(SPEC)
    with pytest.raises(store.Damaged) as raised:
        run(SPEC, folder, data_folder, quiet())
    fix = f"rm {file}, then the same command"
    assert str(raised.value) == f"{file} is not a comparison; to fix: {fix}"
    assert not store.verifies(folder)


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
    file = contract.path(SPEC)
    store.write_json(file, {"name": file.stem, "checks": [CHECK], "error": None})
    folder = store.run_folder(SPEC)
    assert run(SPEC, folder, data_folder, quiet()) == "failed"
    row = store.summary_row(folder)
    assert row["reason"] == "parity: logits at conv1: 0.5, allowed 2e-06"
    runs = pd.DataFrame([{"task": "vision", "run_id": folder.name, "framework": "keras-jax"}])
    (seen,) = table.checks(runs, store.RUNS).to_dict("records")
    assert (seen["check"], seen["where"], seen["passed"]) == ("logits", "conv1", False)
    assert json.loads(file.read_text())["checks"] == [CHECK]
