"""Contrasts: which seeds are compared with which, at what value, and what the page says of them."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.stats
from plans import plan_of, task_plan

from actstudy.analysis import collect, tables
from actstudy.analysis.page import recommendation
from actstudy.analysis.questions import contrasts, procedure
from actstudy.analysis.questions.differences import DIFFERENCES, seed_differences
from actstudy.analysis.questions.seed_values import TaskValues, seed_values
from actstudy.contract import schema

MLP = {"title": "MLP"}
LM = {
    **MLP,
    "metric": "word_perplexity",
    "higher_is_better": False,
    "log_unit": "nats",
    "predicts": "tokens",
    "classes": {},
}


LABELS = ("run_id", "task", "group", "level", "seed")


def plan(settings=MLP, **more):
    return plan_of({"mlp": {**MLP, **settings}}, **more)


def status_of(score):
    if score is None:
        return "diverged"
    return "failed" if score == "failed" else "completed"


def runs_of(values, task="mlp", group="", **fields):
    """A row per run from level -> values by seed; None has diverged, `failed` has failed."""
    rows = []
    for level, scores in values.items():
        for seed, score in enumerate(scores):
            status = status_of(score)
            value = score if status == "completed" else np.nan
            rows.append(
                {
                    "task": task,
                    "group": group,
                    "level": level,
                    "seed": seed,
                    "run_id": f"{task}-{group}{level}-{seed}",
                    "data": "x",
                    "status": status,
                    "reported_accuracy": value,
                    "reported_word_perplexity": value,
                    "engine": "eager",
                    "order_hash": "h",
                    "precision": "fp32",
                    "vocabulary": 50,
                    **fields,
                }
            )
    return pd.DataFrame(rows)


def predictions(runs, scores, weights=None, tokens=0):
    """Predictions as `collect` has them: level -> scores of the test examples, of every seed."""
    rows = []
    for run in runs[runs["status"] == "completed"].to_dict("records"):
        own = np.array(scores[run["level"]])
        rows.append(
            {
                **{name: run[name] for name in LABELS},
                "scores": own,
                "weights": np.ones(len(own)) if weights is None else weights,
                "tokens": tokens,
            }
        )
    return pd.DataFrame(rows)


NONE = pd.DataFrame(columns=[*LABELS, "scores", "weights", "tokens"])


def contrasts_of(runs, plan, predicted=NONE):
    """The tables `contrasts` and `differences`."""
    frames = {"runs": runs, "predictions": predicted}
    values = seed_values(frames, plan)
    table = contrasts.contrasts(frames, plan, values)
    return table, seed_differences(table, plan, values)


def judged(runs, settings=MLP, predicted=NONE, **more):
    table, _ = contrasts_of(runs, plan(settings, **more), predicted)
    return table[table["family"] == "primary"].set_index(["group", "level"])


def noise(seed, n=12, sd=0.01):
    return 0.7 + np.random.default_rng(seed).normal(0, sd, n)


def clearly_better(n=12):
    relu = noise(0, n)
    return {"relu": relu, "gelu": relu + 0.1 + noise(1, n) / 100}


def test_a_large_difference_is_better_and_its_mirror_worse():
    values = clearly_better()
    values["tanh"] = values["relu"] - 0.1 + noise(2) / 100
    table = judged(runs_of(values))
    assert table["verdict"].to_dict() == {("", "gelu"): "better", ("", "tanh"): "worse"}
    lower = judged(runs_of(clearly_better()), LM | {"log_unit": None})
    assert lower["verdict"].tolist() == ["worse"]
    assert lower["mean"].iloc[0] > 0
    assert lower["low"].iloc[0] < lower["mean"].iloc[0] < lower["high"].iloc[0]


def test_two_spellings_of_one_function_are_equivalent():
    table = judged(runs_of({"relu": noise(0), "gelu": noise(0)}))
    assert table["verdict"].tolist() == ["equivalent"]


def test_few_seeds_have_an_interval_and_no_verdict():
    values = {"relu": noise(0, 3), "gelu": noise(0, 3) + 0.3 + noise(1, 3) / 100}
    row = judged(runs_of(values)).iloc[0]
    assert row["verdict"] == "too few seeds"
    assert row["low"] > 0
    assert contrasts.describe_verdict(row) == "too few seeds (3 of 8)"


def test_a_seed_that_one_level_lacks_counts_for_the_others():
    values = {"relu": list(noise(0)), "gelu": [*noise(1, 11), "failed"], "tanh": ["failed"] * 12}
    values["silu"] = noise(2)
    table = judged(runs_of(values))
    assert table["n"].to_dict() == {("", "gelu"): 11, ("", "tanh"): 0, ("", "silu"): 12}
    gaps = [g - r for g, r in zip(values["gelu"][:11], values["relu"], strict=False)]
    assert table.loc[("", "gelu"), "mean"] == pytest.approx(np.mean(gaps))


def test_a_collapsed_run_is_a_risk_and_not_part_of_the_typical_difference():
    """Chance is 0.1, the median 0.7: below 0.4 a run has collapsed, at 0.41 it has not."""
    relu = list(noise(0))
    row = judged(runs_of({"relu": relu, "gelu": [None, 0.39, 0.41, *relu[3:]]})).iloc[0]
    assert (row["n"], row["seeds"]) == (10, 12)
    assert row["mean"] == pytest.approx((0.41 - relu[2]) / 10)
    assert row["mean_all"] == pytest.approx((0.1 + 0.39 + 0.41 - sum(relu[:3])) / 12)
    assert (row["n_runs"], row["n_diverged"], row["n_collapsed"]) == (12, 1, 2)
    assert (row["n_diverged_baseline"], row["n_collapsed_baseline"]) == (0, 0)
    assert row["p_mcnemar"] == 0.5
    assert row["risk"] == pytest.approx(scipy.stats.beta.ppf(0.95, 3, 10))
    assert row["risk_baseline"] == pytest.approx(1 - 0.05 ** (1 / 12))


def test_chance_level_is_typical_of_a_level_that_does_not_train():
    """Most of its runs diverged: it is worse, by its runs at chance."""
    relu = list(noise(0))
    row = judged(runs_of({"relu": relu, "gelu": [None] * 11 + [0.7]})).iloc[0]
    assert (row["verdict"], row["condition"], row["n"]) == ("worse", "", 12)
    assert row["mean"] == row["mean_all"]
    near = judged(runs_of({"relu": relu, "gelu": list(0.11 + noise(1) / 100)})).iloc[0]
    assert (near["n_collapsed"], near["n"], near["verdict"]) == (0, 12, "worse")


def test_two_levels_that_always_diverge_are_not_equivalent():
    values = {"relu": [None] * 12, "gelu": [None] * 12, "tanh": [0.1] * 12}
    table = judged(runs_of(values))
    assert table["verdict"].tolist() == ["too few seeds", "equivalent"]
    assert table["n"].tolist() == [0, 12]


def diverged_language_model():
    """Runs and predictions: 2 documents of 4 tokens and 3 words each, 50 tokens to choose from."""
    runs = runs_of({"relu": [100.0] * 8, "gelu": [None] + [100.0] * 7})
    scores = {"relu": [5.0, 5.0], "gelu": [5.0, 5.0]}
    return runs, predictions(runs, scores, np.array([3.0, 3.0]), tokens=8)


def test_chance_of_a_language_model_is_the_uniform_one():
    """The uniform model's perplexity per word is exp(8 ln 50 / 6)."""
    row = judged(diverged_language_model()[0], LM, diverged_language_model()[1]).iloc[0]
    assert (row["n"], row["mean"], row["n_collapsed"]) == (7, 0.0, 1)
    assert row["mean_all"] == pytest.approx((8 * math.log(50) / 6 - math.log(100)) / 8)


TWO_DATA_SETS = {"classes": {"two": 2, "ten": 10}}


def test_each_data_set_has_its_own_chance_level():
    """Half way from chance to a median of 0.9 lies 0.7 of two classes, 0.5 of ten: 0.6 is between.

    A diverged run stands at 0.5 and at 0.1.
    """
    relu = list(0.2 + noise(0))
    values = {"relu": relu, "gelu": [None, 0.6, *relu[2:]]}
    runs = pd.concat([runs_of(values, group=data, data=data) for data in ("two", "ten")])
    table = judged(runs, TWO_DATA_SETS)
    assert table["n_collapsed"].to_dict() == {("two", "gelu"): 2, ("ten", "gelu"): 1}
    for data, chance in (("two", 0.5), ("ten", 0.1)):
        sum_of_differences = chance + 0.6 - sum(relu[:2])
        assert table.loc[(data, "gelu"), "mean_all"] == pytest.approx(sum_of_differences / 12)


def test_each_vocabulary_has_its_own_chance_level():
    """Perplexities are alike; the uniform model's is exp(8 ln 50 / 6) or exp(8 ln 5000 / 6)."""
    runs = []
    predicted = []
    for vocabulary in (50, 5000):
        name = f"v{vocabulary}"
        values = {"relu": [100.0] * 8, "gelu": [None] + [100.0] * 7}
        own = runs_of(values, group=name, data=name, vocabulary=vocabulary)
        scores = {"relu": [5.0, 5.0], "gelu": [5.0, 5.0]}
        runs.append(own)
        predicted.append(predictions(own, scores, np.array([3.0, 3.0]), tokens=8))
    table = judged(pd.concat(runs), LM, pd.concat(predicted))
    for vocabulary in (50, 5000):
        uniform = 8 * math.log(vocabulary) / 6
        mean_all = table.loc[(f"v{vocabulary}", "gelu"), "mean_all"]
        assert mean_all == pytest.approx((uniform - math.log(100)) / 8)


def test_data_sets_that_are_compared_are_paired_by_seed_and_have_no_test_examples_in_common():
    """Batches differ with the data; the winner, if it collapses, falls to its own chance level."""
    relu = noise(0)
    low = runs_of({"ten": relu}, data="ten")
    high = runs_of({"two": relu + 0.15}, data="two", order_hash="other")
    runs = pd.concat([low, high])
    scores = {"ten": [1.0, 0.0, 1.0], "two": [1.0, 1.0, 0.0]}
    settings = {**TWO_DATA_SETS, "baseline": "ten"}
    row = judged(runs, settings, predictions(runs, scores), compare="dataset").iloc[0]
    assert (row["n"], row["verdict"], row["condition"]) == (12, "better", "")
    assert math.isnan(row["test_se"])
    assert judged(runs.assign(data="ten"), settings, compare="dataset")["n"].tolist() == [0]
    alike = settings | {"classes": {"two": 10, "ten": 10}}
    row = judged(runs, alike, compare="dataset").iloc[0]
    assert row["condition"] == "when it trains"


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
    row = judged(runs, predicted=predictions(runs, scores)).iloc[0]
    assert row["test_se"] == pytest.approx(np.std([0, 1, 0, 0], ddof=1) / 2)


def test_the_test_sets_error_is_that_of_the_seeds_that_count():
    """gelu's seed 3 collapsed, tanh's diverged: what they predict is no part of the difference."""
    relu = list(noise(0))
    values = {
        level: [*relu[:3], fall, *relu[4:]] for level, fall in (("gelu", 0.1), ("tanh", None))
    }
    runs = runs_of({"relu": relu, **values})
    scores = {level: [1.0, 1.0, 1.0, 0.0] for level in ("gelu", "tanh")}
    predicted = predictions(runs, {"relu": [1.0, 0.0, 1.0, 0.0], **scores})
    fallen = (predicted["level"] == "gelu") & (predicted["seed"] == 3)
    predicted.loc[fallen, "scores"] = pd.Series(
        [np.array([0.0, 0.0, 0.0, 9.0])], predicted.index[fallen]
    )
    table = judged(runs, predicted=predicted)
    assert table["n"].tolist() == [11, 11]
    assert table["test_se"].tolist() == pytest.approx([np.std([0, 1, 0, 0], ddof=1) / 2] * 2)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"label": [1, 2], "predicted": [1, 0]}, ([1.0, 0.0], [1.0, 1.0], 0)),
        ({"nll": [3.0, 4.0], "tokens": [5, 6], "words": [2, 3]}, ([3.0, 4.0], [2.0, 3.0], 11)),
    ],
)
def test_a_prediction_row_is_read_of_both_kinds_of_predictions(columns, expected):
    table = schema.table("predictions", "r", {"example": [0, 1], **columns})
    assert isinstance(table, pa.Table)
    row = collect.prediction_row("r", table)
    assert (row["scores"].tolist(), row["weights"].tolist(), row["tokens"]) == expected


def test_all_pairs_are_a_family_of_their_own():
    relu = noise(0)
    runs = runs_of({"relu": relu, "gelu": relu, "tanh": relu - 0.2 + noise(1) / 100})
    table, _ = contrasts_of(runs, plan())
    pairs = table[table["family"] == "all pairs"]
    assert list(zip(pairs["level"], pairs["baseline"], strict=True)) == [
        ("gelu", "relu"),
        ("tanh", "relu"),
        ("tanh", "gelu"),
    ]
    assert pairs["verdict"].tolist() == ["equivalent", "worse", "worse"]


def test_family_study_shares_the_error_among_tasks():
    values = {"relu": noise(0, 20), "gelu": noise(0, 20) + noise(5, 20, 0.012) - 0.692}
    runs = pd.concat([runs_of(values, task) for task in ("mlp", "lm")])
    spends = {}
    for family in ("task", "study"):
        table, _ = contrasts_of(runs, plan_of({"mlp": MLP, "lm": MLP}, family=family))
        spends[family] = set(table["spend"])
    assert spends == {"task": {0.05}, "study": {0.025}}


def test_one_sentence_a_task_says_who_won():
    values = clearly_better()
    values["elu"] = values["relu"]
    values["tanh"] = values["relu"] + noise(3, sd=0.05) - 0.7
    runs = runs_of(values)
    table, _ = contrasts_of(runs, plan())
    columns = ["task", "metric", "checkpoint", "n", "mean", "data", "name", "test"]
    empty = pd.DataFrame(columns=columns)
    frames = {"runs": runs, "contrasts": table, "cells": empty, "references": empty}
    better = table.set_index(["family", "level"]).loc[("primary", "gelu"), "mean"]
    sentence = recommendation.answer(tables.Tables(plan(), frames), "mlp")
    assert sentence == (
        f"Use gelu rather than relu ({100 * better:+.2f} points when it trains, n = 12 seeds). "
        "elu is equivalent to relu, within 1 point when both train. Not decided: tanh. "
        "No run collapsed, which does not exclude a risk of up to 22%."
    )


def test_undecided_says_what_it_takes():
    row = {"verdict": "undecided", "more_seeds": 14.0, "more_seeds_as_seen": None}
    assert contrasts.describe_verdict(row) == (
        "undecided; seeds to add: 14 (margin), over 100 (difference seen)"
    )
    row |= {"more_seeds": math.nan, "more_seeds_as_seen": 3.0}
    assert contrasts.more_seeds(row) == ["over 100", "3"]


def test_a_failed_run_costs_its_pair_and_no_look():
    """Without seed 3 the looks have 7 (too few), 11 and 19 pairs."""
    values = {level: list(scores) for level, scores in clearly_better(20).items()}
    values["gelu"][3] = "failed"
    row = judged(runs_of(values), MLP | {"looks": True}).iloc[0]
    assert (row["n"], row["decided_at"], row["verdict"]) == (19, 12, "better")


def waiting_for_the_second_look():
    """Runs of 20 seeds, of which gelu has 10: the look at 8 can be taken, the one at 12 cannot."""
    runs = runs_of(clearly_better(20))
    runs.loc[(runs["level"] == "gelu") & (runs["seed"] >= 10), "status"] = "missing"
    return runs


def test_a_look_waits_for_all_of_its_runs():
    row = judged(waiting_for_the_second_look(), MLP | {"looks": True}).iloc[0]
    assert (row["n"], row["decided_at"]) == (8, 8)


DECIDED = {"verdict": "better", "n": 20, "seeds": 20, "decided_at": 8.0}
PLAIN = {"condition": "", "contradiction": ""}


def test_a_decision_says_when_it_came_and_what_it_takes_for_granted():
    row = {**DECIDED, **PLAIN}
    assert contrasts.describe_verdict(row) == "better, decided after 8 seeds"
    assert contrasts.describe_verdict(row | {"decided_at": 20}) == "better"
    row |= {"decided_at": 20, "condition": "when it trains", "contradiction": "it rains"}
    assert contrasts.describe_verdict(row) == "better when it trains, but it rains"


def test_a_task_without_runs_is_passed_over():
    """A look at one task of several collects the runs of that task alone."""
    runs = runs_of({"relu": noise(0), "gelu": noise(0)})
    tasks = {"cls": MLP, "mlp": MLP | {"looks": True}}
    table, differences = contrasts_of(runs, plan_of(tasks))
    assert set(table["task"]) == {"mlp"}
    assert set(differences["task"]) == {"mlp"}


# The differences of single seeds


def unpaired_seed():
    """Runs of which gelu's seed 3 saw other batches than its baseline."""
    runs = runs_of({"relu": noise(0, 9), "gelu": noise(1, 9)})
    runs.loc[(runs["level"] == "gelu") & (runs["seed"] == 3), "order_hash"] = "other"
    return runs


CASES = {
    "complete": (runs_of({"relu": noise(0), "gelu": noise(1), "tanh": noise(2)}), MLP, NONE),
    "unpaired": (unpaired_seed(), MLP, NONE),
    "diverged": (runs_of({"relu": noise(0), "gelu": [None, *noise(1, 11)]}), MLP, NONE),
    "perplexity": (diverged_language_model()[0], LM, diverged_language_model()[1]),
    "early look": (waiting_for_the_second_look(), MLP | {"looks": True}, NONE),
    "too few": (runs_of({"relu": noise(0, 2), "gelu": noise(1, 2)}), MLP, NONE),
    "a level without seeds": (
        runs_of({"relu": noise(0), "gelu": noise(1), "tanh": ["failed"] * 12}),
        MLP,
        NONE,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_differences_are_those_that_the_contrasts_rest_on(case):
    runs, settings, predicted = CASES[case]
    table, differences = contrasts_of(runs, plan(settings), predicted)
    assert list(differences.columns) == DIFFERENCES
    primary = table[table["family"] == "primary"]
    typical = differences[differences["is_typical"]]
    assert len(typical) == primary["n"].sum() > 0
    for row in primary.to_dict("records"):
        own = typical[typical["level"] == row["level"]]
        assert len(own) == row["n"]
        if row["n"]:
            assert own["difference"].mean() == pytest.approx(row["mean"], abs=1e-15)
            assert own["difference"].std() == pytest.approx(row["sd"], abs=1e-15)
            assert set(own["unit"]) == {row["unit"]}
            assert set(own["baseline"]) == {"relu"}


def test_differences_leave_out_what_is_not_compared():
    _, unpaired = contrasts_of(unpaired_seed(), plan())
    assert unpaired["seed"].tolist() == [0, 1, 2, 4, 5, 6, 7, 8]
    _, early = contrasts_of(waiting_for_the_second_look(), plan(MLP | {"looks": True}))
    assert early["seed"].tolist() == list(range(8))
    runs, predicted = diverged_language_model()
    _, logarithms = contrasts_of(runs, plan(LM), predicted)
    uniform = 8 * math.log(50) / 6 - math.log(100)
    assert logarithms["difference"].tolist() == pytest.approx([uniform, *[0.0] * 7])


def test_without_contrasts_there_are_no_differences():
    _, differences = contrasts_of(runs_of({"relu": noise(0)}), plan())
    assert differences.empty
    assert list(differences.columns) == DIFFERENCES


# What a verdict takes for granted, and what speaks against it


def test_a_difference_larger_than_any_risk_needs_no_condition():
    """Of 40 seeds no run collapsed: a risk above 0.13 is excluded for two limits at once."""
    low = 0.2 + noise(0, 40) / 100
    values = {"relu": low, "gelu": low + 0.5, "tanh": low + 0.004}
    table = judged(runs_of(values), MLP | {"margin": 0.003})
    assert table["verdict"].tolist() == ["better", "better"]
    assert table["condition"].tolist() == ["", "when it trains"]
    assert judged(runs_of({"relu": low + 0.5, "gelu": low}))["condition"].tolist() == [""]


def test_the_winner_is_the_one_that_has_to_train():
    relu = noise(0)
    table = judged(runs_of({"relu": relu, "gelu": relu + 0.05, "tanh": relu - 0.05}))
    assert table["verdict"].tolist() == ["better", "worse"]
    assert table["condition"].tolist() == ["when it trains", "when relu trains"]


def test_a_decision_that_later_seeds_contradict_says_so():
    """gelu is ahead at the first look and far behind on the later seeds; none collapsed."""
    relu = noise(0, 20)
    gelu = [*(relu[:8] + 0.03), *(relu[8:] - 0.1)]
    row = judged(runs_of({"relu": relu, "gelu": gelu}), MLP | {"looks": True}).iloc[0]
    assert (row["verdict"], row["decided_at"]) == ("better", 8)
    assert row["contradiction"] == "with all seeds the mean difference has the other sign"


def test_a_decision_that_collapsed_runs_contradict_says_so():
    relu = noise(0, 20)
    gelu = list(relu + 0.03 + noise(1, 20) / 100 - 0.007)
    gelu[9] = gelu[12] = gelu[15] = 0.1
    row = judged(runs_of({"relu": relu, "gelu": gelu}), MLP | {"looks": True}).iloc[0]
    assert (row["verdict"], row["condition"]) == ("better", "when it trains")
    assert row["mean"] > 0 > row["mean_all"]
    assert row["contradiction"] == "with collapsed runs the mean difference has the other sign"
    assert "but with collapsed runs" in contrasts.describe_verdict(row)


def test_an_equivalence_that_later_seeds_contradict_says_so():
    relu = noise(0, 20)
    gelu = [*relu[:8], *(relu[8:] - 0.1)]
    row = judged(runs_of({"relu": relu, "gelu": gelu}), MLP | {"looks": True}).iloc[0]
    assert (row["verdict"], row["decided_at"]) == ("equivalent", 8)
    assert row["contradiction"] == "with all seeds the mean difference is beyond the margin"


def test_with_looks_a_shared_family_can_be_found_different():
    """Of two tasks each has half: at 8 seeds the smallest p is above it, at 12 it is not."""
    runs = pd.concat([runs_of(clearly_better(20), task) for task in ("mlp", "lm")])
    tasks = {name: MLP | {"looks": True} for name in ("mlp", "lm")}
    table, _ = contrasts_of(runs, plan_of(tasks, family="study"))
    assert set(table["verdict"]) == {"better"}
    assert set(table["decided_at"]) == {12}


def near_chance(rng, n=20):
    """Values of two levels that are alike: 0.06 above chance, with an sd of 0.02."""
    values = pd.DataFrame(
        {("", level): 0.16 + rng.normal(0, 0.02, n) for level in ("relu", "gelu")}
    )
    return TaskValues(values, values.isna(), pd.Series(0.1, values.columns))


def test_noise_near_chance_gives_no_more_false_verdicts_than_5_percent():
    """300 studies; three Monte Carlo errors above 5% are 8.8%."""
    rng = np.random.default_rng(0)
    settings = task_plan(margin=1e-3)
    pairs = [contrasts.Pair("", "gelu", "relu")]
    false = 0
    for _ in range(300):
        looks = procedure.looks_of(settings.looks)
        (verdict,) = contrasts.judge(near_chance(rng), pairs, settings, looks, 20)
        false += verdict.verdict in ("better", "worse")
    assert false <= 0.088 * 300


def test_a_first_decision_stays_when_later_seeds_change_what_is_typical():
    """gelu is at chance on its first five seeds and trains on all later ones."""
    relu = noise(0, 20)
    gelu = [*(0.1 + noise(1, 5) / 1000), *noise(2, 15)]
    verdicts = []
    for n in (8, 12, 20):
        runs = runs_of({"relu": relu[:n], "gelu": gelu[:n]})
        row = judged(runs, MLP | {"looks": True}).iloc[0]
        verdicts.append((row["verdict"], row["decided_at"]))
    decided = [pair for pair in verdicts if pair[0] in ("better", "worse", "equivalent")]
    assert len(set(decided)) <= 1
    first = verdicts[0]
    assert first[0] not in ("better", "worse") or set(verdicts) == {first}


def sentence_of(values, groups=("",), settings=MLP):
    """The sentence of a study with the same runs in every group."""
    runs = pd.concat([runs_of(values, group=group) for group in groups])
    table, _ = contrasts_of(runs, plan(settings))
    columns = ["task", "metric", "checkpoint", "n", "mean", "data", "name", "test"]
    empty = pd.DataFrame(columns=columns)
    frames = {"runs": runs, "contrasts": table, "cells": empty, "references": empty}
    return recommendation.answer(tables.Tables(plan(settings), frames), "mlp")


def test_a_level_at_chance_in_most_runs_is_not_called_free_of_collapse():
    relu = noise(0, 9)
    text = sentence_of({"relu": relu, "gelu": [*relu[:4], *[0.1] * 5], "tanh": relu + 0.05})
    assert "At chance level in most runs: gelu" in text
    assert "tanh and relu: no run collapsed, which does not exclude a risk of up to 28%" in text


def test_counts_of_many_groups_keep_conditions():
    relu = noise(0)
    text = sentence_of(
        {"relu": relu, "gelu": relu + 0.05}, [f"depth={depth}" for depth in range(6)]
    )
    assert "gelu better when it trains in 6 of 6 groups" in text


def test_when_all_have_diverged_nothing_is_awaited():
    text = sentence_of({"relu": [None] * 8, "gelu": [None] * 8})
    assert "all runs that have ended diverged" in text
    assert "yet" in sentence_of({"relu": [None] * 8, "gelu": ["failed"] * 8})


def test_too_few_typical_pairs_say_of_how_many_seeds():
    row = judged(runs_of({"relu": noise(0), "gelu": [*noise(1, 7), *[None] * 5]})).iloc[0]
    assert contrasts.describe_verdict(row) == ("too few typical pairs (7 of 12 seeds, it takes 8)")
