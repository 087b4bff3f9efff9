"""Packs: the same training as alone, each run's bits whatever the company, and nothing lost."""

import dataclasses
import itertools
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from numpy_mlp import FUNCTIONS, NumpyMLP
from packed import in_float64, step, work
from runs import (
    PACK_WIDTH,
    PACKABLE,
    STEEP,
    TINY,
    clipped_shares,
    company,
    packed_spec,
    quiet,
    run,
    run_row,
    run_tables,
    same_tables,
    stop_after,
    tiny,
    train_together,
)

from actstudy.advice import rules
from actstudy.analysis import status
from actstudy.analysis import tables as analysis
from actstudy.analysis.figures import compute, timeline
from actstudy.analysis.page import summary
from actstudy.commands import cli
from actstudy.contract import schema, store
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import run_id
from actstudy.experiments.boundaries import write as write_boundaries
from actstudy.nets.activations import ACTIVATIONS, LEARNT, Sites
from actstudy.nets.initializers import POLICIES
from actstudy.study import packs, planning
from actstudy.study.grid import PlannedRun
from actstudy.training import attempt, outcome
from actstudy.training.batches import batches
from actstudy.training.engine import autocast
from actstudy.training.pack import Pack
from actstudy.training.run import train
from actstudy.training.wiring import make_job, make_pack

CPU = torch.device("cpu")


OPTIMIZERS = {
    "sgd": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "clip": 0.5},
    "plain_sgd": {"optimizer": "sgd", "lr": 0.1, "clip": None, "schedule": "constant"},
    "adam": {"optimizer": "adam", "weight_decay": 0.01, "clip": None},
    "adaptive": {
        "optimizer": "sgd",
        "lr": 0.1,
        "init": "normal",
        "init_args": {"std": 0.6},
        "clip": "adaptive",
    },
    "adamw": {
        "optimizer": "adamw",
        "lr": 0.01,
        "weight_decay": 0.1,
        "betas": (0.8, 0.95),
        "label_smoothing": 0.1,
    },
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "prelu", "elu_alpha", "apl"])
def test_a_pack_is_the_plain_loop(data, tmp_path, monkeypatch, activation, optimizer):
    """In float64: losses and weights of 100 steps to 1e-10, and the same steps clipped."""
    spec = packed_spec(activation, depth=4, epochs=20, batch_size=200, **OPTIMIZERS[optimizer])
    packed, alone = in_float64(spec, data, tmp_path, monkeypatch)
    for number, batch in itertools.islice(batches(alone, 0), 100):
        expected = {name: value.item() for name, value in alone.train(number, batch).items()}
        assert step(packed, number, batch) == pytest.approx(expected, abs=1e-10)
    weights = packed.weights()[0]
    assert len(weights) == len(packed.parameters)
    for name, parameter in alone.model.named_parameters():
        assert (weights[name] - parameter).abs().max() < 1e-10


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_a_packs_first_steps_equal_numpys(data, tmp_path, monkeypatch, activation):
    spec = packed_spec(
        activation, depth=3, batch_size=100, epochs=2, label_smoothing=0.1, **OPTIMIZERS["sgd"]
    )
    packed, alone = in_float64(spec, data, tmp_path, monkeypatch)
    layers = [module for module in alone.model.modules() if isinstance(module, torch.nn.Linear)]
    weights, biases = (
        [getattr(m, part).detach().numpy().copy() for m in layers] for part in ("weight", "bias")
    )
    plain = NumpyMLP(
        weights, biases, activation, 0.9, spec.weight_decay, spec.clip, spec.label_smoothing
    )
    x, y = (packed.splits["train"][name] for name in ("x", "y"))
    for number, batch in itertools.islice(batches(alone, 0), 20):
        lr = (
            spec.lr
            * packed.optimizer.scalars(number, packed.total_steps, packed.steps_per_epoch)[0].item()
        )
        expected = plain.step(alone.inputs(x[batch[0]]).numpy(), y[batch[0]].numpy(), lr)
        assert step(packed, number, batch)["loss"] == pytest.approx(expected, abs=1e-10)


def test_a_run_has_its_bits_whatever_the_company(tmp_path, data_folder):
    """Alone, its row first and last, and among five others: every table and the weights."""
    specs = [dataclasses.replace(spec, epochs=6) for spec in company()]
    for spec, folder in zip(
        specs, train_together(specs, tmp_path / "together", data_folder), strict=True
    ):
        (alone,) = train_together([spec], tmp_path / "alone", data_folder)
        assert same_tables(alone, folder), folder.name
        assert (alone / "checkpoints/best.pt").is_file()


@pytest.mark.parametrize("activation", PACKABLE)
def test_every_activation_has_its_bits_at_every_place(tmp_path, data_folder, activation):
    specs = [packed_spec(activation, seed, epochs=1) for seed in range(3)]
    others = ["relu", "prelu", "apl"] if activation == "tanh" else ["tanh", "xielu"]
    if activation in others:
        others.remove(activation)
    company = [packed_spec(name, epochs=1) for name in others]
    together = train_together([*specs, *company], tmp_path / "a", data_folder)
    for spec, folder in zip(specs, together, strict=False):
        assert same_tables(*train_together([spec], tmp_path / "b", data_folder), folder)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_packs_tables_are_those_of_the_plain_loop(tmp_path, data_folder, policy):
    """Keys equal, values near: fp32 sums in another order."""
    spec = packed_spec("sigmoid", init=policy, optimizer="sgd", lr=0.05)
    (packed,) = train_together([spec], tmp_path, data_folder)
    run(
        dataclasses.replace(spec, engine="eager", pack_width=1),
        tmp_path / "plain",
        data_folder,
        quiet(),
    )
    for name in ("curves", "health", "calibration"):
        mine, theirs = (
            run_tables(folder)[name].to_pandas().drop(columns="run_id")
            for folder in (packed, tmp_path / "plain")
        )
        keys = [column for column in mine if mine[column].dtype.kind != "f"]
        assert mine[keys].equals(theirs[keys])
        if name != "calibration":  # a prediction on a bin's edge may fall to either side
            near = pytest.approx(theirs["value"].to_numpy(), rel=1e-2, abs=1e-3, nan_ok=True)
            assert mine["value"].to_numpy() == near


@pytest.mark.parametrize(("clip", "limit"), [(5.0, 5), ("adaptive", 10)])
def test_clipped_shares_of_a_pack_are_each_runs_own(tmp_path, data_folder, clip, limit):
    """A steep run beside a flat one: each has the plain loop's share, of its own gradient norms."""
    specs = [packed_spec(**{**STEEP, "clip": clip}), packed_spec("tanh", depth=4, clip=clip)]
    found = [
        clipped_shares(folder, limit)
        for folder in train_together(specs, tmp_path, data_folder, probe_every=1)
    ]
    for (logged, expected), spec in zip(found, specs, strict=True):
        alone = dataclasses.replace(spec, engine="eager", pack_width=1)
        run(
            alone,
            tmp_path / f"plain_{spec.depth}{spec.activation}",
            data_folder,
            quiet(probe_every=1),
        )
        assert logged == pytest.approx(expected)
        assert logged == clipped_shares(tmp_path / f"plain_{spec.depth}{spec.activation}", limit)[0]
    assert found[0] != found[1]
    assert 0 < sum(found[0][0]) < 3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_stopped_pack_goes_on_bit_for_bit(tmp_path, data_folder, optimizer):
    specs = [dataclasses.replace(spec, **OPTIMIZERS[optimizer]) for spec in company()]
    whole, rng = train_together(specs, tmp_path / "whole", data_folder), random.Random(optimizer)
    for _ in range(3):
        with pytest.raises(outcome.Interrupted):
            train_together(
                specs, tmp_path / "parts", data_folder, stopping=stop_after(rng.randrange(1, 5))
            )
    parts = train_together(specs, tmp_path / "parts", data_folder)
    for a, b in zip(whole, parts, strict=True):
        assert same_tables(a, b)
        assert store.summary_row(b)["n_resumes"] == 3
    assert not (tmp_path / "parts/state").exists()


def killed(specs, folder, data_folder, kills, seed):
    """Train through the command line, killed with SIGKILL `kills` times, each a while after a new
    checkpoint.
    """
    words = ["pack", "--members", packs.to_json(specs), "--device", "cpu", "--quiet"]
    words += ["--log_dir", str(folder), "--data_dir", str(data_folder.parent)]
    words += ["--checkpoint_seconds", "0.05", "--probe_every", "5"]
    # CUDA does not survive a fork.
    processes = multiprocessing.get_context("spawn" if torch.cuda.is_initialized() else "fork")

    def started():
        process = processes.Process(target=cli.main, args=[words])
        process.start()
        return process

    rng = random.Random(seed)
    hits = 0
    for _ in range(kills):
        before = set(folder.glob(".packs/*/step-*.sha256"))
        process = started()
        while process.is_alive() and set(folder.glob(".packs/*/step-*.sha256")) <= before:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        hits += process.is_alive()
        process.kill()
        process.join()
    last = started()
    last.join()
    assert last.exitcode == 0
    return hits


def test_a_killed_pack_goes_on_bit_for_bit(tmp_path, data_folder):
    specs = [dataclasses.replace(spec, epochs=8, batch_size=50) for spec in company()]
    data = tmp_path / "data/mnist1d"
    shutil.copytree(data_folder, data)
    hits = killed(specs, tmp_path / "killed", data, 3, "kills")
    assert hits > 0
    assert store.summary_row(tmp_path / "killed" / run_id(specs[0]))["n_resumes"] == hits
    for folder in train_together(specs, tmp_path / "whole", data_folder):
        assert same_tables(tmp_path / "killed" / folder.name, folder)


def test_a_pack_goes_on_without_those_that_are_done(tmp_path, data_folder):
    """As if a kill had come while tables were written: two are done, the others go on from the
    pack's checkpoint.
    """
    specs = company()
    train_together(specs, tmp_path / "whole", data_folder)
    with pytest.raises(outcome.Interrupted):
        train_together(specs, tmp_path / "parts", data_folder, stopping=stop_after(9))
    rest = train_together(specs[2:], tmp_path / "parts", data_folder)
    for folder in rest:
        assert same_tables(folder, tmp_path / "whole" / folder.name)
        assert store.summary_row(folder)["n_resumes"] == 1


def test_a_checkpoint_of_other_runs_is_no_hindrance(tmp_path, data_folder):
    """Three of six stopped late, then all six stopped early: the second stop is where they go on
    from.
    """
    specs = company()
    with pytest.raises(outcome.Interrupted):
        train_together(specs[3:], tmp_path / "a", data_folder, stopping=stop_after(15))
    for stop in (3, 4):
        with pytest.raises(outcome.Interrupted, match=f"step {stop + (3 if stop == 4 else 0)}"):
            train_together(specs, tmp_path / "a", data_folder, stopping=stop_after(stop))
    again = train_together(specs, tmp_path / "a", data_folder)
    for folder, whole in zip(
        again, train_together(specs, tmp_path / "whole", data_folder), strict=True
    ):
        assert same_tables(folder, whole)


def test_probes_of_a_pack_are_those_of_the_plain_loop_in_bf16(tmp_path, data_folder):
    spec = packed_spec("tanh", precision="bf16", optimizer="sgd", lr=0.05)
    (packed,) = train_together([spec], tmp_path, data_folder)
    run(
        dataclasses.replace(spec, engine="eager", pack_width=1),
        tmp_path / "plain",
        data_folder,
        quiet(),
    )
    mine, theirs = (
        run_tables(folder)["health"].to_pandas()["value"] for folder in (packed, tmp_path / "plain")
    )
    assert mine.to_numpy() == pytest.approx(theirs.to_numpy(), rel=0.1, abs=2e-2, nan_ok=True)


def test_values_of_a_mixed_pack_have_the_type_of_each_alone(tmp_path, data, monkeypatch):
    """On a GPU softplus answers in float32 under autocast: with it all of its company would."""
    softplus = torch.nn.functional.softplus
    monkeypatch.setattr(torch.nn.Softplus, "forward", lambda _, x: softplus(x.float()))
    specs = [packed_spec(name, precision="bf16", pack_width=2) for name in ("relu", "softplus")]
    pack = make_pack(specs, [tmp_path] * 2, data, torch.device("cpu"), quiet())
    layers = []
    with autocast(pack.spec, pack.device):
        pack.model(torch.randn(2, 4, pack.model.stacked[0].shape[2]), layers)
    assert {layer.post.dtype for layer in layers} == {torch.bfloat16}


def test_images_of_several_channels_are_standardised_by_channel(data, tmp_path):
    shape = (len(data.arrays["train_x"]), 3, 4, 4)
    arrays = {
        f"{split}_{part}": np.resize(data.arrays[f"{split}_x"], shape)
        if part == "x"
        else data.arrays[f"{split}_y"]
        for split in ("train", "val", "test")
        for part in "xy"
    }
    channels = {name: [[[value]] for value in (1.0, 2.0, 3.0)] for name in ("mean", "sd")}
    images = dataclasses.replace(
        data, manifest={**data.manifest, "shape": [3, 4, 4], **channels}, arrays=arrays
    )
    pack, rows = work(packed_spec(), images, tmp_path), torch.arange(5)
    alone = make_job(
        dataclasses.replace(packed_spec(), engine="eager", pack_width=1),
        tmp_path,
        images,
        CPU,
        quiet(),
    )
    train = pack.splits["train"]
    losses, _ = pack.scored(
        pack.model(pack.inputs(train["x"][rows]).flatten(1)),
        train["y"][rows].expand(PACK_WIDTH, -1),
    )
    assert losses[0].item() == pytest.approx(
        alone.scored(rows, torch.empty(5, 0))[0].item(), rel=1e-5
    )


def test_a_run_that_diverges_leaves_the_others_alone(tmp_path, data_folder):
    fields = {"optimizer": "sgd", "clip": None}
    calm = [
        packed_spec(name, seed, lr=0.05, **fields) for name in ("relu", "tanh") for seed in (0, 1)
    ]
    wild = packed_spec("relu", 2, lr=1e30, **fields)
    folders = train_together([*calm, wild], tmp_path / "a", data_folder)
    row = store.summary_row(folders[-1])
    assert (row["status"], row["reported_accuracy"]) == ("diverged", None)
    assert "loss is" in row["reason"]
    run(
        dataclasses.replace(wild, engine="eager", pack_width=1),
        tmp_path / "plain",
        data_folder,
        quiet(),
    )
    assert store.summary_row(tmp_path / "plain/checkpoints/final")["reason"].startswith(
        row["reason"]
    )  # and its site
    for spec, folder in zip(calm, folders, strict=False):
        assert same_tables(*train_together([spec], tmp_path / "b", data_folder), folder)


def test_a_pack_all_of_whose_runs_diverge_ends_early(tmp_path, data_folder):
    (folder,) = train_together(
        [packed_spec(lr=1e30, optimizer="sgd", clip=None, epochs=50)], tmp_path, data_folder
    )
    row = store.summary_row(folder)
    assert row["status"] == "diverged"
    assert row["steps_done"] < row["total_steps"] / 10


@pytest.mark.parametrize("place", ["window.close", "run.score"])
def test_an_exception_is_every_runs_row(tmp_path, data_folder, monkeypatch, place):
    """Even where the device answers no more: rows are made from what the host knows."""
    monkeypatch.setattr(f"actstudy.training.{place}", lambda *_: 1 / 0)
    for folder in train_together(company(), tmp_path, data_folder):
        row = store.summary_row(folder)
        assert (row["status"], row["reason"]) == ("failed", "ZeroDivisionError: division by zero")
        assert row["steps_done"] == (7 if "window" in place else 21)
        assert "Traceback" in (folder / "log.txt").read_text()


def test_a_limit_of_time_that_is_up_is_an_ending_after_a_signal_too():
    late = outcome.TimedOut("after 3 minutes")
    assert outcome.ending(late, company(), True, is_stopping=True) == ("timeout", str(late))


def test_an_error_after_a_signal_is_no_ending(tmp_path, data_folder, monkeypatch):
    """A signal to all processes of a job ends those of torch's compiler, which then raises."""

    def broken(*_):
        os.kill(os.getpid(), signal.SIGTERM)
        raise RuntimeError("SubprocPool closed")

    with attempt.signals_received() as signals, monkeypatch.context() as patch:
        assert not signals.stopping()
        patch.setattr("actstudy.training.run.fit", broken)
        with pytest.raises(outcome.Interrupted, match="RuntimeError: SubprocPool closed"):
            train_together(company(), tmp_path, data_folder, stopping=signals.stopping)
    assert not list(tmp_path.glob("*/runs.parquet"))
    for folder in train_together(company(), tmp_path, data_folder):
        assert store.summary_row(folder)["status"] in ("completed", "diverged")


@pytest.mark.parametrize("place", ["run.make_engine", "run.fit", "run.score"])
def test_memory_that_runs_out_is_one_line_and_no_row(tmp_path, data_folder, monkeypatch, place):
    def short(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(f"actstudy.training.{place}", short)
    with pytest.raises(
        StudyError, match="pack_width: got 6: asked for 2 GiB; allowed: a smaller one"
    ):
        train_together(company(), tmp_path, data_folder)
    assert not list(tmp_path.glob("*/runs.parquet"))


def test_a_pack_that_cannot_be_made_is_one_line(tmp_path, data_folder, monkeypatch):
    monkeypatch.setattr("actstudy.training.wiring.PackedMLP", lambda _: 1 / 0)
    with pytest.raises(StudyError, match="pack of 6 runs: ZeroDivisionError: division by zero"):
        train_together(company(), tmp_path, data_folder)
    assert not list(tmp_path.glob("*/runs.parquet"))


def test_what_compiled_packs_keep_is_no_setting_of_other_models(tmp_path, data_folder, monkeypatch):
    from torch._functorch import config

    def compiled(part, **_):
        return lambda *arguments: within.append(config.activation_memory_budget) or part(*arguments)

    def make(self):
        real(self)
        self._compile()

    before, within, real = config.activation_memory_budget, [], Pack.__post_init__
    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(Pack, "__post_init__", make)
    with torch._dynamo.config.patch(recompile_limit=8, fail_on_recompile_limit_hit=False):
        train_together(company(), tmp_path, data_folder)  # sets both for all
    assert set(within) == {0.0}
    assert config.activation_memory_budget == before


def test_an_interrupted_packs_runs_are_told(tmp_path, data_folder):
    with pytest.raises(outcome.Interrupted):
        train(
            {tmp_path / run_id(spec): spec for spec in company()},
            tmp_path / ".packs/a",
            data_folder,
            quiet(stopping=stop_after(4)),
        )
    assert {status.state(tmp_path / run_id(spec)) for spec in company()} == {"interrupted"}
    assert status.state(tmp_path / "another") == "waiting"


def test_seconds_of_a_packs_runs_add_up(tmp_path, data_folder):
    """Start, training, evaluation and the rest, over all runs, are the call's wall seconds but for
    writing tables.
    """
    specs, began = [dataclasses.replace(spec, epochs=30) for spec in company()], time.time()
    rows = [store.summary_row(folder) for folder in train_together(specs, tmp_path, data_folder)]
    wall, buckets = time.time() - began, [f"{name}_seconds" for name in schema.BUCKETS]
    assert 0.4 * wall < sum(row[name] for row in rows for name in buckets) < wall
    assert [row["packed_with"] for row in rows] == [6] * 6
    assert not any(row["timing_clean"] for row in rows)
    assert all(row["throughput"] > 0 for row in rows)


def test_the_time_of_an_epoch_is_known_after_a_resume_too(tmp_path, data_folder):
    specs = [dataclasses.replace(spec, epochs=6) for spec in company()]
    with pytest.raises(outcome.Interrupted):
        train_together(
            specs, tmp_path, data_folder, stopping=stop_after(25)
        )  # in the midst of an epoch of seven
    curves = store.read(train_together(specs, tmp_path, data_folder)[0], "curves")[0].to_pandas()
    seconds = curves[curves["metric"] == "epoch_seconds"]["value"]
    assert len(seconds) == 6
    assert seconds.min() > seconds.max() / 20


def findings_logged(folder):
    """The findings in a run's log, and those that its tables give, without notes."""
    lines = (folder / "log.txt").read_text().splitlines()
    logged = [line.split(" ", 2)[2] for line in lines if " health: " in line]
    tables = store.read(folder, "health", "curves", "runs")
    health, curves, runs = (table.to_pylist() for table in tables)
    findings = rules.advise(health, curves, runs[0])
    findings = [finding for finding in findings if finding.severity != "note"]
    expected = []
    for finding in findings:
        cause = f"likely from {finding.cause.replace('_', ' ')}: " if finding.cause else ""
        expected.append(f"health: {finding.severity}: {cause}{finding.text}")
    return logged, expected


def test_findings_are_in_the_log_of_a_run_alone_and_packed(tmp_path, data_folder):
    """Of a run that diverges, and of its healthy company."""
    wild = packed_spec("relu", lr=1e30, optimizer="sgd", clip=None)
    folders = train_together(
        [wild, packed_spec("sigmoid", optimizer="sgd", clip=None)], tmp_path, data_folder
    )
    alone = dataclasses.replace(wild, engine="eager", pack_width=1)
    run(alone, tmp_path / "alone", data_folder, quiet())
    for folder in [*folders, tmp_path / "alone"]:
        logged, expected = findings_logged(folder)
        assert logged == expected
    assert findings_logged(folders[0])[0]
    assert findings_logged(tmp_path / "alone")[0]


IMPATIENT = {"patience": 2, "epochs": 9, "optimizer": "sgd", "clip": None, "schedule": "constant"}


def patient_company():
    """Runs that stop after three evaluations, later, and not at all."""
    rates = (1e-9, 0.05, 0.2, 1e-9)
    return [packed_spec("relu", seed, lr=lr, **IMPATIENT) for seed, lr in enumerate(rates)]


def test_a_run_that_loses_patience_stops_as_alone(tmp_path, data_folder):
    """At the plain loop's step, with its weights of then, and its bits whatever the company."""
    specs = patient_company()
    folders = train_together(specs, tmp_path / "together", data_folder)
    steps = [store.summary_row(folder)["steps_done"] for folder in folders]
    assert steps[0] == steps[3] == 21
    assert max(steps) > 21
    for spec, folder in zip(specs, folders, strict=True):
        (alone,) = train_together([spec], tmp_path / "alone", data_folder)
        assert same_tables(alone, folder)
        assert store.summary_row(folder)["status"] == "completed"
    plain = dataclasses.replace(specs[0], engine="eager", pack_width=1)
    run(plain, tmp_path / "plain", data_folder, quiet())
    expected = store.summary_row(tmp_path / "plain")
    assert expected["steps_done"] == 21
    assert store.summary_row(folders[0])["last_loss"] == pytest.approx(expected["last_loss"])


@pytest.mark.parametrize("stop", [18, 23, 30])
def test_a_stopped_pack_with_patience_goes_on_bit_for_bit(tmp_path, data_folder, stop):
    specs = patient_company()
    with pytest.raises(outcome.Interrupted):
        train_together(specs, tmp_path / "parts", data_folder, stopping=stop_after(stop))
    whole = train_together(specs, tmp_path / "whole", data_folder)
    for a, b in zip(train_together(specs, tmp_path / "parts", data_folder), whole, strict=True):
        assert same_tables(a, b)


class Mirror:
    """Stands for TensorBoard's writer."""

    points: ClassVar[list] = []

    def __init__(self, folder):
        self.folder = folder

    def add_scalar(self, tag, value, step):
        self.points.append((self.folder.name, tag, value, step))

    def close(self):
        self.points.append((self.folder.name, "closed"))


def test_curves_of_a_run_alone_and_packed_are_mirrored(tmp_path, data_folder, monkeypatch):
    monkeypatch.setattr("actstudy.training.log._tensorboard", Mirror)
    monkeypatch.setattr(Mirror, "points", [])
    specs = [packed_spec("relu"), packed_spec("tanh")]
    folders = train_together(specs, tmp_path, data_folder, tensorboard=True)
    alone = dataclasses.replace(specs[0], engine="eager", pack_width=1)
    run(alone, tmp_path / "alone", data_folder, quiet(tensorboard=True))
    for folder in [*folders, tmp_path / "alone"]:
        curves = store.read(folder, "curves")[0].to_pylist()
        expected = [
            (folder.name, f"{row['split']}/{row['metric']}", row["value"], row["step"])
            for row in curves
            if row["split"] != "test"
        ]
        points = [point for point in Mirror.points if point[0] == folder.name]
        assert points == [*expected, (folder.name, "closed")]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"activation": "selu", "dropout": 0.1, "dropout_kind": "alpha"},
            "dropout_kind: got alpha with engine pack; allowed there: plain; to fix: dropout_kind: "
            "plain",
        ),
        (
            {"optimizer": "rmsprop"},
            "optimizer: got rmsprop with engine pack; allowed there: sgd, adam, adamw",
        ),
        ({"activation": "rrelu"}, "activation: got 'rrelu' with engine pack; allowed there: those"),
        ({"width": 20}, "width: got 20 with engine pack; allowed there: multiples of 16"),
        ({"depth": 0}, "depth: got 0; allowed: greater than or equal to 1"),
        ({"engine": "eager"}, "pack_width: got 6 with engine eager; allowed: engine: pack"),
    ],
)
def test_what_cannot_be_packed_is_refused(fields, message):
    with pytest.raises(StudyError, match=message):
        packed_spec(**fields)


def test_a_pack_larger_than_memory_is_refused_before_training(
    tmp_path, data_folder, data, monkeypatch
):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=3_000_000))
    with pytest.raises(
        StudyError,
        match=r"pack_width: got 6, which takes about 0\.\d GB; allowed: at most \d, as 0\.0 GB",
    ):
        work(packed_spec(width=512), data, tmp_path)


def test_a_spec_beyond_the_data_is_one_line(tmp_path, data_folder):
    spec = dataclasses.replace(packed_spec(), batch_size=4000)  # planning would refuse it
    with pytest.raises(
        StudyError, match="pack of 1 run: batch_size: got 4000; allowed: at most the 3500"
    ):
        train_together([spec], tmp_path, data_folder)


def test_learnt_activations_are_those_with_weights():
    found = [name for name in ACTIVATIONS if list(Sites(name, {})("site", 16).parameters())]
    assert tuple(found) == LEARNT


@pytest.mark.parametrize("activation", LEARNT)
def test_a_pack_learns_activations_as_the_plain_loop_does(tmp_path, data_folder, activation):
    """Beside others that learn: every health row under its key, and values near."""
    fields = {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "epochs": 4}
    spec = packed_spec(activation, **fields)
    others = {"relu", "prelu", "xielu"} - {activation}
    company = [packed_spec(name, **fields) for name in sorted(others)]
    packed, *_ = train_together([spec, *company], tmp_path, data_folder)
    alone = dataclasses.replace(spec, engine="eager", pack_width=1)
    run(alone, tmp_path / "plain", data_folder, quiet())
    keys = ["step", "kind", "name", "index", "probe"]
    in_pack, by_itself = (
        run_tables(folder)["health"].to_pandas().set_index(keys)["value"].sort_index()
        for folder in (packed, tmp_path / "plain")
    )
    assert list(in_pack.index) == list(by_itself.index)
    assert in_pack.to_numpy() == pytest.approx(
        by_itself.to_numpy(), rel=1e-2, abs=1e-3, nan_ok=True
    )
    learnt = in_pack[in_pack.index.get_level_values("kind") == "learnt"]
    assert learnt.groupby(["name", "probe"]).std().max() > 1e-3  # something was learnt
    assert run_row(packed)["n_params"] == run_row(tmp_path / "plain")["n_params"]
    names = [torch.load(f / "checkpoints/best.pt").keys() for f in (packed, tmp_path / "plain")]
    assert set(names[0]) == set(names[1])


@given(st.integers(1, 9), st.integers(1, 12), st.permutations(["relu", "tanh", "gelu"]))
def test_packs_hold_each_run_once(width, seeds, names):
    specs = [
        packed_spec(name, seed, pack_width=width, depth=d)
        for name in names
        for d in (2, 3)
        for seed in range(seeds)
    ]
    made = packs.packs(
        PlannedRun(spec, spec.activation, spec.activation, {}) for spec in [*specs, tiny()]
    )
    assert sorted(run_id(one) for part in made.values() for one in part) == sorted(
        map(run_id, specs)
    )
    for members in made.values():
        assert len(members) <= width
        assert len({packs.shared(spec) for spec in members}) == 1
        assert packs.read(packs.to_json(members)) == members
    fewer = packs.packs(
        PlannedRun(spec, spec.activation, spec.activation, {})
        for spec in specs
        if spec.seed < seeds - 1
    )
    full = [name for name, members in fewer.items() if len(members) == width]
    assert set(full) <= set(made), "one more seed must leave full packs as they are"


def test_a_packs_name_does_not_depend_on_the_order():
    assert packs.name(company()) == packs.name(company()[::-1])
    assert json.loads(packs.to_json(company()[:1]))["runs"] == [{}]


def test_a_study_of_packs_alone_says_that_nothing_was_timed(tmp_path, data_folder):
    """No figure with empty axes, no `nan` in a table.

    Beside plain runs those alone are compared in speed.
    """
    packed = {"engine": "pack", "pack_width": 3}
    content = {"seeds": 2, "axes": {"activation": ["relu", "tanh"], "engine": ["eager", packed]}}
    block = {**TINY, "dropout": 0.0, "epochs": 1}
    for name, axes in (("packed", {"engine": [packed]}), ("mixed", {})):
        file = tmp_path / f"{name}.yaml"
        file.write_text(
            yaml.safe_dump(
                {**content, "axes": {**content["axes"], **axes}, "tasks": {"mlp": block}}
            )
        )
        study = planning.load(file)
        for members in packs.packs(study.runs()).values():
            runs = {
                store.run_folder(one.spec, tmp_path): one.spec
                for one in study.runs()
                if one.spec in members
            }
            todo = {folder: spec for folder, spec in runs.items() if not store.verifies(folder)}
            train(todo, tmp_path / "state", data_folder, quiet()) if todo else None
        for one in [one for one in study.runs() if one.spec.engine == "eager"]:
            run(one.spec, store.run_folder(one.spec, tmp_path), data_folder, quiet())
            store.publish(store.run_folder(one.spec, tmp_path))
        write_boundaries(["relu"], tmp_path / "b.parquet")
        made = analysis.build(study.plan(), tmp_path, [], pd.read_parquet(tmp_path / "b.parquet"))
        page = summary.render_appendix(made, tmp_path / "figures", tmp_path / "s.md")
        assert not re.search(r"\bnan\b", page)
        assert ("No run has completed by itself" in page) == (name == "packed")
        assert (compute.throughput_vs_metric(made, "mlp") is None) == (name == "packed")
        made.frames["runs"]["peak_memory_kind"] = "cuda allocated"
        figure, caption = timeline.timeline(made)
        assert f"n = {len(study.runs())}, a pack as one bar" in caption
        bars = sum(len(part.get_paths()) for part in figure.axes[0].collections)
        assert bars == len(packs.packs(study.runs())) + sum(
            one.spec.engine == "eager" for one in study.runs()
        )
        plt.close("all")


@pytest.mark.parametrize(("before", "after"), [(100, 300), (400, 400)])
def test_a_wide_pack_may_open_its_files(before, after):
    code = (
        "import resource; from actstudy.contract.locks import allow_files\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({before}, hard))\n"
        "allow_files(300); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(after)
