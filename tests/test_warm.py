"""A job of a series that takes the next run of its code in the same tensors: nothing of the run
before is left in it.

But for one test torch.compile is left out: what is compiled is the same for each run.
"""

import contextlib
import dataclasses
import shutil
import subprocess
import sys

import pytest
import torch
from runs import few_examples, quiet, run_row, same_tables, small, stop_after, tiny

from actstudy.contract import store
from actstudy.contract.spec import data_name, run_id
from actstudy.data import prepared
from actstudy.nets import activations
from actstudy.study import packs, series
from actstudy.training import devices, leases, outcome, seat, wiring
from actstudy.training import run as training_run
from actstudy.training.attempt import complete
from actstudy.training.in_turn import complete_each
from actstudy.training.warm import Warm

CPU = torch.device("cpu")
TASKS = ["mlp", "vision", "cls", "lm", "contrastive"]
BUFFERS = {"norm": "batch", "dropout": 0.1}


@pytest.fixture
def uncompiled(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)


@pytest.fixture
def there(prepared_folder):
    """The folder of prepared data, with those of a run."""
    return lambda run: prepared_folder(data_name(run)).parent


def compiled(task="mlp", activation="gelu", seed=0, **fields):
    return small(task, activation, seed, engine="compiled", **fields)


def folders(specs, root):
    return {root / run_id(spec): spec for spec in specs}


def alone(specs, root, data):
    """The folders of runs of which each has a job of its own."""
    runs = folders(specs, root)
    for folder, spec in runs.items():
        assert complete({folder: spec}, quiet(), data) == 0
    return list(runs)


@pytest.mark.parametrize("task", TASKS)
def test_a_run_in_another_ones_tensors_has_its_own_bits(tmp_path, there, uncompiled, seated, task):
    """Seeds, rates and inits of one cell in any order: weights, curves, health, predictions."""
    specs = [
        compiled(task, seed=0),
        compiled(task, seed=1, lr=0.02),
        compiled(task, seed=0, init="orthogonal"),
        compiled(task, "relu"),
    ]
    data = there(specs[0])
    orders = [specs, specs[::-1]]
    with few_examples() if task in ("vision", "contrastive") else contextlib.nullcontext():
        expected = alone(specs, tmp_path / "alone", data)
        assert seated == []
        for order in orders if task == "mlp" else orders[1:]:
            seated.clear()
            runs = folders(order, tmp_path / run_id(order[0]))
            assert complete_each(runs, quiet(), data) == 0
            assert seated == [spec.seed for spec in order if spec.activation == "gelu"][1:]
            for folder in expected:
                assert run_row(folder)["status"] == "completed"
                assert same_tables(folder, tmp_path / run_id(order[0]) / folder.name)


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_compiled_code_serves_the_next_run_with_the_bits_of_a_fresh_process(
    tmp_path, there, monkeypatch, seated
):
    """No further code is compiled for another seed."""
    monkeypatch.setattr("torch._dynamo.config.error_on_recompile", True)
    specs = [compiled("cls", seed=0), compiled("cls", seed=3, lr=0.01)]
    data = there(specs[0])
    runs = folders(specs, tmp_path / "warm")
    assert complete_each(runs, quiet(), data) == 0
    assert seated == [3]
    first, second = map(run_row, runs)
    assert first["compile_seconds"] > second["compile_seconds"] == 0
    words = ["--device", "cpu", "--probe_every", "5", "--quiet", "--data_dir", str(data)]
    members = packs.to_json([specs[1]])
    command = [sys.executable, "-m", "actstudy", "series", "--members", members, *words]
    subprocess.run([*command, "--log_dir", str(tmp_path / "alone")], check=True)
    last = run_id(specs[1])
    assert same_tables(tmp_path / "warm" / last, tmp_path / "alone" / last)


@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": "adam"},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
        {"optimizer": "rmsprop", "momentum": 0.9},
        {"accumulate": 2, "patience": 1, "eval_every": 1},
        {"drop_path": 0.5, "model": "convnext_tiny", "depth": 1},
        {"precision": "bf16"},
    ],
    ids=str,
)
def test_whatever_the_optimizer_keeps(tmp_path, there, uncompiled, seated, fields):
    task = "vision" if "model" in fields else "mlp"
    specs = [compiled(task, seed=seed, **fields) for seed in (0, 1)]
    data = there(specs[0])
    assert complete_each(folders(specs, tmp_path / "warm"), quiet(), data) == 0
    assert seated == [1]
    for folder in alone(specs, tmp_path / "alone", data):
        assert same_tables(folder, tmp_path / "warm" / folder.name)


def test_a_run_after_one_that_diverged_finds_none_of_it(tmp_path, there, uncompiled, seated):
    specs = [
        compiled(**BUFFERS),
        compiled(seed=1, lr=1e30, **BUFFERS),
        compiled(seed=2, **BUFFERS),
    ]
    data = there(specs[0])
    runs = folders(specs, tmp_path / "warm")
    assert complete_each(runs, quiet(), data) == 0
    assert seated == [1, 2]
    statuses = [store.summary_row(folder)["status"] for folder in runs]
    assert statuses == ["completed", "diverged", "completed"]
    for folder in alone(specs, tmp_path / "alone", data):
        assert same_tables(folder, tmp_path / "warm" / folder.name)


def test_a_run_that_failed_leaves_no_job(tmp_path, data_folder, uncompiled, seated, monkeypatch):
    specs = [compiled(seed=seed) for seed in range(4)]
    real = training_run.fit

    def fit(engine, *arguments):
        real(engine, *arguments)
        if engine.spec.seed == 1:
            raise RuntimeError("no fit")

    runs = folders(specs, tmp_path / "warm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_run, "fit", fit)
        assert complete_each(runs, quiet(), data_folder.parent) == 0
    statuses = [store.summary_row(folder)["status"] for folder in runs]
    assert statuses == ["completed", "failed", "completed", "completed"]
    assert seated == [1, 3]
    for folder in alone(specs[2:], tmp_path / "alone", data_folder.parent):
        assert same_tables(folder, tmp_path / "warm" / folder.name)


def test_a_run_with_a_checkpoint_resumes_in_a_job_of_its_own(
    tmp_path, data_folder, uncompiled, seated
):
    specs = [compiled(seed=seed, steps=9) for seed in range(3)]
    runs = folders(specs, tmp_path / "warm")
    second = list(runs)[1]
    stopping = quiet(stopping=stop_after(5))
    with pytest.raises(outcome.Interrupted):
        training_run.train({second: specs[1]}, second / "checkpoints", data_folder, stopping)
    assert complete_each(runs, quiet(), data_folder.parent) == 0
    assert seated == [2]
    assert run_row(second)["n_resumes"] == 1
    for folder in alone(specs, tmp_path / "alone", data_folder.parent):
        assert same_tables(folder, tmp_path / "warm" / folder.name)


def left_over(job, fresh):
    """The names of what differs between two jobs at their first step."""
    names = []
    own = {**dict(fresh.model.named_parameters()), **dict(fresh.model.named_buffers())}
    buffers = dict(job.model.named_buffers())
    for kind, tensors in (("weights", job.parameters), ("buffers", buffers)):
        if any(not torch.equal(value, own[name]) for name, value in tensors.items()):
            names.append(kind)
    for state in job.optimizer.state.values():
        names += [name for name, value in state.items() if value is not None and value.any()]
    if job.scaler.state_dict() != fresh.scaler.state_dict():
        names.append("scaler")
    if job.clock.seconds != fresh.clock.seconds:
        names.append("clock")
    for name in ("spec", "specs", "progress", *PER_RUN):
        if getattr(job, name) != getattr(fresh, name):
            names.append(name)
    return sorted(set(names))


PER_RUN = [
    field.name
    for field in dataclasses.fields(wiring.Job)
    if field.name not in seat.LASTING
    and (field.default, field.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
]


@pytest.fixture
def trained(tmp_path, there, uncompiled, monkeypatch):
    """A job that has trained a run with buffers and moments, and a new one for the next run."""
    jobs = []
    monkeypatch.setattr(Warm, "keep", lambda _, job: jobs.append(job))
    specs = [compiled("mlp", seed=seed, **BUFFERS) for seed in range(2)]
    folder = there(specs[0])
    assert complete_each(folders(specs, tmp_path / "warm"), quiet(), folder) == 0
    data = prepared.load(folder / data_name(specs[0]))
    fresh = wiring.make_job(specs[1], tmp_path / "fresh", data, CPU, quiet())
    return jobs[0], fresh


def test_a_job_that_takes_a_run_is_as_a_new_one(trained):
    job, fresh = trained
    before = left_over(job, fresh)
    assert {"weights", "buffers", "exp_avg", "exp_avg_sq", "step", "spec"} <= set(before)
    assert {"progress", "clock", "health", "mark", "best_weights", "window_start"} <= set(before)
    seat.reseat(job, fresh.model, fresh.specs, fresh.logs)
    assert left_over(job, fresh) == []
    assert job.logs is fresh.logs
    assert vars(job).keys() == vars(fresh).keys()


@pytest.mark.parametrize("omitted", ["moments", "buffers", "weights", "spec", "progress"])
def test_what_is_not_reset_is_seen_in_the_tables(tmp_path, there, uncompiled, monkeypatch, omitted):
    """Each omission planted: the second run is then another one than alone."""
    real = seat.reseat

    def reseat(job, model, specs, logs):
        older = job.snapshot()
        spec = job.spec
        progress = job.progress
        real(job, model, specs, logs)
        buffers = dict(job.model.named_buffers())
        for name, tensor in job.changed().items():
            of = "weights"
            if " of " in name:
                of = "moments"
            elif name in buffers:
                of = "buffers"
            if of == omitted:
                tensor.data.copy_(older[name])
        if omitted == "spec":
            job.spec = spec
        if omitted == "progress":
            job.progress = progress
        return job

    monkeypatch.setattr(seat, "reseat", reseat)
    specs = [compiled("mlp", seed=seed, **BUFFERS) for seed in range(2)]
    data = there(specs[0])
    runs = folders(specs, tmp_path / "warm")
    assert complete_each(runs, quiet(), data) == 0
    first, second = alone(specs, tmp_path / "alone", data)
    assert same_tables(first, tmp_path / "warm" / first.name)
    assert not same_tables(second, tmp_path / "warm" / second.name)


@pytest.mark.parametrize("name", list(activations.ACTIVATIONS))
def test_models_of_two_seeds_differ_in_tensors_alone(name, data):
    """So no activation draws a number that compiled code would hold."""
    models = [wiring.make_model(tiny(name, seed), data)[0] for seed in (0, 1)]
    assert seat.frame(models[0]) == seat.frame(models[1])


def test_a_model_with_another_number_in_it_does_not_fit(trained):
    job, fresh = trained
    assert seat.fits(job, fresh.model)
    next(iter(fresh.sites.modules.values())).slope = 0.5
    assert not seat.fits(job, fresh.model)


@pytest.mark.parametrize(
    "fields", [{"weight_decay": 0.5}, {"activation": "relu"}, {"label_smoothing": 0.1}], ids=str
)
def test_runs_that_differ_in_what_code_holds_are_of_other_code(fields):
    spec = tiny(engine="compiled")
    assert series.code_of(spec) != series.code_of(dataclasses.replace(spec, **fields))
    assert series.code_of(spec) == series.code_of(dataclasses.replace(spec, seed=3, lr=1.0))


def test_data_are_read_again_only_if_a_file_is_another(tmp_path, data_folder, monkeypatch):
    copy = shutil.copytree(data_folder, tmp_path / "data")
    with Warm() as warm:
        first = warm.data(copy)
        assert first.on(CPU, "train")["x"] is first.on(CPU, "train")["x"]
        assert warm.data(copy) is first
        warm.keep(object())
        (copy / "train_y.npy").write_bytes((copy / "train_y.npy").read_bytes())
        second = warm.data(copy)
        assert second is not first
        assert warm.take(tiny(engine="compiled"), tmp_path) is None
        (copy / "train_y.npy").write_bytes(b"0")
        with pytest.raises(store.Damaged, match="does not have its checksum"):
            warm.data(copy)
        (copy / "train_y.npy").unlink()
        with pytest.raises(store.Damaged, match="is missing"):
            warm.data(copy)


def test_a_device_is_leased_once_and_given_back_at_the_end(tmp_path, data_folder, monkeypatch):
    """Another process must not take it between two runs."""
    events = []

    @contextlib.contextmanager
    def lease(*_):
        events.append("leased")
        yield leases.Lease()
        events.append("free")

    def publish_all(training):
        events.append("published")
        return real(training)

    real = training_run.publish_all
    monkeypatch.setattr(devices, "lease", lease)
    monkeypatch.setattr(training_run, "publish_all", publish_all)
    runs = folders([tiny(), tiny("relu")], tmp_path)
    assert complete_each(runs, quiet(), data_folder.parent) == 0
    assert events == ["leased", "published", "published", "free"]


def test_a_gpu_that_fails_between_two_runs_is_asked_again_by_another_process(monkeypatch):
    """CUDA that has failed in a process stays so: the same GPU is the last to be tried."""

    def fail(*_, **__):
        raise RuntimeError("an illegal memory access")

    monkeypatch.setattr(devices, "gpus", lambda _: ["GPU-0", "GPU-1"])
    lease = leases.Lease()
    lease.device = torch.device("cuda")
    monkeypatch.setattr(devices, "lease", lambda *_: lease)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-0")
    with Warm() as warm:
        assert warm.lease("cuda", leases.Slots(), lambda: False) is lease
        monkeypatch.setattr(torch, "zeros", fail)
        with pytest.raises(devices.Unanswered, match="illegal memory access") as failed:
            warm.lease("cuda", leases.Slots(), lambda: False)
    assert failed.value.others == ["GPU-1", "GPU-0"]
