"""The figures of verdicts and their LaTeX table, from tables made by hand."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from plans import plan_of

from actstudy.analysis import figures
from actstudy.analysis.export import latex
from actstudy.analysis.figures import forest
from actstudy.analysis.figures.rates import lr_sensitivity
from actstudy.analysis.questions import contrasts
from actstudy.analysis.questions.differences import DIFFERENCES, seed_differences
from actstudy.analysis.questions.seed_values import seed_values
from actstudy.analysis.tables import Tables

SETTINGS = {"title": "MLP on X", "metric": "accuracy"}
LOGS = {
    **SETTINGS,
    "metric": "word_perplexity",
    "log_unit": "nats per word",
    "higher_is_better": False,
    "predicts": "tokens",
    "classes": {},
}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def contrast(level, mean, verdict="undecided", group="", n=8, half=0.005, **fields):
    return {
        "task": "mlp",
        "group": group,
        "level": level,
        "baseline": "relu",
        "family": "primary",
        "n": n,
        "mean": mean,
        "low": mean - half,
        "high": mean + half,
        "interval_level": 0.95,
        "p": 0.25,
        "visible": 0.5,
        "margin": 0.01,
        "verdict": verdict,
        "more_seeds": 14.0 if verdict == "undecided" else np.nan,
        "more_seeds_as_seen": np.nan,
        "seeds": n,
        "decided_at": n,
        "condition": "",
        "contradiction": "",
        "n_collapsed": 0,
        "n_collapsed_baseline": 0,
        **fields,
    }


def run(level, seed, value, group="", status="completed", metric="accuracy", **fields):
    return {
        "run_id": f"{level}-{group}-{seed}",
        "task": "mlp",
        "group": group,
        "places": "{}",
        "data": "x",
        "level": level,
        "seed": seed,
        "status": status,
        f"reported_{metric}": value,
        "order_hash": "a",
        "precision": "fp32",
        "engine": "eager",
        "vocabulary": 50,
        **fields,
    }


def tables_of(rows, runs=(), settings=SETTINGS, places=None, **frames):
    """Tables with these contrasts and runs; groups without a run of their own get a missing one.

    places: group -> its places.
    """
    frames["contrasts"] = pd.DataFrame(rows, columns=list(contrast("a", 0.0)))
    runs = list(runs)
    without_run = set(frames["contrasts"]["group"]) - {row["group"] for row in runs}
    for group in sorted(without_run):
        own = json.dumps((places or {}).get(group, {}))
        runs.append(run("relu", 0, np.nan, group, status="missing", places=own))
    columns = [*run("a", 0, 0.0), "reported_word_perplexity"]
    frames["runs"] = pd.DataFrame(runs, columns=columns)
    frames.setdefault("differences", pd.DataFrame(columns=DIFFERENCES))
    levels = list(dict.fromkeys(["relu", *frames["contrasts"]["level"], *frames["runs"]["level"]]))
    return Tables(plan_of({"mlp": settings}, levels=levels), frames)


def judged(runs, settings=SETTINGS, predictions=None):
    """Tables of runs with the contrasts and differences that the analysis makes of them."""
    frames = {"runs": pd.DataFrame(runs), "predictions": predictions}
    if predictions is None:
        frames["predictions"] = pd.DataFrame(columns=["task", "group", "level"])
    levels = list(dict.fromkeys(frames["runs"]["level"]))
    plan = plan_of({"mlp": settings}, levels=levels)
    values = seed_values(frames, plan)
    frames["contrasts"] = contrasts.contrasts(frames, plan, values)
    frames["differences"] = seed_differences(frames["contrasts"], plan, values)
    return Tables(plan, frames)


def words(ax):
    return [text.get_text().replace("\xa0", " ").replace("\n", " ") for text in ax.texts]


def level_names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_forest_orders_levels_and_writes_each_verdict_with_its_n():
    rows = [
        contrast("tanh", -0.02, "worse"),
        contrast("gelu", 0.02, "better"),
        contrast("silu", 0.0),
    ]
    figure, caption = forest.forest(tables_of(rows))
    (ax,) = figure.axes
    assert level_names(ax) == ["gelu", "silu", "tanh"]
    said = dict(zip(["gelu", "silu", "tanh"], words(ax), strict=True))
    assert said == {
        "gelu": "better (n = 8)",
        "silu": "undecided; seeds to add: 14 (margin), over 100 (difference seen) (n = 8)",
        "tanh": "worse (n = 8)",
    }
    assert ax.get_xlabel() == "worse  ←  difference, points  →  better"
    assert ax.get_title(loc="left") == "MLP on X: test accuracy (margin 1 point)"
    assert "n = 8 seeds per row" in caption
    assert "at 95%, " in caption
    assert "More seeds: how many would see a difference of the margin" in caption


def test_forest_draws_the_intervals_the_margin_and_hollow_marks_without_a_verdict():
    rows = [contrast("gelu", 0.02, "better", half=0.004), contrast("silu", 0.0)]
    figure, _ = forest.forest(tables_of(rows))
    (ax,) = figure.axes
    assert drawn_intervals(ax) == [pytest.approx([1.6, 2.4]), pytest.approx([-0.5, 0.5])]
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (band.x0, band.x1) == (pytest.approx(-1), pytest.approx(1))
    faces = {
        float(line.get_xdata()[0]): line.get_markerfacecolor()
        for line in ax.lines
        if line.get_markersize() == 6.5
    }
    assert faces[0.0] == "white"
    assert faces[2.0] != "white"


def test_forest_of_a_lower_is_better_metric_says_so_and_puts_the_lowest_first():
    rows = [contrast("gelu", 0.02, "worse"), contrast("tanh", -0.02, "better")]
    runs = [
        run(level, s, None, metric="word_perplexity")
        for level in ("relu", "gelu", "tanh")
        for s in range(8)
    ]
    figure, _ = forest.forest(tables_of(rows, runs, LOGS))
    (ax,) = figure.axes
    assert level_names(ax) == ["tanh", "gelu"]
    assert ax.get_xlabel() == "better  ←  difference of logarithms, nats per word  →  worse"
    assert ax.get_title(loc="left") == "MLP on X: test word perplexity (margin 0.01 nats per word)"


def seed_dots(ax):
    """The x of the dots of each row, from the top."""
    return [sorted(line.get_xdata()) for line in ax.lines if line.get_marker() == "."]


def drawn_intervals(ax):
    return [sorted(line.get_xdata()) for line in ax.lines if line.get_linewidth() == 2.6]


def test_forest_draws_the_seeds_of_typical_runs():
    runs = [
        run("relu", 0, 0.5),
        run("relu", 1, 0.6),
        run("relu", 2, 0.9),
        run("gelu", 0, 0.51),
        run("gelu", 1, None, status="diverged"),
        run("gelu", 2, None, status="failed"),
    ]
    figure, caption = forest.forest(judged(runs))
    (ax,) = figure.axes
    assert seed_dots(ax) == [pytest.approx([1.0])]
    assert words(ax) == ["too few seeds (1 of 8), 1 collapsed"]
    assert "Runs that collapsed are no part of differences" in caption


def test_equal_seeds_of_a_forest_are_dots_of_their_own():
    runs = seeds_of("relu", [0.5] * 12) + seeds_of("gelu", [0.51] * 6 + [0.53] * 6)
    figure, caption = forest.forest(judged(runs))
    (dots,) = [line for line in figure.axes[0].lines if line.get_marker() == "."]
    places = {(round(x, 6), round(y, 6)) for x, y in dots.get_xydata()}
    assert len(places) == 12
    assert all(0 < y < 0.5 for _, y in places)
    assert "equal ones above each other" in caption


def test_forest_differences_of_perplexities_are_of_logarithms():
    runs = [
        run(level, 0, value, metric="word_perplexity")
        for level, value in (("relu", 100.0), ("gelu", 110.0))
    ]
    figure, _ = forest.forest(judged(runs, LOGS))
    assert seed_dots(figure.axes[0]) == [pytest.approx([np.log(1.1)])]


def values_of(key, n=9):
    return (0.7 + np.random.default_rng(key).normal(0, 0.01, n)).tolist()


def seeds_of(level, values, **fields):
    return [run(level, seed, value, **fields) for seed, value in enumerate(values)]


def with_an_unpaired_seed():
    """Nine seeds, of which gelu's fourth saw other batches than its baseline."""
    runs = seeds_of("relu", values_of(0)) + seeds_of("gelu", values_of(1))
    runs += seeds_of("tanh", values_of(2))
    runs[9 + 3]["order_hash"] = "other"
    return judged(runs)


def with_a_diverged_language_model():
    """Nine seeds, of which gelu's first diverged."""
    perplexities = {level: np.exp(values_of(key)) for key, level in enumerate(("relu", "gelu"))}
    runs = []
    for level, values in perplexities.items():
        runs += seeds_of(level, values, metric="word_perplexity")
    runs[9] = run("gelu", 0, None, status="diverged", metric="word_perplexity")
    example = {"run_id": runs[0]["run_id"], "task": "mlp", "group": "", "level": "relu"}
    example |= {"seed": 0, "scores": np.array([5.0]), "weights": np.array([3.0]), "tokens": 4}
    return judged(runs, LOGS, pd.DataFrame([example]))


@pytest.mark.parametrize(
    ("tables", "n", "factor"),
    [
        (with_an_unpaired_seed(), {"gelu": 8, "tanh": 9}, 100),  # shares in points
        (with_a_diverged_language_model(), {"gelu": 8}, 1),
    ],
)
def test_forest_draws_the_rows_of_its_tables(tables, n, factor):
    """Dots are the typical rows of `differences`, n of each contrast; intervals its low, high."""
    figure, _ = forest.forest(tables)
    (ax,) = figure.axes
    table = tables.of("contrasts", "mlp").query("family == 'primary'").set_index("level")
    table = table.loc[level_names(ax)].reset_index()
    differences = tables.of("differences", "mlp").query("is_typical")
    differences = differences.groupby("level")["difference"]
    assert dict(zip(table["level"], table["n"], strict=True)) == n
    expected = [sorted(factor * differences.get_group(level)) for level in table["level"]]
    assert seed_dots(ax) == expected
    assert [len(dots) for dots in seed_dots(ax)] == table["n"].tolist()
    low, high = ax.get_xlim()
    intervals = (factor * table[["low", "high"]]).clip(low, high).to_numpy().tolist()
    assert drawn_intervals(ax) == intervals
    means = [line.get_xdata()[0] for line in ax.lines if line.get_markersize() == 6.5]
    assert means == (factor * table["mean"]).tolist()


def test_a_row_far_out_does_not_squeeze_the_others():
    rows = [contrast(level, 0.001 * place) for place, level in enumerate(["a", "b", "c", "d"])]
    figure, caption = forest.forest(tables_of([*rows, contrast("identity", -0.4, "worse")]))
    (ax,) = figure.axes
    low, high = ax.get_xlim()
    assert -3 < low < -1 < 1 < high < 3
    assert "worse (n = 8); mean −40.00" in words(ax)
    assert "Arrows: values beyond the axis" in caption
    assert "Arrows" not in forest.forest(tables_of(rows))[1]


def test_forest_has_a_panel_for_each_group_and_fixed_beside_tuned():
    places = {}
    for rate in ("fixed", "tuned"):
        for depth in ("2", "9"):
            places[f"depth={depth}, lr={rate}"] = {"depth": depth, "lr": rate}
    groups = list(places)
    rows = [contrast(level, 0.0, group=group) for group in groups for level in ("gelu", "tanh")]
    figure, _ = forest.forest(tables_of(rows, places=places))
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    expected = [groups[0], groups[2], groups[1], groups[3]]
    assert [title.split("), ")[1] for title in titles] == expected


def test_forest_with_looks_names_the_levels_of_its_intervals():
    rows = [
        contrast("gelu", 0.0, interval_level=0.99),
        contrast("tanh", 0.0, interval_level=0.975, n=20),
    ]
    caption = forest.forest(tables_of(rows))[1]
    assert "at 97.5 to 99%, the level of their look" in caption
    assert "n = 8 to 20 seeds" in caption


def test_forest_of_too_few_seeds_and_of_a_level_that_has_none():
    rows = [contrast("gelu", 0.01, "too few seeds", n=1, low=-np.inf, high=np.inf)]
    rows += [contrast("tanh", np.nan, "too few seeds", n=0, p=np.nan, n_collapsed=np.nan)]
    figure, caption = forest.forest(tables_of(rows))
    assert words(figure.axes[0]) == ["too few seeds (1 of 8)"]
    assert not [line for line in figure.axes[0].lines if line.get_linewidth() == 2.6]
    assert "n = 1 seed per row" in caption
    assert "One seed alone has no interval." in caption
    figure.draw_without_rendering()


def test_forest_takes_the_primary_family_alone():
    rows = [contrast("gelu", 0.0), contrast("tanh", 0.0, family="all pairs")]
    assert level_names(forest.forest(tables_of(rows))[0].axes[0]) == ["gelu"]


@pytest.mark.parametrize("rows", [[], [contrast("gelu", np.nan, "too few seeds", n=0)]])
def test_forest_of_nothing_is_not_drawn(rows):
    assert forest.forest(tables_of(rows)) is None


def test_forest_of_many_groups_has_the_decided_contrasts_of_the_largest_difference():
    verdicts = ["undecided", *["better"] * 39]
    rows = []
    for place, verdict in enumerate(verdicts):
        rows.append(contrast("gelu", 0.01 * place, verdict, group=f"depth={place}"))
    figure, caption = forest.forest(tables_of(rows))
    names = level_names(figure.axes[0])
    assert names == [f"gelu, depth={place}" for place in range(39, 39 - forest.MAX_DECIDED, -1)]
    assert "39 of 40 contrasts are decided; the 24 of the largest difference are drawn" in caption
    rows = [contrast("gelu", 0.0, group=f"depth={depth}") for depth in range(30)]
    assert forest.forest(tables_of(rows)) is None


# Learning rates


def rate(level, lr, mean, group="", chosen=False, good=False, sd=0.01, n=3):
    row = {
        "task": "mlp",
        "group": group,
        "level": level,
        "lr": lr,
        "n": n,
        "mean_val": mean,
        "sd_val": sd,
    }
    return row | {
        "chosen": chosen,
        "at_edge": False,
        "good": good,
        "budget_runs": 9,
        "fixed_lr": 0.003,
    }


def rates(level="gelu", means=(0.6, 0.7, 0.69), group=""):
    marks = [{}, {"chosen": True, "good": True}, {"good": True}]
    each = zip((0.001, 0.01, 0.1), means, marks, strict=True)
    return [rate(level, lr, mean, group, **mark) for lr, mean, mark in each]


def line_of(ax, label):
    (found,) = [line for line in ax.lines if line.get_label() == label]
    return found


def test_lr_sensitivity_marks_the_chosen_rate_the_good_region_and_the_fixed_rate():
    figure, caption = lr_sensitivity(
        tables_of([contrast("gelu", 0.0)], tuning=pd.DataFrame(rates())), "mlp"
    )
    ax = figure.axes[0]
    assert ax.get_xscale() == "log"
    assert line_of(ax, "gelu").get_ydata().tolist() == [0.6, 0.7, 0.69]
    (ring,) = [line for line in ax.lines if line.get_markersize() == 11]
    assert (ring.get_xdata().tolist(), ring.get_ydata().tolist()) == ([0.01], [0.7])
    (thick,) = [line for line in ax.lines if line.get_linewidth() == 3.2]
    assert thick.get_xdata().tolist() == [0.01, 0.1]
    assert line_of(ax, "fixed rate").get_xdata()[0] == 0.003
    assert "n = 3 seeds" in caption
    assert "chance level" in caption


def band_of(ax):
    """Lower and upper edge of the first band, by rate."""
    corners = ax.collections[0].get_paths()[0].vertices
    edges = pd.DataFrame(corners, columns=["lr", "y"]).groupby("lr")["y"]
    return edges.min().tolist(), edges.max().tolist()


def test_lr_sensitivity_draws_the_rows_of_its_table():
    table = pd.DataFrame(rates()).assign(sd_val=[0.01, 0.02, 0.03])
    tables = tables_of([contrast("gelu", 0.0)], tuning=table)
    ax = lr_sensitivity(tables, "mlp")[0].axes[0]
    line = line_of(ax, "gelu")
    assert line.get_xdata().tolist() == table["lr"].tolist()
    assert line.get_ydata().tolist() == table["mean_val"].tolist()
    low, high = band_of(ax)
    assert low == pytest.approx(table["mean_val"] - table["sd_val"])
    assert high == pytest.approx(table["mean_val"] + table["sd_val"])


def test_lr_sensitivity_cuts_what_would_squeeze_the_good_rates_and_says_so():
    table = pd.DataFrame(rates(means=(0.1, 0.7, 0.69)))
    figure, caption = lr_sensitivity(tables_of([contrast("gelu", 0.0)], tuning=table), "mlp")
    assert figure.axes[0].get_ylim()[0] == pytest.approx(0.55)
    assert "leave the panel" in caption
    close = pd.DataFrame(rates(means=(0.6, 0.7, 0.69)))
    assert "leave the panel" not in lr_sensitivity(tables_of([], tuning=close), "mlp")[1]


def test_lr_sensitivity_of_perplexities_leaves_out_infinitely_bad_points():
    table = pd.DataFrame(rates(means=(np.inf, 5.0, 5.005)))
    figure, caption = lr_sensitivity(
        tables_of([contrast("gelu", 0.0)], settings=LOGS, tuning=table), "mlp"
    )
    assert np.isnan(line_of(figure.axes[0], "gelu").get_ydata()[0])
    assert "infinitely bad" in caption
    figure.draw_without_rendering()


def test_lr_sensitivity_of_many_levels_has_a_panel_for_each():
    levels = [f"level {index}" for index in range(10)]
    table = pd.DataFrame([row for level in levels for row in rates(level)])
    figure, _ = lr_sensitivity(
        tables_of([contrast(level, 0.0) for level in levels], tuning=table), "mlp"
    )
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title() for ax in shown] == levels
    assert len([line for line in shown[0].lines if line.get_color() == "#DDDDDD"]) == 9


@pytest.mark.parametrize("table", [[], [rate("gelu", 0.01, np.nan, n=0)]])
def test_lr_sensitivity_of_nothing_is_not_drawn(table):
    frame = pd.DataFrame(table, columns=list(rate("a", 0.1, 0.0)))
    assert lr_sensitivity(tables_of([], tuning=frame), "mlp") is None


@pytest.mark.parametrize("n_levels", [1, 5, 17])
@pytest.mark.parametrize("n_groups", [1, 4])
def test_no_text_of_a_forest_leaves_the_page(n_levels, n_groups, tmp_path):
    names = [f"a long level name {index}" for index in range(n_levels)]
    rows = [contrast(name, 0.0, group=f"depth={g}") for g in range(n_groups) for name in names]
    figure, caption = forest.forest(tables_of(rows))
    figure.draw_without_rendering()
    page = figure.bbox
    boxes = [
        text.get_window_extent()
        for ax in figure.axes
        for text in [*ax.texts, *ax.get_yticklabels()]
    ]
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= page.x1
    figures.save(figure, caption, tmp_path / "forest")


# LaTeX

HOSTILE = r"[2cm]*50% & #1_$x^2${\input{/etc/passwd}}~" + '\\ \n\n"|<>\x00\x1b'


def plain(text):
    """What TeX would print of escaped text; AssertionError if a character has a meaning to TeX."""
    for command, mark in [
        (r"\textbackslash{}", "B"),
        (r"\textasciitilde{}", "T"),
        (r"\textasciicircum{}", "C"),
    ]:
        text = text.replace(command, mark)
    text = re.sub(r"\\text(less|greater|bar)\{\}", "M", text)
    text = text.replace("{[}", "S").replace("{*}", "A").replace("{''}", "Q")
    text = re.sub(r"\\[%_&#${}]", "E", text)
    assert not set(text) & set("\\{}%&#$_^~\n"), text
    return text


def test_a_hostile_level_name_stays_text_in_its_cell():
    rows = [
        contrast("gelu", 0.02, "better", group=HOSTILE),
        contrast(HOSTILE, -0.02, "worse", group=HOSTILE),
    ]
    tables = tables_of(rows, settings={**SETTINGS, "title": HOSTILE})
    lines = latex.contrasts_latex(tables, "mlp").split("\n")
    assert lines[0].startswith("% ")
    assert plain(lines[0].removeprefix("% "))
    group = next(line for line in lines if line.startswith(r"\multicolumn"))
    plain(group.removeprefix(r"\multicolumn{6}{l}{").removesuffix(r"} \\"))
    data = [line for line in lines if line.endswith(r" \\") and "$n$" not in line and line != group]
    assert len(data) == 2
    for line in data:
        cells = re.split(r"(?<!\\)&", line.removesuffix(r" \\"))
        assert len(cells) == 6
        assert plain(cells[0])
        assert not cells[0].startswith(("[", "*"))
    assert lines[-2] == r"\end{tabular}"
    assert "\x00" not in "".join(lines)


@pytest.mark.parametrize("mark", list("%_&#${}~^\\[*"))
def test_every_special_character_is_escaped(mark):
    assert latex.escaped(f"a{mark}b") != f"a{mark}b"
    plain(latex.escaped(f"a{mark}b"))


def test_latex_groups_follow_each_other_under_their_names():
    rows = [contrast("gelu", 0.02, "better", group=group) for group in ("depth=1", "depth=2")]
    lines = latex.contrasts_latex(tables_of(rows), "mlp").split("\n")
    starts = [line.split(" ")[0].split("{l}")[-1] for line in lines[4:-3]]
    assert starts == [r"\midrule", "{depth=1}", "gelu", r"\midrule", "{depth=2}", "gelu"]


def test_latex_rows_hold_the_numbers_and_what_is_missing_stays_empty():
    rows = [
        contrast("gelu", 0.02, "better", p=0.00001),
        contrast("tanh", np.nan, "too few seeds", n=0, p=np.nan, n_collapsed=np.nan),
    ]
    rows += [contrast("silu", 0.01, "too few seeds", n=1, low=-np.inf, high=np.inf, p=np.nan)]
    rows += [contrast("elu", 0.0, family="all pairs")]
    text = latex.contrasts_latex(tables_of(rows), "mlp")
    assert r"gelu & 8 & $+2.00$ & [$+1.50$, $+2.50$] & $<0.0001$ & better \\" in text
    assert r"tanh & 0 &  &  &  & too few seeds (0 of 8) \\" in text
    assert r"silu & 1 & $+1.00$ &  &  & too few seeds (1 of 8) \\" in text
    assert "elu &" not in text.replace("gelu &", "").replace("silu &", "")
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert rule in text
    assert r"\multicolumn" not in text
    assert "difference from relu" in text
