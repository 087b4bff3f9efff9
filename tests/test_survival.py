"""Which runs survive, what their figures draw, and what recommendations are worth."""

import dataclasses
import json
import math

import matplotlib
import numpy as np
import pandas as pd
import pytest
from made_up import build, study_of
from matplotlib import pyplot as plt
from pictures import faults
from plans import plan_of
from scipy import stats

from actstudy.analysis.figures import forest, logit_scale
from actstudy.analysis.figures import survival as picture
from actstudy.analysis.page import activations, survival_tables
from actstudy.analysis.questions import ledger_runs, survival, turned
from actstudy.analysis.tables import Tables
from actstudy.contract import store
from actstudy.contract.reading import Absent

LOSSES = ("clip", "siglip", "clip_without_max")
PRECISIONS = ("fp32", "bf16")
RATES = ("0.0001", "0.002")
N_SEEDS = 4
CHANCE = 0.1
PAIRS = {"predicts": "pairs", "baseline": "clip", "x_axis": "step", "margin": 0.01}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """No waiting for the disk."""
    monkeypatch.setattr(store, "flush", lambda path: None)


def runs_of(losses=LOSSES, precisions=PRECISIONS, rates=RATES, n_seeds=N_SEEDS):
    """Runs of all cells; those of the last loss diverge at the higher rate, but for seed 0."""
    rows = []
    for loss in losses:
        for precision in precisions:
            for rate in rates:
                places = {"precision": precision, "lr": rate}
                group = f"precision={precision}, lr={rate}"
                for seed in range(n_seeds):
                    lost = loss == losses[-1] and rate == rates[-1] and seed > 0
                    rows.append(
                        {
                            "run_id": f"{loss}-{precision}-{rate}-{seed}",
                            "task": "pairs",
                            "level": loss,
                            "group": group,
                            "places": json.dumps(places),
                            "seed": seed,
                            "data": "x",
                            "precision": precision,
                            "order_hash": str(seed),
                            "status": "diverged" if lost else "completed",
                            "reason": "loss is nan" if lost else None,
                            "steps_done": 7 if lost else 20,
                            "reported_accuracy": math.nan if lost else 0.5 + seed / 100,
                        }
                    )
    return pd.DataFrame(rows)


def plan(**fields):
    """A plan of one task that predicts pairs and compares losses."""
    return plan_of(
        {"pairs": {**PAIRS, "title": "Pairs", **fields}}, compare="loss", levels=list(LOSSES)
    )


def tables_of(runs, **frames):
    own = plan()
    table = survival.survival({"runs": runs}, own)
    return Tables(own, {"runs": runs, "survival": table, **frames})


def wilson(n_true, n):
    """Wilson's interval by its formula."""
    z = stats.norm.ppf(0.975)
    middle = (n_true + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(n_true * (n - n_true) / n + z**2 / 4)
    return middle - half, middle + half


def test_survival_is_counted_per_cell_per_value_of_an_axis_and_over_all():
    table = survival.survival({"runs": runs_of()}, plan())
    assert list(table.columns) == survival.COLUMNS
    cells = survival.cells(table).set_index(["level", "group"])
    assert len(cells) == len(LOSSES) * len(PRECISIONS) * len(RATES)
    fallen = cells.loc[("clip_without_max", "precision=bf16, lr=0.002")]
    assert (fallen["n"], fallen["n_survived"], fallen["survival"]) == (4, 1, 0.25)
    assert (fallen["low"], fallen["high"]) == pytest.approx(wilson(1, 4))
    assert fallen["median_step"] == 7
    assert fallen["reason"] == "loss is nan"
    assert json.loads(fallen["places"]) == {
        "loss": "clip_without_max",
        "precision": "bf16",
        "lr": "0.002",
    }
    by_axis = table.set_index(["of", "level"])
    assert by_axis.loc[("loss", "clip_without_max"), "n_survived"] == 10
    assert by_axis.loc[("loss", "clip"), "n_survived"] == 16
    assert by_axis.loc[("lr", "0.002"), ["n", "n_survived"]].to_list() == [24, 18]
    assert by_axis.loc[("precision", "fp32"), ["n", "n_survived"]].to_list() == [24, 21]
    total = by_axis.loc[("all", "")]
    assert (total["n"], total["n_survived"]) == (48, 42)
    assert (total["low"], total["high"]) == pytest.approx(wilson(42, 48))


def test_a_study_of_one_run_has_its_places_as_texts():
    runs = runs_of(losses=("clip",), precisions=("fp32",), rates=("0.1",), n_seeds=1)
    table = survival.survival({"runs": runs}, plan())
    assert dict(zip(table["of"], table["level"], strict=True)) == {
        "cell": "clip",
        "loss": "clip",
        "precision": "fp32",
        "lr": "0.1",
        "all": "",
    }
    assert (table["n_survived"] == 1).all()


def test_runs_without_an_end_are_planned_but_not_counted():
    runs = runs_of(losses=("clip", "siglip"), precisions=("fp32",), rates=("0.1",))
    runs.loc[runs["level"] == "clip", "status"] = "missing"
    runs.loc[runs["run_id"] == "siglip-fp32-0.1-1", "status"] = "failed"
    cells = survival.cells(survival.survival({"runs": runs}, plan())).set_index("level")
    assert cells.loc["clip", ["n_planned", "n"]].to_list() == [4, 0]
    assert pd.isna(cells.loc["clip", "survival"])
    assert cells.loc["siglip", ["n_planned", "n", "n_survived"]].to_list() == [4, 3, 1]
    assert survival.survival({"runs": runs.head(0)}, plan()).empty


def test_the_figure_has_a_panel_per_precision_and_a_mark_per_rate():
    figure, caption = picture.survival(tables_of(runs_of()), "pairs")
    assert [ax.get_title() for ax in figure.axes] == ["precision=fp32", "precision=bf16"]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == list(LOSSES)
    for ax in figure.axes:
        shares = {line.get_label(): list(line.get_xdata()) for line in ax.lines}
        assert shares == {"lr=0.0001": [100, 100, 100], "lr=0.002": [100, 100, 25]}
        heights = [line.get_ydata() for line in ax.lines]
        assert (np.round(heights[0]) == np.round(heights[1])).all()
        assert (heights[0] < heights[1]).all()  # marks of a row do not cover each other
        ends = ax.collections[1].get_segments()[2][:, 0]
        assert ends == pytest.approx([100 * end for end in wilson(1, 4)])
    assert "Of 12 cells 10 lost no run" in caption
    assert "by loss, precision and lr, n = 4 seeds per mark" in caption
    assert not any(faults(figure).values())


def test_the_figure_of_one_axis_and_of_nothing():
    runs = runs_of(precisions=("fp32",), rates=("0.1",)).assign(places="{}", group="")
    figure, caption = picture.survival(tables_of(runs), "pairs")
    assert len(figure.axes) == 1
    assert "Of 3 cells 2 lost no run" in caption
    assert not any(faults(figure).values())
    runs["status"] = "missing"
    assert picture.survival(tables_of(runs), "pairs") is None


def test_many_losses_are_drawn_without_a_fault():
    losses = [f"a_rather_long_name_of_a_loss_{place}" for place in range(24)]
    runs = runs_of(losses, ("fp32", "bf16", "fp16"), ("2e-05", "0.0001", "0.002"), 2)
    own = dataclasses.replace(plan(), levels=losses)
    table = survival.survival({"runs": runs}, own)
    figure, _ = picture.survival(Tables(own, {"runs": runs, "survival": table}), "pairs")
    assert not any(faults(figure).values())


def curves_of(runs):
    """A logit scale that rises with the step, from another value in each run."""
    rows = []
    for number, run in enumerate(runs.to_dict("records")):
        label = {key: run[key] for key in ("run_id", "task", "level", "group", "seed")}
        for step in (5, 10, 15, 20):
            value = 14.0 + step + number / 10
            for split, metric in (("train", "logit_scale"), ("val", "loss")):
                rows.append({**label, "step": step, "split": split, "metric": metric})
                rows[-1]["value"] = value
    return pd.DataFrame(rows)


def test_logit_scales_are_means_over_seeds_with_a_panel_per_group():
    runs = runs_of(rates=("0.002",))
    curves = curves_of(runs)
    tables = tables_of(runs, curves=curves)
    figure, caption = logit_scale.logit_scale_over_time(tables, "pairs")
    groups = ["precision=fp32, lr=0.002", "precision=bf16, lr=0.002"]
    assert [ax.get_title() for ax in figure.axes] == groups
    own = curves[(curves["metric"] == "logit_scale") & (curves["level"] == "siglip")]
    for ax, group in zip(figure.axes, groups, strict=True):
        (line,) = [line for line in ax.lines if line.get_label() == "siglip"]
        means = own[own["group"] == group].groupby("step")["value"].mean()
        assert list(line.get_ydata()) == pytest.approx(means.to_list())
    assert "14 to 100" in caption
    assert not any(faults(figure).values())
    at_the_end = tables_of(runs, curves=curves[curves["step"] == 20])
    assert logit_scale.logit_scale_over_time(at_the_end, "pairs") is None
    without = tables_of(runs, curves=curves[curves["metric"] == "loss"])
    assert logit_scale.logit_scale_over_time(without, "pairs") is None
    nothing = tables_of(runs, curves=pd.DataFrame({"task": []}))
    assert logit_scale.logit_scale_over_time(nothing, "pairs") is None


def test_of_many_losses_each_has_a_panel_whose_lines_are_the_places():
    losses = [f"loss_{place}" for place in range(12)]
    runs = runs_of(losses, ("fp32", "bf16", "fp16"), ("2e-05", "0.0001", "0.002"), 2)
    tables = tables_of(runs, curves=curves_of(runs))
    figure, caption = logit_scale.logit_scale_over_time(tables, "pairs")
    drawn = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title() for ax in drawn] == losses
    lines = [line for line in drawn[0].lines if not line.get_label().startswith("_")]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 9
    dashes = {}
    for line in lines:
        precision = line.get_label().split(",")[0]
        dashes.setdefault(precision, set()).add(line.get_linestyle())
    assert list(dashes.values()) == [{"-"}, {"--"}, {":"}]
    assert caption.endswith("Colours and marks: lr; solid, dashed, dotted: precision.")
    (legend,) = figure.legends
    # beside the mark in the middle there is room for two dashes on each side
    dash = sum(matplotlib.rcParams["lines.dashed_pattern"]) * 1.8
    assert legend.handlelength * legend._fontsize > 3 * dash
    assert not any(faults(figure).values())


def test_the_page_counts_who_diverged_when_and_why():
    tables = tables_of(runs_of())
    first, fallen, others = survival_tables.sentences(tables, "pairs")
    assert first == "Of 48 runs that ended 6 diverged: 88% (75 to 94%) survived."
    assert fallen == (
        "clip_without_max: 10 of 16 (39 to 82) survived, the others ended after 7 steps "
        "(median); such as: loss is nan."
    )
    lowest = 100 * wilson(16, 16)[0]
    assert others.startswith("No run of clip and siglip diverged")
    assert others.endswith(f"a survival of {lowest:.0f}% is not excluded.")
    table = survival_tables.cells(tables, "pairs")
    (row,) = [line for line in table.splitlines() if "clip&#95;" in line or "without" in line]
    assert [cell.strip() for cell in row.split("|")[2:-1]] == [
        "4 of 4 (51 to 100)",
        "1 of 4 (5 to 70)",
        "4 of 4 (51 to 100)",
        "1 of 4 (5 to 70)",
        "10 of 16 (39 to 82)",
    ]
    assert "lr=0.002" in survival_tables.by_axis(tables, "pairs")


def test_a_study_that_lost_no_run_has_a_sentence_and_no_table():
    runs = runs_of().assign(status="completed")
    tables = tables_of(runs)
    assert survival_tables.sentences(tables, "pairs") == [
        "Of 48 runs that ended none diverged: 100% (93 to 100%) survived."
    ]
    assert not any(survival_tables.section(tables, "pairs").values())
    assert all(survival_tables.section(tables_of(runs_of()), "pairs").values())
    for predicts in ("classes", "tokens"):
        own = dataclasses.replace(tables.plan.tasks["pairs"], predicts=predicts)
        other = dataclasses.replace(tables.plan, tasks={"pairs": own})
        assert survival_tables.sentences(Tables(other, tables.frames), "pairs") == []


def of_recommendation(runs, **arguments):
    """The readings of a recommendation over runs of accuracy, whose chance is CHANCE."""
    own = plan(classes={"x": 10}, predicts="classes")
    return ledger_runs.recommendation({"runs": runs}, own, task="pairs", **arguments)


def test_a_recommendation_is_worth_its_gain_with_diverged_runs_at_chance():
    runs = runs_of(precisions=("fp32",), rates=("0.002",))
    (reading,) = of_recommendation(runs, pairs=[["clip", "clip_without_max"]])
    gains = np.array([0.0] + [0.5 + seed / 100 - CHANCE for seed in (1, 2, 3)])
    interval = stats.t.interval(0.95, 3, gains.mean(), stats.sem(gains))
    gain = reading.values["gain"]
    assert gain.value == pytest.approx(100 * gains.mean())
    assert (gain.low, gain.high) == pytest.approx([100 * end for end in interval])
    assert reading.values["margins"].value == pytest.approx(gains.mean() / 0.01)
    assert reading.values["survives"].value == 100
    against = reading.values["survives_against"]
    assert (against.value, against.n) == (25, 4)
    assert (against.low, against.high) == pytest.approx([100 * end for end in wilson(1, 4)])
    assert reading.condition == ""


def test_each_pair_and_each_group_is_a_condition_but_where_precisions_are_named():
    runs = runs_of(rates=("0.002",))
    several = of_recommendation(runs, pairs=[["clip", "siglip"], ["clip", "clip_without_max"]])
    assert [reading.condition for reading in several] == [
        "clip against siglip, precision=fp32, lr=0.002",
        "clip against clip_without_max, precision=fp32, lr=0.002",
        "clip against siglip, precision=bf16, lr=0.002",
        "clip against clip_without_max, precision=bf16, lr=0.002",
    ]
    same = {"pairs": [["clip", "clip"]]}
    (reading,) = of_recommendation(runs, **same, precisions=[["bf16", "fp32"]])
    assert reading.values["gain"].value == 0
    assert reading.condition == ""
    runs = runs_of()
    (reading,) = of_recommendation(runs, **same, precisions=[["bf16", "fp32"]])
    assert reading.values["gain"].n == len(RATES) * N_SEEDS  # each with its own rate
    with pytest.raises(Absent, match="needs runs of clip at fp16"):
        of_recommendation(runs, **same, precisions=[["bf16", "fp16"]])
    with pytest.raises(Absent, match="needs runs of norm"):
        of_recommendation(runs, pairs=[["norm", "clip"]])
    with pytest.raises(ValueError, match=r"pairs: got \['clip'\]; allowed: who follows"):
        of_recommendation(runs, pairs=[["clip"]])


BLOCK = {"epochs": 3, "depth": 2, "width": 16, "warmup": 0}
AXES = {"init": ["he_normal", "orthogonal"], "activation": ["tanh", "relu", "gelu"]}


def crossed_study(folder, compare, shift):
    """Tables of a study that crosses initialisations and activations and compares one of them."""
    folder.mkdir()
    content = {"compare": compare, "seeds": 8, "axes": AXES, "tasks": {"mlp": BLOCK}}
    study = study_of(folder, content)
    return build(study, folder, lambda run: "completed", shift)


def shift_of(spec):
    """gelu is better with orthogonal weights alone."""
    return 0.2 if (spec.activation, spec.init) == ("gelu", "orthogonal") else 0.0


@pytest.fixture(scope="module")
def both_ways(tmp_path_factory):
    """The same runs, with initialisations compared and with activations compared."""
    folder = tmp_path_factory.mktemp("both")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "flush", lambda path: None)
        inits = crossed_study(folder / "inits", "init", shift_of)
        return inits, crossed_study(folder / "activations", "activation", shift_of)


def test_a_study_read_the_other_way_is_the_study_that_compares_activations(both_ways):
    inits, acts = both_ways
    keys = ["group", "family", "level", "baseline"]
    turned_rows = inits.frames["activation_contrasts"].set_index(keys).sort_index()
    rows = acts.frames["contrasts"].set_index(keys).sort_index()
    assert len(rows) == 2 * (2 + 3)
    pd.testing.assert_frame_equal(turned_rows, rows, check_dtype=False)
    (better,) = turned_rows[turned_rows["verdict"] == "better"].loc[:, "primary", :, :].index
    assert better == ("init=orthogonal", "gelu", "relu")
    keys = ["group", "level", "seed"]
    differences = inits.frames["activation_differences"].set_index(keys).sort_index()
    others = acts.frames["differences"].set_index(keys).sort_index()
    pd.testing.assert_frame_equal(differences, others, check_dtype=False)


def test_what_cannot_be_turned_has_empty_tables_and_no_section(both_ways):
    _, acts = both_ways
    assert not turned.can_turn(acts.plan)
    assert acts.frames["activation_contrasts"].empty
    assert activations.section(acts, []) is None
    assert forest.activation_forest(acts) is None


def test_the_page_says_which_activation_to_use_within_each_level(both_ways):
    inits, _ = both_ways
    figure, _ = forest.activation_forest(inits)
    assert figure.get_suptitle() == "Difference from relu, with verdicts"
    assert not any(faults(figure).values())
    section = activations.section(inits, [{"name": "forest"}, {"name": "activation_forest"}])
    assert section["figures"] == [{"name": "activation_forest"}]
    (answer,) = section["answers"]
    assert "init=orthogonal: Use gelu rather than relu (+" in answer["text"]
    assert "gelu, init=orthogonal" in section["verdicts"]
