"""What the page and the figure say of frameworks: sentences that a reader may decide by."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from pictures import faults
from test_components import KERAS, frames_of, parity_of, plan, runs_of

from actstudy.analysis import scale
from actstudy.analysis.figures import effects as figure
from actstudy.analysis.page import (
    first_screen,
    framework_origins,
    framework_tables,
    frameworks,
)
from actstudy.analysis.questions import components, effects, speed, verified
from actstudy.analysis.tables import Tables
from actstudy.contract import registry

INCOMPLETE = ["task", "group", "level", "seed", "run_id", "status", "reason"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def tables_of(runs, study=None, parity=None):
    study = study or plan()
    if parity is not None:
        runs = verified.without_failed(runs, parity)
    frames = frames_of(runs, study)
    frames["effects"] = effects.effects(frames, study)
    frames["components"] = components.components(frames, study)
    frames["speed"] = speed.speed(frames, study)
    frames["incomplete"] = runs.loc[runs["status"] != "completed", INCOMPLETE]
    if parity is not None:
        frames["parity"] = parity
    return Tables(study, frames)


def section_of(tables, tmp_path):
    (section,) = frameworks.sections(tables, tmp_path, tmp_path / "summary.md")
    return section


def text_of(tables):
    return "\n".join(frameworks.sentences(tables, "mlp"))


def test_the_margin_stands_before_every_result(tmp_path):
    section = section_of(tables_of(runs_of()), tmp_path)
    assert section["sentences"][0].startswith("The margin is 1 point (so). It stands in the file")
    assert "at least 8 pairs" in section["sentences"][0]
    assert "1 point" not in section["sentences"][1]


def test_a_study_without_frameworks_has_no_section(tmp_path):
    study = plan(axes={"activation": ["relu", "gelu"]})
    assert frameworks.sections(Tables(study, {}), tmp_path, tmp_path / "summary.md") == []


def test_a_verdict_has_its_difference_its_interval_and_its_pairs():
    tables = tables_of(runs_of())
    row = tables.frames["effects"].query("level == 'keras-jax' and at == 'relu'").iloc[0]
    ends = f"{100 * row['low']:+.2f} to {100 * row['high']:+.2f}"
    assert f"({100 * row['mean']:+.2f} points, {ends}, 8 pairs)" in text_of(tables)


def test_three_pairs_get_no_verdict_and_nothing_is_called_larger():
    text = text_of(tables_of(runs_of(n=3)))
    assert "keras-jax against torch: no verdict from 3 pairs, it takes 8" in text
    assert "3 seeds do not say it, it takes 8" in text
    for word in ("moves it", "equivalent within", "no difference between"):
        assert word not in text


def component(source, low, sd, high, n=8):
    row = {"source": source, "sd": sd, "low": low, "high": high, "n_seeds": n}
    return {**row, "block": "", "at": ""}


def largest(**intervals):
    rows = [component("framework", 0.01, 0.02, 0.03)]
    for source, (low, high) in intervals.items():
        rows.append(component(source.replace("_", " "), low, (low + high) / 2, high))
    return list(frameworks.largest(pd.DataFrame(rows)))


def test_a_source_is_larger_only_if_the_intervals_do_not_overlap():
    assert largest(activation=(0.031, 0.05), another_seed=(0.029, 0.05), arithmetic=(0, 0.009)) == [
        "The framework moves the result; it moves it less than activation; whether more or less "
        "than another seed is not shown (8 seeds)."
    ]
    assert largest(another_seed=(0, 0.009)) == [
        "The framework moves the result; it moves it more than another seed (8 seeds)."
    ]
    rows = [component("framework", 0.0, 0.01, 0.03), component("activation", 0.01, 0.02, 0.03)]
    (sentence,) = frameworks.largest(pd.DataFrame(rows))
    assert sentence.startswith("The framework is not shown to move the result; whether more")
    rows[1] |= {"low": 0.04, "high": 0.05}
    rows.append(component("framework x activation", 0.0, 0.01, 0.02))
    assert list(frameworks.largest(pd.DataFrame(rows))) == [
        "The framework is not shown to move the result; its effect, if any, is less than that of "
        "activation (8 seeds; the mean over activations)."
    ]
    rows[0] |= {"sd": math.nan}
    assert list(frameworks.largest(pd.DataFrame(rows))) == []


def test_the_floor_is_the_typical_size_of_another_arithmetic():
    runs = runs_of()
    text = text_of(tables_of(runs))
    assert "Floor: two runs of torch that share their seed" in text
    without = tables_of(runs[runs["level"] != "torch (engine=compiled)"])
    assert "There is no floor" in text_of(without)


def test_parity_is_said_of_each_cell_and_a_failed_one_by_its_check():
    passed = pd.concat([parity_of(True, framework, "gelu") for framework in KERAS])
    failed = parity_of(False)
    runs = runs_of().assign(model=None)
    tables = tables_of(runs, parity=pd.concat([passed, failed]))
    sentences = list(framework_origins.parity(tables, "mlp"))
    assert sentences == [
        "Parity with torch, checked in a few steps on a CPU before training, holds for "
        "keras-jax, x, gelu (1 check; nearest to its limit: step at layers.1 with 3e-06 of "
        "1e-05 allowed); keras-tensorflow, x, gelu (1 check; nearest to its limit: step at "
        "layers.1 with 3e-06 of 1e-05 allowed).",
        "Parity does not hold for keras-jax, x, relu: step at layers.1: 0.3, allowed 1e-05. These "
        "cells are in no mean, no difference and no verdict.",
        "Parity is not known of keras-tensorflow, x, relu: read what is said of them with that in "
        "mind.",
    ]
    assert "keras-jax against torch: relu" not in text_of(tables)


def test_runs_of_other_batches_are_counted():
    runs = runs_of()
    assert "saw other batches" not in text_of(tables_of(runs))
    runs.loc[runs["run_id"] == "keras-jax-relu-3", "order_hash"] = "other"
    assert "1 run saw other batches than the run of torch" in text_of(tables_of(runs))


def test_the_answer_says_what_was_seen_of_framework_activation_and_seed():
    few = frameworks.seen(tables_of(runs_of(n=3)), "mlp")
    assert few.startswith(" Seen, as the typical difference of two runs by one factor: framework ")
    assert few.count("(without a verdict)") == 2
    assert "; seed " in few
    table = tables_of(runs_of()).frames["effects"]
    sizes = 100 * table.loc[table["factor"] == "framework", "size"]
    eight = frameworks.seen(tables_of(runs_of()), "mlp")
    assert f"framework {sizes.min():.2f} to {sizes.max():.2f} points in 4 cells (" in eight
    assert "better" in eight
    of_one = frameworks.seen(tables_of(runs_of(n=1)), "mlp")
    assert of_one.endswith("; seed not known.")
    study = plan(axes={"activation": ["relu", "gelu"]})
    assert frameworks.seen(Tables(study, {}), "mlp") == ""


def test_an_estimate_cut_at_zero_is_not_printed_as_no_effect():
    size = scale.of_differences(plan().tasks["mlp"])
    assert size.deviation(0.0, 0.0, 0.0931) == "not above its noise (at most 9.31)"
    assert size.deviation(0.0, 0.0, 1.5) == "not above its noise (the limit is over 100)"
    assert size.deviation(0.01, 0.0, 0.02) == "1.00 (0.00 to 2.00)"
    tables = tables_of(runs_of())
    own = tables.frames["components"]["source"] == "framework"
    tables.frames["components"].loc[own, ["sd", "low"]] = 0.0
    drawn, caption = figure.effects(tables, "mlp")
    words = [text.get_text() for text in drawn.axes[1].texts]
    assert words[0].startswith("not above its noise (at most")
    assert "Not above its noise: chance explains all of it" in caption
    assert "not above its noise (at most" in framework_tables.deviations(tables, "mlp")
    n_marks = sum(line.get_marker() == "o" for line in drawn.axes[1].lines)
    assert n_marks == sum(not text.startswith("not above") for text in words)


def test_no_interval_of_shares_ends_beyond_100_points():
    size = scale.of_differences(plan().tasks["mlp"])
    assert size.bounded(-0.5, 1.2) == "-50.00 to over 100"
    assert size.bounded(-1.2, 0.5) == "below -100 to +50.00"
    assert size.with_interval(0.2, 0.1, 7.0) == "20.00 (10.00 to over 100)"


def test_without_a_comparable_run_of_keras_a_sentence_stands_for_the_table():
    runs = runs_of()
    of_torch = tables_of(runs[runs["framework"] == "torch"])
    assert framework_tables.deviations(of_torch, "mlp") == ""
    assert list(framework_tables.without_deviations(of_torch, "mlp")) == [
        "No standard deviations of framework, activation and seed: no Keras run."
    ]
    of_one_seed = tables_of(runs_of(n=1))
    assert framework_tables.deviations(of_one_seed, "mlp") == ""
    (sentence,) = framework_tables.without_deviations(of_one_seed, "mlp")
    assert components.FEW_SEEDS in sentence
    both = tables_of(runs)
    assert "framework (torch against keras-jax" in framework_tables.deviations(both, "mlp")
    assert list(framework_tables.without_deviations(both, "mlp")) == []


def test_a_figure_of_one_seed_has_no_interval_and_no_empty_half():
    drawn, caption = figure.effects(tables_of(runs_of(n=1)), "mlp")
    assert len(drawn.axes) == 1
    assert drawn.get_size_inches()[1] < 8
    lines = [line for line in drawn.axes[0].lines if line.get_zorder() >= 3]
    assert {line.get_marker() for line in lines} == {"o"}
    assert "n = 1 seed per row" in caption
    assert not any(faults(drawn).values())


def test_runs_that_diverged_are_counted_and_named():
    runs = runs_of(n=9)
    own = runs["run_id"] == "keras-jax-relu-3"
    runs.loc[own, ["status", "reported_accuracy"]] = ["diverged", np.nan]
    text = text_of(tables_of(runs))
    assert "1 of 72 runs collapsed or diverged and are in no difference: relu, keras-jax." in text


def test_narrow_models_and_other_data_are_stand_ins():
    runs = runs_of(model="resnet50", width=8, n_params=376_042, dataset="fashion_mnist")
    sentences = list(framework_origins.stand_ins(tables_of(runs), "mlp"))
    assert sentences == [
        "Stand-ins: resnet50 of width 8 (376,042 parameters) for width 64. What holds for them "
        "need not hold at full width.",
        "Stand-ins: fashion_mnist for cifar10, cifar100 and tiny_imagenet, of which this page says "
        "nothing.",
    ]
    full = runs_of(model="resnet50", width=64, n_params=23_520_842, dataset="cifar10")
    assert list(framework_origins.stand_ins(tables_of(full), "mlp")) == []


def test_no_speed_is_without_device_execution_and_number_of_processes():
    runs = runs_of()
    runs.loc[runs["level"] == "keras-jax", "execution"] = None
    tables = tables_of(runs)
    table = framework_tables.speed(tables, "mlp")
    head = [cell.strip() for cell in table.splitlines()[0].strip("|").split("|")]
    assert head[:5] == ["trained by", "at", "execution", "device", "processes"]
    assert table.count("a CPU") == 8
    assert table.count("not recorded") == 2
    assert any("not frameworks as such" in note for note in frameworks.speed_notes(tables, "mlp"))
    assert "Of a CPU it is not known what else ran on it at the time." in list(
        frameworks.speed_notes(tables, "mlp")
    )
    few = framework_tables.speed(tables_of(runs_of(n=2)), "mlp")
    assert few.count("(no interval: it takes 3)") == 8
    assert "1.5" not in few  # no ratio either
    assert " to " not in few


def test_the_figure_has_no_fault_in_any_size():
    both = [runs_of(n=5, lr=0.01), runs_of(n=5, number=1, block="lr=0.1, ", lr=0.1)]
    many = []
    for place in range(5):
        rate = 0.1 * (place + 1)
        many.append(runs_of(n=3, number=place, block=f"lr={rate:g}, ", lr=rate))
    for parts in ([runs_of()], both, many):
        runs = pd.concat(parts, ignore_index=True)
        drawn, caption = figure.effects(tables_of(runs), "mlp")
        assert not any(faults(drawn).values())
        assert "nan" not in caption
    assert len(drawn.axes) == 2  # of many blocks the framework beside the seed
    assert all("framework" in label.get_text() for label in drawn.axes[0].get_yticklabels())


def test_the_figure_says_what_is_open_by_hollow_marks():
    drawn, caption = figure.effects(tables_of(runs_of(n=3)), "mlp")
    marks = [line for line in drawn.axes[0].lines if line.get_marker() == "o"]
    assert marks
    marks += [line for line in drawn.axes[1].lines if line.get_marker() == "o"]
    assert {line.get_markerfacecolor() for line in marks} == {figure.HOLLOW}
    for ax in drawn.axes:
        low, high = ax.get_xlim()
        assert sum(low <= tick <= high for tick in ax.get_xticks()) >= 3
    assert "Below 8 pairs there is no verdict" in caption


def test_without_a_pair_there_is_no_figure_and_one_sentence():
    runs = runs_of()
    tables = tables_of(runs[(runs["level"] == "torch") & (runs["activation"] == "relu")])
    assert figure.effects(tables, "mlp") is None
    assert "No Keras run can be compared with one of torch yet." in text_of(tables)


def test_the_figure_belongs_to_studies_that_cross_frameworks_and_stands_in_the_section():
    assert figure.effects.__name__ in registry.task_figures("classes", ["framework"])
    assert figure.effects.__name__ not in registry.task_figures("classes", ["activation"])
    settings = plan(figures=("effects", "loss_curves")).tasks["mlp"]
    assert first_screen.task_figures(settings, on_page=True) == []
