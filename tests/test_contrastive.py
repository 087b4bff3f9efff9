"""Contrastive runs: views, what planning refuses, metrics, models, endings, from study to page."""

import dataclasses
import functools
import itertools
import json
import math
from pathlib import Path

import memory
import numpy as np
import own_files
import own_package
import pandas as pd
import pytest
import torch
from refusals import refusal
from runs import ROOT, few_examples, quiet, run, run_row, run_tables, small
from scipy.spatial.distance import pdist
from sklearn import neighbors
from torch.overrides import TorchFunctionMode

from actstudy.analysis import figures, tables
from actstudy.analysis import reference_rows as reference_table
from actstudy.analysis.page import summary
from actstudy.contract import (
    class_names,
    code,
    declarations,
    losses,
    recipes,
    registry,
    schema,
    spec,
    store,
)
from actstudy.data import augment, prepared
from actstudy.losses import ContrastiveLoss
from actstudy.nets import towers
from actstudy.study import planning
from actstudy.tasks import contrastive, retrieval
from actstudy.training.batches import batches
from actstudy.training.wiring import make_job, make_model

CPU = torch.device("cpu")
DATA = "fashion_mnist_tenth"


@pytest.fixture(scope="module")
def folder(prepared_folder) -> Path:
    return prepared_folder(DATA)


@pytest.fixture(scope="module")
def data(folder):
    return prepared.load(folder)


@pytest.fixture(scope="module", autouse=True)
def few():
    """Runs of this file have few images, those of module fixtures too."""
    with few_examples():
        yield


def planned(**fields):
    return planning.run_spec("contrastive", 0, {"activation": "relu", **fields})


# What planning refuses


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"views": 1}, ["views: got 1 with model siamese", "at least 2, or model dual"]),
        ({"augment": "none"}, ["augment: got 'none' with 2 views", "crop_flip"]),
        ({"model": "dual", "views": 2, "augment": "none"}, ["augment: got 'none' with 2 views"]),
        ({"batch_size": 1}, ["batch_size: got 1", "at least 2"]),
        ({"accumulate": 2}, ["accumulate: got 2", "allowed: 1, as each example"]),
        ({"label_smoothing": 0.1}, ["label_smoothing: got 0.1", "allowed: 0.0"]),
        ({"framework": "keras-jax"}, ["framework: got 'keras-jax' for task contrastive"]),
        ({"engine": "pack"}, ["engine: got 'pack' for task contrastive"]),
        ({"loss": "clpi"}, ["loss", "unknown loss; did you mean 'clip'"]),
        ({"loss_args": {"scael": 1.0}}, ["loss_args: got 'scael' for loss clip", "'scale'"]),
        ({"loss_args": {"scale": 0.0}}, ["loss_args.scale: got 0; allowed: greater than 0"]),
        ({"loss_args": {"scale": 200.0}}, ["loss_args.scale: got 200", "max_scale, 100"]),
        ({"loss_args": {"clamp": -1.0}}, ["loss_args.clamp: got -1; allowed: at least 0"]),
        ({"loss_args": {"normalize": 2}}, ["loss_args.normalize: got 2; allowed: 0, 1"]),
        ({"dataset": "mnist1d"}, ["dataset: got 'mnist1d', which holds signals", "of images"]),
        ({"model": "resnet50"}, ["model: got 'resnet50'", "siamese, dual"]),
        ({"model": "nets:build"}, ["model"]),
        ({"depth": 2}, ["depth: set, but task contrastive has no use for it"]),
        ({"activation": "swiglu"}, ["activation: got 'swiglu'", "feed-forward"]),
    ],
)
def test_what_cannot_be_trained_is_refused_in_planning(fields, parts):
    refusal(lambda: planned(**fields), "command line: ", *parts)


def test_logits_beyond_memory_are_refused_with_their_bytes():
    fields = {"loss": "einsum", "views": 6, "batch_size": 256}
    refusal(
        lambda: planned(**fields),
        "command line: batch_size: got 256, of which einsum makes 256^6 logits, "
        f"{6 * 4 * 256**6:,} bytes in a step; allowed: at most 26 with 6 views",
    )
    planned(loss="einsum", views=6, batch_size=26)
    assert 6 * 4 * 26**6 < 2**33 < 6 * 4 * 27**6
    clamped = {"loss": "einsum", "views": 6, "batch_size": 26, "loss_args": {"clamp": 50}}
    refusal(lambda: planned(**clamped), "allowed: at most 25 with 6 views")
    many = {"views": 4, "dataset": "fashion_mnist", "batch_size": 11_600, "warmup": 0}
    refusal(lambda: planned(**many), "of which clip makes 11600^2 logits, 8,611,840,000 bytes")
    refusal(lambda: planned(loss="einsum", views=5, batch_size=100, model="dual"), "", "100^6")


@pytest.mark.parametrize("field", [{"views": 2}, {"loss": "clip"}, {"loss_args": {"scale": 2.0}}])
def test_other_tasks_have_no_use_for_its_fields(field):
    fields = {"activation": "relu", **field}
    (name,) = field
    refusal(
        lambda: planning.run_spec("vision", 0, fields),
        f"command line: {name}: set, but task vision has no use for it",
    )


def test_pairs_are_of_images_alone():
    task = {**registry.task("contrastive"), "takes": ["images", "table"]}
    refusal(lambda: declarations.check_task(task, "here"), "here: predicts: got 'pairs'")


def test_arguments_that_are_the_losses_own_change_no_id():
    own = losses.arguments("clip")
    assert spec.run_id(planned(loss_args=own)) == spec.run_id(planned())
    assert planned(loss_args={"scale": 2.0}).loss_args == {"scale": 2.0}
    assert spec.run_id(planned(loss_args={"scale": 2.0})) != spec.run_id(planned())


def test_runs_whose_evaluations_changed_are_others():
    """Those in fp32 and of other tasks keep their ids."""
    versions = {name: planned(precision=name).recipe for name in ("fp32", "tf32", "bf16", "fp16")}
    assert versions == {"fp32": 1, "tf32": 2, "bf16": 2, "fp16": 2}
    assert min(recipes.RECIPES.values()) > spec.RECIPE
    vision = planning.run_spec("vision", 0, {"activation": "relu", "precision": "bf16"})
    assert vision.recipe == spec.RECIPE


# Views


def test_the_first_view_is_what_a_run_with_one_view_draws():
    """Each view has a stream of its own: more views change nothing of the first."""
    size = (5, 28, 28)
    three = augment.view_draws("crop_flip", 3, 7, size, 3)
    assert three.shape == (5, 15)
    np.testing.assert_array_equal(three[:, :5], augment.draws("crop_flip", 3, 7, *size))
    np.testing.assert_array_equal(three[:, :10], augment.view_draws("crop_flip", 3, 7, size, 2))
    assert not np.array_equal(three[:, :5], three[:, 5:10])
    assert augment.view_draws("none", 3, 7, size, 2).shape == (5, 0)


def test_views_are_the_images_augmented_one_by_one():
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), np.uint8))
    drawn = torch.from_numpy(augment.view_draws("crop_flip_jitter", 0, 0, (4, 8, 8), 2))
    both = augment.views(x, drawn, 2)
    assert both.shape == (4, 2, 3, 8, 8)
    for view in (0, 1):
        torch.testing.assert_close(
            both[:, view], augment.augment(x, drawn[:, 8 * view : 8 * view + 8])
        )
    assert torch.equal(augment.views(x, drawn[:, :0], 1), x[:, None])


def seen(job, monkeypatch):
    """What the model of a job gets in its first two steps and in a reading of probes."""
    inputs = []
    job.model.register_forward_pre_hook(lambda _model, args: inputs.append(args[0].clone()))
    for step, rows in zip(range(2), (rows for _, rows in batches(job, 0)), strict=False):
        job.train(step, rows)
    job.read_sites()
    return inputs


def test_runs_of_a_seed_see_the_same_views_whatever_their_activation_and_loss(
    data, tmp_path, monkeypatch
):
    jobs = []
    for index, fields in enumerate(
        ({}, {"loss": "siglip"}, {"activation": "silu"}, {"seed": 1}, {"activation": "relu"})
    ):
        own = small("contrastive", **{"activation": "relu", **fields})
        jobs.append(make_job(own, tmp_path / str(index), data, CPU, quiet()))
    first, *others = (seen(job, monkeypatch) for job in jobs)
    assert first[0].shape == (10, 2, 1, 28, 28)
    for index in (0, 1, 3):
        assert all(map(torch.equal, first, others[index]))
    assert not torch.equal(first[0], others[2][0])  # another seed
    assert torch.equal(first[2], others[2][2])  # the probe batch is the same for all
    for x in first:
        assert not torch.isclose(x[:, 0], x[:, 1]).flatten(1).all(1).any()


def test_the_initial_weights_do_not_depend_on_the_loss(data, tmp_path):
    weights = []
    for loss in ("clip", "siglip", "distance"):
        own = small("contrastive", "relu", loss=loss)
        work = make_job(own, tmp_path / loss, data, CPU, quiet())
        weights.append({k: v for k, v in work.parameters.items() if not k.startswith("loss")})
    for other in weights[1:]:
        assert other.keys() == weights[0].keys()
        assert all(torch.equal(other[name], weights[0][name]) for name in other)


def test_val_and_test_views_are_the_same_for_all_runs(data):
    splits = {split: data.on(CPU, split) for split in prepared.SPLITS}
    first = contrastive.with_views(planned(), splits)
    other = planning.run_spec("contrastive", 5, {"activation": "silu", "loss": "siglip"})
    second = contrastive.with_views(other, splits)
    assert first["train"].keys() == {"x", "y"}
    assert first["test"].keys() - first["val"].keys() == {"bank_x", "bank_y"}
    for split in ("val", "test"):
        assert first[split].keys() == second[split].keys()
        for name, part in first[split].items():
            assert torch.equal(part, second[split][name]), name
    assert not torch.equal(first["val"]["drawn"][:64], first["test"]["drawn"][:64])


def test_a_probe_batch_is_at_most_a_batch(data, tmp_path):
    """Logits of all combinations of 256 examples would not fit into memory."""
    work = make_job(small("contrastive"), tmp_path, data, CPU, quiet())
    assert len(work.probe_rows) == 10


# Metrics


def test_ranks_and_labels_of_planted_neighbours():
    queries = retrieval.unit(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 2.0]]))
    gallery = retrieval.unit(torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0]]))
    own = torch.arange(3)
    there = retrieval.retrieve(queries, own, gallery, own)
    assert there.ranks.tolist() == [1, 2, 0]
    assert there.predicted.tolist() == [1, 2, 2]
    assert [there.recall(k) for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])
    labels = torch.tensor([0, 0, 1])
    there = retrieval.retrieve(queries, torch.tensor([0, 1, 0]), gallery, labels)
    assert there.ranks.tolist() == [0, 0, 1]  # the nearest to the third query is of class 1
    assert there.predicted.tolist() == [0, 1, 1]


@pytest.mark.parametrize("value", [1.0, 0.0, math.nan])
def test_equal_and_broken_embeddings_find_nothing(value):
    x = retrieval.unit(torch.full((8, 4), value))
    there = retrieval.retrieve(x, torch.arange(8), x, torch.arange(8))
    assert there.recall(5) == 0
    assert (there.predicted != torch.arange(8)).all()


def test_retrieval_in_parts_is_that_of_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = (retrieval.unit(torch.from_numpy(rng.normal(size=(50, 8)))) for _ in "xy")
    own = torch.arange(50)
    whole = retrieval.retrieve(x, own, y, own)
    near = x.numpy() @ y.numpy().T
    ranks = (near > np.diag(near)[:, None]).sum(1)
    assert whole.ranks.tolist() == ranks.tolist()
    assert whole.recall(5) == (ranks < 5).mean()
    monkeypatch.setattr(retrieval, "CHUNK", 7)
    parts = retrieval.retrieve(x, own, y, own)
    assert torch.equal(whole.ranks, parts.ranks)
    assert torch.equal(whole.predicted, parts.predicted)


def test_alignment_and_uniformity_are_those_of_their_formulas():
    rng = np.random.default_rng(1)
    x, y = (retrieval.unit(torch.from_numpy(rng.normal(size=(40, 6)))) for _ in "xy")
    a, b = (part.double().numpy() for part in (x, y))
    assert retrieval.alignment(x, y) == pytest.approx(np.square(a - b).sum(1).mean(), rel=1e-6)
    expected = math.log(np.exp(-2 * np.square(pdist(a))).mean())
    assert retrieval.uniformity(x) == pytest.approx(expected, rel=1e-5)
    assert retrieval.uniformity(x[:1].expand(9, -1)) == pytest.approx(0, abs=1e-5)


def test_k_nn_votes_as_that_of_scikit_learn():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 4, 200)
    x = rng.normal(size=(200, 5)) + 2 * np.eye(5)[labels]
    units = retrieval.unit(torch.from_numpy(x))
    bank = units[:120]
    rest = units[120:]
    reference = neighbors.KNeighborsClassifier(
        retrieval.NEIGHBOURS, weights=lambda d: np.exp((1 - d**2 / 2) / retrieval.TEMPERATURE)
    )
    reference.fit(bank.numpy(), labels[:120])
    own = retrieval.knn_accuracy(
        bank, torch.from_numpy(labels[:120]), rest, torch.tensor(labels[120:])
    )
    assert own == pytest.approx(reference.score(rest.numpy(), labels[120:]))
    assert 0.5 < own < 1


def test_scores_are_finite_and_those_of_the_features(data, tmp_path):
    """Loss over batches as trained with; retrieval from the first view to the second."""
    own = small("contrastive", "relu", views=3, loss_args={"clamp": 5.0})
    work = make_job(own, tmp_path, data, CPU, quiet())
    (evaluation,) = work.evaluate("val", [0])
    assert set(evaluation.scores) <= set(schema.METRICS)
    assert all(map(math.isfinite, evaluation.scores.values()))
    split = work.splits["val"]
    work.model.eval()
    with torch.no_grad():
        output = work.forward(augment.views(split["x"], split["drawn"], 3))
        losses_of_batches = []
        for rows in split["order"].split(10)[: len(split["y"]) // 10]:
            views = output.features[rows].unbind(1)
            losses_of_batches.append(output.loss(*views).item())
    assert evaluation.scores["loss"] == pytest.approx(np.mean(losses_of_batches), rel=1e-5)
    first, second = map(retrieval.unit, output.features[:, :2].unbind(1))
    near = first @ second.T
    assert (
        evaluation.scores["recall_at_1"]
        == (near.argmax(1) == torch.arange(len(near))).double().mean()
    )
    assert evaluation.scores["logit_scale"] == pytest.approx(1 / 0.07)
    assert 0 < evaluation.scores["clamped"] < 1
    hits = evaluation.predictions["label"] == evaluation.predictions["predicted"]
    assert evaluation.scores["recall_at_1"] == hits.mean()


class Products(TorchFunctionMode):
    """Notes of each product of two matrices, not of stacks of them, what it is computed in."""

    def __init__(self):
        super().__init__()
        self.settings = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        is_product = getattr(function, "__name__", "") in ("matmul", "__matmul__")
        if is_product and args[0].ndim == 2:
            autocast = torch.is_autocast_enabled("cpu")
            self.settings.append((torch.get_float32_matmul_precision(), autocast))
        return function(*args, **(kwargs or {}))


@pytest.fixture
def half():
    """What a run in bf16 sets: autocast, and TF32 for float32 products."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        yield
    torch.set_float32_matmul_precision(before)


def test_embeddings_are_scored_in_float32_whatever_the_training_has(data, tmp_path, half):
    """Ranks, uniformity, k-NN and loss; half precision and TF32 are as set again after."""
    own = small("contrastive", "relu", precision="bf16")
    work = make_job(own, tmp_path, data, CPU, quiet())
    with Products() as products, torch.no_grad():
        x = torch.ones(2, 2)
        x @ x
        contrastive.evaluate(work.forward, work.splits["test"])
        x @ x
    before, *scored, after = products.settings
    assert before == after == ("high", True)
    assert len(scored) >= 10  # the class of 8 ranks and more
    assert set(scored) == {("highest", False)}


def test_what_products_are_computed_in_is_put_back_after_a_fault(half):
    with pytest.raises(RuntimeError):
        retrieval.cosines(torch.ones(2, 3), torch.ones(2, 4))
    assert torch.get_float32_matmul_precision() == "high"
    assert torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize(("views", "blocks"), [(2, 1), (3, 3)])
def test_logits_are_computed_once_whatever_is_read_of_them(
    data, tmp_path, monkeypatch, views, blocks
):
    """Once per pair of views in a training step, and once per batch in validation."""
    whole = ContrastiveLoss._logits
    calls = []

    def counted(self, *parts):
        calls.append(parts)
        return whole(self, *parts)

    monkeypatch.setattr(ContrastiveLoss, "_logits", counted)
    own = small("contrastive", "relu", views=views, loss_args={"clamp": 5.0})
    work = make_job(own, tmp_path, data, CPU, quiet())
    calls.clear()
    step, rows = next(batches(work, 0))
    assert work.train(step, rows)["clamped"] > 0
    assert len(calls) == blocks
    calls.clear()
    work.evaluate("val", [0])
    assert len(calls) == blocks * (len(work.splits["val"]["y"]) // 10)


@pytest.mark.parametrize("split", ["val", "test"])
def test_every_evaluation_of_a_split_sees_the_same_views(data, tmp_path, split):
    """After training, too; each example has its own."""
    work = make_job(small("contrastive", "relu"), tmp_path, data, CPU, quiet())
    inputs = []
    work.model.register_forward_pre_hook(lambda _model, args: inputs.append(args[0].clone()))
    work.evaluate(split, [0])
    first = list(inputs)
    for step, rows in itertools.islice(batches(work, 0), 2):
        work.train(step, rows)
    inputs.clear()
    work.evaluate(split, [0])
    assert len(inputs) == len(first)
    assert all(map(torch.equal, first, inputs))
    assert len(first[0].flatten(1).unique(dim=0)) == len(first[0])


def test_an_evaluation_reads_as_often_whatever_the_number_of_batches(data, tmp_path, monkeypatch):
    """Each reading waits for a GPU; parts and batches are summed there."""
    readings = []
    for name in ("item", "tolist", "__int__", "__float__"):
        whole = getattr(torch.Tensor, name)

        def counted(self, whole=whole):
            readings.append(self.shape)
            return whole(self)

        monkeypatch.setattr(torch.Tensor, name, counted)
    counts = []
    for batch_size, chunk in ((60, 1024), (4, 7)):
        monkeypatch.setattr(retrieval, "CHUNK", chunk)
        own = small("contrastive", "relu", batch_size=batch_size, loss_args={"clamp": 5.0})
        work = make_job(own, tmp_path / str(chunk), data, CPU, quiet())
        readings.clear()
        work.evaluate("test", [0])
        counts.append(len(readings))
    assert counts[0] == counts[1] > 0


def reference_rows(data):
    """Name -> the row of a reference."""
    return {row["name"]: row for row in contrastive.reference(data)}


@pytest.mark.parametrize("kind", ["crop_flip", "crop_flip_jitter"])
def test_the_reference_retrieves_by_pixels(data, kind):
    """The same views and the same rule; a moved image is not found by its pixels alone."""
    row = reference_rows(data)[f"raw pixels, view to view ({kind})"]
    assert row["metric"] == "recall_at_1"
    assert row["fields"] == {"augment": [kind], "model": [None, "siamese"]}
    x = data.on(CPU, "val")["x"]
    drawn = torch.from_numpy(contrastive.fixed_draws(kind, 2, "val", x.shape))
    pixels = (augment.views(x, drawn, 2) - data.manifest["mean"]) / data.manifest["sd"]
    first, second = pixels.flatten(2).double().unbind(1)
    near = (first @ second.T) / second.norm(dim=1)
    assert row["val"] == (near.argmax(1) == torch.arange(len(near))).double().mean().item()
    assert 1 / len(x) < row["val"] < 0.7


@pytest.mark.parametrize("kind", ["none", "crop_flip"])
def test_the_reference_of_names_is_the_nearest_class_mean(data, kind):
    """As scikit-learn finds it, of the one view that runs with names have."""
    row = reference_rows(data)[f"raw pixels, nearest class mean ({kind})"]
    assert row["fields"] == {"augment": [kind], "model": ["dual"]}
    train = data.on(CPU, "train")
    test = data.on(CPU, "test")
    drawn = torch.from_numpy(contrastive.fixed_draws(kind, 1, "test", test["x"].shape))
    seen = augment.views(test["x"], drawn, 1)[:, 0]
    parts = []
    for x in (train["x"], seen):
        parts.append(((x - data.manifest["mean"]) / data.manifest["sd"]).flatten(1).double())
    means = torch.stack([parts[0][train["y"] == label].mean(0) for label in range(10)])
    classifier = neighbors.KNeighborsClassifier(1, metric="cosine").fit(means, range(10))
    assert row["test"] == pytest.approx(classifier.score(parts[1], test["y"]))
    assert 0.2 < row["test"] < 1


def test_no_colours_of_numbers_are_changed_for_a_reference(data):
    of_floats = dict(data.arrays)
    for split in prepared.SPLITS:
        of_floats[f"{split}_x"] = data.arrays[f"{split}_x"].astype("float32")
    rows = contrastive.reference(dataclasses.replace(data, arrays=of_floats))
    assert len(rows) == 3
    assert "jitter" not in str(rows)


def test_a_reference_is_of_the_runs_that_draw_as_it_does(data):
    """The rows that a page shows, of runs of several kinds; a table of before has no fields."""
    rows = [{"task": "contrastive", "data": DATA, **row} for row in contrastive.reference(data)]
    frame = reference_table.table([rows])
    runs = pd.DataFrame({"task": "contrastive", "data": DATA, "augment": ["crop_flip"]})
    siamese = runs.assign(model=None)
    names = dict.fromkeys(reference_table.of_runs(frame, siamese)["name"])
    assert [*names] == ["raw pixels, view to view (crop_flip)"]
    both = pd.concat([siamese, runs.assign(model="dual", augment="none")])
    assert list(reference_table.of_runs(frame, both)["name"]) == [
        "raw pixels, nearest class mean (none)",
        "raw pixels, view to view (crop_flip)",
    ]
    assert reference_table.of_runs(frame, siamese.assign(data="other")).empty
    before = reference_table.table([{"task": "contrastive", "data": DATA, "name": "x"}])
    assert len(reference_table.of_runs(before.drop(columns="fields"), siamese)) == 1


# Image and class name


def test_names_are_their_bytes():
    tokens = towers.tokens_of(["ab", "\u00e9"])
    assert tokens.tolist() == [[98, 99], [0xC3 + 1, 0xA9 + 1]]
    assert towers.tokens_of(["abc", "d"]).tolist() == [[98, 99, 100], [101, 0, 0]]


def dual(**fields):
    return small("contrastive", "relu", model="dual", views=1, **fields)


def test_a_text_tower_tells_names_apart_and_sees_no_padding(data, tmp_path):
    model = make_job(dual(), tmp_path, data, CPU, quiet()).model
    texts = model.text()
    assert texts.shape == (10, towers.EMBEDDING)
    assert torch.pdist(retrieval.unit(texts)).min() > 1e-3
    model.text.tokens = model.text.tokens[1:2]
    torch.testing.assert_close(model.text(), texts[1:2])
    model.text.tokens = model.text.tokens[:, :7]  # "Trouser" without what fills it up
    torch.testing.assert_close(model.text(), texts[1:2], rtol=1e-4, atol=1e-5)


def test_a_class_is_retrieved_by_its_name_and_back(data, tmp_path):
    work = make_job(dual(), tmp_path, data, CPU, quiet())
    (evaluation,) = work.evaluate("val", [0])
    split = work.splits["val"]
    work.model.eval()
    with torch.no_grad():
        output = work.forward(augment.views(split["x"], split["drawn"], 1))
    near = (retrieval.unit(output.features[:, 0]) @ retrieval.unit(output.texts).T).numpy()
    label = split["y"].numpy()
    assert (evaluation.predictions["label"] == label).all()
    assert (evaluation.predictions["predicted"] == near.argmax(1)).all()
    assert evaluation.scores["recall_at_1"] == (near.argmax(1) == label).mean()
    back = label[near.argmax(0)] == np.arange(10)
    assert evaluation.scores["recall_at_1_back"] == back.mean()


def test_every_set_of_images_has_a_name_per_class():
    sets = [name for name in registry.datasets() if registry.dataset(name)["kind"] == "images"]
    assert {"fashion_mnist", "fashion_mnist_tenth", "cifar10", "cifar100", "mnist"} < set(sets)
    for name in sets:
        assert class_names.exist(name)
        if not class_names.are_read(name):
            names = class_names.of(name, Path())
            assert len(set(names)) == registry.dataset(name)["classes"]
            assert all(names)


def test_data_without_class_names_are_refused_for_a_text_tower(tmp_path):
    with own_package.copied(tmp_path, {}) as package:
        text = (package.folder / "data/sets/cifar10.py").read_text()
        package.write("data/sets/cifar10.py", text.replace("CLASS_NAMES", "LABELS"))
        fields = {"model": "dual", "views": 1, "dataset": "cifar10"}
        got = "model: got 'dual', which reads class names, and CIFAR-10 has none; allowed: siamese"
        refusal(lambda: planned(**fields), f"command line: {got}")
        planned(dataset="cifar10")


def test_other_class_names_are_other_runs_of_a_text_tower_alone(tmp_path):
    before = planned()
    assert not dual().code
    with own_package.copied(tmp_path, {}) as package:
        memory.forget(code._other_than_shipped, code.digest_of)
        text = (package.folder / f"data/sets/{DATA}.py").read_text()
        package.write(f"data/sets/{DATA}.py", text.replace('"Trouser"', '"Trousers"'))
        memory.forget(code._other_than_shipped, code.digest_of)
        assert list(dual().code) == [f"data/sets/{DATA}.py"]
        assert planned() == before
    memory.forget(code._other_than_shipped, code.digest_of)


def test_own_images_are_named_by_their_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own_files.images(tmp_path / "pets", ["cat", "dog", "emu"], n=12)
    fields = {"dataset": "./pets", "batch_size": 4}
    own = planned(**fields, model="dual", views=1, steps=3, eval_every=3, width=2, warmup=0)
    assert class_names.of(own.dataset, Path()) == ["cat", "dog", "emu"]
    prepared.prepare(own.dataset, tmp_path / "data")
    assert run(own, tmp_path / "a", tmp_path / "data", quiet()) == "completed"
    row = run_row(tmp_path / "a")
    assert 0 <= row["reported_recall_at_1"] <= 1
    assert row["dataset"] == own.dataset


# Training


@pytest.mark.parametrize(
    ("loss", "args", "place"),
    [
        ("clip_without_max", {"scale": 100.0}, "output of loss at step 0"),
        ("siglip_without_max", {"scale": 100.0, "bias": 50.0}, "output of loss at step 0"),
    ],
)
def test_a_loss_that_is_not_finite_is_named(folder, tmp_path, loss, args, place):
    own = small("contrastive", "relu", loss=loss, loss_args=args, precision="bf16")
    assert run(own, tmp_path / "a", folder, quiet()) == "diverged"
    row = run_row(tmp_path / "a")
    assert row["reason"].startswith("loss is ")
    assert row["reason"].endswith(f"first not finite: {place}")
    assert row["reported_recall_at_1"] is None
    stable = small("contrastive", "relu", loss=losses.base(loss), loss_args=args, precision="bf16")
    assert run(stable, tmp_path / "b", folder, quiet()) == "completed"


def test_a_loss_that_is_not_finite_in_validation_is_named(folder, tmp_path, monkeypatch):
    """Weights may be such that only an evaluation shows it."""
    whole = contrastive.batch_scores

    def broken(output, *parts):
        with torch.no_grad():
            output.loss.log_scale.fill_(torch.nan)
        return whole(output, *parts)

    monkeypatch.setattr(contrastive, "batch_scores", broken)
    assert run(small("contrastive"), tmp_path / "a", folder, quiet()) == "diverged"
    reason = run_row(tmp_path / "a")["reason"]
    assert reason == "validation loss is nan after step 3; first not finite: output of loss"


@pytest.mark.parametrize("name", losses.stable())
def test_every_loss_trains_and_its_scale_is_logged(folder, tmp_path, name):
    own = small("contrastive", "relu", loss=name, loss_args={"learn_scale": 0}, views=3)
    assert run(own, tmp_path / "a", folder, quiet(probe_every=2)) == "completed"
    assert run_row(tmp_path / "a")["reported_logit_scale"] == pytest.approx(
        losses.arguments(name)["scale"]
    )
    curves = run_tables(tmp_path / "a")["curves"].to_pandas()
    train = curves[curves["split"] == "train"]
    assert {"loss", "logit_scale", "clamped", "lr"} <= set(train["metric"])
    assert np.isfinite(curves["value"]).all()


@pytest.mark.parametrize(
    "fields",
    [
        {"views": 3, "loss": "einsum"},
        {"model": "dual", "views": 1, "loss": "siglip", "loss_args": {"clamp": 5.0}},
    ],
)
def test_a_step_is_traced_in_one_piece(data, tmp_path, monkeypatch, fields):
    """The graphs run as torch's own operations: of narrow ResNets its CPU compiler makes code
    that breaks the heap (torch 2.14), of `vision` too; tests/test_cuda.py compiles on a GPU.
    """
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    values = []
    for engine in ("eager", "compiled"):
        own = small("contrastive", "relu", engine=engine, **fields)
        work = make_job(own, tmp_path / engine, data, CPU, quiet())
        steps = []
        for step, rows in itertools.islice(batches(work, 0), 2):
            steps.append({name: value.item() for name, value in work.train(step, rows).items()})
        values.append(steps)
    for eager, compiled in zip(*values, strict=True):
        assert compiled == pytest.approx(eager, rel=1e-3)


# From runs to a page


@pytest.fixture(scope="module")
def study(folder, tmp_path_factory):
    """The tables of a study of two losses and two activations over two seeds."""
    place = tmp_path_factory.mktemp("study")
    file = place / "pairs.yaml"
    fields = {"steps": 4, "eval_every": 2, "warmup": 0, "width": 2, "batch_size": 10, "seeds": 2}
    axes = "axes: {loss: [clip, siglip], activation: [relu, gelu]}"
    file.write_text(f"{axes}\ntasks: {{contrastive: {json.dumps(fields)}}}\n")
    study = planning.load(file)
    for member in study.runs():
        run(member.spec, store.run_folder(member.spec, place / "runs"), folder, quiet())
    reference = {"task": "contrastive", "data": DATA}
    rows = [{**reference, **row} for row in contrastive.reference(prepared.load(folder))]
    return tables.build(study.plan(), place / "runs", rows, pd.DataFrame())


def test_the_page_speaks_of_retrieval(study, tmp_path):
    for part in ("contrastive", figures.STUDY):
        for on_page in (True, False):
            figures.draw_part(study, part, tmp_path / "figures" / part, on_page)
    drawn = {path.stem for path in (tmp_path / "figures").rglob("*.png")}
    assert {"forest", "metric_curves", "loss_curves", "throughput_vs_metric"} <= drawn
    page = summary.render(study, tmp_path / "figures", tmp_path / "summary.md")
    assert "test recall at 1, %" in page
    assert "reference: raw pixels, view to view (crop_flip)" in page
    assert page.count("reference: raw pixels") == 1
    assert "nan" not in page
    appendix = summary.render_appendix(study, tmp_path / "figures", tmp_path / "appendix.md")
    assert "k-NN accuracy" in appendix
    assert "nan" not in appendix


def test_numbers_of_parameters_are_those_of_the_document(data):
    text = (ROOT / "docs/adding.md").read_text()
    for name, views in (("siamese", 2), ("dual", 1)):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {name}")]
        model, _ = make_model(planned(model=name, views=views), data)
        n = sum(parameter.numel() for parameter in model.parameters())
        assert row.endswith(f"| {n:,} |")
