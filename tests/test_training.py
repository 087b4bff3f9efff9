"""Training: paired, deterministic, resumable, neutral to probes, and honest about how it ended."""

import contextlib
import dataclasses
import gc
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pyarrow.compute as pc
import pytest
import torch
from commands import command
from numpy_mlp import FUNCTIONS, NumpyMLP
from runs import (
    ROOT,
    STEEP,
    clipped_shares,
    quiet,
    run,
    run_row,
    run_tables,
    same_tables,
    stop_after,
    tiny,
)

from actstudy.contract.spec import canonical, from_json, run_id
from actstudy.data import prepared
from actstudy.nets.activations import ACTIVATIONS, Sites
from actstudy.nets.initializers import initialize
from actstudy.study import planning
from actstudy.tasks import mlp
from actstudy.training import blame, checkpoint, loop, optim, outcome, window
from actstudy.training.batches import batches
from actstudy.training.clock import Clock
from actstudy.training.cuda_graphs import Replay
from actstudy.training.tables import accounting
from actstudy.training.wiring import make_engine, make_job, seed_globals

SOURCES = f"{ROOT / 'tests'}{os.pathsep}{ROOT / 'lib'}"


def test_a_seed_truly_seeds(train):
    a, b, other = train("a"), train("b"), train("c", tiny(seed=1))
    assert same_tables(a, b)
    assert (
        run_row(a)["weights_sha256"]
        == run_row(b)["weights_sha256"]
        != run_row(other)["weights_sha256"]
    )
    assert run_row(a)["order_hash"] != run_row(other)["order_hash"]


def test_runs_of_a_seed_are_paired_over_activations(train):
    assert (
        run_row(train("a", tiny("tanh")))["order_hash"]
        == run_row(train("b", tiny("mish")))["order_hash"]
    )


def test_global_generators_decide_nothing(train):
    a = train("a")
    torch.manual_seed(12345)
    torch.rand(7)
    assert same_tables(a, train("b"))


FIRST_BATCH = """
import hashlib
import sys
from pathlib import Path
import torch
from runs import quiet, run, tiny
from actstudy.data import prepared
from actstudy.contract.streams import epoch_order
from actstudy.training.wiring import make_job
data_folder, folder, *optimizers = sys.argv[1:]
data = prepared.load(Path(data_folder))
job = make_job(tiny(), Path(folder), data, torch.device("cpu"), quiet())
scores = job.train(0, torch.from_numpy(epoch_order(0, 0, 3500))[None, :500])
weights = b"".join(p.detach().numpy().tobytes() for p in job.parameters.values())
print(scores["loss"].item().hex(), hashlib.sha256(weights).hexdigest())
for name in optimizers:
    status = run(tiny(optimizer=name), Path(folder) / name, Path(data_folder), quiet())
    print(name, status, "torch._dynamo" in sys.modules)
"""
OPTIMIZERS = ("adamw", "adam", "sgd", "rmsprop")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory, data_folder):
    """What two new processes of different hash seeds print of a first batch.

    The first one then trains a run of each optimizer.
    """
    printed = []
    for hash_seed, optimizers in (("1", OPTIMIZERS), ("2", ())):
        folder = tmp_path_factory.mktemp("fresh")
        environment = {**os.environ, "PYTHONPATH": SOURCES, "PYTHONHASHSEED": hash_seed}
        words = [sys.executable, "-c", FIRST_BATCH, data_folder, folder, *optimizers]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        printed.append(done.stdout.splitlines())
    return printed


def test_first_batch_is_deterministic_over_processes(fresh):
    """They agree on weights, first batch and dropout draws."""
    first, second = fresh
    assert first[0] == second[0]


def test_an_eager_run_does_not_import_torchs_compiler(fresh):
    """It takes as long as importing torch; the plain step is torch's own to the bit (golden losses,
    resume).
    """
    assert fresh[0][1:] == [f"{name} completed False" for name in OPTIMIZERS]


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.RMSprop])
def test_the_plain_step_is_torchs_own(optimizer):
    name = {torch.optim.AdamW: "adamw", torch.optim.RMSprop: "rmsprop"}[optimizer]
    weights = []
    for make in (
        lambda p: optim.make_optimizer(tiny(optimizer=name, weight_decay=0.0), p),
        optimizer,
    ):
        parameter = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
        made = make([parameter])
        for group in made.param_groups:
            group |= {"lr": 0.1, "weight_decay": 0.0}
        for _ in range(3):
            made.zero_grad()
            (parameter**2).sum().backward()
            made.step()
        weights.append(parameter.detach())
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    ("stops", "fields"), [([1], {}), ([7], {}), ([3, 8, 9, 20], {}), ([3, 9], STEEP)], ids=str
)
def test_resume_equals_undisturbed(train, tmp_path, data_folder, stops, fields):
    """Stopped at these steps, mid-epoch ones among them, and resumed: every bit as if nothing had
    happened.
    """
    undisturbed, steps = train("a", tiny(**fields)), iter([*stops, 10**9])
    folder = tmp_path / "b"
    for stop in steps:
        state = checkpoint.newest(folder / "checkpoints", torch.device("cpu"))
        done = state["step"] if state else 0
        settings = quiet(stopping=stop_after(stop - done))
        try:
            run(tiny(**fields), folder, data_folder, settings)
        except outcome.Interrupted:
            continue
        break
    assert run_row(folder)["n_resumes"] == len(stops)
    assert not run_row(folder)["timing_clean"]
    assert same_tables(undisturbed, folder)


def test_resume_test_can_fail(train, tmp_path, data_folder, monkeypatch):
    """The guard off: a resume that forgets the optimizer's state does not reproduce the run."""
    undisturbed = train("a")
    with pytest.raises(outcome.Interrupted):
        run(tiny(), tmp_path / "b", data_folder, quiet(stopping=stop_after(8)))
    monkeypatch.setattr(torch.optim.Optimizer, "load_state_dict", lambda self, state: None)
    run(tiny(), tmp_path / "b", data_folder, quiet())
    assert not same_tables(undisturbed, tmp_path / "b")


def test_a_damaged_checkpoint_is_passed_over(train, tmp_path, data_folder):
    undisturbed = train("a")
    with pytest.raises(outcome.Interrupted):
        run(
            tiny(), tmp_path / "b", data_folder, quiet(checkpoint_seconds=0, stopping=stop_after(9))
        )
    newest = max((tmp_path / "b/checkpoints").glob("step-*.pt"))
    newest.write_bytes(newest.read_bytes()[:-7])
    run(tiny(), tmp_path / "b", data_folder, quiet())
    assert same_tables(undisturbed, tmp_path / "b")


@pytest.mark.parametrize("activation", ["tanh", "prelu", "identity"])
def test_probes_change_nothing(train, activation):
    spec = tiny(activation, norm="batch")
    often, once = train("a", spec, probe_every=1), train("b", spec, probe_every=10**6)
    assert same_tables(often, once, names=("curves", "predictions", "calibration"))
    assert run_row(often)["weights_sha256"] == run_row(once)["weights_sha256"]
    assert len(run_tables(often)["health"]) > len(run_tables(once)["health"]) > 0


def test_strict_leaves_no_choice_of_algorithms_and_the_next_run_has_it_again():
    for strict in (True, False):
        seed_globals(tiny(strict=strict))
        assert torch.are_deterministic_algorithms_enabled() == strict
        assert (
            torch.backends.cudnn.benchmark
            == torch.backends.cuda.cudnn_sdp_enabled()
            == (not strict)
        )


def test_probe_values(train):
    health = run_tables(train("a", tiny("relu")))["health"].to_pandas()
    assert set(health["kind"]) == {"site", "parameter", "model"}
    fractions = health[health["probe"].str.endswith("fraction")]["value"]
    assert fractions.between(0, 1).all()
    assert sorted(health["step"].unique()) == [0, 5, 10, 15, 20]
    inactive = health[(health["probe"] == "inactive_fraction") & (health["step"] == 0)]["value"]
    assert inactive.between(0.3, 0.7).all()


@pytest.mark.parametrize("fields", [{"lr": 1e30, "optimizer": "sgd", "clip": None}])
def test_divergence_is_a_result(train, fields):
    found = run_row(train("a", tiny("relu", **fields)))
    assert found["status"] == "diverged"
    assert "at step" in found["reason"] or "after step" in found["reason"]
    assert found["reported_accuracy"] is None


def test_failure_is_a_row_with_its_reason(train):
    folder = train("a", dataclasses.replace(tiny(), batch_size=4000))  # which no study has
    assert run_row(folder)["status"] == "failed"
    assert "batch_size: got 4000" in run_row(folder)["reason"]
    assert "Traceback" in (folder / "log.txt").read_text()


def test_out_of_memory_has_its_own_status(train, monkeypatch):
    def full(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    monkeypatch.setattr("actstudy.training.run.fit", full)
    assert run_row(train("a"))["status"] == "out_of_memory"


@pytest.mark.parametrize(
    "fields",
    [
        {"norm": "batch"},
        {"norm": "layer", "hidden": [12, 20]},
        {"optimizer": "adam"},
        {"optimizer": "sgd", "momentum": 0.9, "lr": 0.05},
        {"optimizer": "rmsprop"},
        {"schedule": "constant", "warmup": 0},
        {"precision": "bf16"},
        {"strict": True},
        {"steps": 9, "warmup": 1},
        {"label_smoothing": 0.1, "clip": None},
        {"activation_args": {"alpha": 0.5}, "activation": "elu"},
        {"activation": {"layers.0": "relu", "*": "tanh"}},
    ],
    ids=str,
)
def test_every_field_trains(train, fields):
    found = run_row(train("a", tiny(**fields)))
    assert found["status"] == "completed", found["reason"]
    assert found["last_loss"] < 3
    torch.use_deterministic_algorithms(False)


def used(clip, norm, data, folder):
    """Gradients of a global norm, those that a step made of them, and its scores; in float64."""
    work = make_job(tiny(clip=clip, warmup=0), folder, data, torch.device("cpu"), quiet())
    parameters = list(work.model.double().parameters())
    drawn = [torch.randn_like(p, generator=torch.Generator().manual_seed(0)) for p in parameters]
    given = [gradient.detach() * norm / torch.nn.utils.get_total_norm(drawn) for gradient in drawn]
    work.scored = lambda *_: (
        sum((p * g).sum() for p, g in zip(parameters, given, strict=True)),
        {},
    )
    scores = work.train(0, torch.arange(500)[None])
    return given, [p.grad for p in parameters], scores


@pytest.mark.parametrize("norm", [0.3, 2.0, 9.99, 10.01, 400.0])
def test_adaptive_clipping_scales_norms_above_ten_to_one(data, tmp_path, norm):
    given, gradients, scores = used("adaptive", norm, data, tmp_path)
    if norm > 10:
        assert torch.nn.utils.get_total_norm(gradients).item() == pytest.approx(1, rel=2e-7)
        assert all(
            torch.allclose(mine, g / norm, rtol=1e-6)
            for mine, g in zip(gradients, given, strict=True)
        )
    else:
        assert all(map(torch.equal, gradients, given))
    assert scores["clipped"].item() == (norm > 10)


@pytest.mark.parametrize("norm", [0.3, 2.0, 400.0])
@pytest.mark.parametrize("clip", [0.5, 1.0, 10.0, None])
def test_clipping_to_a_number_is_torchs(data, tmp_path, clip, norm):
    given, gradients, scores = used(clip, norm, data, tmp_path)
    parameters = [torch.nn.Parameter(torch.zeros_like(gradient)) for gradient in given]
    for parameter, gradient in zip(parameters, given, strict=True):
        parameter.grad = gradient.clone()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(parameters, clip, foreach=True)
    assert all(torch.equal(mine, p.grad) for mine, p in zip(gradients, parameters, strict=True))
    assert {name: value.item() for name, value in scores.items() if name != "loss"} == (
        {} if clip is None else {"clipped": norm > clip}
    )


@pytest.mark.parametrize(("fields", "limit"), [({"clip": 1.0}, 1.0), (STEEP, 10)], ids=str)
def test_the_share_of_clipped_steps_is_logged(train, fields, limit):
    folder = train("a", tiny(**fields), probe_every=1)
    logged, expected = clipped_shares(folder, limit)
    assert logged == pytest.approx(expected)
    assert len(logged) == 3
    assert 0 < logged[1] < 1
    assert run_row(folder)["clip"] == str(fields["clip"])


def test_without_clipping_no_share_is_logged(train):
    assert clipped_shares(train("a", tiny(clip=None), probe_every=1), 1.0) == ([], [])


def test_accumulation_is_the_same_step(train):
    whole, parts = (
        run_row(train("a", tiny(dropout=0.0))),
        run_row(train("b", tiny(dropout=0.0, accumulate=5))),
    )
    assert whole["last_loss"] == pytest.approx(parts["last_loss"], rel=1e-4)


def test_patience_stops_early(train):
    found = run_row(train("a", tiny(lr=1e-9, patience=1)))
    assert found["steps_done"] < found["total_steps"]


def test_shuffle_from_the_system_breaks_pairing_and_says_so(train):
    a, b = (run_row(train(name, tiny(deterministic_shuffle=False))) for name in "ab")
    assert a["order_hash"] != b["order_hash"]
    assert not a["deterministic_shuffle"]


def test_reported_is_test_at_the_earliest_best_val(train):
    folder = train("a")
    curves = run_tables(folder)["curves"].to_pandas()
    val = curves[(curves["split"] == "val") & (curves["metric"] == "accuracy")].sort_values("step")
    best = val[val["value"] == val["value"].max()].iloc[0]["step"]
    assert run_row(folder)["best_step"] == best
    test = curves[(curves["split"] == "test") & (curves["metric"] == "accuracy")].set_index("step")[
        "value"
    ]
    assert test[best] == run_row(folder)["reported_accuracy"]
    correct = pc.sum(
        pc.equal(
            run_tables(folder)["predictions"]["label"],
            run_tables(folder)["predictions"]["predicted"],
        )
    ).as_py()
    assert correct / 1000 == pytest.approx(run_row(folder)["reported_accuracy"])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_overfits_one_batch(data, activation):
    """64 signals, at most 400 steps of Adam: the loss falls below 0.1, that of identity, which is
    linear, by half.
    """
    torch.manual_seed(0)
    sites = Sites(activation, {})
    model = mlp.build(tiny(activation, width=64, dropout=0.0), data, sites)
    arrays = data.on(torch.device("cpu"), "train")
    x, y = arrays["x"][:64], arrays["y"][:64]
    initialize(model, sites, "auto", {}, 0, lambda: model(x).sum())
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    enough = 1.0 if activation == "identity" else 0.1
    losses = [math.inf]
    while losses[-1] >= enough and len(losses) <= 400:
        optimizer.zero_grad()
        loss = mlp.loss(model(x), y)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    assert losses[-1] < enough


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_the_first_steps_equal_numpys(data, tmp_path, activation):
    """Init, order, schedule, loss, gradients, clipping and SGD against plain NumPy, in float64:
    1e-10 over 20 steps.
    """
    fields = {
        "optimizer": "sgd",
        "lr": 0.5,
        "momentum": 0.9,
        "weight_decay": 0.01,
        "clip": 0.3,
        "dropout": 0.0,
    }
    spec = tiny(activation, depth=3, batch_size=100, label_smoothing=0.1, epochs=2, **fields)
    work = make_job(spec, tmp_path, data, torch.device("cpu"), quiet())
    layers = [module for module in work.model.modules() if isinstance(module, torch.nn.Linear)]
    weights, biases = (
        [getattr(m, part).detach().numpy().copy() for m in layers] for part in ("weight", "bias")
    )
    plain = NumpyMLP(
        weights, biases, activation, 0.9, spec.weight_decay, spec.clip, spec.label_smoothing
    )
    work.model.double()
    standardised = work.inputs
    work.inputs = lambda x: standardised(x).double()
    work.task = SimpleNamespace(
        loss=lambda z, y, smoothing: torch.nn.functional.cross_entropy(
            z, y, label_smoothing=smoothing
        ),
        train_scores=mlp.train_scores,
    )
    x, y = (work.splits["train"][name] for name in ("x", "y"))
    for step, rows in itertools.islice(batches(work, 0), 20):
        scores = work.train(step, rows)
        lr = optim.learning_rate(spec, step, work.total_steps, work.steps_per_epoch)
        expected = plain.step(work.inputs(x[rows[0]]).numpy(), y[rows[0]].numpy(), lr)
        assert scores["loss"].item() == pytest.approx(expected, abs=1e-10)
    for mine, theirs in zip(work.model.parameters(), plain.parameters, strict=True):
        assert abs(mine.detach().numpy() - theirs).max() < 1e-10


SHARP = {"lr": 0.02, "weight_decay": 0.5, "clip": 0.3}  # each of them bites within two epochs
GOLDEN_SPECS = {
    "adamw": SHARP,
    "adam": {**SHARP, "optimizer": "adam", "weight_decay": 0.01, "betas": [0.5, 0.9]},
    "sgd": {**SHARP, "optimizer": "sgd", "lr": 0.5, "momentum": 0.9, "weight_decay": 0.01},
    "rmsprop": {**SHARP, "optimizer": "rmsprop", "weight_decay": 0.01},
    "smoothing": {**SHARP, "label_smoothing": 0.2, "accumulate": 5},
}
GOLDEN = json.loads(
    (ROOT / "tests/golden_losses.json").read_text()
)  # train loss of steps 0, 5, 9 and 13 of 14


def golden(spec, data, folder):
    """Train losses of two epochs of a spec at a few steps."""
    work = make_job(spec, folder, data, torch.device("cpu"), quiet())
    losses = [work.train(step, rows)["loss"].item() for step, rows in batches(work, 0)]
    return [losses[step] for step in (0, 5, 9, 13)]


@pytest.mark.parametrize("name", GOLDEN_SPECS)
def test_golden_losses(data, tmp_path, name):
    """Training means what it meant: order, init, dropout, optimizer, decay, clipping, smoothing,
    schedule.
    """
    losses = golden(tiny(epochs=2, **GOLDEN_SPECS[name]), data, tmp_path)
    assert losses == pytest.approx(GOLDEN[name], rel=1e-3), (
        "training changed its meaning: raise RECIPE or undo"
    )


def test_golden_losses_tell_the_settings_apart(data, tmp_path):
    """The test above can fail: each setting moves the losses by more than it tolerates."""
    for change in (
        {"clip": None},
        {"weight_decay": 0.0},
        {"betas": [0.5, 0.9]},
        {"dropout": 0.0},
        {"schedule": "constant"},
    ):
        losses = golden(tiny(epochs=2, **{**SHARP, **change}), data, tmp_path)
        assert losses != pytest.approx(GOLDEN["adamw"], rel=1e-3), change


def test_test_data_choose_nothing(tmp_path, data_folder, data, monkeypatch):
    """With the test labels turned around, all but the test scores is the same in every bit."""
    run(tiny(), tmp_path / "a", data_folder, quiet())
    whole = prepared.Prepared.on

    def turned(self, device, split):
        arrays = whole(self, device, split)
        return {**arrays, "y": 9 - arrays["y"]} if split == "test" else arrays

    monkeypatch.setattr(prepared.Prepared, "on", turned)
    run(tiny(), tmp_path / "b", data_folder, quiet())
    a, b = run_row(tmp_path / "a"), run_row(tmp_path / "b")
    assert (a["best_step"], a["weights_sha256"]) == (b["best_step"], b["weights_sha256"])
    assert a["reported_accuracy"] != b["reported_accuracy"]


def test_last_and_reported_are_two_checkpoints(train):
    """A constant rate this high worsens val after its best step, so the two differ."""
    spec = tiny(lr=0.1, schedule="constant", warmup=0, epochs=6, clip=None)
    folder = train("a", spec)
    found = run_row(folder)
    assert found["best_step"] < found["steps_done"]
    assert found["last_loss"] != found["reported_loss"]
    best = checkpoint.read(folder / "checkpoints/best.pt", torch.device("cpu"))
    epochs = spec.epochs * found["best_step"] // found["steps_done"]
    shorter = run_row(train("b", dataclasses.replace(spec, epochs=epochs)))
    assert shorter["steps_done"] == found["best_step"]
    assert checkpoint.weights_sha256(best) == shorter["weights_sha256"] != found["weights_sha256"]


def test_seconds_go_to_the_bucket_they_were_spent_in(monkeypatch):
    ticks = iter([0.0, 1.0, 3.0, 7.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    clock = Clock(torch.device("cpu"))
    with clock("eval"), clock("eval"):
        pass
    clock.to("probe")
    seconds = {bucket: value for bucket, value in clock.seconds.items() if value}
    assert seconds == {"train": 1.0 + 4.0, "eval": 2.0}


def test_seconds_after_an_exception_go_to_the_bucket_around_it(monkeypatch):
    ticks = iter([0.0, 1.0, 3.0, 7.0, 15.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    clock = Clock(torch.device("cpu"))
    with clock("eval"), contextlib.suppress(RuntimeError), clock("probe"):
        raise RuntimeError
    seconds = {bucket: value for bucket, value in clock.seconds.items() if value}
    assert seconds == {"train": 1.0, "eval": 2.0 + 8.0, "probe": 4.0}


def test_a_lost_device_is_not_waited_for(monkeypatch):
    """Else its second error, or none at all, would take the place of the one that says why."""
    waits = []
    monkeypatch.setattr(torch.cuda, "synchronize", waits.append)
    device = torch.device("cuda")
    clock = Clock(device)
    with pytest.raises(RuntimeError, match="lost"), clock("eval"):
        raise RuntimeError("lost")
    assert waits == [device]
    clock.to("probe")
    assert waits == [device, device]


def test_throughput_is_the_median_window_without_the_first(data, tmp_path):
    work = make_job(tiny(), tmp_path, data, torch.device("cpu"), quiet())
    for seconds in (100.0, 2.0, 0.5, 1.0):
        loop.train_step(work, work.step, torch.arange(500)[None])
        work.step += 1
        with work.clock("eval"):
            work.timed = 7
            work.clock.seconds["train"] = work.window_start + seconds
            window.close(work, lambda: False)
    rates = [7 * 500 / seconds for seconds in (100.0, 2.0, 0.5, 1.0)]
    assert work.progress[0].rates == pytest.approx(rates)
    assert accounting(work, 0, 1)["throughput"] == pytest.approx(3500.0)


@pytest.mark.parametrize("engine", ["eager", "pack"])
@pytest.mark.parametrize(("share", "expected"), [(1 / 20, [1, 61]), (math.inf, range(1, 70))])
def test_checkpoints_take_at_most_a_twentieth_of_the_time(
    data, tmp_path, monkeypatch, engine, share, expected
):
    """Steps of one second and checkpoints of three, though one is asked for after each step."""
    seconds = [0.0]
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    monkeypatch.setattr(loop, "MAX_CHECKPOINT_SHARE", share)
    spec = tiny("relu", dropout=0.0, engine=engine, epochs=10)
    cpu = torch.device("cpu")
    work = make_engine([spec], [tmp_path], data, cpu, quiet())
    saved = []

    def step():
        seconds[0] += 1

    def save():
        saved.append(work.step)
        seconds[0] += 3

    loop.fit(work, step, save, 0.0)
    assert saved[: len(expected)] == list(expected)
    assert (len(saved) == 2) == (share < 1)


OLDER = [
    {"progress": {"step": 14}, "model": {}, "best": {}, "optimizer": {}, "scaler": {}},
    {"ids": ["relu"], "step": 14, "ended": {}, "progress": [], "health": [], "rows": {}},
]


@pytest.mark.parametrize("content", OLDER, ids=["run", "pack"])
def test_a_checkpoint_of_an_older_layout_is_not_used(train, tmp_path, data_folder, content):
    """The run starts anew, and no checkpoint of a later step is left to be taken for its own."""
    whole = train("whole")
    folder = tmp_path / "run/checkpoints"
    checkpoint.save(folder, 14, content)
    with pytest.raises(outcome.Interrupted):
        run(tiny(), folder.parent, data_folder, quiet(stopping=stop_after(3)))
    assert checkpoint.newest(folder, torch.device("cpu"))["step"] == 3
    run(tiny(), folder.parent, data_folder, quiet())
    assert run_row(folder.parent)["n_resumes"] == 1
    assert same_tables(whole, folder.parent)


def test_wasted_seconds_are_counted(tmp_path, data_folder):
    with pytest.raises(outcome.Interrupted):
        run(tiny(), tmp_path / "a", data_folder, quiet(stopping=stop_after(9)))
    progress = json.loads((tmp_path / "a/progress.json").read_text())
    progress["train_seconds"] += 100  # the killed process had got further than its checkpoint
    (tmp_path / "a/progress.json").write_text(json.dumps(progress))
    run(tiny(), tmp_path / "a", data_folder, quiet())
    assert 90 < run_row(tmp_path / "a")["wasted_seconds"] <= 100


def test_a_hybrid_keeps_its_order(train):
    """First match wins, so the order of patterns is part of the run: in its id, its JSON and its
    network.
    """
    first, second = ({"layers.0": "relu", "*": "tanh"}, {"*": "tanh", "layers.0": "relu"})
    specs = [tiny(activation=hybrid) for hybrid in (first, second)]
    assert run_id(specs[0]) != run_id(specs[1])
    assert from_json(canonical(specs[0])) == specs[0]
    assert run_row(train("a", from_json(canonical(specs[0]))))["status"] == "completed"
    sites = Sites(from_json(canonical(specs[0])).activation, {})
    assert [type(sites(f"layers.{i}")).__name__ for i in range(2)] == ["ReLU", "Tanh"]
    unheard = dataclasses.replace(
        specs[0], activation=(("layer.0", "relu"), ("*", "tanh"))
    )  # no study has it
    assert "matches no site" in run_row(train("b", unheard))["reason"]


def test_learning_rate_is_a_pure_function_of_the_step():
    spec = tiny(lr=1.0, epochs=10, warmup=2)
    rates = [optim.learning_rate(spec, step, 70, 7) for step in range(70)]
    assert rates[:14] == pytest.approx([(step + 1) / 14 for step in range(14)])
    assert rates[14] == 1.0
    assert all(a > b for a, b in itertools.pairwise(rates[14:]))
    assert rates[-1] < 0.01


def test_weight_decay_spares_norms_biases_and_activation_parameters():
    sites = Sites("prelu", {})
    model = mlp.MLP(40, (8, 8), 10, sites, norm="layer")
    spared = optim.make_optimizer(tiny(), model.parameters()).param_groups[1]
    names = {name for name, p in model.named_parameters() if any(p is q for q in spared["params"])}
    assert spared["weight_decay"] == 0
    assert names == {
        name
        for name, _ in model.named_parameters()
        if name.endswith("bias") or ".1.weight" in name or ".2.weight" in name
    }


def test_sigterm_saves_and_the_same_command_goes_on(tmp_path, data_folder):
    """A real process, a real signal: exit 75, then the same bits as an undisturbed run."""
    base = [
        sys.executable,
        "-m",
        "actstudy",
        "train",
        "--task",
        "mlp",
        "--activation",
        "silu",
        "--device",
        "cpu",
        "--width",
        "32",
    ]
    base += ["--data_dir", str(data_folder.parent / "alias"), "--quiet", "--log_dir", str(tmp_path)]
    alias = data_folder.parent / "alias"
    alias.mkdir(exist_ok=True)
    if not (alias / "mnist1d").exists():
        (alias / "mnist1d").symlink_to(data_folder)
    process = subprocess.Popen([*base, "--run_id", "killed"], stderr=subprocess.PIPE)
    log = tmp_path / "killed/log.txt"
    deadline = time.time() + 60
    while not (log.exists() and "epoch 3 " in log.read_text()) and time.time() < deadline:
        time.sleep(0.02)
    process.terminate()
    asked = time.time()
    assert process.wait(timeout=30) == 75
    assert time.time() - asked < 10
    assert command(tmp_path, *base[3:], "--run_id", "killed").returncode == 0
    spec = planning.run_spec("mlp", 0, {"activation": "silu", "width": 32})
    run(spec, tmp_path / "whole", data_folder, quiet(probe_every=200))
    assert run_row(tmp_path / "killed")["n_resumes"] == 1
    assert same_tables(tmp_path / "killed", tmp_path / "whole")


def test_weights_hash_sees_one_bit():
    model = torch.nn.Linear(3, 2)
    before = checkpoint.weights_sha256(model.state_dict())
    with torch.no_grad():
        model.weight[0, 0] = torch.nextafter(model.weight[0, 0], torch.tensor(10.0))
    assert checkpoint.weights_sha256(model.state_dict()) != before


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_a_compiled_run_is_the_eager_one_up_to_rounding(train):
    """The same batches, init and schedule; only dropout draws differ between engines, so there is
    none here.
    """
    eager, compiled = (
        run_row(train(engine, tiny(dropout=0.0, depth=1, engine=engine)))
        for engine in ("eager", "compiled")
    )
    assert compiled["last_loss"] == pytest.approx(eager["last_loss"], rel=1e-4)
    assert compiled["order_hash"] == eager["order_hash"]
    assert compiled["compile_seconds"] > eager["compile_seconds"] == 0
    assert compiled["throughput"] > 0


def test_a_window_of_compilation_alone_has_no_rate(data, tmp_path):
    work = make_job(tiny(), tmp_path, data, torch.device("cpu"), quiet())
    work.pending.append(work.train(0, torch.arange(500)[None]))
    work.step = 1
    window.close(work, lambda: False)
    assert work.progress[0].rates == []
    assert accounting(work, 0, 1)["throughput"] is None


def test_a_recorded_rate_is_set_in_place():
    """A CUDA graph reads the rate where it was when it was recorded."""
    lr = torch.tensor(0.1)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))], lr=lr, capturable=True)
    optim.set_rate(optimizer, 0.5)
    assert optimizer.param_groups[0]["lr"] is lr
    assert lr == 0.5


@pytest.mark.parametrize("name", ["adamw", "rmsprop", "sgd"])
def test_a_checkpoint_of_another_kind_of_device_leaves_the_rate_where_it_is(name):
    """A GPU's rate is a tensor that a recorded step reads, a CPU's is a number: the run's own kind
    stays.
    """
    made = []
    for lr, capturable in ((torch.tensor(0.1), True), (0.2, False)):
        kind = {"adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop, "sgd": torch.optim.SGD}[
            name
        ]
        flags = {} if name == "sgd" else {"capturable": capturable}
        made.append((kind([torch.nn.Parameter(torch.ones(2))], lr=lr, **flags), lr, flags))
    states = [optimizer.state_dict() for optimizer, *_ in made]
    for (optimizer, lr, flags), other in zip(made, states[::-1], strict=True):
        optim.restore(optimizer, other)
        group = optimizer.param_groups[0]
        assert isinstance(group["lr"], torch.Tensor) == isinstance(lr, torch.Tensor)
        assert flags.items() <= group.items()


def test_a_checkpoint_from_before_a_bucket_of_seconds_is_resumed(
    tmp_path, data_folder, monkeypatch
):
    whole = checkpoint.save

    def older(folder, step, state):
        del state["progress"][0]["seconds"]["start"]
        whole(folder, step, state)

    with monkeypatch.context() as before:
        before.setattr(checkpoint, "save", older)
        with pytest.raises(outcome.Interrupted):
            run(tiny(), tmp_path / "a", data_folder, quiet(stopping=stop_after(9)))
    run(tiny(), tmp_path / "a", data_folder, quiet())
    assert run_row(tmp_path / "a")["status"] == "completed"
    assert run_row(tmp_path / "a")["start_seconds"] > 0


def test_nothing_is_collected_while_a_step_is_recorded(monkeypatch):
    """A dead training's graphs may be in reference cycles: freed at that moment they would spoil
    the record.
    """
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: None)
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: contextlib.nullcontext())
    collecting = []

    def part():
        collecting.append(gc.isenabled())
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        Replay(part, pool=None)
    assert collecting == [False]
    assert gc.isenabled()


def test_a_module_that_returns_several_tensors_is_named_if_one_is_not_finite():
    """As an LSTM does, and a loss with its scores; before, the search itself failed there."""
    model = torch.nn.ModuleDict({"rnn": torch.nn.LSTM(2, 3)})
    for value, places in ((0.0, []), (math.nan, ["output of rnn"])):
        with blame.watch_outputs(model, {}) as seen:
            model["rnn"](torch.full((4, 1, 2), value))
        assert seen == places
