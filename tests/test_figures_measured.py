"""Every figure of every kind of shipped study, measured in its pixels and colours."""

import itertools
import json

import pandas as pd
import pytest
from colours import distance, nearest_pair
from matplotlib import pyplot as plt
from pictures import MAX_PIXELS, faults
from shipped_studies import CONFIG, FILES, tables_of

from actstudy.analysis import figures
from actstudy.analysis.figures import boundaries, depth, panels, style
from actstudy.analysis.tables import Tables

MIN_DISTANCE = 20.0  # of colours in CIE Lab
COMMON = 8  # activations, the first of ACTIVATION_STYLE
ON_PAGE = {
    "config": ["study/forest", "study/metric_curves", "study/boundaries"],
    "contrastive": [
        "contrastive/sensitivity",
        "contrastive/best_of_k",
        "contrastive/logit_scale_over_time",
        "study/forest",
        "study/metric_curves",
    ],
    "contrastive_stability": [
        "contrastive/sensitivity",
        "contrastive/best_of_k",
        "contrastive/survival",
        "contrastive/logit_scale_over_time",
    ],
    "depth": [
        "mlp/outcome_map",
        "mlp/metric_against_depth",
        "mlp/sensitivity",
        "mlp/best_of_k",
    ],
    "frameworks_full": ["vision/effects"],
    "frameworks_smoke": ["vision/effects", "study/forest", "study/metric_curves"],
    "full": [
        "vision/lr_sensitivity",
        "vision/best_of_k",
        "cls/lr_sensitivity",
        "cls/best_of_k",
        "lm/lr_sensitivity",
        "lm/best_of_k",
        "study/forest",
        "study/metric_curves",
        "study/boundaries",
    ],
    "gated": ["study/forest", "study/metric_curves", "study/boundaries"],
    "he_factor": ["mlp/metric_against_factor", "mlp/sensitivity", "mlp/best_of_k"],
    "learnt": ["study/forest", "study/metric_curves", "study/boundaries"],
    "smoke": ["study/forest", "study/metric_curves", "study/boundaries"],
    "sensitivity": ["mlp/sensitivity", "mlp/best_of_k", "study/boundaries"],
    "verdicts": [
        "mlp/lr_sensitivity",
        "mlp/best_of_k",
        "study/forest",
        "study/metric_curves",
        "study/boundaries",
    ],
}
# Others are drawn by the same functions, on fewer or on more cells alike.
MORE = {"config": ("mlp", "lm"), "depth": ("mlp",), "learnt": ("mlp",), "verdicts": ("mlp",)}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def shipped():
    """Name -> tables of a study, made once."""
    tables_by_name = {}

    def tables(name):
        if name not in tables_by_name:
            with pytest.MonkeyPatch.context() as patch:
                tables_by_name[name] = tables_of(CONFIG / f"{name}.yaml", patch.setattr)
        return tables_by_name[name]

    return tables


def drawings(tables, parts, on_page):
    """part/figure -> the figure and its caption, of those that have data."""
    for part in parts:
        for name, draw in figures.drawings(tables, part, on_page).items():
            drawn = draw()
            if drawn is not None:
                yield f"{part}/{name}", drawn


@pytest.mark.parametrize("name", ON_PAGE)
def test_no_figure_of_a_shipped_study_has_a_fault(shipped, name):
    tables = shipped(name)
    faults_by_figure = {}
    names = []
    for on_page in (True, False):
        parts = [*tables.plan.tasks, figures.STUDY] if on_page else MORE.get(name, ())
        for where, (figure, caption) in drawings(tables, parts, on_page):
            style.mark(figure, tables.plan.note or "")
            of_figure = {kind: places for kind, places in faults(figure).items() if places}
            if "Lines that leave the panel" in caption:
                of_figure.pop("off_axis", None)
            if of_figure:
                faults_by_figure[where] = of_figure
            names += [where] if on_page else []
            assert "nan" not in caption
            plt.close(figure)
    assert faults_by_figure == {}
    assert names == ON_PAGE[name]


def test_every_shipped_study_is_of_a_kind_that_is_measured():
    """Others are as tables `depth` with more cells, or `frameworks_full`, `contrastive` with fewer.

    The figures of claims are measured with claims of each verdict, in test_ledger_page.
    """
    rest = {file.stem for file in FILES} - set(ON_PAGE)
    others = {"depth_full", "frameworks", "frameworks_tiny", "guide", "guide_full", "sigmoid"}
    others |= {"full_sensitivity", "sizes"}  # of the kinds of sensitivity and depth
    assert rest == others | {"contrastive_checklist", "contrastive_full"}


def test_two_gpus_have_rows_of_their_own_names_and_a_cpu_has_no_timeline(shipped):
    figure, _ = figures.STUDY_FIGURES["timeline"].draw(shipped("full"))
    assert not any(faults(figure).values())
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert {name.split(":")[0] for name in names} == {"GPU 1", "GPU 2"}
    assert figures.STUDY_FIGURES["timeline"].draw(shipped("config")) is None


# Each guard fails if what it guards against is there.


def plain(title="A title"):
    figure, axes = panels.subplots(1, 1, (4, 3), title)
    axes[0, 0].plot([0, 1], [0, 1], "o")
    return figure, axes[0, 0]


def kinds(figure):
    return {kind for kind, places in faults(figure).items() if places}


def test_a_plain_figure_has_no_fault_and_a_long_title_is_wrapped():
    assert kinds(plain()[0]) == set()
    assert kinds(plain("A title of many words " * 9)[0]) == set()


def test_a_title_that_does_not_wrap_is_clipped(monkeypatch):
    monkeypatch.setattr(panels, "wrapped", lambda text, *_: text)
    assert kinds(plain("A title of many words " * 9)[0]) == {"clipped"}


def test_a_point_beyond_the_axis_is_found():
    figure, ax = plain()
    ax.set_xlim(0, 0.5)
    assert kinds(figure) == {"off_axis"}


def test_text_on_a_mark_and_on_text_is_found():
    figure, ax = plain()
    ax.text(1, 1, "covers", ha="center", va="center")
    assert kinds(figure) == {"covering"}
    ax.text(0.5, 0.4, "one")
    ax.text(0.5, 0.4, "two")
    assert kinds(figure) == {"covering", "crossing"}


def test_an_empty_panel_and_one_that_is_too_tall_are_found():
    figure, axes = panels.subplots(1, 2, (6, 3), "A title")
    axes[0, 0].plot([0, 1], [0, 1])
    axes[0, 1].axhline(0.5)
    assert kinds(figure) == {"empty"}
    figure, _ = plain()
    figure.set_figheight(1 + MAX_PIXELS / 160)
    assert "tall" in kinds(figure)
    assert panels.subplots(1, 1, (4, 99), "A title")[0].get_figheight() * 160 <= MAX_PIXELS


def test_a_seed_far_out_is_an_arrow_with_its_value_beside_the_verdict(shipped):
    tables = shipped("config")
    differences = tables.frames["differences"].copy()
    own = (differences["task"] == "mlp") & (differences["level"] == "gelu")
    differences.loc[own.idxmax(), "difference"] = -0.9
    frames = tables.frames | {"differences": differences}
    figure, caption = figures.STUDY_FIGURES["forest"].draw(Tables(tables.plan, frames))
    (ax,) = [ax for ax in figure.axes if ax.get_title(loc="left").startswith("MLP")]
    low, _ = ax.get_xlim()
    assert low > -50
    assert any("seeds −90.00" in text.get_text().replace("\n", " ") for text in ax.texts)
    assert "Arrows: values beyond the axis" in caption
    assert not any(faults(figure).values())


@pytest.mark.parametrize("name", ["config", "verdicts"])
def test_all_seeds_of_a_forest_are_drawn_inside_its_axes(shipped, name):
    tables = shipped(name)
    figure, caption = figures.STUDY_FIGURES["forest"].draw(tables)
    drawn = []
    for ax in figure.axes:
        low, high = ax.get_xlim()
        for line in ax.lines:
            if line.get_marker() == ".":
                drawn += list(line.get_xdata())
                assert ((line.get_xdata() >= low) & (line.get_xdata() <= high)).all()
    differences = tables.frames["differences"].query("is_typical")
    in_points = differences["task"] != "lm"
    expected = differences["difference"].where(~in_points, 100 * differences["difference"])
    assert sorted(drawn) == sorted(expected)
    assert "Arrows" not in caption


def test_a_study_of_undecided_contrasts_in_many_groups_has_no_forest(shipped):
    tables = shipped("depth")
    assert figures.STUDY_FIGURES["forest"].draw(tables) is None
    contrasts = tables.frames["contrasts"].copy()
    primary = contrasts.index[contrasts["family"] == "primary"]
    contrasts.loc[primary[:3], "verdict"] = "worse"
    frames = tables.frames | {"contrasts": contrasts}
    figure, caption = figures.STUDY_FIGURES["forest"].draw(Tables(tables.plan, frames))
    assert len(figure.axes[0].get_yticklabels()) == 3
    assert f"3 of {len(primary)} contrasts are decided; tables/contrasts.csv has all" in caption
    assert not any(faults(figure).values())


# Colours


def test_common_activations_and_outcomes_differ_to_every_kind_of_sight():
    colours = [colour for colour, _, _ in style.ACTIVATION_STYLE.values()]
    assert nearest_pair(colours[:COMMON]) >= MIN_DISTANCE
    outcomes = [depth.COLOURS[name] for name in (depth.TRAINS, depth.STALLS, depth.DIVERGES)]
    assert nearest_pair(outcomes) >= MIN_DISTANCE
    assert nearest_pair(boundaries.COLOURS) >= MIN_DISTANCE
    assert nearest_pair([colour for colour, _, _ in style.OTHER_STYLES]) >= MIN_DISTANCE
    assert distance("#8FD0B8", "#D9D9D9") == pytest.approx(9.8, abs=0.1)  # what had failed


def test_the_first_styles_of_other_levels_differ_most_from_the_common_activations():
    """One of somebody's own stands next to them most often."""
    common = [colour for colour, _, _ in list(style.ACTIVATION_STYLE.values())[:5]]
    distances = []
    for colour, _, _ in style.OTHER_STYLES:
        distances.append(min(distance(colour, other) for other in common))
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > MIN_DISTANCE


def test_activations_differ_in_colour_or_in_marker_and_dash(shipped):
    for first, second in itertools.combinations(style.ACTIVATION_STYLE.values(), 2):
        same_shape = first[1] == second[1] or first[2] == second[2]
        assert first[0] != second[0]
        assert distance(first[0], second[0]) >= MIN_DISTANCE or not same_shape, (first, second)
    for name in ON_PAGE:
        levels = style.styles(shipped(name).plan.levels)
        if len(levels) <= len(style.OTHER_STYLES):  # beyond, colours come again
            assert nearest_pair([line["color"] for line in levels.values()]) >= MIN_DISTANCE


def test_a_colour_means_one_kind_of_thing():
    palettes = [
        {colour for colour, _, _ in style.ACTIVATION_STYLE.values()},
        {colour for colour, _, _ in style.OTHER_STYLES},
        set(depth.COLOURS.values()),
        set(boundaries.COLOURS),
        {style.BAR_COLOUR},
    ]
    for first, second in itertools.combinations(palettes, 2):
        assert not first & second


# What is written


def test_smoke_runs_are_marked_in_every_figure(shipped):
    tables = shipped("smoke")
    for _, (figure, _) in drawings(tables, [figures.STUDY], on_page=True):
        style.mark(figure, tables.plan.note)
        assert figure.get_suptitle().endswith("\nSMOKE TEST")
    figure, _ = plain()
    style.mark(figure, "A note of another study, which is no warning.")
    assert figure.get_suptitle() == "A title"


def test_a_part_lists_what_was_drawn_and_removes_what_has_no_data_any_more(shipped, tmp_path):
    tables = shipped("smoke")
    figures.draw_part(tables, figures.STUDY, tmp_path, on_page=True)
    assert json.loads((tmp_path / "page.json").read_text()) == [
        "forest",
        "metric_curves",
        "boundaries",
    ]
    rest = Tables(tables.plan, tables.frames | {"boundaries": pd.DataFrame()})
    figures.draw_part(rest, figures.STUDY, tmp_path, on_page=True)
    assert json.loads((tmp_path / "page.json").read_text()) == ["forest", "metric_curves"]
    assert {path.stem for path in tmp_path.glob("*.*")} == {"page", "forest", "metric_curves"}


def test_rows_of_an_undecided_interval_beside_zero_are_explained(shipped):
    tables = shipped("config")
    contrasts = tables.frames["contrasts"].copy()
    own = (contrasts["task"] == "mlp") & (contrasts["level"] == "gelu")
    contrasts.loc[own, ["mean", "low", "high", "verdict"]] = [0.02, 0.01, 0.03, "undecided"]
    frames = tables.frames | {"contrasts": contrasts}
    caption = figures.STUDY_FIGURES["forest"].draw(Tables(tables.plan, frames))[1]
    assert "An interval may exclude zero and the row be open" in caption
