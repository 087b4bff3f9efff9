"""What moves the result over recipes, and which verdicts the recipe decides: truth comes back."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from plans import plan_of

from actstudy.analysis.page import sensitivity_tables
from actstudy.analysis.questions import components, contrasts, crossed, procedure, spread
from actstudy.analysis.questions import recipe_verdicts as readings
from actstudy.analysis.questions.components import crossed_estimates
from actstudy.analysis.questions.crossed import Crossing
from actstudy.analysis.questions.recipe_verdicts import (
    DEPENDENT,
    IN_EVERY,
    ON_AVERAGE,
    recipe_verdicts,
    signs_of,
)
from actstudy.analysis.questions.seed_values import seed_values
from actstudy.analysis.tables import Tables

RATES = ("0.01", "0.1", "1")
INITS = ("he", "xavier")
LEVELS = ("gelu", "relu", "tanh")
NONE = pd.DataFrame(columns=["task", "group", "level"])


def plan(levels=LEVELS, **fields):
    axes = {"activation": list(levels), "lr": list(RATES), "init": list(INITS)}
    return plan_of({"mlp": {"axes": axes, **fields}}, levels=list(levels))


def runs_of(effect, n=8, sd=0.01, levels=LEVELS, number=0, **fields):
    """Runs of every cell: 0.7, the seed's own share, effect(level, lr, init) and noise of sd."""
    rng = np.random.default_rng(number)
    shares = 0.02 * rng.normal(size=n)
    rows = []
    for level in levels:
        for lr in RATES:
            for init in INITS:
                for seed in range(n):
                    value = 0.7 + shares[seed] + sd * rng.normal() + effect(level, lr, init)
                    rows.append(
                        {
                            "run_id": f"{level}-{lr}-{init}-{seed}",
                            "task": "mlp",
                            "group": f"lr={lr}, init={init}",
                            "places": json.dumps({"lr": lr, "init": init}),
                            "level": level,
                            "seed": seed,
                            "data": "x",
                            "status": "completed",
                            "reported_accuracy": value,
                            "engine": "eager",
                            "precision": "fp32",
                            "order_hash": "h",
                            **fields,
                        }
                    )
    return pd.DataFrame(rows)


def verdicts(runs, study=None):
    study = study or plan()
    frames = {"runs": runs, "predictions": NONE}
    table = recipe_verdicts(frames, study, seed_values(frames, study))
    return table.set_index("level")


def sources(runs, study=None):
    frames = {"runs": runs, "predictions": NONE}
    return components.components(frames, study or plan()).set_index("source")


def nothing(level, lr, init):
    return 0.0


def turning(level, lr, init):
    """gelu is better with the lowest rate and worse with the highest; tanh is worse with all."""
    if level == "gelu":
        return {"0.01": 0.05, "0.1": 0.0, "1": -0.05}[lr]
    return -0.06 if level == "tanh" else 0.0


# Standard deviations


def test_a_main_effect_is_that_of_the_means_over_all_other_axes():
    y = np.random.default_rng(1).normal(size=(6, 3, 4, 2))
    own = spread.sd_of_source(y, [2])
    assert own == spread.sd_of_levels(y.mean(axis=(1, 3)))


def test_an_interaction_is_what_the_main_effects_leave():
    rng = np.random.default_rng(2)
    effects = rng.normal(size=(3, 4))
    effects -= effects.mean(axis=0)
    effects -= effects.mean(axis=1, keepdims=True)
    y = np.broadcast_to(effects[None, :, :, None], (5, 3, 4, 2)) + 7.0
    y = y + rng.normal(size=(5, 1, 1, 1))  # seeds move no effect
    expected = math.sqrt((effects**2).sum() / (2 * 3))
    assert spread.sd_of_source(y, [1, 2]).value == pytest.approx(expected)
    assert spread.sd_of_source(y, [1]).value == pytest.approx(0.0, abs=1e-12)
    assert spread.sd_of_source(y, [1, 3]).value == pytest.approx(0.0, abs=1e-12)


def test_two_by_two_is_students_interval_of_the_difference_of_differences():
    y = np.random.default_rng(3).normal(size=(8, 2, 2)) + np.array([[0.0, 1.0], [3.0, 0.0]])
    own = spread.sd_of_source(y, [1, 2])
    d = (y[:, 0, 0] - y[:, 0, 1] - y[:, 1, 0] + y[:, 1, 1]) / 2
    expected = scipy.stats.ttest_1samp(d, 0).confidence_interval()
    np.testing.assert_allclose([own.low, own.high], sorted(np.abs(expected)), rtol=1e-9)


def test_planted_sources_come_back_in_a_large_study():
    table = sources(runs_of(turning, n=200))
    gelu = np.array([0.05, 0.0, -0.05])
    cells = np.array([np.zeros(3), gelu, np.full(3, -0.06)])
    main = cells.mean(axis=1)
    assert table.loc["activation", "sd"] == pytest.approx(main.std(ddof=1), rel=0.05)
    rest = cells - main[:, None] - cells.mean(axis=0) + cells.mean()
    expected = math.sqrt((rest**2).sum() / 4)
    assert table.loc["activation x lr", "sd"] == pytest.approx(expected, rel=0.05)
    assert table.loc["residual", "sd"] == pytest.approx(0.01, rel=0.05)
    assert table.loc["seed", "sd"] == pytest.approx(0.02, rel=0.2)
    assert table.loc["init", "sd"] < 0.001
    assert list(table.index) == [
        "activation",
        "lr",
        "init",
        "recipe",
        "activation x lr",
        "activation x init",
        "activation x recipe",
        "seed",
        "residual",
        "another seed",
    ]


def test_one_recipe_axis_is_the_recipe():
    crossing = Crossing({"activation": ["a", "b"], "lr": ["1", "2"]}, np.ones((3, 2, 2)), 0, [])
    names = [row[0] for row in crossed_estimates(crossing)]
    assert names == ["activation", "lr", "activation x lr", "seed", "residual", "another seed"]


def test_places_without_a_typical_run_are_left_out_and_named():
    runs = runs_of(nothing)
    gone = (runs["level"] == "tanh") & runs["group"].str.startswith("lr=1,")
    table = sources(runs[~gone])
    assert set(table["left_out"]) == {"lr=1"}
    assert table.loc["lr", "levels"] == "0.01, 0.1"
    assert set(table["n_seeds"]) == {8}


def test_sizes_and_data_are_never_pooled():
    deep = runs_of(nothing, number=1)
    parts = []
    for depth, runs in (("2", runs_of(nothing)), ("8", deep)):
        places = [json.dumps({"depth": depth, **json.loads(row)}) for row in runs["places"]]
        group = "depth=" + depth + ", " + runs["group"]
        parts.append(runs.assign(places=places, group=group, run_id=depth + runs["run_id"]))
    both = pd.concat(parts, ignore_index=True)
    frames = {"runs": both, "predictions": NONE}
    table = components.components(frames, plan())
    assert list(table["block"].unique()) == ["depth=2", "depth=8"]
    own = table[table["block"] == "depth=8"].set_index("source")["sd"]
    pd.testing.assert_series_equal(own, sources(deep)["sd"])


def test_a_task_without_recipes_has_no_row():
    runs = runs_of(nothing)
    alone = runs[runs["group"] == "lr=1, init=he"].assign(places="{}", group="")
    assert sources(alone).empty
    assert verdicts(alone).empty


# Verdicts


def test_a_sign_that_is_shown_on_both_sides_is_recipe_dependent():
    table = verdicts(runs_of(turning))
    gelu = table.loc["gelu"]
    assert gelu["reading"] == DEPENDENT
    assert gelu["n_better"] == gelu["n_worse"] == 2
    assert gelu["better_in"] == "lr=0.01, init=he; lr=0.01, init=xavier"
    assert gelu["worse_in"] == "lr=1, init=he; lr=1, init=xavier"
    tanh = table.loc["tanh"]
    assert tanh["reading"] == f"worse {IN_EVERY}"
    assert tanh["n_worse"] == 6


def test_better_with_some_and_open_with_others_is_better_on_average():
    def often(level, lr, init):
        return 0.08 if level == "gelu" and lr != "1" else 0.0

    gelu = verdicts(runs_of(often)).loc["gelu"]
    assert gelu["reading"] == f"better {ON_AVERAGE}"
    assert gelu["n_better"] == 4


def test_equal_levels_are_neither():
    table = verdicts(runs_of(nothing, sd=0.001))
    assert set(table["reading"]) == {f"equivalent {IN_EVERY}"}
    assert set(table["n_better"] + table["n_worse"]) == {0}


def test_a_sign_within_the_margin_does_not_count():
    def tiny(level, lr, init):
        return turning(level, lr, init) / 50

    gelu = verdicts(runs_of(tiny, sd=0.0002)).loc["gelu"]
    assert gelu["p_better"] <= gelu["spend"]
    assert gelu["p_worse"] <= gelu["spend"]
    assert gelu["reading"] == f"equivalent {IN_EVERY}"


def test_a_lower_metric_is_the_better_one():
    fields = {"higher_is_better": False}
    table = verdicts(runs_of(turning), plan(**fields))
    higher = verdicts(runs_of(turning))
    assert table.loc["gelu", "better_in"] == higher.loc["gelu", "worse_in"]
    assert table.loc["tanh", "reading"] == f"better {IN_EVERY}"
    assert table.loc["tanh", "mean"] == pytest.approx(higher.loc["tanh", "mean"])


def test_few_seeds_say_nothing_however_clear():
    table = verdicts(runs_of(turning, n=7, sd=0.0001))
    assert set(table["reading"]) == {procedure.TOO_FEW}
    assert set(table["n_better"]) == {0}
    assert set(table["n_tested"]) == {0}


def test_looks_have_a_third_of_the_error_and_at_any_number_of_seeds_nothing_is_said():
    runs = runs_of(turning)
    at_once = verdicts(runs)
    in_looks = verdicts(runs, plan(looks=True))
    assert in_looks.loc["gelu", "spend"] == pytest.approx(at_once.loc["gelu", "spend"] / 3)
    assert verdicts(runs, plan(looks="anytime")).empty


def test_one_sided_p_of_one_recipe_is_the_exact_sign_flip_test():
    x = np.random.default_rng(5).normal(0.5, 1, size=9)
    signs = signs_of(x[:, None], 1e-9, 0.05)
    reference = scipy.stats.permutation_test(
        (x,), np.mean, permutation_type="samples", alternative="greater", n_resamples=np.inf
    )
    assert signs.p_better[0] == pytest.approx(reference.pvalue)
    worse = scipy.stats.permutation_test(
        (x,), np.mean, permutation_type="samples", alternative="less", n_resamples=np.inf
    )
    assert signs.p_worse[0] == pytest.approx(worse.pvalue)
    assert signs.p_every == pytest.approx(2 * min(signs.p_better[0], signs.p_worse[0]))


def test_more_recipes_make_no_p_smaller():
    x = np.random.default_rng(6).normal(0.7, 1, size=(10, 6))
    few = signs_of(x[:, :2], 0.1, 0.05)
    many = signs_of(x, 0.1, 0.05)
    assert (many.p_better[:2] >= few.p_better - 1e-12).all()
    assert many.p_every >= few.p_every


def test_a_recipe_without_pairs_helps_no_other_one():
    x = np.random.default_rng(7).normal(0.8, 1, size=(10, 3))
    with_gap = np.column_stack([x, np.full(10, np.nan)])
    own = signs_of(x, 0.1, 0.05)
    wider = signs_of(with_gap, 0.1, 0.05)
    assert (wider.p_better[:3] >= own.p_better).all()
    assert wider.p_every == 1.0


def test_no_decided_row_of_a_recipe_dependent_level_stands_alone():
    runs = runs_of(turning)
    study = plan()
    frames = {"runs": runs, "predictions": NONE}
    values = seed_values(frames, study)
    table = contrasts.contrasts(frames, study, values)
    own = readings.with_reservation(table, recipe_verdicts(frames, study, values))
    primary = contrasts.primary(own)
    decided = primary["verdict"].isin(["better", "worse"])
    gelu = primary[decided & (primary["level"] == "gelu")]
    assert len(gelu) == 4
    assert set(gelu["contradiction"]) == {readings.RESERVATION}
    assert set(primary.loc[primary["level"] == "tanh", "contradiction"]) == {""}
    words = contrasts.verdict_words(gelu.iloc[0].to_dict())
    assert words == f"better when it trains, but {readings.RESERVATION}"
    pairs = own[own["family"] == "all pairs"]
    pairs = pairs[pairs["verdict"].isin(["better", "worse"])]
    against = [{"gelu", "relu"} == {row.level, row.baseline} for row in pairs.itertuples()]
    assert set(pairs.loc[against, "contradiction"]) == {readings.RESERVATION}
    assert set(pairs.loc[~np.array(against), "contradiction"]) == {""}


def test_a_block_needs_its_baseline():
    runs = runs_of(turning)
    assert verdicts(runs[runs["level"] != "relu"]).empty


def test_blocks_put_the_baseline_first_and_name_their_groups():
    frames = {"runs": runs_of(nothing), "predictions": NONE}
    (block,) = crossed.blocks(frames, plan())
    assert block.levels == ["relu", "gelu", "tanh"]
    assert block.axes == {"lr": list(RATES), "init": list(INITS)}
    assert block.groups["0.1", "he"] == "lr=0.1, init=he"
    assert len(block.groups) == 6


# The page


def page_tables(runs):
    study = plan()
    frames = {"runs": runs, "predictions": NONE}
    values = seed_values(frames, study)
    frames["recipe_verdicts"] = recipe_verdicts(frames, study, values)
    frames["components"] = components.components(frames, study, values)
    return Tables(study, frames)


def test_the_page_says_which_source_is_larger_and_where_a_sign_changes():
    tables = page_tables(runs_of(turning, n=20))
    section = sensitivity_tables.section(tables, "mlp")
    assert section["sentences"][0].startswith("Standard deviations: activation 3.")
    assert "another seed" in section["sentences"][0]
    assert "2 of 6 (lr=0.01, init=he; lr=0.01, init=xavier)" in section["table"]
    answer = sensitivity_tables.over_recipes(tables, "mlp")
    assert "gelu recipe-dependent (better with 2 of 6" in answer
    assert "tanh worse in every recipe" in answer
    assert "activation x lr" in sensitivity_tables.deviations(tables, "mlp")


def test_a_level_that_lacks_a_recipe_is_named_as_such():
    runs = runs_of(turning, n=8)
    gone = (runs["level"] == "tanh") & (runs["group"] == runs["group"].iloc[0])
    gone &= runs["seed"] == runs["seed"].iloc[0]
    tables = page_tables(runs[~gone])
    answer = sensitivity_tables.over_recipes(tables, "mlp")
    assert f"tanh {readings.INCOMPLETE}" in answer
    assert "too few" not in answer


def test_few_seeds_have_a_sentence_instead_of_an_order():
    tables = page_tables(runs_of(turning, n=5))
    (sentence,) = sensitivity_tables.section(tables, "mlp")["sentences"]
    assert sentence.startswith("Which source moves the result most is not said: it takes 8 seeds")
    assert sensitivity_tables.over_recipes(tables, "mlp") == ""


def test_rows_that_a_page_leaves_out_are_counted_with_their_file():
    rows = [{"a": number} for number in range(sensitivity_tables.MAX_ROWS + 3)]
    text = sensitivity_tables.first_rows(rows, "components")
    assert text.endswith("3 rows more are in tables/components.csv.")
    assert "more" not in sensitivity_tables.first_rows(rows[:-3], "components")


def test_many_readings_are_counted():
    tables = page_tables(runs_of(turning, n=20))
    rows = tables.frames["recipe_verdicts"]
    few = sensitivity_tables.over_recipes(tables, "mlp")
    assert few.startswith(" Over all recipes (n = 20 seeds): ")
    tables.frames["recipe_verdicts"] = pd.concat([rows] * 7)
    n = len(rows) * 7
    text = sensitivity_tables.over_recipes(tables, "mlp")
    assert text.startswith(f" Over all recipes (n = 20 seeds), of {n} comparisons: 7 ")
    assert "gelu" not in text
