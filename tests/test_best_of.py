"""What k trials give: the exact mean over all subsets, by hand and by enumeration; refusals."""

import itertools
import json
import math

import numpy as np
import pandas as pd
import plans
import pytest
from test_tuning import CLASSES, TOKENS, curve_of, tried

from actstudy.analysis.page import trials_tables
from actstudy.analysis.questions import best_of as trials
from actstudy.analysis.questions.subsets import (
    expected_best,
    resampled_interval,
    share_of_subsets,
)
from actstudy.analysis.tables import Tables

NONE = pd.DataFrame(columns=["task", "group", "level"])
NO_RUNS = pd.DataFrame(columns=["task", "run_id", "group", "level", "data"])
REPORTED = {"runs": NO_RUNS, "predictions": NONE, "curves": NONE}
RATES = {
    ("relu", 0.001): [0.5, 0.4],
    ("relu", 0.01): [0.7, 0.6],
    ("relu", 0.1): [0.6, 0.8],
    ("gelu", 0.001): [0.9, 0.9],
    ("gelu", 0.01): [0.1, 0.1],
    ("gelu", 0.1): [0.1, 0.1],
}


def table_of(rates, settings=CLASSES, **fields):
    """`best_of` of tuning runs whose test value is a tenth above that on val, 36 s each."""
    rows, frames = tried(rates, metric=settings.get("metric", "accuracy"), **fields)
    test = {row["run_id"]: rates[row["level"], row["lr"]][row["seed"] - 1000] for row in rows}
    runs = frames["runs"]
    metric = settings.get("metric", "accuracy")
    runs[f"reported_{metric}"] = [test[run] + 0.1 for run in runs["run_id"]]
    runs["train_seconds"] = 36.0
    plan = plans.plan_of({"mlp": settings}, tuning=rows, levels=["relu", "gelu"])
    return trials.best_of(REPORTED, frames, plan), plan


def enumerated(val, test, k):
    """The mean over all subsets of k of the test value of the best on val, ties averaged."""
    values = []
    for subset in itertools.combinations(range(len(val)), k):
        own = np.array(subset)
        top = val[own] == val[own].max()
        values.append(test[own][top].mean())
    return np.mean(values)


@pytest.mark.parametrize("number", range(4))
def test_it_is_the_mean_over_all_subsets(number):
    rng = np.random.default_rng(number)
    val = rng.integers(0, 4, size=7).astype(float)  # with ties
    test = rng.normal(size=7)
    expected = [enumerated(val, test, k) for k in range(1, 8)]
    np.testing.assert_allclose(expected_best(val, test), expected, atol=1e-12)


def test_three_trials_by_hand():
    """k = 2 of val 3, 2, 1: the best is chosen in two subsets of three, the second in one."""
    own = expected_best(np.array([3.0, 1.0, 2.0]), np.array([0.6, 0.9, 0.3]))
    np.testing.assert_allclose(own, [0.6, (2 * 0.6 + 0.3) / 3, 0.6])


def test_one_trial_gives_the_mean_and_all_give_the_best_on_val():
    rng = np.random.default_rng(1)
    val = rng.normal(size=(5, 40))
    test = rng.normal(size=(5, 40))
    own = expected_best(val, test)
    np.testing.assert_allclose(own[:, 0], test.mean(axis=1))
    np.testing.assert_allclose(
        own[:, -1], np.take_along_axis(test, val.argmax(1)[:, None], 1)[:, 0]
    )


def test_on_val_itself_more_trials_are_never_worse():
    val = np.random.default_rng(2).normal(size=(3, 12))
    assert (np.diff(expected_best(val, val), axis=1) >= -1e-12).all()


def test_shares_of_subsets_are_binomials():
    own = share_of_subsets(6)
    for k in range(1, 7):
        expected = [math.comb(m, k) / math.comb(6, k) for m in range(7)]
        np.testing.assert_allclose(own[k - 1], expected, atol=1e-12)


def test_an_infinitely_bad_trial_counts_until_no_subset_can_be_all_bad():
    val = np.array([-np.inf, -np.inf, 1.0])
    own = expected_best(val, val)
    assert own.tolist() == [-np.inf, -np.inf, pytest.approx(1.0)]


def test_the_estimator_is_unbiased_and_drawing_with_replacement_is_not():
    """Of trials drawn anew from a population, E_k for k below N has the true mean."""
    rng = np.random.default_rng(3)
    val = rng.exponential(size=(20_000, 6))
    own = expected_best(val, val).mean(axis=0)
    harmonic = np.cumsum(1 / np.arange(1, 7))  # the mean of the largest of k exponentials
    np.testing.assert_allclose(own, harmonic, atol=0.03)
    drawn = rng.integers(0, 6, size=(20_000, 5))
    replaced = np.take_along_axis(val, drawn, axis=1).max(axis=1).mean()
    assert replaced < own[4] - 0.2


def test_the_interval_is_ordered_and_of_one_trial_as_wide_as_its_spread():
    rng = np.random.default_rng(4)
    val = rng.normal(size=(30, 10))
    low, high = resampled_interval(val, val, rng)
    curve = expected_best(val, val).mean(axis=0)
    assert (low <= high).all()
    assert (low[:-1] <= curve[:-1]).all()
    assert (curve[:-1] <= high[:-1]).all()


def test_tuned_rates_are_trials():
    table, _ = table_of(RATES)
    relu = table[table["level"] == "relu"].set_index("k")
    # seed 1000: val .5 .7 .6; seed 1001: .4 .6 .8; test is 0.1 higher
    expected = [0.7, np.mean([0.7 + 0.7 + 0.6, 0.6 + 0.8 + 0.8]) / 3 + 0.1, 0.85]
    np.testing.assert_allclose(relu["value"].astype(float), expected)
    np.testing.assert_allclose(relu["hours"].astype(float), [0.01, 0.02, 0.03])
    assert set(relu["n_trials"]) == {3}
    assert set(relu["n_seeds"]) == {2}
    assert set(relu["best_trial"]) == {"lr=0.1"}
    assert set(relu["at_edge"]) == {"lr: highest"}
    gelu = table[table["level"] == "gelu"]
    assert set(gelu["at_edge"]) == {"lr: lowest"}


def test_a_diverged_trial_is_the_worst_and_its_test_value_is_chance():
    table, _ = table_of(RATES, status={("relu", 0.1, 1001): "diverged"})
    relu = table[table["level"] == "relu"].set_index("k")
    assert relu.loc[1, "value"] == pytest.approx(np.mean([0.6, 0.8, 0.7, 0.5, 0.7, 0.1]))
    assert relu.loc[3, "value"] == pytest.approx(np.mean([0.8, 0.7]))
    assert relu.loc[1, "n_diverged"] == 1


def test_a_perplexity_is_lower_the_better_and_on_a_logarithm():
    rates = {key: list(100 * np.array(values)) for key, values in RATES.items()}
    table, _ = table_of(rates, TOKENS)
    relu = table[table["level"] == "relu"].set_index("k")
    assert relu.loc[3, "value"] == pytest.approx(np.mean([math.log(50.1), math.log(40.1)]))
    assert (relu["low"] <= relu["high"]).all()
    diverged, _ = table_of(rates, TOKENS, status={("relu", 0.1, 1001): "diverged"})
    assert diverged.set_index(["level", "k"]).loc[("relu", 1), "value"] == np.inf


@pytest.mark.parametrize("status", ["failed", "timeout", "missing"])
def test_a_budget_that_differs_between_levels_is_refused(status):
    table, plan = table_of(RATES, status={("gelu", 0.1, 1001): status})
    (row,) = table.to_dict("records")
    assert row["k"] == 0
    assert row["reason"].endswith("relu 6, gelu 5")
    (sentence,) = trials_tables.sentences(Tables(plan, {"best_of": table}), "mlp")
    assert sentence == (
        "No curve of the best of k trials: the budgets differ: runs that ended of the same trials "
        "and seeds: relu 6, gelu 5."
    )


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_completed_run_without_a_value_is_no_bad_trial(split):
    rows, frames = tried(RATES, metric="accuracy")
    frames["runs"]["reported_accuracy"] = 0.5
    first = frames["runs"]["run_id"].iloc[0]
    if split == "val":
        frames["curves"] = frames["curves"][frames["curves"]["run_id"] != first]
    else:
        frames["runs"].loc[frames["runs"]["run_id"] == first, "reported_accuracy"] = np.nan
    plan = plans.plan_of({"mlp": CLASSES}, tuning=rows, levels=["relu", "gelu"])
    (row,) = trials.best_of(REPORTED, frames, plan).to_dict("records")
    assert row["k"] == 0
    assert row["reason"] == "ended runs without a value on val or test: 1"


def test_infinitely_bad_levels_have_no_leader_and_no_best_trial():
    rates = {key: [100.0, 100.0] for key in RATES}
    status = {(level, lr, 1000): "diverged" for level, lr in RATES if lr > 0.001}
    table, plan = table_of(rates, TOKENS, status=status)
    first = trials_tables.sentences(Tables(plan, {"best_of": table}), "mlp")[0]
    assert "chooses): with 3 trials gelu (" in first or "chooses): with 3 trials relu (" in first
    assert "1 trial " not in first
    status = dict.fromkeys([(level, lr, 1000) for level, lr in RATES], "diverged")
    table, plan = table_of(rates, TOKENS, status=status)
    assert set(table["best_trial"]) == set(table["at_edge"]) == {""}
    texts = trials_tables.sentences(Tables(plan, {"best_of": table}), "mlp")
    assert "none, as every level is infinitely bad" in texts[0]
    assert not any("Widen" in text for text in texts)


def test_values_on_a_logarithm_are_named_ln():
    plan = plans.plan_of({"mlp": {**TOKENS, "log_unit": "nats per word"}}, levels=["relu", "tanh"])
    row = {"task": "mlp", "block": "", "level": "relu", "k": 1, "value": 6.78, "n_trials": 4}
    row |= {"trials_of": "tuned rates", "reason": "", "at_edge": "", "best_trial": "lr=0.1"}
    rows = [row, {**row, "level": "tanh", "value": 6.9}]
    (text,) = trials_tables.sentences(Tables(plan, {"best_of": pd.DataFrame(rows)}), "mlp")
    few = pd.DataFrame(rows).assign(n_trials=2)
    assert trials_tables.sentences(Tables(plan, {"best_of": few}), "mlp") == []
    assert trials_tables.sentences(Tables(plan, {"best_of": pd.DataFrame(rows[:1])}), "mlp") == []
    assert "ln test word perplexity of the one that val chooses" in text
    assert "with 1 trial relu (6.780 nats per word)" in text
    assert trials_tables.name_with_unit(plan.tasks["mlp"]) == (
        "ln test word perplexity (nats per word)"
    )


def test_one_rate_is_no_choice():
    table, _ = table_of({("relu", 0.01): [0.7], ("gelu", 0.01): [0.6]})
    assert table["reason"].tolist() == ["no seed has a run of two trials or more that has ended"]


def test_crossed_recipes_are_trials_and_their_best_at_an_edge_is_named():
    rows = []
    curves = []
    for level in ("relu", "gelu"):
        for place, lr in enumerate(("0.01", "0.1", "1")):
            for seed in range(2):
                run_id = f"{level}-{lr}-{seed}"
                value = 0.5 + 0.1 * place + (0.05 if level == "gelu" else 0)
                rows.append(
                    {
                        "run_id": run_id,
                        "task": "mlp",
                        "group": f"lr={lr}",
                        "places": json.dumps({"lr": lr}),
                        "level": level,
                        "seed": seed,
                        "data": "x",
                        "status": "completed",
                        "reported_accuracy": value - 0.2,
                        "train_seconds": 3600.0,
                    }
                )
                curves += curve_of(run_id, "accuracy", value)
    frames = {"runs": pd.DataFrame(rows), "curves": pd.DataFrame(curves), "predictions": NONE}
    plan = plans.plan_of({"mlp": {"axes": {"lr": ["0.01", "0.1", "1"]}}}, levels=["relu", "gelu"])
    table = trials.best_of(frames, {"runs": NO_RUNS, "curves": NONE}, plan)
    relu = table[table["level"] == "relu"].set_index("k")
    np.testing.assert_allclose(relu["value"].astype(float), [0.4, (0.4 + 0.5 + 0.5) / 3, 0.5])
    assert relu["hours"].tolist() == [1.0, 2.0, 3.0]
    texts = trials_tables.sentences(Tables(plan, {"best_of": table}), "mlp")
    assert "with 1 trial gelu (45.00%)" in texts[0]
    assert texts[1].startswith("Widen the axis: the best trial on val is at its edge for relu")
    assert "| 1 " in trials_tables.table(Tables(plan, {"best_of": table}), "mlp")


def test_the_same_study_has_the_same_intervals():
    first, _ = table_of(RATES)
    pd.testing.assert_frame_equal(first, table_of(RATES)[0])
