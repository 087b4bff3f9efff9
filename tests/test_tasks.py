"""Every task: trains, resumes to the same bits, is paired over activations, keeps its meaning."""

import dataclasses
import importlib
import itertools
import json
import math
import types
from pathlib import Path

import numpy as np
import pytest
import small_tables
import torch
from runs import ROOT, SMALL, quiet, run, run_row, run_tables, same_tables, small, stop_after

from actstudy.contract import registry, spec
from actstudy.data import prepared
from actstudy.tasks import classification
from actstudy.tasks.classification import loss as class_loss
from actstudy.training import checkpoint, outcome
from actstudy.training.batches import batches, label_share, probe_batch
from actstudy.training.wiring import make_job

GOLDEN = json.loads((ROOT / "tests/golden_losses.json").read_text())


@pytest.fixture(scope="module", autouse=True)
def tables(tmp_path_factory):
    """The tables of tasks without data of their own are data sets."""
    with small_tables.there(tmp_path_factory.mktemp("package")):
        yield


@pytest.fixture(scope="module", params=SMALL)
def task(request):
    return request.param


@pytest.fixture(scope="module")
def folder(task, tables, prepared_folder) -> Path:
    """The task's own data, text with a small vocabulary."""
    return prepared_folder(spec.data_name(small(task)))


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Val and test cut to 64 or a few more examples, drawn evenly."""
    whole = prepared.Prepared.on

    def cut(self, device, split):
        arrays = whole(self, device, split)
        if split == "train":
            return arrays
        return {k: v if k in ("words", "scale") else v[:: len(v) // 64] for k, v in arrays.items()}

    monkeypatch.setattr(prepared.Prepared, "on", cut)


def test_every_task_is_tested():
    assert set(SMALL) == set(registry.tasks())


def test_a_run_completes_with_its_metric(task, folder, tmp_path):
    assert run(small(task), tmp_path / "a", folder, quiet(probe_every=3)) == "completed"
    found, own = run_row(tmp_path / "a"), registry.task(task)
    assert found[f"reported_{own['metric']}"] > 0
    assert found["throughput"] > 0
    assert found["throughput_unit"] == own["throughput_unit"]
    assert found["peak_memory_kind"] == "process RSS"
    made = {name: table.to_pandas() for name, table in run_tables(tmp_path / "a").items()}
    val = made["curves"][
        (made["curves"]["split"] == "val") & (made["curves"]["metric"] == own["metric"])
    ]
    assert val["step"].tolist() == [4, 6]
    assert (len(made["calibration"]) > 0) == (own["predicts"] == "classes")
    assert len(made["predictions"]) > 0
    assert sorted(made["health"]["step"].unique()) == [0, 3, 5]


def test_resume_and_probes_change_no_bit(task, folder, tmp_path):
    run(small(task), tmp_path / "a", folder, quiet(probe_every=1))
    with pytest.raises(outcome.Interrupted):
        run(small(task), tmp_path / "b", folder, quiet(stopping=stop_after(3)))
    assert checkpoint.newest(tmp_path / "b/checkpoints", torch.device("cpu"))["step"] == 3
    run(small(task), tmp_path / "b", folder, quiet(probe_every=10**6))
    assert same_tables(
        tmp_path / "a", tmp_path / "b", names=("curves", "predictions", "calibration")
    )
    assert run_row(tmp_path / "a")["weights_sha256"] == run_row(tmp_path / "b")["weights_sha256"]


def test_activations_of_a_seed_share_draws(task, folder, tmp_path):
    """Same order; same initial weights up to each weight's gain."""
    data, jobs = prepared.load(folder), []
    for name in ("relu", "silu"):
        jobs.append(
            make_job(small(task, name), tmp_path / name, data, torch.device("cpu"), quiet())
        )
    relu, silu = (one.parameters for one in jobs)
    assert relu.keys() == silu.keys()
    for name in relu:
        a, b = relu[name].detach().flatten().double(), silu[name].detach().flatten().double()
        if a.norm() > 0:
            assert torch.nn.functional.cosine_similarity(a, b, dim=0).item() == pytest.approx(
                1, abs=1e-6
            ), name


def test_golden_losses_of_each_task(task, folder, tmp_path):
    """Train losses of the first four steps: data, order, model, init, step keep their meaning."""
    work = make_job(small(task), tmp_path, prepared.load(folder), torch.device("cpu"), quiet())
    losses = [
        work.train(step, rows)["loss"].item()
        for step, rows in itertools.islice(batches(work, 0), 4)
    ]
    assert losses == pytest.approx(GOLDEN[task], rel=1e-3), (
        "training changed its meaning: raise RECIPE or undo"
    )


def test_parts_of_a_batch_weigh_by_their_labels(folder, task, tmp_path):
    """Accumulated gradients equal the whole batch's, padding in some parts or not."""
    if task == "contrastive":
        pytest.skip("accumulate is refused, as each example is compared with the whole batch")
    data, gradients = prepared.load(folder), []
    for parts in (1, 2):
        fields = {"dropout": 0.0} if task in ("cls", "lm", "mlp") else {}
        one = small(task, accumulate=parts, clip=None, **fields)
        work = make_job(one, tmp_path / str(parts), data, torch.device("cpu"), quiet())
        for module in work.model.modules():  # batch statistics would differ between parts by right
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        short = torch.arange(
            len(work.splits["train"]["y"]) - one.batch_size, len(work.splits["train"]["y"])
        )
        work.train(0, short[None])
        if parts == 2:
            share = float(label_share(work.splits["train"]["y"], short[:1], short))
            assert (share == pytest.approx(1 / len(short))) == (
                task != "lm"
            )  # only lm has padding to weigh
        gradients.append(torch.cat([p.grad.flatten() for p in work.parameters.values()]))
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-6)


def test_a_dead_unit_of_a_transformer_is_a_feature():
    """Features are the last axis of (B, T, units): 2 of 4 never rise above zero."""
    from actstudy.health import values

    post = torch.rand(4, 5, 4)
    post[..., :2] = 0
    assert values.of_site(["relu"], *[values.by_unit(post)] * 2)["dead_fraction"].item() == 0.5


def test_tasks_share_one_interface(task):
    module = importlib.import_module(f"actstudy.tasks.{task}")
    for name in ("build", "loss", "train_scores", "evaluate", "reference"):
        assert callable(getattr(module, name))
    if module.TASK["predicts"] == "classes":
        assert module.loss is class_loss


def test_the_probe_batch_is_drawn_over_all_classes(folder, task):
    arrays = prepared.load(folder).arrays
    chosen = probe_batch(
        torch.from_numpy(arrays["train_x"][:].astype("int64" if task == "lm" else "float32"))
    )
    assert len(set(chosen.tolist())) == len(chosen) > 1
    if registry.task(task)["predicts"] == "classes":
        assert set(arrays["train_y"][chosen.numpy()]) == set(arrays["train_y"])


@pytest.mark.parametrize(
    ("shape", "kind", "n"),
    [
        ((40,), torch.float32, 256),
        ((1, 28, 28), torch.uint8, 256),
        ((3, 64, 64), torch.uint8, 42),
        ((64,), torch.int32, 32),
    ],
)
def test_the_probe_batch_is_as_small_as_it_may(shape, kind, n):
    assert len(probe_batch(torch.zeros(300, *shape, dtype=kind))) == n


def test_a_warm_up_longer_than_the_run_is_named(task, folder, tmp_path):
    spec = dataclasses.replace(small(task), warmup=1.0)  # planning would refuse it
    assert run(spec, tmp_path / "a", folder, quiet()) == "failed"
    assert "warmup: got 1.0 epochs of" in run_row(tmp_path / "a")["reason"]
    assert "allowed: at most the 6 steps" in run_row(tmp_path / "a")["reason"]


def test_an_mlp_takes_images_too(tmp_path):
    prepared.prepare("fashion_mnist_tenth", tmp_path / "data")
    one = small("mlp", dataset="fashion_mnist_tenth")
    assert run(one, tmp_path / "a", tmp_path / "data", quiet()) == "completed"
    assert run_row(tmp_path / "a")["n_params"] == (784 + 1) * 8 + 2 * (8 + 1) * 8 + (8 + 1) * 10


@pytest.mark.parametrize(
    ("accuracies", "n_fits", "best"),
    [
        ([0.1, 0.3, 0.5, 0.4, 0.9, 0.9], 4, 0.5),  # the last two take longest
        ([0.1, 0.3, 0.3, 0.4, 0.5, 0.6], 6, 0.6),
    ],
)
def test_a_reference_tries_no_weaker_strength_once_val_falls(
    monkeypatch, capsys, accuracies, n_fits, best
):
    fits = []

    def regression(**settings):
        power = round(math.log10(settings["C"]))
        accuracy = accuracies[power + 4]
        fitted = types.SimpleNamespace(n_iter_=np.array([1]), score=lambda *_: accuracy)
        fitted.fit = lambda *_: fits.append(power) or fitted
        return fitted

    monkeypatch.setattr("sklearn.linear_model.LogisticRegression", regression)
    x = {split: np.zeros((3, 4)) for split in ("train", "val", "test")}
    assert classification.logistic_regression("linear", x, x)["val"] == best
    assert fits == list(range(-4, n_fits - 4))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(classification, "SLOW_SIZE", 11)
    assert classification.logistic_regression("linear", x, x)["val"] == accuracies[1]
    assert fits[n_fits:] == [-4, -3]  # of three examples a standard error is more than any gain
    assert capsys.readouterr().err.startswith("linear: 3 x 4, C = 1e-4\nlinear: 3 x 4, C = 1e-3\n")
