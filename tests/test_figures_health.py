"""Figures, correlations and findings of health, from tables made by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import pyplot as plt
from plans import plan_of

from actstudy.analysis import figures
from actstudy.analysis.figures import health_frames
from actstudy.analysis.figures.health import HEATMAPS
from actstudy.analysis.figures.heatmaps import colour_scale
from actstudy.analysis.page import health_tables
from actstudy.analysis.questions import early_health, findings, stats
from actstudy.analysis.questions.probes import PROBES
from actstudy.analysis.tables import Tables
from actstudy.health.values import of_site

NAMES = ["health_heatmaps", "gradient_flow", "dead_over_time"]
STEPS, SITES, STEPS_PER_EPOCH = [0, 10, 20, 39], 3, 10
LABELS = ["run_id", "task", "group", "level", "seed"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def run_of(level, seed, group="", depth=SITES, **fields):
    """A completed run of 40 steps."""
    return {
        "run_id": f"{level}-{seed}-{group}",
        "data": "x",
        "task": "mlp",
        "level": level,
        "group": group,
        "seed": seed,
        "depth": depth,
        "line": "",
        "status": "completed",
        "total_steps": 40,
        "reported_accuracy": seed / 100,
        "activation": level,
        **fields,
    }


def health_of(run):
    """Nothing is dead; gradients 2**-site, sds 1 + seed, updates 1e-3; tanh alone can saturate."""
    label = {key: run[key] for key in LABELS}
    for step in STEPS:
        for index in range(SITES):
            probes = {
                "dead_fraction": 0.0,
                "gradient_norm": 2.0**-index,
                "post_sd": 1.0 + run["seed"],
            }
            if run["level"] == "tanh":
                probes["saturated_fraction"] = 0.25
            for probe, value in probes.items():
                at = {"step": step, "kind": "site", "name": f"layers.{index}", "index": index}
                yield label | at | {"probe": probe, "value": value}
            for name, value in ((f"layers.{index}.weight", 1e-3), (f"layers.{index}.bias", 9.0)):
                at = {"step": step, "kind": "parameter", "name": name, "index": index}
                yield label | at | {"probe": "update_ratio", "value": value}


def curves_of(run):
    label = {key: run[key] for key in LABELS}
    for epoch in (1.0, 2.0, 3.0, 4.0):
        at = {
            "step": int(epoch * STEPS_PER_EPOCH),
            "epoch": epoch,
            "split": "train",
            "metric": "loss",
        }
        yield label | at | {"value": 1 / epoch}


def tables_of(runs):
    frames = {
        "runs": pd.DataFrame(runs),
        "health": pd.DataFrame([row for run in runs for row in health_of(run)]),
    }
    frames["curves"] = pd.DataFrame([row for run in runs for row in curves_of(run)])
    levels = list(dict.fromkeys(run["level"] for run in runs))
    return Tables(plan_of(levels=levels), frames)


@pytest.fixture
def plain():
    """relu and tanh with 4 seeds; from step 20 on relu's second site is dead in 2, half in 1."""
    made = tables_of([run_of(level, seed) for level in ("relu", "tanh") for seed in range(4)])
    rows = made.frames["health"]
    dead = (
        (rows["level"] == "relu")
        & (rows["index"] == 1)
        & (rows["step"] >= 20)
        & (rows["probe"] == "dead_fraction")
    )
    share = rows["seed"].map({0: 1.0, 1: 1.0, 2: 0.5, 3: 0.0})
    made.frames["health"] = rows.assign(value=rows["value"].mask(dead, share))
    return made


def line_of(ax, label):
    (found,) = [line for line in ax.lines if line.get_label() == label]
    return list(found.get_xdata()), list(found.get_ydata())


def test_a_dead_site_is_where_it_was_planted(plain):
    found = health_frames.probed(plain, "mlp", "site", "dead_fraction", [""])
    middle = health_frames.site_medians(found)
    assert middle.loc["", "relu", 1].to_dict() == {0: 0.0, 10: 0.0, 20: 0.75, 39: 0.75}
    assert middle.drop(("", "relu", 1)).eq(0).all()
    bands = health_frames.seed_bands(found)
    assert bands.loc[("", "relu", 20)].tolist() == pytest.approx([2.5 / 4 / 3, 0.0, 1 / 3])
    figure, caption = figures.TASK_FIGURES["dead_over_time"].draw(plain, "mlp")
    assert line_of(figure.axes[0], "relu") == (STEPS, pytest.approx([0, 0, 250 / 12, 250 / 12]))
    assert "n = 4 seeds" in caption
    assert "share of units never above zero" in caption
    assert figure.axes[0].get_ylabel() == "units never above zero (%)"


def test_heatmaps_are_drawn_as_the_medians_are(plain):
    figure, caption = figures.TASK_FIGURES["health_heatmaps"].draw(plain, "mlp")
    assert [ax.get_title() for ax in figure.axes[:2]] == ["relu", "tanh"]
    assert figure.axes[0].images[0].norm.vmin == 2.5  # sd of seeds 0 to 3
    relu, tanh = figure.axes[2:4]
    assert relu.images[0].get_array()[1].tolist() == [0.0, 0.0, 75.0, 75.0]
    assert tanh.images[0].get_array().max() == 0
    assert [label.get_text() for label in relu.get_yticklabels()] == [
        "layers.0",
        "layers.1",
        "layers.2",
    ]
    assert not figure.axes[4].get_visible()  # relu does not saturate
    assert figure.axes[5].images[0].get_array().max() == 25.0
    assert "n = 4 seeds" in caption


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [2.0, 2.0], [0.0, 1e-9, 3.0]])
def test_scales_hold_for_nothing_zeros_and_one_value(values):
    log, shares = (
        colour_scale(pd.Series(values, dtype=float), True),
        colour_scale(pd.Series(values, dtype=float), False),
    )
    assert 0 < log.vmin < log.vmax
    assert (shares.vmin, shares.vmax) == (0, 10.0)


def test_gradient_flow_is_what_was_read(plain):
    figure, _ = figures.TASK_FIGURES["gradient_flow"].draw(plain, "mlp")
    assert line_of(figure.axes[0], "relu") == ([0, 1, 2], [1.0, 0.5, 0.25])


@pytest.mark.parametrize("name", NAMES)
def test_without_health_a_figure_is_not_drawn(plain, name):
    plain.frames["health"] = plain.frames["health"][LABELS].head(0)
    assert figures.TASK_FIGURES[name].draw(plain, "mlp") is None


@pytest.mark.parametrize("zero", [1.0, 0.0, np.nan], ids=["as read", "all zero", "not finite"])
def test_one_activation_with_one_seed_and_one_step(zero, tmp_path):
    tables = tables_of([run_of("relu", 0)])
    rows = tables.frames["health"].query("step == 0 and index == 0")
    tables.frames["health"] = rows.assign(value=rows["value"] * zero)
    assert figures.TASK_FIGURES["gradient_flow"].draw(tables, "mlp") is None  # of one site
    assert figures.TASK_FIGURES["dead_over_time"].draw(tables, "mlp") is None  # nothing is dead
    drawn = figures.TASK_FIGURES["health_heatmaps"].draw(tables, "mlp")
    if zero != 1.0:
        assert drawn is None
        return
    figures.save(*drawn, tmp_path / "heatmaps")
    assert "n = 1 seed" in (tmp_path / "heatmaps.txt").read_text()


def test_a_probe_that_few_levels_have_gets_no_row_of_heatmaps():
    levels = ("relu", "gelu", "silu", "tanh")  # of which tanh alone saturates; nothing is dead
    tables = tables_of([run_of(level, 0) for level in levels])
    figure, caption = figures.TASK_FIGURES["health_heatmaps"].draw(tables, "mlp")
    assert len([ax for ax in figure.axes if ax.images]) == len(levels)
    assert "sd of activations on the probe batch" in caption


@pytest.mark.parametrize("name", NAMES)
def test_of_many_groups_the_deepest_are_shown(name, tmp_path):
    groups = [(f"init={init}, depth={depth}", depth) for depth in (2, 3) for init in "abcdefgh"]
    tables = tables_of(
        [run_of("relu", seed, group, depth) for group, depth in groups for seed in range(2)]
    )
    shown = health_frames.groups_shown(tables, "mlp")
    assert shown == [f"init={init}, depth=3" for init in "abcdef"]
    health = tables.frames["health"]
    dead = health["probe"] == "dead_fraction"
    tables.frames["health"] = health.assign(value=health["value"].mask(dead, 0.5))
    figure, caption = figures.TASK_FIGURES[name].draw(tables, "mlp")
    n = 1 if name == "health_heatmaps" else 6
    assert f"({n} of 16 groups of cells, of the deepest networks)" in caption
    assert "n = 2 seeds" in caption
    figures.save(figure, caption, tmp_path / name)


def test_spearman_against_scipy_and_at_its_edges():
    from scipy.stats import spearmanr

    x, y = np.random.default_rng(0).normal(size=(2, 30))
    found = stats.spearman(x, x + y)
    assert found.value == pytest.approx(spearmanr(x, x + y).statistic)
    assert -1 < found.low < found.value < found.high < 1
    perfect = stats.spearman([1, 2, 3, 4], [1, 2, 3, 4])
    assert (perfect.value, perfect.high) == (pytest.approx(1), pytest.approx(1))
    assert perfect.low < 0  # one order of 24 says little
    assert stats.spearman(range(50), range(50)).low > 0.99
    assert stats.spearman([1, 2, 3], [3, 2, 1]).value == pytest.approx(-1)
    assert np.isnan(stats.spearman([1, 2, 3], [3, 2, 1]).low)
    assert np.isnan(stats.spearman([1, 1, 1, 1], [1, 2, 3, 4]).value)
    assert stats.spearman([], []).n == 0


def test_intervals_of_spearman_cover_zero_as_often_as_they_say():
    random = np.random.default_rng(1)
    found = [stats.spearman(*random.normal(size=(2, 12))) for _ in range(400)]
    assert 0.91 <= np.mean([one.low < 0 < one.high for one in found]) <= 0.99


def noisy(seeds, plant=None, metric="reported_accuracy"):
    """Two levels of runs of noise; with `plant`, that site probe gives the end at step 10."""
    random = np.random.default_rng(seeds)
    ends = {
        (level, seed): float(random.normal()) for level in ("relu", "gelu") for seed in range(seeds)
    }
    tables = tables_of(
        [run_of(level, seed, **{metric: end}) for (level, seed), end in ends.items()]
    )
    rows = tables.frames["health"]
    value = pd.Series(random.uniform(0.1, 1, len(rows)), rows.index)
    if plant:
        end = pd.Series(
            [ends[key] for key in zip(rows["level"], rows["seed"], strict=True)], rows.index
        )
        planted = (rows["probe"] == plant) & (rows["step"] == 10)
        value = value.mask(planted, -np.exp(end)).mask(
            planted & (plant == "gradient_norm"), np.exp(end)
        )
    tables.frames["health"] = rows.assign(value=value)
    return tables


def correlated(tables):
    frames = tables.frames
    return early_health.early(frames["runs"], frames["health"], frames["curves"], tables.plan)


@pytest.mark.parametrize(("probe", "sign"), [("post_sd", -1), ("gradient_norm", 1)])
def test_a_planted_relation_is_chosen_on_one_half_and_reported_on_the_other(probe, sign):
    found = correlated(noisy(9, probe))
    (row,) = found[found["chosen"]].to_dict("records")
    assert row["probe"] == f"site {probe}"
    assert (row["n_chosen"], row["n"], row["step"]) == (2 * 5, 2 * 4, 10)
    assert row["rho_chosen"] == pytest.approx(sign)
    assert row["rho"] == pytest.approx(sign)
    assert row["rho_within"] == pytest.approx(sign, abs=0.1)
    assert row["low"] * sign > 0
    assert found.loc[~found["chosen"], "rho"].isna().all()


def test_the_half_that_reports_has_no_say():
    tables = noisy(8, "post_sd")
    rows = tables.frames["health"]
    odd = rows["seed"] % 2 == 1
    noise = pd.Series(np.random.default_rng(5).uniform(size=len(rows)), rows.index)
    tables.frames["health"] = rows.assign(value=rows["value"].mask(odd, noise))
    (row,) = correlated(tables).query("chosen").to_dict("records")
    assert row["probe"] == "site post_sd"
    assert abs(row["rho_chosen"]) == pytest.approx(1)
    assert abs(row["rho"]) < 0.9


def test_of_noise_the_reported_interval_covers_zero():
    covered = [
        row.low < 0 < row.high
        for n in range(16, 46)
        for row in correlated(noisy(n)).query("chosen").itertuples()
    ]
    assert len(covered) == 30
    assert sum(covered) >= 25


def test_too_few_runs_choose_or_report_nothing():
    (row,) = correlated(noisy(3, "post_sd")).query("chosen").to_dict("records")
    assert (row["n_chosen"], row["n"]) == (4, 2)
    assert not np.isnan(row["rho"])
    assert np.isnan(row["low"])
    assert not correlated(noisy(2)).query("chosen").size
    assert "rho" in correlated(Tables(noisy(2).plan, noisy(2).frames | {"health": pd.DataFrame()}))


def test_only_completed_runs_and_probes_that_all_have_take_part():
    tables = noisy(9, "saturated_fraction")
    runs = tables.frames["runs"]
    tables.frames["runs"] = runs.assign(status=runs["status"].mask(runs["seed"] == 0, "diverged"))
    (row,) = correlated(tables).query("chosen").to_dict("records")
    assert row["n_chosen"] == 2 * 4
    assert "site saturated_fraction" not in set(
        correlated(tables)["probe"]
    )  # neither relu nor gelu has it


@pytest.mark.parametrize(("per_epoch", "step"), [(10, 10), (15, 10), (1, 0), (10_000, 10)])
def test_early_is_the_end_of_epoch_one_but_in_the_first_quarter(per_epoch, step):
    tables = tables_of([run_of("relu", 0)])
    curves = tables.frames["curves"]
    curves = curves.assign(epoch=curves["step"] / per_epoch)
    assert set(
        early_health.readings(tables.frames["runs"], tables.frames["health"], curves)["step"]
    ) == {step}


def found_in(runs):
    """Findings as `findings` makes them, of (level, seed, rule, severity, value, place)."""
    rows = [
        {
            "task": "mlp",
            "group": "",
            "level": level,
            "seed": seed,
            "run_id": f"{level}-{seed}-",
            "rule": rule,
        }
        | {"severity": severity, "value": value, "place": place, "step": 5, "places": 1}
        | {"text": f"{value} at {place}", "remedies": "a|b", "first": 0, "cause": ""}
        for level, seed, rule, severity, value, place in runs
    ]
    return pd.DataFrame(rows, columns=findings.COLUMNS)


SOME = [
    ("relu", 0, "saturated", "warning", 0.6, "x"),
    ("relu", 1, "saturated", "warning", 0.9, "<y>"),
    ("relu", 2, "saturated", "warning", 0.7, "x"),
    ("tanh", 3, "dead", "error", 0.5, "z"),
    ("tanh", 2, "dead", "warning", 0.2, "w"),
    ("tanh", 2, "small_batch", "note", 4.0, "batch"),
]


def test_findings_of_a_cell_are_counted_and_the_worst_is_first(plain):
    rows = findings.of_cells(found_in(SOME), plain.frames["runs"]).to_dict("records")
    told = [
        (row["level"], row["rule"], row["severity"], row["value"], row["place"], row["k"], row["n"])
        for row in rows
    ]
    assert told == [
        ("tanh", "dead", "error", 0.5, "z", 2, 4),
        ("relu", "saturated", "warning", 0.9, "<y>", 3, 4),
        ("tanh", "small_batch", "note", 4.0, "batch", 1, 4),
    ]


def test_a_page_lists_causes_with_their_consequences(plain):
    table = found_in(
        [
            ("relu", 0, "saturated", "warning", 0.6, "x"),
            ("tanh", 0, "updates_large", "warning", 0.6, "model"),
            ("tanh", 0, "non_finite", "error", 3.0, "x"),
            ("tanh", 1, "updates_large", "warning", 0.5, "model"),
            ("tanh", 1, "loss_flat", "warning", 1.0, "train"),
        ]
    )
    table["cause"] = ["", "", "updates_large", "", "updates_large"]
    plain.frames["findings"] = table
    rows = findings.of_cells(table, plain.frames["runs"]).to_dict("records")
    assert [(row["rule"], row["k"], row["consequences"]) for row in rows] == [
        ("updates_large", 2, "non_finite, loss_flat"),
        ("saturated", 1, ""),
    ]
    page = health_tables.findings(plain, "mlp")["table"]
    assert "updates large, and likely from it: non finite, loss flat" in page
    assert page.count("\n") == 3


def test_a_value_too_low_is_worst_where_it_is_lowest(plain):
    rows = [
        ("relu", 0, "vanishing", "warning", 5e-4, "x"),
        ("relu", 1, "vanishing", "warning", 1e-5, "y"),
    ]
    assert findings.of_cells(found_in(rows), plain.frames["runs"])["place"].tolist() == ["y"]


def test_the_page_lists_findings_and_counts_many_notes(plain):
    notes = [(f"level{i}", 0, "small_batch", "note", 4.0, "batch") for i in range(9)]
    runs = [run_of(f"level{i}", 0) for i in range(9)]
    plain.frames["runs"] = pd.concat([plain.frames["runs"], pd.DataFrame(runs)])
    plain.frames["findings"] = found_in([*SOME[:5], *notes])
    section = health_tables.findings(plain, "mlp")
    assert "0.9 at &lt;y&gt;" in section["table"]
    assert "3 of 4" in section["table"]
    assert "a&#124;b" in section["table"]
    assert "small batch" not in section["table"]
    assert (section["notes"], section["healthy"], section["n_cells"]) == (9, [], 11)
    plain.frames["findings"] = found_in(SOME[:3])
    assert health_tables.findings(plain, "mlp")["healthy"] == [
        "tanh",
        *(f"level{i}" for i in range(9)),
    ]


def test_findings_come_from_the_rows_of_their_run(plain):
    rows = plain.frames["health"]
    worst = (
        (rows["run_id"] == "tanh-2-")
        & (rows["probe"] == "saturated_fraction")
        & (rows["index"] == 2)
    )
    plain.frames["health"] = rows.assign(
        value=rows["value"].mask(worst, 0.8).where(rows["step"] > 0, np.nan)
    )
    runs = plain.frames["runs"]
    plain.frames["runs"] = runs.assign(
        status=runs["status"].mask(runs["run_id"] == "relu-0-", "missing")
    )
    made = findings.findings(
        plain.frames["runs"], plain.frames["health"], plain.frames["curves"], plain.plan.tasks
    )
    (row,) = made[made["rule"] == "saturated"].to_dict("records")
    assert (row["run_id"], row["place"], row["value"], row["severity"]) == (
        "tanh-2-",
        "layers.2",
        0.8,
        "warning",
    )
    assert ";" in row["remedies"]
    assert "relu-0-" not in set(made["run_id"])
    empty = plain.frames["health"][LABELS].head(0)
    assert (
        findings.findings(plain.frames["runs"], empty, empty, plain.plan.tasks).columns.tolist()
        == findings.COLUMNS
    )


@pytest.mark.parametrize("seeds", [2, 3, 9])
def test_the_page_tells_of_early_health_in_words(seeds):
    tables = noisy(seeds, "post_sd")
    tables.frames["early"] = correlated(tables)
    section = health_tables.early(tables, "mlp")
    text = " ".join(section["sentences"])
    told = {
        2: "",
        3: "No early probe was shown to predict the final test accuracy; groups of cells whose "
        "interval of rho excludes zero: 0 of 1 (n = 2 runs each).",
        9: "n = 8 runs): larger values go with a lower test accuracy",
    }[seeds]
    assert told in text
    assert section["silent"] == (seeds == 2)


@pytest.mark.parametrize(("kind", "probe"), PROBES)
def test_each_probe_that_can_be_chosen_is_read_and_has_words(kind, probe):
    tables = noisy(9, "post_sd")
    name = f"{kind} {probe}"
    tables.frames["early"] = correlated(tables).query("chosen").assign(probe=name)
    (sentence,) = health_tables.early(tables, "mlp")["sentences"]
    assert sentence.startswith(f"{PROBES[kind, probe].description} at step 10 was chosen")
    x = torch.ones(1, 16, 2)
    assert probe in {"gradient_norm", *of_site(["tanh"], x, x)}


def test_probes_of_heatmaps_have_words():
    assert {("site", probe) for probe in HEATMAPS} <= set(PROBES)


def test_many_groups_have_a_table_of_early_health():
    tables = noisy(9, "post_sd")
    tables.frames["early"] = pd.concat(
        [correlated(tables).assign(group=f"init={i}") for i in range(6)]
    )
    section = health_tables.early(tables, "mlp")
    assert section["sentences"] == []
    assert "init=5" in section["table"]
    assert (section["outside"], section["n_groups"]) == (6, 6)
