"""Figures draw the numbers of the tables, which are made by hand."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from plans import plan_of

from actstudy.analysis.figures import (
    boundaries,
    compute,
    curves,
    depth,
    style,
    timeline,
)
from actstudy.analysis.tables import Tables

LEVELS = ["relu", "tanh"]
GROUPS = ["lr=0.1", "lr=0.2"]
STEPS = [10, 20, 30]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def runs_of(**fields):
    """Three seeds of each level and group; accuracy and ECE differ between all runs."""
    rows = []
    for place, (level, group) in enumerate((x, y) for x in LEVELS for y in GROUPS):
        for seed in range(3):
            number = 10 * place + seed
            rows.append(
                {
                    "run_id": f"{level}-{group}-{seed}",
                    "task": "mlp",
                    "level": level,
                    "group": group,
                    "seed": seed,
                    "data": "x",
                    "status": "completed",
                    "timing_clean": True,
                    "total_steps": 30,
                    "throughput": 1000.0 + number,
                    "train_seconds": 5.0 + number,
                    "peak_memory_bytes": 1e6 * (1 + number),
                    "reported_accuracy": 0.5 + number / 100,
                    "reported_ece": 0.1 + number / 1000,
                    **fields,
                }
            )
    return pd.DataFrame(rows)


def curves_of(runs):
    """Losses and accuracies that differ between all runs, splits and steps."""
    rows = []
    for number, run in enumerate(runs.to_dict("records")):
        label = {key: run[key] for key in ("run_id", "task", "level", "group", "seed")}
        for step in STEPS:
            at = {"step": step, "epoch": step / 10}
            for place, (split, metric) in enumerate(
                [("train", "loss"), ("val", "loss"), ("val", "accuracy")]
            ):
                value = 1 / step + number / 100 + place
                rows.append({**label, **at, "split": split, "metric": metric, "value": value})
    return pd.DataFrame(rows)


def pareto_of(runs):
    """A row per cell: medians of its seeds; the first level is on the front."""
    rows = []
    for (level, group), part in runs.groupby(["level", "group"], sort=False):
        rows.append(
            {
                "task": "mlp",
                "level": level,
                "group": group,
                "n": len(part),
                "n_timed": len(part),
                "throughput": part["throughput"].median(),
                "throughput_unit": "examples/s",
                "train_seconds": part["train_seconds"].median(),
                "peak_memory_bytes": part["peak_memory_bytes"].max(),
                "peak_memory_kind": "allocated",
                "device": "D",
                "mean": part["reported_accuracy"].mean(),
                "on_front": level == "relu",
            }
        )
    return pd.DataFrame(rows)


def tables_of(runs, **frames):
    references = {"task": "mlp", "data": "x", "name": "linear", "val": 1.5, "test": 0.4321}
    cells = pd.DataFrame(columns=["task", "level", "group", "n", "checkpoint"])
    frames = {"references": pd.DataFrame([references]), "cells": cells, "runs": runs, **frames}
    return Tables(plan_of(levels=LEVELS), frames)


def line_of(ax, label):
    (found,) = [line for line in ax.lines if line.get_label() == label]
    return list(found.get_xdata()), list(found.get_ydata())


def cells_of(frame, axes):
    """Each cell's panel, level and rows; the panels are those of the groups, in order."""
    for ax, group in zip(axes, GROUPS, strict=True):
        for level in LEVELS:
            yield ax, level, frame[(frame["group"] == group) & (frame["level"] == level)]


def test_metric_curves_are_means_over_seeds_with_the_reference():
    runs = runs_of()
    frame = curves_of(runs)
    figure, caption = curves.metric_curves(tables_of(runs, curves=frame))
    val = frame[(frame["metric"] == "accuracy") & (frame["split"] == "val")]
    for ax, level, rows in cells_of(val, figure.axes):
        mean = rows.groupby("epoch")["value"].mean()
        assert line_of(ax, level) == (list(mean.index), pytest.approx(list(100 * mean)))
        assert line_of(ax, "reference method")[1] == [150, 150]
        assert ax.get_ylabel() == "validation accuracy, %"  # as the page writes it
        assert all(tick == round(tick) for tick in ax.get_xticks())
    assert "n = 3 seeds per line" in caption
    assert "Reference methods, on validation data too: MLP on X: linear." in caption


def test_a_toy_training_that_diverged_has_no_share_of_right_points():
    point = {"problem": "moons", "x": 0.0, "y": 0.0, "label": 1.0}
    rows = []
    for name, probability in (("relu", 0.75), ("tanh", np.nan)):
        for place in range(4):
            at = {"activation": name, "x": place % 2, "y": place // 2, "probability": probability}
            rows += [{**point, **at, "kind": kind} for kind in ("grid", "test")]
    frame = pd.DataFrame(rows)
    figure, caption = boundaries.boundaries(tables_of(runs_of(), boundaries=frame))
    trained, diverged = figure.axes
    assert trained.get_xlabel() == "100.0% right in test"
    assert diverged.get_xlabel() == ""
    assert [text.get_text() for text in diverged.texts] == ["diverged"]
    assert "Diverged: its training ended in values that are not finite." in caption
    frame["probability"] = 0.75
    assert "iverged" not in boundaries.boundaries(tables_of(runs_of(), boundaries=frame))[1]


def test_a_toy_training_that_raised_failed_and_did_not_diverge():
    row = {"problem": "moons", "x": 0.0, "y": 0.0, "label": 1.0, "kind": "grid"}
    frame = pd.DataFrame(
        [
            {**row, "activation": "bad", "probability": None, "failed": True},
            {**row, "activation": "far", "probability": np.nan, "failed": False},
        ]
    )
    figure, caption = boundaries.boundaries(tables_of(runs_of(), boundaries=frame))
    assert [ax.texts[0].get_text() for ax in figure.axes] == ["failed", "diverged"]
    assert "Failed: its training ended in an error of the activation's own code." in caption
    frame = frame[frame["failed"]]
    assert "iverged" not in boundaries.boundaries(tables_of(runs_of(), boundaries=frame))[1]


def test_a_line_under_another_is_named():
    runs = runs_of()
    frame = curves_of(runs)
    assert "lie on each other" not in curves.metric_curves(tables_of(runs, curves=frame))[1]
    frame.loc[frame["group"] == GROUPS[0], "value"] = 1.0
    _, caption = curves.metric_curves(tables_of(runs, curves=frame))
    assert f"Lines that lie on each other: tanh on relu (MLP on X, {GROUPS[0]})." in caption


def test_a_mean_curve_ends_where_its_first_seed_does():
    runs = runs_of()
    frame = curves_of(runs)
    ended = (frame["run_id"] == "relu-lr=0.1-2") & (frame["step"] > 10)
    figure, _ = curves.metric_curves(tables_of(runs, curves=frame[~ended]))
    assert line_of(figure.axes[0], "relu")[0] == [1.0]
    assert line_of(figure.axes[0], "tanh")[0] == [1.0, 2.0, 3.0]


def test_loss_curves_have_a_panel_per_group_and_split():
    runs = runs_of()
    frame = curves_of(runs)
    figure, _ = curves.loss_curves(tables_of(runs, curves=frame), "mlp")
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == [f"{group}, {split} loss" for group in GROUPS for split in ("train", "val")]
    for split, axes in (("train", figure.axes[::2]), ("val", figure.axes[1::2])):
        loss = frame[(frame["metric"] == "loss") & (frame["split"] == split)]
        for ax, level, rows in cells_of(loss, axes):
            mean = rows.groupby("epoch")["value"].mean()
            assert line_of(ax, level)[1] == pytest.approx(list(mean))


def test_throughput_points_are_those_of_the_table():
    runs = runs_of()
    pareto = pareto_of(runs)
    figure, caption = compute.throughput_vs_metric(tables_of(runs, pareto=pareto), "mlp")
    for ax, level, rows in cells_of(pareto, figure.axes):
        row = rows.iloc[0]
        assert line_of(ax, level) == ([row["throughput"]], [row["mean"]])
    assert "n = 3 seeds per point" in caption


def test_metric_against_depth_is_the_mean_over_completed_seeds():
    runs = runs_of(line="a", depth=2)
    runs = pd.concat([runs, runs.assign(depth=4, reported_accuracy=0.9)], ignore_index=True)
    runs = runs[runs["group"] == "lr=0.1"]
    figure, _ = depth.metric_against_depth(tables_of(runs, curves=curves_of(runs)), "mlp")
    (ax,) = figure.axes
    assert ax.get_title() == "a"
    assert line_of(ax, "chance")[1] == [0.1, 0.1]
    for level in LEVELS:
        mean = runs[runs["level"] == level].groupby("depth")["reported_accuracy"].mean()
        assert line_of(ax, level) == ([2, 4], pytest.approx(list(mean)))


def test_outcome_map_has_a_strip_per_seed_and_the_mean_of_completed_ones():
    runs = runs_of(line="a", depth=2)
    runs = runs[runs["group"] == "lr=0.1"].reset_index(drop=True)
    runs.loc[0, "status"] = "diverged"
    runs.loc[1, "status"] = "missing"
    frame = curves_of(runs)
    stalled = frame["run_id"] == "tanh-lr=0.1-1"
    frame["value"] = frame["value"].mask(stalled, 0.14)
    figure, caption = depth.outcome_map(tables_of(runs, curves=frame), "mlp")
    colours = []
    for ax in figure.axes:
        strips = [patch for patch in ax.patches if patch.get_width() < 1]
        colours.append([to_hex(strip.get_facecolor()).upper() for strip in strips])
    trains, stalls, diverges, not_ended = depth.COLOURS.values()
    assert colours == [[trains, diverges, not_ended], [trains, trains, stalls]]
    numbers = [[text.get_text() for text in ax.texts] for ax in figure.axes]
    assert numbers == [["0.52"], ["0.71"]]
    assert "below 0.15 (chance is 0.1)" in caption


def test_signal_over_layers_is_a_median_of_the_deepest_before_the_first_step():
    runs = runs_of(line="a", depth=3)
    rows = []
    for number, run in enumerate(runs.to_dict("records")):
        label = {key: run[key] for key in ("run_id", "task", "level", "group", "seed")}
        for step in (0, 10):
            for probe in depth.SIGNALS:
                for index in range(3):
                    value = 0.0 if index == 1 else 1.0 + number + index + step
                    at = {"kind": "site", "step": step, "probe": probe, "index": index}
                    rows.append({**label, **at, "value": value})
    health = pd.DataFrame(rows)
    figure, _ = depth.signal_over_layers(tables_of(runs, health=health), "mlp")
    first = health[health["step"] == 0]
    for ax, probe in zip(figure.axes, depth.SIGNALS, strict=True):
        for level in LEVELS:
            part = first[(first["probe"] == probe) & (first["level"] == level)]
            median = part.groupby("index")["value"].median().replace(0.0, np.nan)
            x, y = line_of(ax, level)
            assert x == [1, 2, 3]
            np.testing.assert_array_equal(y, median)


def test_boundaries_draw_the_test_points_and_the_share_that_is_right():
    rows = []
    for x in (0.0, 1.0):
        for y in (0.0, 1.0):
            grid = {"x": x, "y": y, "probability": x, "kind": "grid", "label": -1}
            point = {"x": x, "y": y, "probability": 0.9 * x, "kind": "test", "label": int(x * y)}
            rows += [grid, point]
    frame = pd.DataFrame(rows).assign(problem="and", activation="relu")
    figure, caption = boundaries.boundaries(tables_of(runs_of(), boundaries=frame))
    (ax,) = figure.axes
    drawn = [list(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in ax.lines]
    assert drawn == [[(0, 0), (0, 1), (1, 0)], [(1, 1)]]
    assert ax.get_xlabel() == "75.0% right in test"
    assert "dots 4 test points" in caption


def test_timeline_bars_are_as_long_as_their_runs():
    times = ["2020-01-01T00:00:00", "2020-01-01T00:00:10", "2020-01-01T00:00:30"]
    kind = {"peak_memory_kind": "cuda allocated"}
    runs = runs_of().head(2).assign(device="D", device_id="d", **kind)
    runs["leased"] = times[:2]
    runs["ended"] = times[1:]
    figure, _ = timeline.timeline(tables_of(runs))
    ((first, second),) = [bars.get_paths() for bars in figure.axes[0].collections]
    spans = [tuple(path.get_extents().intervalx) for path in (first, second)]
    assert spans == [(0, 10), (10, 30)]


def test_levels_that_are_no_activation_have_styles_of_their_own_again_and_again():
    levels = [f"init{number}" for number in range(len(style.OTHER_STYLES) + 1)]
    looks = style.styles(["relu", *levels])
    assert looks[levels[0]] == looks[levels[-1]]
    assert looks["relu"]["color"] not in {looks[level]["color"] for level in levels}


def test_a_task_of_many_groups_has_no_curves_and_is_named():
    runs = runs_of()
    many = pd.concat([runs.assign(group=f"lr={number}") for number in range(30)])
    frame = curves_of(many)
    other = curves_of(runs).assign(task="other")
    plan = plan_of({"mlp": {}, "other": {"title": "Another"}}, levels=LEVELS)
    frames = tables_of(many, curves=pd.concat([frame, other])).frames
    figure, caption = curves.metric_curves(Tables(plan, frames))
    assert [ax.get_title() for ax in figure.axes] == [f"Another, {group}" for group in GROUPS]
    assert "Not drawn: MLP on X (30 groups of cells)." in caption
    assert curves.loss_curves(Tables(plan, frames), "mlp") is None
    assert curves.metric_curves(tables_of(many, curves=frame)) is None
