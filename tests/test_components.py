"""Framework, activation or seed: what is compared, and known truth that must come back."""

import dataclasses
import math
import sys

import numpy as np
import pandas as pd
import pytest
from plans import plan_of
from runs import ROOT
from test_contrasts import NONE

from actstudy.analysis.questions import components as sources
from actstudy.analysis.questions import contrasts, effects, factors, speed, spread, verified
from actstudy.analysis.questions.seed_values import seed_values

sys.path.append(str(ROOT / "benchmarks"))
import components as simulated

SD = {"seed": 0.02, "framework": 0.01, "activation": 0.03, "arithmetic": 0.004}
KERAS = ("keras-jax", "keras-tensorflow")
COMPILED = {"framework": "torch", "engine": "compiled"}
AXES = {"framework": ["torch", COMPILED, *KERAS], "activation": ["relu", "gelu"]}
NAMES = {
    "torch": ("torch", "eager"),
    "torch (engine=compiled)": ("torch", "compiled"),
    "keras-jax": ("keras-jax", "eager"),
    "keras-tensorflow": ("keras-tensorflow", "eager"),
}


def plan(**fields):
    task = {"baseline": "torch", "axes": AXES, **fields}
    return plan_of({"mlp": task}, compare="framework", levels=list(NAMES))


def runs_of(n=8, number=0, block="", **fields):
    """Runs with planted standard deviations SD, as `collect` gives them."""
    rng = np.random.default_rng(number)
    seeds = SD["seed"] * rng.normal(size=n)
    rows = []
    for level, (framework, engine) in NAMES.items():
        for activation in ("relu", "gelu"):
            for seed in range(n):
                value = 0.7 + seeds[seed] + SD["arithmetic"] * rng.normal()
                value += math.sqrt(2) * SD["framework"] * (framework != "torch")
                value += math.sqrt(2) * SD["activation"] * (activation == "gelu")
                rows.append(
                    {
                        "run_id": f"{block}{level}-{activation}-{seed}",
                        "task": "mlp",
                        "group": f"{block}activation={activation}",
                        "level": level,
                        "seed": seed,
                        "data": "x",
                        "status": "completed",
                        "reason": None,
                        "reported_accuracy": value,
                        "framework": framework,
                        "engine": engine,
                        "activation": activation,
                        "precision": "fp32",
                        "order_hash": str(seed),
                        "throughput": 100.0 + rng.normal() + 50 * (framework != "torch"),
                        "throughput_unit": "images/s",
                        "compile_seconds": 1.0,
                        "peak_memory_bytes": 1e8,
                        "peak_memory_kind": "process",
                        "timing_clean": True,
                        "device": "a CPU",
                        "execution": "NCHW",
                        **fields,
                    }
                )
    return pd.DataFrame(rows)


def frames_of(runs, study=None):
    study = study or plan()
    frames = {"runs": runs, "predictions": NONE}
    values = seed_values(frames, study)
    frames["contrasts"] = contrasts.contrasts(frames, study, values)
    return frames


def effects_of(runs, study=None):
    study = study or plan()
    return effects.effects(frames_of(runs, study), study)


def components_of(runs, study=None):
    study = study or plan()
    table = sources.components({"runs": runs, "predictions": NONE}, study)
    return table.set_index("source")


# Who is compared with whom


def test_every_pair_differs_in_its_factor_alone():
    table = effects_of(runs_of())
    trainers = ("torch, eager", "torch, compiled", *KERAS)
    expected = {("activation", at, "gelu", "relu") for at in trainers}
    for act in ("relu", "gelu"):
        expected |= {("framework", act, keras, "torch") for keras in KERAS}
        expected |= {("back end", act, *reversed(KERAS)), ("arithmetic", act, "compiled", "eager")}
    named = table.loc[table["factor"] != "seed", ["factor", "at", "level", "baseline"]]
    assert set(named.itertuples(index=False, name=None)) == expected
    assert len(named) == len(expected)
    assert (table["n"] == 8).all()
    assert len(table[table["factor"] == "seed"]) == 8


def test_a_study_that_does_not_cross_frameworks_has_no_row():
    study = plan(axes={"activation": ["relu", "gelu"]})
    frames = frames_of(runs_of(), study)
    assert effects.effects(frames, study).empty
    assert sources.components(frames, study).empty
    assert speed.speed(frames, study).empty


def test_models_and_data_are_never_pooled():
    """A field beside factor and seed parts the runs: two learning rates are two blocks."""
    second = runs_of(number=1, block="lr=0.1, ", lr=0.1)
    both = pd.concat([runs_of(lr=0.01), second], ignore_index=True)
    table = effects_of(both)
    assert set(table["block"]) == {"lr=0.01", "lr=0.1"}
    alone = effects_of(second, plan())
    of_second = table[(table["block"] == "lr=0.1") & (table["factor"] != "seed")]
    columns = ["mean", "low", "high", "size"]
    of_alone = alone[alone["factor"] != "seed"]
    np.testing.assert_allclose(
        of_second[columns].astype(float).to_numpy(), of_alone[columns].astype(float).to_numpy()
    )
    assert set(components_of(both)["n_seeds"]) == {8}
    assert len(components_of(both)) == 2 * len(sources.SOURCES)


def test_a_run_of_other_batches_is_no_pair():
    runs = runs_of()
    runs.loc[runs["run_id"] == "keras-jax-relu-3", "order_hash"] = "other"
    table = effects_of(runs).set_index(["factor", "at", "level"])
    assert table.loc[("framework", "relu", "keras-jax"), "n"] == 7
    assert table.loc[("framework", "gelu", "keras-jax"), "n"] == 8
    assert set(components_of(runs).drop("arithmetic")["n_seeds"]) == {7}


def test_keras_faces_eager_torch_and_compiled_torch_where_there_is_no_other():
    runs = runs_of()
    of_compiled = runs[runs["level"] != "torch"]
    eager = effects_of(runs).query("factor == 'framework'")["mean"].astype(float)
    study = plan(baseline="torch (engine=compiled)")
    compiled = effects_of(of_compiled, study).query("factor == 'framework'")
    assert (compiled["n"] == 8).all()
    assert not np.allclose(eager, compiled["mean"].astype(float))


# Verdicts


def test_a_pair_that_the_answer_judged_keeps_that_verdict():
    runs = runs_of()
    frames = frames_of(runs)
    table = effects.effects(frames, plan()).set_index(["factor", "at", "level"])
    primary = contrasts.primary(frames["contrasts"]).set_index(["group", "level"])
    for act in ("relu", "gelu"):
        for keras in KERAS:
            row = table.loc[("framework", act, keras)]
            assert row["family"] == "primary"
            for column in ("verdict", "p", "p_equivalent", "mean", "low"):
                assert row[column] == primary.loc[(f"activation={act}", keras), column]
        assert table.loc[("arithmetic", act, "compiled"), "family"] == "primary"
        assert table.loc[("back end", act, KERAS[1]), "family"] == "all pairs"
    assert set(table.xs("activation")["family"]) == {"activation"}


def test_fewer_than_eight_pairs_get_no_verdict_however_clear():
    table = effects_of(runs_of(n=7))
    judged = table[table["factor"] != "seed"]
    assert set(judged["verdict"]) == {"too few seeds"}
    assert not judged["mean"].isna().any()


def test_an_equivalence_needs_the_interval_inside_the_margin():
    wide = effects_of(runs_of(), plan(margin=0.05)).query("factor == 'framework'")
    assert set(wide["verdict"]) <= {"equivalent", "equivalent (below the margin)"}
    narrow = effects_of(runs_of(), plan(margin=0.0001)).query("factor == 'framework'")
    assert not narrow["verdict"].str.startswith("equivalent").any()


def test_a_diverged_run_takes_its_seed_out_of_pairs_and_design():
    runs = runs_of(n=9)
    own = runs["run_id"] == "keras-jax-relu-3"
    runs.loc[own, ["status", "reported_accuracy"]] = ["diverged", np.nan]
    table = effects_of(runs).set_index(["factor", "at", "level"])
    row = table.loc[("framework", "relu", "keras-jax")]
    assert (row["n"], row["n_collapsed"]) == (8, 1)
    assert abs(row["mean"]) < 0.05  # chance would be far off
    design = components_of(runs).loc["framework"]
    assert (design["n_seeds"], design["n_seeds_left_out"]) == (8, 1)


def parity_of(passed, framework="keras-jax", activation="relu"):
    cell = {"framework": framework, "model": None, "data": "x", "activation": activation}
    cell["precision"] = "fp32"
    check = {"check": "step", "where": "layers.1", "value": 0.3, "limit": 1e-5}
    return pd.DataFrame([{**cell, **check, "passed": passed}])


def test_a_cell_whose_parity_failed_is_in_no_table():
    runs = runs_of().assign(model=None)
    without = verified.without_failed(runs, parity_of(False))
    failed = without[without["status"] == "failed"]
    assert set(failed["level"] + failed["activation"]) == {"keras-jaxrelu"}
    assert set(failed["reason"]) == {"parity: step at layers.1: 0.3, allowed 1e-05"}
    table = effects_of(without)
    assert table.query("level == 'keras-jax' and at == 'relu'").empty
    assert components_of(without).loc["framework", "levels"] == "torch | keras-tensorflow"
    assert "relu" not in set(
        speed.speed(frames_of(without), plan()).query("framework == 'keras-jax'")["at"]
    )
    pd.testing.assert_frame_equal(verified.without_failed(runs, parity_of(True)), runs)
    of_torch = verified.without_failed(runs, parity_of(False, framework="torch"))
    assert (of_torch["status"] == "completed").all()


# Known truth


def test_what_was_planted_comes_back_in_about_95_of_100_studies():
    """Through the tables themselves: seed, framework, activation and arithmetic."""
    truth = {name: SD[name] for name in ("framework", "activation", "arithmetic")}
    truth |= {"seed": SD["seed"], "residual": SD["arithmetic"]}
    truth["another seed"] = math.hypot(SD["seed"], SD["arithmetic"])
    covered = pd.DataFrame(
        [covers(components_of(runs_of(number=number)), truth) for number in range(30)]
    )
    # below 25 of 30 is 0.3% of binomial(30, 0.95)
    assert (covered.sum() >= 25).all(), covered.mean()


def covers(table, truth):
    inside = {}
    for source, sd in truth.items():
        inside[source] = table.loc[source, "low"] <= sd <= table.loc[source, "high"]
    return inside


@pytest.mark.parametrize("case", [simulated.Case(5, 3), simulated.Case(8, 2, is_absent=True)])
def test_the_intervals_of_a_design_cover(case):
    rng = np.random.default_rng(7)
    measured = pd.DataFrame([simulated.study(case, rng) for _ in range(300)]).mean()
    coverage = measured[measured.index.str.startswith("covers")]
    assert (coverage > 0.91).all(), coverage
    if case.is_absent:
        assert measured["excludes 0: framework"] < 0.09


def test_typical_sizes_cover_and_a_bootstrap_over_seeds_does_not():
    rng = np.random.default_rng(1)
    measured = pd.DataFrame([simulated.sizes(8, 1.0, rng) for _ in range(300)]).mean()
    assert measured["covers: size"] > 0.92
    assert measured["covers: size, bootstrap"] < 0.90


def test_a_source_without_two_levels_is_missing_with_its_reason():
    runs = runs_of()
    table = components_of(runs[runs["level"].isin(["torch", "keras-jax"])])
    missing = table[table["sd"].isna()]["reason"].to_dict()
    assert missing == {"back end": "one back end", "arithmetic": "torch ran in one arithmetic"}
    of_relu = components_of(runs[runs["activation"] == "relu"])
    assert of_relu.loc["activation", "reason"] == "one activation"
    assert of_relu.loc["framework x activation", "reason"] == "one framework or one activation"
    of_one_seed = components_of(runs[runs["seed"] == 0])
    assert of_one_seed["sd"].isna().all()
    assert set(of_one_seed["reason"]) == {sources.FEW_SEEDS}


# Pure functions


def test_two_levels_have_students_interval():
    x = np.random.default_rng(0).normal(0.3, 1, 9)
    y = np.column_stack([np.zeros(9), x])
    own = spread.sd_of_levels(y)
    mean = spread.mean_interval(list(x))
    assert own.high * math.sqrt(2) == pytest.approx(max(abs(mean.low), abs(mean.high)))
    half = mean.high - mean.value
    assert own.low * math.sqrt(2) == pytest.approx(max(0.0, abs(mean.value) - half))


def test_contrasts_are_orthonormal_and_sum_to_zero():
    for n in (1, 2, 5):
        columns = spread.contrasts_of(n)
        np.testing.assert_allclose(columns.T @ columns, np.eye(n - 1), atol=1e-12)
        np.testing.assert_allclose(columns.sum(axis=0), 0, atol=1e-12)


def test_a_seed_of_which_all_runs_are_equal_has_no_residual():
    y = np.random.default_rng(0).normal(size=(6, 1)) + np.zeros((6, 4))
    assert spread.sd_of_residual(y).value == pytest.approx(0.0, abs=1e-12)
    own = spread.sd_of_squares(float(((y[:, 0] - y[:, 0].mean()) ** 2).sum()), 5)
    shared = spread.sd_of_seeds(y)
    assert shared.value == pytest.approx(own.value)
    assert (shared.low, shared.high) == pytest.approx((own.low, own.high))
    assert spread.sd_within(y).value == pytest.approx(own.value)


def test_few_values_have_no_interval():
    assert spread.typical_size([]).n == 0
    assert math.isnan(spread.typical_size([]).value)
    single = spread.typical_size([-0.2])
    assert (single.value, single.low, single.high) == (0.2, 0.0, math.inf)
    assert spread.typical_size([0.5, 0.5]).value == pytest.approx(0.5)


# Speed


def test_speed_is_of_one_device_and_execution():
    runs = runs_of()
    other = runs["seed"] >= 4
    runs.loc[other, "device"] = "a GPU"
    runs.loc[(runs["seed"] >= 6) & other, "execution"] = "NHWC"
    table = speed.speed(frames_of(runs), plan())
    places = table.groupby(["framework", "engine", "at"])
    assert (places.size() == 3).all()
    assert set(table["n"]) == {2, 4}
    few = table[table["n"] == 2]
    assert few["throughput"].notna().all()
    assert few[["throughput_low", "ratio_low", "memory_high"]].isna().all(axis=None)


def test_a_ratio_is_to_torch_on_the_same_device():
    runs = runs_of()
    table = speed.speed(frames_of(runs), plan()).set_index(["framework", "engine", "at"])
    row = table.loc[("keras-jax", "", "relu")]
    assert row["ratio_low"] < 1.5 < row["ratio_high"]
    assert row["n_torch"] == 8
    assert np.isnan(table.loc[("torch", "eager", "relu"), "ratio"])
    runs.loc[runs["framework"] != "torch", "device"] = "a GPU"
    elsewhere = speed.speed(frames_of(runs), plan())
    assert elsewhere.loc[elsewhere["framework"] != "torch", "ratio"].isna().all()


def test_resumed_processes_are_counted_but_not_timed():
    runs = runs_of()
    runs.loc[runs["seed"] == 0, "timing_clean"] = False
    table = speed.speed(frames_of(runs), plan())
    assert set(table["n"]) == {7}
    assert set(table["n_not_timed"]) == {1}


def test_a_block_is_named_by_as_few_fields_as_tell_it_apart():
    first = runs_of(model="resnet50", width=64.0, lr=0.1)
    second = runs_of(block="b", model="mobilenetv2", width=32.0, lr=0.01)
    frames = {"runs": pd.concat([first, second], ignore_index=True), "predictions": NONE}
    runs = factors.labelled(frames, plan(), "mlp")
    assert set(runs["block"]) == {"model=resnet50", "model=mobilenetv2"}


def test_designs_leave_out_a_framework_without_an_activation_and_keep_the_rest():
    runs = runs_of()
    gone = (runs["framework"] == "keras-tensorflow") & (runs["activation"] == "gelu")
    table = components_of(runs[~gone])
    assert table.loc["framework", "levels"] == "torch | keras-jax"
    assert table.loc["framework", "n_seeds"] == 8
    assert dataclasses.asdict(plan().tasks["mlp"])["margin"] == table.loc["framework", "margin"]
