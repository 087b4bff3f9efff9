"""Runs that Keras trains leave what torch's leave, and go on bit for bit after a kill."""

from functools import partial

import pyarrow.parquet as pq
import pytest
import torch
from runs import few_examples, quiet
from small import CPU

from actstudy.contract import registry, store
from actstudy.contract.spec import RunSpec
from actstudy.data import prepared
from actstudy.training import checkpoint
from actstudy.training.batches import batches
from actstudy.training.outcome import Interrupted
from actstudy.training.run import train
from actstudy.training.wiring import make_engine


@pytest.fixture(scope="module", autouse=True)
def no_parity():
    """Runs start although nobody compared their cell, which tests/keras/test_parity does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("actstudy.training.parity_file.check", lambda run: None)
        yield


@pytest.fixture(scope="module", autouse=True)
def brief_scoring():
    """Few examples are scored."""
    with few_examples():
        yield


@pytest.fixture(scope="module")
def fashion(prepared_folder):
    return prepared_folder("fashion_mnist_tenth")


def vision(framework: str, **fields) -> RunSpec:
    """A narrow ResNet-18 that trains for four steps and validates after two and four."""
    defaults = {**registry.task("vision")["defaults"], "warmup": 0.0}
    defaults |= {"width": 4, "batch_size": 10, "steps": 4, "eval_every": 2, "lr": 1e-4}
    defaults |= {"task": "vision", "activation": "relu", "seed": 0, "augment": "crop_flip"}
    defaults["betas"] = tuple(defaults["betas"])
    return RunSpec(**{**defaults, "framework": framework, **fields})


def tables(folder):
    """The tables of a run."""
    names = ("runs", "curves", "health", "predictions")
    return {name: pq.read_table(folder / f"{name}.parquet").to_pylist() for name in names}


def trained(spec, folder, data, **settings):
    """A run's folder, trained."""
    folder.mkdir(parents=True)
    train({folder: spec}, folder / "checkpoints", data, quiet(**settings))
    return folder


@pytest.fixture(scope="module")
def whole(framework, fashion, tmp_path_factory):
    """The tables of a run that was not stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return tables(trained(vision(framework), folder, fashion, probe_every=3))


@pytest.fixture(scope="module")
def expected(fashion, tmp_path_factory):
    """The tables of torch's run."""
    folder = tmp_path_factory.mktemp("torch") / "run"
    return tables(trained(vision("torch"), folder, fashion, probe_every=3))


def test_a_run_leaves_what_torchs_leaves(whole, expected):
    (run,) = whole["runs"]
    assert run["status"] == "completed", run["reason"]
    assert run["execution"].startswith("NHWC, ")
    assert "keras " in run["versions"]
    assert run["skipped_steps"] is None
    for name in ("n_params", "order_hash", "data_sha256"):
        assert run[name] == expected["runs"][0][name]
    for own, other in zip(whole["curves"], expected["curves"], strict=True):
        assert (own["step"], own["metric"]) == (other["step"], other["metric"])
        if own["metric"] == "loss":
            assert own["value"] == pytest.approx(other["value"], abs=1e-4)


def test_probes_read_what_torchs_read(whole, expected):
    keys = [(row["step"], row["name"], row["probe"]) for row in whole["health"]]
    read = dict(zip(keys, whole["health"], strict=True))
    assert len(read) == len(expected["health"])
    for other in expected["health"]:
        own = read[other["step"], other["name"], other["probe"]]
        if other["probe"] in ("gradient_norm", "weight_norm"):
            assert own["value"] == pytest.approx(other["value"], rel=2e-3, abs=1e-6), other


def test_a_run_that_was_stopped_goes_on_bit_for_bit(whole, framework, fashion, tmp_path):
    spec = vision(framework)
    folder = tmp_path / "stopped"
    stopping = partial(next, iter([False, True]), False)
    with pytest.raises(Interrupted):
        trained(spec, folder, fashion, stopping=stopping, probe_every=3)
    train({folder: spec}, folder / "checkpoints", fashion, quiet(probe_every=3))
    (again,) = tables(folder)["runs"]
    assert again["n_resumes"] == 1
    assert again["weights_sha256"] == whole["runs"][0]["weights_sha256"]
    assert store.verifies(folder)
    best = checkpoint.read(folder / "checkpoints/best.pt", CPU)
    assert int(best["bn1.num_batches_tracked"]) in (2, 4)


def test_a_divergence_is_a_result_with_its_place(framework, fashion, tmp_path):
    spec = vision(framework, lr=1e20, clip=None, optimizer="sgd", momentum=0.0)
    (run,) = tables(trained(spec, tmp_path / "run", fashion))["runs"]
    assert run["status"] == "diverged"
    assert "first not finite: " in run["reason"]


def test_the_first_loss_of_a_run_is_torchs(framework, fashion, tmp_path):
    data = prepared.load(fashion)
    losses = []
    for name in ("torch", framework):
        engine = make_engine([vision(name)], [tmp_path], data, CPU, quiet())
        step, rows = next(batches(engine, 0))
        losses.append(float(engine.train(step, rows)["loss"]))
    torch.testing.assert_close(losses[1], losses[0], atol=1e-5, rtol=0)


def test_probes_and_searches_read_the_model_in_the_runs_precision(framework, fashion, tmp_path):
    data = prepared.load(fashion)
    spec = vision(framework, precision="bf16")
    engine = make_engine([spec], [tmp_path], data, CPU, quiet())
    seen = []
    engine.model.register_forward_pre_hook(
        lambda *_: seen.append((torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")))
    )
    step, rows = next(batches(engine, 0))
    for read in (
        engine.read_sites,
        lambda: engine.inspect(step, rows, [0]),
        lambda: engine.inspect_validation([0]),
    ):
        seen.clear()
        read()
        assert set(seen) == {(True, torch.bfloat16)}


def test_a_run_in_bf16_completes(framework, fashion, tmp_path):
    spec = vision(framework, precision="bf16")
    (run,) = tables(trained(spec, tmp_path / "run", fashion, probe_every=3))["runs"]
    assert run["status"] == "completed", run["reason"]
