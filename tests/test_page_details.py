"""What readers of the page stumbled over: captions, rounding, costs, cells without runs, copies."""

import re
import types

import numpy as np
import pandas as pd
import pytest
from explorers import Page, model
from made_up import build, study_of
from matplotlib import pyplot as plt

from actstudy.analysis import scale
from actstudy.analysis.explorer import averages, columns, conditions, page
from actstudy.analysis.export import latex
from actstudy.analysis.figures import trials
from actstudy.analysis.page import better, compute_tables, recommendation
from actstudy.analysis.tables import Tables

pytest.importorskip("altair", reason="altair, of the extra `workflow`, is not installed")
pytest.importorskip("vl_convert", reason="vl-convert-python, of the extra `workflow`, is missing")

SCREEN = re.compile(r"\b(?i:click|above|below the|button|this page)\b|\bDifferences (shows|too)")
BLOCK = {"epochs": 3, "width": 16, "warmup": 0, "targets": [0.4], "seeds": 8}
SHIFTS = {"tanh": 0.05, "gelu": -0.01}


def ending(run):
    """At depth 20 relu diverges and no run of gelu has been started."""
    deep = {"relu": "diverged", "gelu": "missing"}
    return deep.get(run.spec.activation, "completed") if run.spec.depth == 20 else "completed"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three activations at two depths."""
    folder = tmp_path_factory.mktemp("details")
    axes = {"activation": ["tanh", "relu", "gelu"], "depth": [2, 20]}
    planned = study_of(folder, {"baseline": "relu", "axes": axes, "tasks": {"mlp": BLOCK}})
    return build(planned, folder, ending, lambda spec: SHIFTS.get(spec.activation, 0))


@pytest.fixture(scope="module")
def written(study):
    return page.render(study)


@pytest.fixture(scope="module")
def figures(written):
    by_name = {}
    for part in model(written)["parts"]:
        by_name |= {figure["name"]: figure for figure in part["figures"]}
    return by_name


def test_a_number_is_rounded_alike_wherever_it_comes_from():
    shares = scale.of_metric("accuracy")
    for value in (0.74325, np.float64(0.74325), float(np.mean([0.7432, 0.7433]))):
        assert shares.number(value) == "74.33"
        assert scale.rounded(value, 4) == 0.7433
    for number in range(0, 80_000, 7):  # means of eight seeds over 1,000 examples
        share = number / 80_000
        text = shares.number(share)
        assert text == shares.number(np.float64(share)) == f"{100 * scale.rounded(share, 4):.2f}"
    assert (scale.rounded(-0.125, 2), scale.rounded(0.125, 2)) == (-0.13, 0.13)
    assert str(scale.rounded(-1e-9, 2)) == "0.0"
    assert scale.rounded(float("inf"), 2) == float("inf")
    assert scale.rounded(1e30, 2) == 1e30


def test_captions_stand_alone(figures):
    assert {"forest", "curves", "pairs", "depth", "costs", "reliability", "health"} <= set(figures)
    for name, figure in figures.items():
        caption = figure["caption"].replace("Below the diagonal", "")
        assert not SCREEN.search(caption), name
    assert figures["forest"]["hint"].startswith("Click a row")


def test_captions_say_of_which_runs_a_verdict_is(study, figures):
    contrasts = study.of("contrasts", "mlp")
    conditional = contrasts[(contrasts["family"] == "primary") & (contrasts["condition"] != "")]
    assert len(conditional)
    for row in conditional.to_dict("records"):
        words = f"{row['level']}, {row['group']} against relu, {row['verdict']} {row['condition']}"
        assert words in figures["forest"]["caption"]
    assert "condition" in figures["forest"]["columns"]
    assert "condition" in figures["pairs"]["columns"]
    many = pd.concat([conditional] * 9)
    assert f"are {len(many)} of {len(many)} verdicts" in conditions.in_words(many)
    assert conditions.in_words(conditional.assign(condition="")) == ""


def test_a_pair_read_from_its_other_side_names_the_level_that_has_to_train(study):
    pairs = averages.pairs(study)
    conditional = pairs[(pairs["condition"] != "") & pairs["verdict"].isin(["better", "worse"])]
    assert set(conditional["turned"]) == {True, False}
    for row in conditional.to_dict("records"):
        words = "when it trains" if row["verdict"] == "better" else f"when {row['baseline']} trains"
        assert row["condition"] == words


def test_a_cell_without_runs_is_no_cell_that_fails(written, figures):
    cells = columns.to_frame(model(written)["tables"]["ended_cells"])
    by_level = cells[cells["depth"] == 20].set_index("level")
    assert by_level["n_ended"].to_dict() == {"tanh": 8, "relu": 8, "gelu": 0}
    assert by_level["n_completed"].to_dict() == {"tanh": 8, "relu": 0, "gelu": 0}
    assert "'no runs'" in str(figures["depth"]["spec"])
    assert "no runs: none of the cell has ended" in figures["depth"]["caption"]


def test_the_page_has_the_latex_files_of_the_study(study, written):
    assert model(written)["latex"]["mlp"] == {
        "means_mlp.tex": latex.means_latex(study, "mlp"),
        "contrasts_mlp.tex": latex.contrasts_latex(study, "mlp"),
    }


def test_the_first_screen_says_how_every_level_stands(study):
    frames = {**study.frames}
    for name in ("contrasts", "cells", "runs"):
        frames[name] = frames[name][frames[name]["group"] == "depth=2"]
    shallow = Tables(study.plan, frames)
    text = recommendation.in_short(shallow, "mlp")
    row = shallow.reported("mlp").set_index("level").loc["relu"]
    assert f"; relu has {100 * row['mean']:.2f}% test accuracy (n = {row['n']}" in text
    assert "Use tanh rather than relu (+" in text
    assert "undecided: gelu; margin: 1 point." in text
    both = recommendation.in_short(study, "mlp")
    assert both.count("argin: 1 point") == 1
    assert recommendation.is_said_in_short(shallow, "mlp")


def test_a_level_without_a_pair_is_not_compared_and_numbers_of_seeds_are_said(study):
    contrasts = study.frames["contrasts"].copy()
    cells = study.frames["cells"].copy()
    first = contrasts["level"].eq("tanh") & contrasts["group"].eq("depth=2")
    contrasts.loc[first, "n"] = 5
    contrasts.loc[contrasts["level"].eq("gelu") & contrasts["group"].eq("depth=2"), "n"] = 0
    cells.loc[cells["level"].eq("relu"), "n"] = 2
    few = Tables(study.plan, {**study.frames, "contrasts": contrasts, "cells": cells})
    text = recommendation.in_short(few, "mlp")
    assert "test accuracy (n = 2 of 8)" in text
    assert "; not compared: gelu" in text
    assert "undecided: gelu" not in text.partition("depth=20")[0]
    assert not recommendation.is_said_in_short(few, "mlp")
    part = contrasts[first | contrasts["level"].eq("gelu")]
    assert better.seeds_of(part[part["n"] > 0].head(1)) == "5"


def test_the_answers_of_a_page_have_headings_and_no_link_left_over(written):
    read = Page(written)
    assert "To decide what is open" in read.text
    assert not re.search(r"[.)] How\.", read.text)
    assert "<h3>To decide what is open</h3>" in written


@pytest.mark.parametrize("kinds", [[None, None], ["process RSS", None]])
def test_costs_have_no_unit_that_is_not_known(kinds):
    row = {"group": "", "n_timed": 2, "throughput": 10.0, "train_seconds": 1.0}
    row |= {"lowest_throughput": 9.0, "highest_throughput": 11.0, "throughput_unit": "images/s"}
    rows = []
    for level, kind in zip(("relu", "tanh"), kinds, strict=True):
        peak = 2e6 if kind else np.nan
        rows.append({**row, "level": level, "peak_memory_bytes": peak, "peak_memory_kind": kind})
    frames = {"pareto": pd.DataFrame(rows).assign(task="mlp")}
    frames["runs"] = pd.DataFrame(columns=["task", "status"])
    text = compute_tables.compute(Tables(None, frames), "mlp")
    assert "nan" not in text
    known = kinds[0] is not None
    assert ("peak memory (MB, process RSS)" in text) == known
    assert text.count("peak memory (MB") == 1
    assert text.count("not measured") == (1 if known else 2)


def trials_of(levels):
    """The table of what k of 3 trials give, of some levels."""
    rows = []
    for place, level in enumerate(levels):
        for k in (1, 2, 3):
            value = 0.5 + 0.01 * (place + k)
            ends = {"value": value, "low": value - 0.02, "high": value + 0.03}
            rows.append({"block": "", "level": level, "k": k, "hours": 0.1 * k, **ends})
    return pd.DataFrame(rows).assign(n_trials=3, n_seeds=8, trials_of="lr")


@pytest.mark.parametrize("n_levels", [2, 5])
def test_the_best_of_k_has_its_intervals_whatever_the_number_of_levels(n_levels):
    levels = ["relu", "tanh", "gelu", "silu", "elu"][:n_levels]
    table = trials_of(levels)
    task = types.SimpleNamespace(title="MLP", metric="accuracy", predicts="classes", log_unit="")
    plan = types.SimpleNamespace(tasks={"mlp": task}, levels=levels)
    tables = types.SimpleNamespace(plan=plan, of=lambda name, task: table)
    figure, caption = trials.best_of_k(tables, "mlp")
    assert "with 95% intervals" in caption
    drawn = []
    for collection in figure.axes[0].collections:
        ends = np.concatenate([path.vertices for path in collection.get_paths()])[:, 1]
        drawn.append((round(ends.min(), 6), round(ends.max(), 6)))
    for level, part in table.groupby("level", sort=False):
        expected = (round(100 * part["low"].min(), 6), round(100 * part["high"].max(), 6))
        assert expected == drawn[levels.index(level)]
    plt.close(figure)
