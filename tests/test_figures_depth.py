"""Figures of studies that cross depth or the initialisation's arguments, of tables made by hand."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from plans import plan_of

from actstudy.analysis import figures
from actstudy.analysis.figures import depth, factor, health_frames, layers
from actstudy.analysis.tables import Tables
from actstudy.contract import registry

STEPS_PER_EPOCH = 10
PROBES = ["post_sd", "post_mean", "gradient_norm"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def run_of(level, line, depth, seed, status="completed", init_args=None):
    """A run of 2 epochs; a diverged one ended after its first."""
    return {
        "run_id": f"{level}-{line}-{depth}-{seed}-{init_args}",
        "task": "mlp",
        "level": level,
        "line": line,
        "group": f"init={line}, depth={depth}" if line else f"depth={depth}",
        "depth": depth,
        "seed": seed,
        "data": "x",
        "status": status,
        "total_steps": 2 * STEPS_PER_EPOCH,
        "init": "he_normal",
        "init_args": json.dumps(init_args or {}),
        "reported_accuracy": None if status == "diverged" else 0.5 + seed / 10,
    }


def curves_of(run):
    """Validation accuracy depth / 100 + epoch / 10 + seed / 5, train accuracy 0.01 more."""
    epochs = [1.0] if run["status"] == "diverged" else [1.0, 2.0]
    label = {key: run[key] for key in ("run_id", "task", "group", "level", "seed")}
    for epoch in epochs:
        for split, more in (("train", 0.01), ("val", 0.0)):
            value = run["depth"] / 100 + epoch / 10 + run["seed"] / 5 + more
            at = {"step": int(epoch * STEPS_PER_EPOCH), "epoch": epoch, "split": split}
            yield label | at | {"metric": "accuracy", "value": value}


def health_of(run):
    """A probe is (layer + 1) * (step + 1) * 10**seed; the gradient at the first layer is zero."""
    label = {key: run[key] for key in ("run_id", "task", "group", "level", "seed")}
    for step in [0, 5] if run["status"] == "diverged" else [0, 5, 10, 15, 19]:
        for index in range(run["depth"]):
            for probe in PROBES:
                value = (
                    0.0
                    if probe == "gradient_norm" and index == 0
                    else (index + 1) * (step + 1) * 10.0 ** run["seed"]
                )
                yield label | {
                    "step": step,
                    "kind": "site",
                    "index": index,
                    "probe": probe,
                    "value": value,
                }


def tables_of(runs, health=True):
    frames = {
        "runs": pd.DataFrame(runs),
        "curves": pd.DataFrame([row for run in runs for row in curves_of(run)]),
    }
    frames["health"] = pd.DataFrame([row for run in runs for row in health_of(run)])
    if not health:
        frames["health"] = frames["health"][["run_id", "task", "group", "level", "seed"]].head(0)
    settings = {"title": "MLP on X", "metric": "accuracy"}
    levels = list(dict.fromkeys(run["level"] for run in runs))
    return Tables(plan_of({"mlp": settings}, levels=levels), frames)


@pytest.fixture
def crossed():
    """2 levels x 3 lines x depths 2 and 7 x 3 seeds; a seed of tanh, b, 7 diverged."""
    cells = [
        (level, line, depth)
        for level in ("relu", "tanh")
        for line in ("a", "b", "c")
        for depth in (2, 7)
    ]
    states = {("tanh", "b", 7, 2): "diverged"}
    return tables_of(
        [
            run_of(*cell, seed, states.get((*cell, seed), "completed"))
            for cell in cells
            for seed in range(3)
        ]
    )


def line_of(ax, label):
    (found,) = [line for line in ax.lines if line.get_label() == label]
    return list(found.get_xdata()), list(found.get_ydata())


def labels(ax):
    return [line.get_label() for line in ax.lines]


def test_convergence_draws_means_of_the_seeds_that_are_there(crossed):
    figure, caption = layers.convergence_by_level(crossed, "mlp")
    assert len(figure.axes) == 2 * 3
    assert [ax.get_title() for ax in figure.axes[:3]] == ["a", "b", "c"]
    assert [ax.get_ylabel() for ax in figure.axes[::3]] == ["depth 2", "depth 7"]
    assert all(labels(ax) == ["relu", "tanh", "chance"] for ax in figure.axes)
    x, y = line_of(figure.axes[4], "tanh")
    assert x == [1.0, 2.0]
    assert y == pytest.approx(
        [0.07 + 0.1 + 0.2, 0.07 + 0.2 + 0.1]
    )  # of seeds 0, 1, 2, then of 0 and 1
    assert line_of(figure.axes[1], "tanh")[1] == pytest.approx([0.32, 0.42])
    assert "1 of 36 runs diverged" in caption
    assert "n = 3 seeds" in caption


def test_data_of_different_classes_have_no_common_line_of_chance(crossed):
    runs = crossed.frames["runs"]
    runs["data"] = runs["line"].map({"a": "x", "b": "x", "c": "two"})
    plan = plan_of({"mlp": {"classes": {"x": 10, "two": 2}}}, levels=crossed.plan.levels)
    mixed = Tables(plan, crossed.frames)
    figure, _ = layers.convergence_by_level(mixed, "mlp")
    assert all(labels(ax) == ["relu", "tanh"] for ax in figure.axes)
    _, caption = depth.outcome_map(mixed, "mlp")
    assert "below 0.15 to 0.55, by data set (chance is 0.1 to 0.5, by data set)" in caption


def test_of_many_depths_some_have_a_row_the_first_and_the_last_among_them():
    tables = tables_of([run_of("relu", "a", depth, 0) for depth in range(1, 13)])
    figure, caption = layers.convergence_by_level(tables, "mlp")
    assert len(figure.axes) == layers.MAX_DEPTHS
    assert "Depths shown: 1, 3, 5, 8, 10, 12." in caption


@pytest.mark.parametrize(
    ("name", "probe"), [("signal_over_epochs", "post_sd"), ("mean_over_epochs", "post_mean")]
)
def test_signal_of_chosen_layers_is_a_median_against_epochs(crossed, name, probe):
    health = crossed.frames["health"]
    crossed.frames["health"] = health[health["probe"] == probe]  # the figure needs no other
    figure, caption = figures.TASK_FIGURES[name].draw(crossed, "mlp")
    assert len(figure.axes) == 3 * 2
    assert labels(figure.axes[0]) == ["layer 1", "layer 3", "layer 5", "layer 7"]
    x, y = line_of(figure.axes[0], "layer 3")
    assert x == pytest.approx([0, 0.5, 1, 1.5, 1.9])
    assert y == pytest.approx(
        [3 * (step + 1) * 10 for step in (0, 5, 10, 15, 19)]
    )  # of 1, 10 and 100 times
    assert line_of(figure.axes[3], "layer 3")[1][-1] == pytest.approx(
        3 * 20 * 5.5
    )  # tanh, b: of 1 and 10 times
    assert figure.axes[0].get_yscale() == ("log" if probe == "post_sd" else "linear")
    assert "layers 1, 3, 5, 7" in caption
    assert "n = 3 seeds" in caption


def test_gradients_are_shown_at_shares_of_the_run_without_zeros(crossed):
    figure, _ = layers.gradient_over_layers(crossed, "mlp")
    assert len(figure.axes) == 3 * 2
    assert labels(figure.axes[0]) == [
        "first (step 0)",
        "1/4 (step 5)",
        "1/2 (step 10)",
        "last (step 19)",
    ]
    x, y = line_of(figure.axes[0], "1/2 (step 10)")
    assert x == [2, 3, 4, 5, 6, 7]
    assert y == pytest.approx([layer * 11 * 10 for layer in x])


def test_a_run_that_was_never_evaluated_has_the_steps_per_epoch_of_its_cell(crossed):
    crossed.frames["curves"] = crossed.frames["curves"].query("run_id != 'relu-a-7-0-None'")
    found = layers.probed(crossed, "mlp", "post_sd")
    assert (
        health_frames.epochs(found, crossed.frames["curves"]).tolist()
        == (found["step"] / 10).tolist()
    )


def test_steps_per_epoch_that_nobody_knows_leave_the_first_probe(crossed):
    found = layers.probed(crossed, "mlp", "post_sd")
    known = health_frames.epochs(found, crossed.frames["curves"].head(0))
    assert set(known.dropna()) == {0.0}
    assert known.isna().tolist() == (found["step"] > 0).tolist()


DEEP = [
    "convergence_by_level",
    "signal_over_epochs",
    "mean_over_epochs",
    "gradient_over_layers",
]


@pytest.mark.parametrize("name", [*DEEP, "metric_against_depth"])
def test_a_study_that_crosses_depth_alone_has_one_line(name, tmp_path):
    tables = tables_of([run_of("relu", "", depth, seed) for depth in (1, 2) for seed in range(2)])
    figure, caption = figures.TASK_FIGURES[name].draw(tables, "mlp")
    assert len(figure.axes) == (2 if name.startswith("convergence") else 1)
    assert "n = 2 seeds" in caption
    shown = [text.get_text() for ax in figure.axes for text in (ax.title, ax.yaxis.label)] + labels(
        figure.axes[0]
    )
    assert "all runs" in shown
    figures.save(figure, caption, tmp_path / name)


@pytest.mark.parametrize("name", DEEP)
def test_where_all_runs_diverged_what_they_left_is_drawn(name, tmp_path):
    tables = tables_of([run_of("relu", "a", depth, 0, "diverged") for depth in (1, 3)])
    figure, caption = figures.TASK_FIGURES[name].draw(tables, "mlp")
    assert len(figure.axes[-1].lines) >= 2
    assert "n = 1 seed" in caption
    figures.save(figure, caption, tmp_path / name)


@pytest.mark.parametrize("name", DEEP)
def test_without_health_or_curves_a_figure_is_not_drawn(name):
    tables = tables_of([run_of("relu", "a", 2, 0)], health=False)
    tables.frames["curves"] = tables.frames["curves"].head(0)
    assert figures.TASK_FIGURES[name].draw(tables, "mlp") is None


def test_signals_that_are_zero_leave_a_panel_that_says_so(crossed):
    health = crossed.frames["health"]
    crossed.frames["health"] = health.assign(
        value=health["value"].where(health["level"] != "tanh", 0.0)
    )
    figure, _ = layers.signal_over_epochs(crossed, "mlp")
    assert [text.get_text() for text in figure.axes[1].texts] == ["zero or not finite"]
    assert not figure.axes[0].texts


def test_metric_against_depth_shows_train_accuracy_at_the_end(crossed):
    figure, caption = figures.TASK_FIGURES["metric_against_depth"].draw(crossed, "mlp")
    dotted = [
        line
        for line in figure.axes[0].lines
        if line.get_linewidth() == 0.9 and len(line.get_xdata())
    ]
    assert len(dotted) == 2
    assert list(dotted[0].get_xdata()) == [2, 7]
    assert list(dotted[0].get_ydata()) == pytest.approx(
        [0.02 + 0.2 + 0.2 + 0.01, 0.07 + 0.2 + 0.2 + 0.01]
    )
    assert dotted[0].get_color() == figure.axes[0].lines[0].get_color()
    assert "train accuracy" in caption


@pytest.fixture
def factors():
    """relu and tanh at factors 1, 2 (the default: left out) and 4; at 4 relu diverged."""
    runs = []
    for level in ("relu", "tanh"):
        for args in ({"factor": 1.0}, {}, {"factor": 4.0}):
            status = "diverged" if level == "relu" and args.get("factor") == 4 else "completed"
            label = f"factor={args.get('factor', 2.0):g}"
            for seed in range(2):
                row = run_of(level, label, 3, seed, status, args)
                runs.append(row | {"group": label})
    return tables_of(runs)


def test_metric_against_factor_takes_a_missing_factor_for_the_default(factors):
    figure, caption = factor.metric_against_factor(factors, "mlp")
    (ax,) = figure.axes
    assert line_of(ax, "tanh") == ([1.0, 2.0, 4.0], pytest.approx([0.55] * 3))
    assert line_of(ax, "relu") == ([1.0, 2.0], pytest.approx([0.55] * 2))
    assert line_of(ax, "relu, diverged") == ([4.0], [0.1])
    assert "tanh, diverged" not in labels(ax)
    assert ax.get_xlabel() == "init_args.factor"
    assert "2 of 12 runs diverged" in caption
    assert "n = 2 seeds" in caption


def test_metric_against_factor_where_every_run_diverged_or_none_ended(factors):
    runs = factors.frames["runs"]
    factors.frames["runs"] = runs.assign(status="diverged", reported_accuracy=np.nan)
    figure, caption = factor.metric_against_factor(factors, "mlp")
    assert "n = 0 seeds" in caption
    assert {"relu, diverged", "tanh, diverged"} <= set(labels(figure.axes[0]))
    factors.frames["runs"] = runs.assign(status="missing")
    assert factor.metric_against_factor(factors, "mlp") is None


def test_metric_against_factor_has_a_panel_for_each_place_on_the_other_axes(factors):
    runs = factors.frames["runs"]
    factors.frames["runs"] = pd.concat([runs, runs.assign(depth=9, reported_accuracy=0.9)])
    figure, caption = factor.metric_against_factor(factors, "mlp")
    assert [ax.get_title() for ax in figure.axes] == ["depth=3", "depth=9"]
    assert line_of(figure.axes[1], "tanh") == ([1.0, 2.0, 4.0], pytest.approx([0.9] * 3))
    assert "n = 2 seeds" in caption


def test_fields_that_go_with_a_level_or_its_arguments_make_no_panels(factors):
    runs = factors.frames["runs"]
    rates = runs["level"].map({"relu": 0.1, "tanh": 0.2})
    factors.frames["runs"] = runs.assign(lr=rates, clip=runs["init_args"].map(len).astype(float))
    assert len(factor.metric_against_factor(factors, "mlp")[0].axes) == 1


def test_where_arguments_are_compared_they_are_one_line_a_panel_an_activation(factors):
    runs = factors.frames["runs"]
    factors.frames["runs"] = runs.assign(activation=runs["level"], level=runs["line"])
    levels = ["factor=1", "factor=2", "factor=4"]
    plan = dataclasses.replace(factors.plan, compare="init_args", levels=levels)
    factors = Tables(plan, factors.frames)
    figure, _ = factor.metric_against_factor(factors, "mlp")
    assert [ax.get_title() for ax in figure.axes] == ["activation=relu", "activation=tanh"]
    assert line_of(figure.axes[1], "all runs")[0] == [1.0, 2.0, 4.0]


def test_another_argument_that_all_runs_set_is_the_axis():
    runs = pd.DataFrame({"init": ["normal"] * 2, "init_args": ['{"std": 0.1}', "{}"]})
    assert factor.arguments(runs) == ("std", [0.1, 0.01])


def needing(need):
    """The names of the figures that need something."""
    return {name for name, figure in figures.TASK_FIGURES.items() if need in figure.needs}


def test_figures_follow_the_crossed_axes():
    deep = needing("depth")
    args = needing("init_args")
    assert set(DEEP) <= deep
    assert args == {"metric_against_factor"}
    assert not (deep | args) & set(registry.task_figures("classes", ["init"]))
    assert args <= set(registry.task_figures("classes", ["init_args"]))
    assert not deep & set(registry.task_figures("classes", ["init_args"]))
    assert deep | args <= set(registry.task_figures("classes", ["depth", "init_args"]))
    assert not (deep | args) & set(registry.task_figures("tokens", ["depth", "init_args"]))
    assert "lr_sensitivity" in registry.task_figures("tokens", ["tune_lr"])
    assert "lr_sensitivity" not in registry.task_figures("tokens", [])


def test_figures_are_named_in_the_order_in_which_they_are_drawn():
    everything = ["depth", "init_args", "tune_lr", "framework", "learnt"]
    everything += ["pairs", "precision", "lr", "recipe", "trials"]
    assert registry.task_figures("classes", everything) == tuple(figures.TASK_FIGURES)
    assert registry.study_figures() == tuple(figures.STUDY_FIGURES)


def test_a_map_of_many_levels_is_broken_into_rows():
    runs = [run_of(f"init{k}", "a", d, 0) for k in range(7) for d in range(2, 11)]
    figure, _ = depth.outcome_map(tables_of(runs), "mlp")
    assert figure.get_size_inches()[0] < 16
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title() for ax in shown] == [f"init{k}" for k in range(7)]
    assert all(len(ax.texts) == 9 for ax in shown)
    assert [ax.get_xlabel() for ax in shown] == [""] * 5 + ["depth"] * 2
