"""Chosen learning rates: frames made by hand."""

import json
import math

import numpy as np
import pandas as pd
import plans
import pytest
from plans import task_plan

from actstudy.analysis.page import tuning_tables
from actstudy.analysis.questions import tuning
from actstudy.analysis.tables import Tables

CLASSES = {"title": "MLP on X", "tune_lr": [0.001, 0.01, 0.1], "recipe": {"lr": 0.01}}
TOKENS = {
    **CLASSES,
    "title": "GPT on X",
    "metric": "word_perplexity",
    "unit": "exp",
    "log_unit": "nats per word",
    "higher_is_better": False,
    "classes": {},
    "predicts": "tokens",
}


def plan_of(tuning=(), **tasks):
    return plans.plan_of(tasks or {"mlp": CLASSES}, tuning=list(tuning))


def tried(table, task="mlp", metric="accuracy", status=None, group=""):
    """table: (level, lr) -> best value at each seed; planned rows, and the frames of their runs."""
    rows = []
    runs = []
    curves = []
    for (level, lr), values in table.items():
        for seed, value in enumerate(values, 1000):
            run_id = f"{task}-{group}-{level}-{lr}-{seed}"
            rows.append(
                {
                    "run_id": run_id,
                    "task": task,
                    "level": level,
                    "group": group,
                    "places": "{}",
                    "seed": seed,
                    "data": "x",
                    "lr": lr,
                }
            )
            ended = (status or {}).get((level, lr, seed), "completed")
            runs.append({"run_id": run_id, "status": ended})
            curves += curve_of(run_id, metric, value)
    return rows, {"runs": pd.DataFrame(runs), "curves": pd.DataFrame(curves)}


def curve_of(run_id, metric, best):
    """Points of a run whose validation metric is best at step 2."""
    worse = best + (-0.05 if metric == "accuracy" else 9)
    points = [("val", 1, worse), ("val", 2, best), ("val", 3, worse), ("train", 3, 7.0)]
    rows = []
    for split, step, value in points:
        rows.append(
            {"run_id": run_id, "split": split, "metric": metric, "step": step, "value": value}
        )
    return rows


RATES = {
    ("relu", 0.001): [0.60, 0.62],
    ("relu", 0.01): [0.70, 0.72],
    ("relu", 0.1): [0.695, 0.715],
    ("gelu", 0.001): [0.50, 0.50],
    ("gelu", 0.01): [0.60, 0.60],
    ("gelu", 0.1): [0.80, 0.70],
}


def test_the_rate_with_the_best_mean_of_the_best_validation_value_is_chosen():
    rows, frames = tried(RATES)
    plan = plan_of(rows)
    assert tuning.chosen_rates(frames, plan, "mlp") == {("", "relu"): 0.01, ("", "gelu"): 0.1}
    table = tuning.tuning(frames, plan)
    assert list(table.columns) == tuning.COLUMNS
    relu = table[table["level"] == "relu"].set_index("lr")
    assert relu["mean_val"].to_dict() == pytest.approx({0.001: 0.61, 0.01: 0.71, 0.1: 0.705})
    assert relu.loc[0.01, "sd_val"] == pytest.approx(np.std([0.70, 0.72], ddof=1))
    assert relu["chosen"].tolist() == [False, True, False]
    assert relu["good"].tolist() == [False, True, True]  # 0.705 is within 0.01 of 0.71
    assert not relu["at_edge"].any()
    assert table[table["level"] == "gelu"]["at_edge"].tolist() == [False, False, True]
    assert set(table["budget_runs"]) == {6}
    assert set(table["fixed_lr"]) == {0.01}
    assert set(table["n"]) == {2}


def test_ties_go_to_the_smaller_rate_whatever_the_order():
    for order in (1, -1):
        rows, frames = tried({("relu", lr): [0.5] for lr in [0.001, 0.01, 0.1][::order]})
        assert tuning.chosen_rates(frames, plan_of(rows), "mlp") == {("", "relu"): 0.001}


@pytest.mark.parametrize("status", ["diverged", "failed", "timeout", "out_of_memory"])
def test_a_diverged_run_counts_at_chance_and_one_without_an_end_of_its_own_is_none(status):
    rows, frames = tried(RATES, status={("gelu", 0.1, 1001): status})
    table = tuning.tuning(frames, plan_of(rows)).set_index(["level", "lr"])
    lost = status != "diverged"
    expected = 0.80 if lost else (0.80 + 0.1) / 2
    assert table.loc[("gelu", 0.1), "mean_val"] == pytest.approx(expected)
    assert table.loc[("gelu", 0.1), "n"] == 2 - lost
    assert (tuning.chosen_rates(frames, plan_of(rows), "mlp")["", "gelu"] == 0.01) or lost


def test_a_diverged_run_counts_at_the_chance_of_its_own_data():
    rows, frames = tried(RATES, status={("gelu", 0.1, 1001): "diverged"})
    of_two = [{**row, "data": "two"} if row["level"] == "gelu" else row for row in rows]
    plan = plan_of(of_two, mlp={**CLASSES, "classes": {"x": 10, "two": 2}})
    table = tuning.tuning(frames, plan).set_index(["level", "lr"])
    assert table.loc[("gelu", 0.1), "mean_val"] == pytest.approx((0.80 + 0.5) / 2)


def test_perplexities_are_averaged_as_logarithms_and_a_diverged_run_is_infinitely_bad():
    table = {
        ("relu", 0.001): [100.0, 10000.0],
        ("relu", 0.01): [1010.0, 1010.0],
        ("relu", 0.1): [2.0, 3.0],
    }
    rows, frames = tried(table, "lm", "word_perplexity", {("relu", 0.1, 1001): "diverged"})
    plan = plan_of(rows, lm=TOKENS)
    assert tuning.chosen_rates(frames, plan, "lm") == {
        ("", "relu"): 0.001
    }  # sqrt(100 * 10000) = 1000; a mean is 5050
    table = tuning.tuning(frames, plan).set_index("lr")
    assert table.loc[0.001, "mean_val"] == pytest.approx(math.log(1000))
    assert table.loc[0.1, "mean_val"] == np.inf
    assert table["good"].to_dict() == {0.001: True, 0.01: True, 0.1: False}  # ln 1.01 is below 0.01


def test_runs_that_have_not_ended_are_not_counted():
    rows, frames = tried(
        RATES, status={("gelu", 0.1, 1000): "missing", ("gelu", 0.1, 1001): "damaged"}
    )
    table = tuning.tuning(frames, plan_of(rows)).set_index(["level", "lr"])
    assert table.loc[("gelu", 0.1), "n"] == 0
    assert not table.loc[("gelu", 0.1), ["chosen", "good"]].any()
    assert tuning.chosen_rates(frames, plan_of(rows), "mlp")["", "gelu"] == 0.01
    nothing = {
        "runs": pd.DataFrame(columns=["run_id", "status"]),
        "curves": pd.DataFrame(columns=["run_id"]),
    }
    assert tuning.chosen_rates(nothing, plan_of(rows), "mlp") == {}
    assert tuning.tuning(nothing, plan_of()).columns.tolist() == tuning.COLUMNS


def test_runs_of_other_seeds_and_tasks_choose_nothing():
    rows, frames = tried(RATES)
    extra_rows, extra = tried({("relu", 0.001): [9.9]}, task="vision")
    both = {name: pd.concat([frames[name], extra[name]]) for name in frames}
    plan = plan_of(rows + extra_rows, mlp=CLASSES, vision={**CLASSES, "tune_lr": None})
    assert tuning.chosen_rates(both, plan, "mlp")["", "relu"] == 0.01
    assert set(tuning.tuning(both, plan)["task"]) == {"mlp"}


@pytest.mark.parametrize(
    ("places", "base"),
    [
        ({"lr": "fixed"}, {}),
        ({"depth": "2", "lr": "tuned"}, {"depth": "2"}),
        ({"lr": "tuned", "depth": "2"}, {"depth": "2"}),
        ({"lr": "0.1"}, {"lr": "0.1"}),
    ],
)
def test_base_places_are_those_of_the_tuning_runs(places, base):
    assert tuning.base_places(places) == base


PLACES = {
    "depth=2, lr=fixed": {"depth": "2", "lr": "fixed"},
    "depth=9, lr=fixed": {"depth": "9", "lr": "fixed"},
    "depth=a, lr=fixed, lr=fixed": {"depth": "a, lr=fixed", "lr": "fixed"},
    "depth=2, lr=tuned": {"depth": "2", "lr": "tuned"},
    "depth=a, lr=fixed, lr=tuned": {"depth": "a, lr=fixed", "lr": "tuned"},
}


def test_groups_at_the_fixed_and_the_tuned_rate_are_pairs_by_their_places_not_their_names():
    assert tuning.rate_pairs(PLACES, PLACES) == [
        ("depth=2", "depth=2, lr=fixed", "depth=2, lr=tuned"),
        ("depth=a, lr=fixed", "depth=a, lr=fixed, lr=fixed", "depth=a, lr=fixed, lr=tuned"),
    ]
    ordered = tuning.side_by_side(PLACES, PLACES)
    assert [PLACES[group]["depth"] for group in ordered] == ["2", "2", "9", *["a, lr=fixed"] * 2]


def contrast_rows(group, **means):
    rows = []
    for level, (mean, verdict) in means.items():
        rows.append(
            {
                "task": "mlp",
                "group": group,
                "level": level,
                "baseline": "relu",
                "family": "primary",
                "n": 8,
                "mean": mean,
                "verdict": verdict,
            }
        )
    return rows


@pytest.fixture
def tuned():
    rows, frames = tried(RATES)
    plan = plan_of(rows)
    contrasts = contrast_rows("lr=fixed", gelu=(0.02, "better"), tanh=(-0.01, "undecided"))
    contrasts += contrast_rows("lr=tuned", gelu=(-0.02, "worse"), tanh=(-0.03, "undecided"))
    runs = []
    for rate in ("fixed", "tuned"):
        places = json.dumps({"lr": rate})
        runs.append({"task": "mlp", "group": f"lr={rate}", "places": places})
    frames = {
        "runs": pd.DataFrame(runs),
        "tuning": tuning.tuning(frames, plan),
        "contrasts": pd.DataFrame(contrasts),
    }
    return Tables(plan, frames)


def test_sentences_say_what_tuning_cost_and_changed(tuned):
    budget, flips, verdicts, widths, edges = tuning_tables.sentences(tuned, "mlp")
    assert "3 rates x 2 seeds = 6 tuning runs" in budget
    assert "the fixed rate is 0.01" in budget
    assert "1 of 3 pairs of levels change their order by mean (relu over gelu)" in flips
    assert verdicts.startswith(
        "The verdict changes for gelu from better to worse; fixed and tuned rates were not"
    )
    assert "relu at least 1.0 (0.01 to 0.1); gelu at least 0.0 (0.1 alone)" in widths
    assert edges == "Widen the grid: the chosen rate is at its edge for gelu (highest: 0.1)."


def test_sentences_where_nothing_flips_or_nothing_was_tuned(tuned):
    same = tuned.frames["contrasts"].assign(mean=0.0, verdict="undecided")
    calm = Tables(tuned.plan, {**tuned.frames, "contrasts": same})
    sentences = tuning_tables.sentences(calm, "mlp")
    nothing = "no pair of levels changes its order by mean."
    assert nothing in sentences[1]
    assert not any("verdict changes" in sentence for sentence in sentences)
    bare = Tables(tuned.plan, {**tuned.frames, "tuning": tuned.frames["tuning"].head(0)})
    assert tuning_tables.sentences(bare, "mlp") == []


def test_a_lower_is_better_order_is_turned_round(tuned):
    tuned.plan.tasks["mlp"] = task_plan(**{**CLASSES, "higher_is_better": False})
    assert "(gelu over relu)" in tuning_tables.sentences(tuned, "mlp")[1]


def test_the_good_region_ends_at_the_first_rate_that_is_not_good():
    rows = {
        "lr": [0.001, 0.01, 0.1, 1.0],
        "chosen": [False, True, False, False],
        "good": [True, True, False, True],
    }
    assert tuning.good_region(pd.DataFrame(rows)) == (0.001, 0.01)
    assert tuning.good_region(pd.DataFrame(rows).assign(chosen=False)) is None
    assert tuning.good_region(pd.DataFrame(rows).assign(good=False)) is None
