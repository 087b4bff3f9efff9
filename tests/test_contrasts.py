"""Contrasts: which seeds are compared with which, at what value, and what the page says of them."""

import json
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from plans import plan_of

from actstudy.analysis import tables
from actstudy.analysis.page import verdict_sentence
from actstudy.analysis.questions import contrasts
from actstudy.contract import schema

MLP = {
    "title": "MLP",
    "metric": "accuracy",
    "higher_is_better": True,
    "baseline": "relu",
    "unit": "share",
}
MLP |= {
    "log_unit": None,
    "predicts": "classes",
    "chance": 0.1,
    "margin": 0.01,
    "margin_reason": "so",
    "looks": False,
}
LM = MLP | {
    "metric": "word_perplexity",
    "higher_is_better": False,
    "log_unit": "nats",
    "predicts": "tokens",
}
LM |= {"chance": None}


def plan(settings=MLP, **more):
    return plan_of({"mlp": {**MLP, **settings}}, **more)


def runs_of(values, task="mlp", group="", **fields):
    """A row a run from level -> values by seed; None has diverged, a missing value has failed."""
    rows = []
    for level, scores in values.items():
        for seed, score in enumerate(scores):
            status = "diverged" if score is None else "failed" if score == "failed" else "completed"
            value = score if status == "completed" else np.nan
            row = {
                "task": task,
                "group": group,
                "level": level,
                "seed": seed,
                "run_id": f"{task}-{group}{level}-{seed}",
            }
            row |= {
                "status": status,
                "reported_accuracy": value,
                "reported_word_perplexity": value,
                "engine": "eager",
            }
            rows.append(row | {"order_hash": "h", "precision": "fp32", "vocabulary": 50} | fields)
    return pd.DataFrame(rows)


def predictions(runs, scores, weights=None, tokens=0):
    """What `collect` makes of predictions: level -> scores of the test examples, each seed's alike."""
    done = runs[runs["status"] == "completed"]
    rows = [
        {
            "scores": np.array(scores[row.level]),
            "weights": np.ones(len(scores[row.level])) if weights is None else weights,
        }
        for row in done.itertuples()
    ]
    return pd.concat(
        [done[["run_id", "task", "group", "level"]].reset_index(drop=True), pd.DataFrame(rows)],
        axis=1,
    ).assign(tokens=tokens)


NONE = pd.DataFrame(columns=["run_id", "task", "group", "level", "scores", "weights", "tokens"])


def judged(runs, settings=MLP, found=NONE, **more):
    made = contrasts.contrasts({"runs": runs, "predictions": found}, plan(settings, **more))
    return made[made["family"] == "primary"].set_index(["group", "level"])


def noise(seed, n=12, sd=0.01):
    return 0.7 + np.random.default_rng(seed).normal(0, sd, n)


def test_a_large_difference_is_better_and_its_mirror_worse():
    relu = noise(0)
    made = judged(
        runs_of(
            {"relu": relu, "gelu": relu + 0.1 + noise(1) / 100, "tanh": relu - 0.1 + noise(2) / 100}
        )
    )
    assert made["verdict"].to_dict() == {("", "gelu"): "better", ("", "tanh"): "worse"}
    lower = judged(
        runs_of({"relu": relu, "gelu": relu + 0.1 + noise(1) / 100}), LM | {"log_unit": None}
    )
    assert lower["verdict"].tolist() == ["worse"]
    assert lower["mean"].iloc[0] > 0
    assert lower["low"].iloc[0] < lower["mean"].iloc[0] < lower["high"].iloc[0]


def test_two_spellings_of_one_function_are_equivalent():
    made = judged(runs_of({"relu": noise(0), "gelu": noise(0)}))
    assert made["verdict"].tolist() == ["equivalent"]


def test_few_seeds_have_an_interval_and_no_verdict():
    row = judged(
        runs_of({"relu": noise(0, 3), "gelu": noise(0, 3) + 0.3 + noise(1, 3) / 100})
    ).iloc[0]
    assert row["verdict"] == "too few seeds"
    assert row["low"] > 0
    assert contrasts.said(row) == "too few seeds (3 of 8)"


def test_only_seeds_that_all_cells_have_are_compared():
    values = {"relu": list(noise(0)), "gelu": [*noise(1, 11), "failed"], "tanh": ["failed"] * 12}
    made = judged(runs_of(values))
    assert made["n"].to_dict() == {("", "gelu"): 11, ("", "tanh"): 0}
    gaps = [g - r for g, r in zip(values["gelu"][:11], values["relu"], strict=False)]
    assert made.loc[("", "gelu"), "mean"] == pytest.approx(np.mean(gaps))


def test_a_diverged_run_counts_at_chance():
    relu = list(noise(0))
    made = judged(runs_of({"relu": relu, "gelu": [None, *relu[1:]]})).iloc[0]
    assert made["n"] == 12
    assert made["mean"] == pytest.approx((0.1 - relu[0]) / 12)
    assert (made["n_diverged"], made["n_diverged_baseline"], made["p_mcnemar"]) == (1, 0, 1.0)


def test_chance_of_a_language_model_is_the_uniform_one():
    """2 documents of 4 tokens and 3 words each, 50 tokens to choose from: exp(8 ln 50 / 6) a word."""
    runs = runs_of({"relu": [100.0] * 8, "gelu": [None] + [100.0] * 7})
    found = predictions(
        runs, {"relu": [5.0, 5.0], "gelu": [5.0, 5.0]}, np.array([3.0, 3.0]), tokens=8
    )
    row = judged(runs, LM, found).iloc[0]
    assert row["mean"] == pytest.approx((8 * math.log(50) / 6 - math.log(100)) / 8)


def test_perplexities_are_compared_by_their_logarithms():
    relu = np.exp(noise(0))
    row = judged(runs_of({"relu": relu, "gelu": relu * 1.1}), LM).iloc[0]
    assert (row["unit"], row["verdict"]) == ("nats", "worse")
    assert row["mean"] == pytest.approx(math.log(1.1))


def test_runs_of_other_batches_or_precision_are_no_pairs():
    same = runs_of({"relu": noise(0), "gelu": noise(1)})
    for column, other in (("order_hash", "other"), ("precision", "bf16"), ("engine", "compiled")):
        odd = same.copy()
        odd.loc[(odd["level"] == "gelu") & (odd["seed"] == 3), column] = other
        assert judged(odd)["n"].tolist() == [11]
        assert judged(odd, compare=column)["n"].tolist() == [12]


def test_the_test_sets_own_error_stands_beside():
    runs = runs_of({"relu": noise(0), "gelu": noise(1)})
    scores = {"relu": [1.0, 0.0, 1.0, 0.0], "gelu": [1.0, 1.0, 1.0, 0.0]}
    row = judged(runs, found=predictions(runs, scores)).iloc[0]
    assert row["test_se"] == pytest.approx(np.std([0, 1, 0, 0], ddof=1) / 2)


@pytest.mark.parametrize(
    "columns",
    [
        {"label": [1, 2], "predicted": [1, 0]},
        {"nll": [3.0, 4.0], "tokens": [5, 6], "words": [2, 3]},
    ],
)
def test_examples_reads_both_kinds_of_predictions(columns):
    table = schema.table("predictions", "r", {"example": [0, 1], **columns})
    row = contrasts.examples("r", table)
    assert isinstance(table, pa.Table)
    if "nll" in columns:
        assert (row["scores"].tolist(), row["weights"].tolist(), row["tokens"]) == (
            [3.0, 4.0],
            [2.0, 3.0],
            11,
        )
    else:
        assert (row["scores"].tolist(), row["weights"].tolist()) == ([1.0, 0.0], [1.0, 1.0])


def test_all_pairs_are_a_family_of_their_own():
    relu = noise(0)
    runs = runs_of({"relu": relu, "gelu": relu, "tanh": relu - 0.2 + noise(1) / 100})
    made = contrasts.contrasts({"runs": runs, "predictions": NONE}, plan())
    pairs = made[made["family"] == "all pairs"]
    assert list(zip(pairs["level"], pairs["baseline"], strict=True)) == [
        ("gelu", "relu"),
        ("tanh", "relu"),
        ("tanh", "gelu"),
    ]
    assert pairs["verdict"].tolist() == ["equivalent", "worse", "worse"]


def test_family_study_shares_the_error_among_tasks():
    relu, gelu = noise(0, 20), noise(0, 20) + noise(5, 20, 0.012) - 0.692
    two = [runs_of({"relu": relu, "gelu": gelu}, task) for task in ("mlp", "lm")]
    tasks = {"mlp": MLP, "lm": MLP}
    spends = {}
    for family in ("task", "study"):
        made = contrasts.contrasts(
            {"runs": pd.concat(two), "predictions": NONE},
            plan_of(tasks, family=family),
        )
        spends[family] = set(made["spend"])
    assert spends == {"task": {0.05}, "study": {0.025}}


def test_one_sentence_a_task_says_who_won():
    relu = noise(0)
    values = {
        "relu": relu,
        "gelu": relu + 0.1 + noise(1) / 100,
        "elu": relu,
        "tanh": relu + noise(3, sd=0.05) - 0.7,
    }
    runs = runs_of(values)
    frames = {
        "runs": runs,
        "contrasts": contrasts.contrasts({"runs": runs, "predictions": NONE}, plan()),
    }
    empty = pd.DataFrame(
        columns=["task", "metric", "checkpoint", "n", "mean", "data", "name", "test"]
    )
    made = tables.Tables(plan(), {**frames, "cells": empty, "references": empty})
    told = verdict_sentence.sentence(made, "mlp")
    assert told.startswith(
        "MLP, test accuracy against relu: gelu is better; elu is equivalent (within 0.01); undecided: tanh ("
    )
    assert told.endswith("(n = 12 seeds).")


def test_undecided_says_what_it_takes():
    row = {"verdict": "undecided", "decided_at": None, "n": 12, "more_seeds": 14.0, "visible": 0.02}
    assert contrasts.said(row) == "undecided: 14 more seeds"
    assert contrasts.said(row | {"more_seeds": None}).endswith(
        "not decidable at this margin; 20 seeds can see 0.02"
    )
    json.dumps(row)


def test_a_failed_run_costs_its_seed_and_no_look():
    """Looks are cut by seed: with seed 3 gone they are of 7 (too few), 11 and 19 seeds, not of the first 8 and 12."""
    relu, gelu = list(noise(0, 20)), list(noise(0, 20) + 0.1 + noise(1, 20) / 100)
    gelu[3] = "failed"
    row = judged(runs_of({"relu": relu, "gelu": gelu}), MLP | {"looks": True}).iloc[0]
    assert (row["n"], row["decided_at"], row["verdict"]) == (19, 11, "better")


def test_a_look_waits_for_all_of_its_runs():
    runs = runs_of({"relu": noise(0, 20), "gelu": noise(0, 20) + 0.1 + noise(1, 20) / 100})
    runs.loc[(runs["level"] == "gelu") & (runs["seed"] >= 10), "status"] = "missing"
    row = judged(runs, MLP | {"looks": True}).iloc[0]
    assert (row["n"], row["decided_at"]) == (8, 8)


def test_a_decision_that_came_early_says_when():
    row = {"verdict": "better", "n": 20, "decided_at": 8.0}
    assert contrasts.said(row) == "better, decided at n = 8"
    assert contrasts.said(row | {"n": 8}) == "better"


def test_a_task_without_runs_is_passed_over():
    """A look at one task of several collects the runs of that task alone."""
    runs = runs_of({"relu": noise(0), "gelu": noise(0)})
    tasks = {"cls": MLP, "mlp": MLP | {"looks": True}}
    made = contrasts.contrasts({"runs": runs, "predictions": NONE}, plan_of(tasks))
    assert set(made["task"]) == {"mlp"}
