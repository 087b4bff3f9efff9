"""Tables: their rows classified, or a number of them predicted, from declaration to page."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import small_tables
import torch
from refusals import refusal
from runs import quiet, run, run_row, run_tables, train_together
from sklearn import linear_model, metrics

from actstudy.analysis import figures, tables
from actstudy.analysis.collect import prediction_row
from actstudy.analysis.page import summary, training_sentences
from actstudy.contract import declarations, registry, store
from actstudy.data import arrays, checks, prepared
from actstudy.study import planning
from actstudy.tasks import regression, tabular_regression
from actstudy.training.wiring import make_job

SHORT = {"activation": "relu", "steps": 200, "eval_every": 50, "lr": 0.01, "width": 32}
NUMBERS = {"dataset": small_tables.NUMBERS, **SHORT}
CLASSES = {"dataset": small_tables.CLASSES, **SHORT}


@pytest.fixture(scope="module", autouse=True)
def package(tmp_path_factory):
    with small_tables.there(tmp_path_factory.mktemp("package")) as package:
        yield package


@pytest.fixture(scope="module")
def folder(package, prepared_folder):
    return prepared_folder(small_tables.NUMBERS)


@pytest.fixture(scope="module")
def data(folder):
    return prepared.load(folder)


def regression_of(**fields):
    return planning.run_spec("tabular_regression", fields.pop("seed", 0), {**NUMBERS, **fields})


def labels(data, split):
    return np.asarray(data.arrays[f"{split}_y"])


# What a data set and a task may declare


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"target": "nubmer"}, ["target: got 'nubmer'", "did you mean 'number'"]),
        ({"target": "number", "classes": 3}, ["classes and target are both set", "one of them"]),
        ({"target": "number", "kind": "signals"}, ["target: got 'number' of signals", "a table"]),
        ({}, ["missing: classes"]),
    ],
)
def test_a_target_is_of_a_table_and_instead_of_classes(change, parts):
    declared = small_tables.DECLARED | change
    refusal(lambda: declarations.check_dataset(declared, "here"), "here: ", *parts)


def test_values_are_predicted_of_tables_alone():
    task = {**registry.task("tabular_regression"), "takes": ["table", "images"]}
    refusal(lambda: declarations.check_task(task, "here"), "here: predicts: got 'values'", "table")


# Labels


def test_labels_are_standardised_by_train_and_stay_in_their_unit(data):
    cpu = torch.device("cpu")
    y = data.on(cpu, "train")["y"]
    assert y.dtype == torch.float32
    assert y.mean().item() == pytest.approx(0, abs=1e-6)
    assert y.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    for split in ("train", "val", "test"):
        parts = data.on(cpu, split)
        assert (parts["label"].numpy() == labels(data, split)).all()
        assert parts["scale"].tolist() == [
            labels(data, "train").mean(),
            labels(data, "train").std(),
        ]
    assert data.on(cpu, "val")["y"].mean().item() != pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("y", "part"),
    [
        (["a", "b"], "got <U1 of shape (2,)"),
        ([1.0, math.nan], "got nan in row 1"),
        ([math.inf, 1.0], "got inf in row 0"),
        ([[1.0], [2.0]], "got float64 of shape (2, 1)"),
        ([True, False], "got bool"),
    ],
)
def test_what_is_no_number_per_row_is_refused(y, part):
    split = {"x": np.zeros((2, 3)), "y": y}
    raw = dict.fromkeys(("train", "val", "test"), split)
    refusal(lambda: arrays.of_splits(raw, "table", "f", True), "f: split train: y: ", part)


@pytest.mark.parametrize("y", [[2.0, 2.0], [1e200, -1e200]])
def test_labels_without_a_spread_are_refused(y):
    refusal(lambda: checks.check_targets("f", np.array(y)), "f: y: got 2 labels from", "differ")


# Which task takes which data


@pytest.mark.parametrize(
    ("task", "fields", "parts"),
    [
        (
            "tabular",
            NUMBERS,
            ["holds a table with numbers to predict", "classes; to fix: task tabular_regression"],
        ),
        (
            "tabular_regression",
            CLASSES,
            ["holds a table with 2 classes", "to fix: task mlp or tabular"],
        ),
        ("mlp", NUMBERS, ["numbers to predict", "to fix: task tabular_regression"]),
        ("tabular", {**SHORT, "dataset": "mnist1d"}, ["which holds signals", "to fix: task mlp"]),
        ("tabular", SHORT, ["dataset: missing", "a data set of table with classes"]),
        ("tabular_regression", {**NUMBERS, "label_smoothing": 0.1}, ["label_smoothing: got 0.1"]),
        ("tabular_regression", {**NUMBERS, "engine": "pack"}, ["allowed for: mlp, tabular"]),
    ],
)
def test_what_does_not_fit_is_named_with_what_would(task, fields, parts):
    refusal(lambda: planning.run_spec(task, 0, fields), "command line: ", *parts)


def test_a_study_without_data_is_refused_and_an_axis_of_data_is_none(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("tasks: {tabular: {activation: relu}}\n")
    refusal(lambda: planning.load(file), "x.yaml: tasks.tabular: dataset: missing")
    axis = f"axes: {{dataset: [{small_tables.CLASSES}]}}\n"
    file.write_text(f"compare: dataset\n{axis}tasks: {{tabular: {{activation: relu}}}}\n")
    assert [run.level for run in planning.load(file).runs()] == [small_tables.CLASSES]


# Scores


def test_scores_are_those_of_scikit_learn(data):
    rng = np.random.default_rng(0)
    outputs = torch.from_numpy(rng.normal(size=(400, 1)).astype(np.float32))
    parts = data.on(torch.device("cpu"), "test")
    batches = iter(outputs.split(regression.EVAL_BATCH))
    evaluation = regression.evaluate(lambda x: next(batches), parts)
    predicted = labels(data, "train").mean() + labels(data, "train").std() * outputs.numpy()[:, 0]
    label = labels(data, "test")
    error = metrics.mean_squared_error(label, predicted)
    assert evaluation.scores["r2"] == pytest.approx(metrics.r2_score(label, predicted), abs=1e-6)
    assert evaluation.scores["rmse"] == pytest.approx(math.sqrt(error), rel=1e-6)
    loss = regression.loss(outputs, parts["y"]).item()
    assert evaluation.scores["loss"] == pytest.approx(loss, rel=1e-5)
    assert (evaluation.predictions["label_value"] == label).all()
    np.testing.assert_allclose(evaluation.predictions["predicted_value"], predicted, rtol=1e-6)
    assert not evaluation.calibration


def test_the_mean_has_an_r2_of_0():
    y = np.array([1.0, 2.0, 6.0])
    assert regression.r2(y, np.full(3, y.mean())) == 0
    assert regression.r2(y, y) == 1
    assert regression.rmse(y, y + 2) == 2


def test_the_reference_is_the_best_ridge_regression_on_val(data):
    x = {split: data.arrays[f"{split}_x"].astype(float) for split in ("train", "val", "test")}
    mean, sd = x["train"].mean(0), x["train"].std(0)
    best = (-math.inf, math.nan)
    for penalty in regression.PENALTIES:
        fit = linear_model.Ridge(alpha=penalty)
        fit.fit((x["train"] - mean) / sd, labels(data, "train"))
        val, test = (
            metrics.r2_score(labels(data, split), fit.predict((x[split] - mean) / sd))
            for split in ("val", "test")
        )
        best = max(best, (val, test))
    row = tabular_regression.reference(data)
    assert row["name"] == "ridge regression"
    assert (row["val"], row["test"]) == pytest.approx(best, abs=1e-6)


# Training


def test_it_learns_what_no_linear_method_can(data, folder, tmp_path):
    assert run(regression_of(), tmp_path / "a", folder, quiet()) == "completed"
    row = run_row(tmp_path / "a")
    assert tabular_regression.reference(data)["test"] < 0.35
    assert row["reported_r2"] > 0.9
    spread = labels(data, "test").std()
    assert row["reported_rmse"] == pytest.approx(spread * math.sqrt(1 - row["reported_r2"]))
    assert row["reported_accuracy"] is None


def test_a_constant_network_has_learnt_nothing(folder, tmp_path):
    """Its best validation is at chance, and the run's findings say so."""
    spec = regression_of(init="zero", steps=60)
    assert run(spec, tmp_path / "a", folder, quiet()) == "completed"
    assert run_row(tmp_path / "a")["reported_r2"] <= 0


def test_the_unit_of_the_labels_changes_no_training(data, folder, tmp_path, monkeypatch):
    """In another unit R2 is the same, and the RMSE is in that unit."""
    cpu = torch.device("cpu")
    job = make_job(regression_of(), tmp_path, data, cpu, quiet())
    other = prepared.Prepared(
        data.folder,
        {
            **data.manifest,
            "target_mean": 1024 * data.manifest["target_mean"],
            "target_sd": 1024 * data.manifest["target_sd"],
        },
        {name: 1024 * a if name.endswith("_y") else a for name, a in data.arrays.items()},
        data.sha256,
    )
    changed = make_job(regression_of(), tmp_path, other, cpu, quiet())
    rows = torch.arange(32)[None]
    for step in range(3):
        assert job.train(step, rows)["loss"].item() == changed.train(step, rows)["loss"].item()
    (first,) = job.evaluate("val", [0])
    (second,) = changed.evaluate("val", [0])
    assert first.scores["r2"] == second.scores["r2"]
    assert 1024 * first.scores["rmse"] == second.scores["rmse"]


# From runs to a page


@pytest.fixture(scope="module")
def study(package, folder, tmp_path_factory):
    """The tables of a study of three activations and eight seeds, one of whose runs diverged."""
    place = tmp_path_factory.mktemp("study")
    file = place / "numbers.yaml"
    fields = {**NUMBERS, "steps": 60, "eval_every": 20}
    del fields["activation"]
    block = json.dumps({**fields, "seeds": 8})
    axes = "axes: {activation: [relu, gelu, tanh]}"
    file.write_text(f"{axes}\ntasks: {{tabular_regression: {block}}}\n")
    study = planning.load(file)
    for planned in study.runs():
        run(planned.spec, store.run_folder(planned.spec, place / "runs"), folder, quiet())
    reference = {"task": "tabular_regression", "data": small_tables.NUMBERS}
    rows = [{**reference, **tabular_regression.reference(prepared.load(folder))}]
    return tables.build(study.plan(), place / "runs", rows, pd.DataFrame())


def test_the_page_speaks_of_r2_and_rmse(study, tmp_path):
    for part in ("tabular_regression", figures.STUDY):
        for on_page in (True, False):
            figures.draw_part(study, part, tmp_path / "figures" / part, on_page)
    drawn = {path.stem for path in (tmp_path / "figures").rglob("*.png")}
    assert {"forest", "metric_curves", "loss_curves", "throughput_vs_metric"} <= drawn
    assert "reliability" not in drawn
    page = summary.render(study, tmp_path / "figures", tmp_path / "summary.md")
    assert "Test R2, higher is better. The margin is 0.01 R2" in page
    assert "test RMSE, in the label" in page
    assert "reference: ridge regression" in page
    for word in ("nats", "%;", "percent of", "accuracy", "nan"):
        assert word not in page.split("## MLP on Three columns")[1].split("## ")[0]
    appendix = summary.render_appendix(study, tmp_path / "figures", tmp_path / "appendix.md")
    assert "test RMSE" in appendix
    assert "nan" not in appendix


def test_the_error_of_the_test_set_is_of_differences_of_r2(study):
    """Sums of scores over those of weights differ as R2 does."""
    runs = study.of("runs", "tabular_regression")
    assert (runs["status"] == "completed").all()
    contrasts = study.of("contrasts", "tabular_regression")
    assert (contrasts["test_se"] > 0).all()
    assert (contrasts["unit"] == "share of the variance of the test labels").all()


def test_scores_of_examples_add_up_to_r2(folder, tmp_path):
    rows = []
    for seed in (0, 1):
        run(regression_of(seed=seed, steps=60), tmp_path / str(seed), folder, quiet())
        table = run_tables(tmp_path / str(seed))["predictions"]
        rows.append((prediction_row("x", table), run_row(tmp_path / str(seed))["reported_r2"]))
    (first, first_r2), (second, second_r2) = rows
    difference = (first["scores"] - second["scores"]).sum() / first["weights"].sum()
    assert difference == pytest.approx(first_r2 - second_r2)


def test_chance_is_the_mean(study):
    settings = study.plan.tasks["tabular_regression"]
    assert settings.chance(small_tables.NUMBERS) == 0
    assert settings.chance_level == 0
    assert settings.chance(small_tables.NUMBERS, "loss") == 1
    assert math.isnan(settings.chance(small_tables.NUMBERS, "rmse"))


def test_a_study_of_depth_has_its_figures_and_sentences(folder, tmp_path):
    """A cell that is left at zero stalls: the page says where each level trains."""
    file = tmp_path / "deep.yaml"
    fields = {**NUMBERS, "steps": 60, "eval_every": 20}
    axes = "axes: {activation: [relu, tanh], depth: [1, 2], init: [auto, zero]}"
    del fields["activation"]
    file.write_text(f"{axes}\ntasks: {{tabular_regression: {json.dumps(fields)}}}\n")
    study = planning.load(file)
    for planned in study.runs():
        run(planned.spec, store.run_folder(planned.spec, tmp_path / "runs"), folder, quiet())
    built = tables.build(study.plan(), tmp_path / "runs", [], pd.DataFrame())
    task = "tabular_regression"
    figures.draw_part(built, task, tmp_path / "figures", True)
    assert json.loads((tmp_path / "figures/page.json").read_text()) == [
        "outcome_map",
        "metric_against_depth",
        "best_of_k",  # of two initialisations
    ]
    caption = (tmp_path / "figures/outcome_map.txt").read_text()
    assert "best validation R2 stays below 0.01 (chance is 0)" in caption
    assert "train" not in (tmp_path / "figures/metric_against_depth.txt").read_text()
    first, *others = training_sentences.sentences(built, task)
    assert first.startswith("Of 8 runs 4 train and 4 stall: a run stalls if its best validation R2")
    assert others == ["relu and tanh train at every depth with auto; nowhere with zero."]
    stalls = built.of("findings", task).query("rule == 'r2_at_chance'")
    assert set(stalls["run_id"]) == set(built.of("runs", task).query("init == 'zero'")["run_id"])


def test_values_far_below_chance_do_not_squeeze_a_panel(study):
    """R2 has no lower end; what is cut off is said."""
    curves = study.frames["curves"].copy()
    far = (curves["metric"] == "r2") & (curves["split"] == "val") & (curves["step"] == 20)
    curves.loc[far, "value"] = -50.0
    lowered = tables.Tables(study.plan, {**study.frames, "curves": curves})
    figure, caption = figures.curves.metric_curves(lowered)
    assert figure.axes[0].get_ylim()[0] == -1
    assert caption.endswith("Values of R2 below -1 are cut off.")
    _, plain = figures.curves.metric_curves(study)
    assert "cut off" not in plain


def test_rows_are_classified_in_packs_too(prepared_folder, tmp_path):
    fields = {**CLASSES, "steps": 60, "engine": "pack", "pack_width": 2}
    specs = [planning.run_spec("tabular", seed, fields) for seed in (0, 1)]
    for folder in train_together(specs, tmp_path, prepared_folder(small_tables.CLASSES)):
        assert run_row(folder)["status"] == "completed"
        assert run_row(folder)["reported_accuracy"] > 0.7
