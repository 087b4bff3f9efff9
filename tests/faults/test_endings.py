"""How runs end that cannot complete: each ending says what to change, or leaves all as it was for
the same command.
"""

import contextlib
import dataclasses
import math
import os
import signal
import time

import pytest
import torch
from runs import company, quiet, run, run_row, same_tables, stop_after, tiny, train_together

from actstudy.commands import cli
from actstudy.contract import spec, store
from actstudy.study import packs
from actstudy.training import outcome, timeout
from actstudy.training import run as training_run

from . import forks

GPU_FULL = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. "
    "GPU 0 has a total capacity of 79.10 GiB of which 1.25 GiB is free."
)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.cuda.OutOfMemoryError(GPU_FULL), "asked for 2.50 GiB, 1.25 GiB free"),
        (
            RuntimeError(
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes."
            ),
            "asked for 64 b",
        ),
        (MemoryError(), "MemoryError"),
    ],
    ids=["cuda", "cpu", "python"],
)
def test_memory_that_ran_out_says_what_to_change(error, expected):
    status, reason = outcome.ending(
        error, [tiny(batch_size=500)], has_models=True, is_stopping=False
    )
    assert status == "out_of_memory"
    assert reason.startswith(f"task mlp, batch_size 500: {expected}")
    assert reason.endswith("to fix: a smaller batch_size, or accumulate: 2")


SLOW = {"timeout_minutes": 0.5 / 60}


def hang(*_):
    time.sleep(60)


def test_a_run_that_hangs_is_given_up(tmp_path, data_folder, monkeypatch):
    """Published as a timeout, where it hung in its log, and the process ends."""
    monkeypatch.setattr(timeout, "GRACE", 0.5)
    monkeypatch.setattr(training_run, "fit", hang)
    began = time.monotonic()
    assert forks.forked(lambda: run(tiny(), tmp_path / "a", data_folder, quiet(**SLOW))) == 0
    assert time.monotonic() - began < 30
    found = store.summary_row(tmp_path / "a")
    assert (found["status"], found["reason"]) == ("timeout", "more than timeout_minutes 0.00833333")
    assert "in hang" in (tmp_path / "a/log.txt").read_text()


def test_a_slow_run_ends_at_a_step(tmp_path, data_folder, monkeypatch):
    """Its thread is never needed, and no thread is left to end this process later."""
    monkeypatch.setattr(training_run.devices, "describe", lambda _: "slow")
    plain = training_run.fit

    def slowly(*arguments):
        time.sleep(1)
        plain(*arguments)

    monkeypatch.setattr(training_run, "fit", slowly)
    assert run(tiny(), tmp_path / "a", data_folder, quiet(**SLOW)) == "timeout"
    assert run_row(tmp_path / "a")["steps_done"] == 1


@pytest.mark.parametrize("place", ["fit", "make_engine"])
def test_a_pack_that_hangs_is_given_up(tmp_path, data_folder, monkeypatch, place):
    monkeypatch.setattr(timeout, "GRACE", 0.5)
    monkeypatch.setattr(f"actstudy.training.run.{place}", hang)
    assert forks.forked(lambda: train_together(company(), tmp_path, data_folder, **SLOW)) == 0
    for one in company():
        assert store.summary_row(tmp_path / spec.run_id(one))["status"] == "timeout"


def test_without_the_limit_a_run_in_time_is_as_ever(train):
    assert same_tables(train("a"), train("b", timeout_minutes=10.0))


WILD = {"optimizer": "sgd", "clip": None, "warmup": 0, "dropout": 0.0}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"lr": 1e30}, "first not finite: output of layers.1.0 at step 1"),
        ({"lr": 3.0, "activation": "identity"}, "first not finite: output of head at step 6"),
        (
            {"lr": 3.0, "activation": "elu", "depth": 4, "schedule": "constant", "dropout": 0.1},
            "first not finite: the loss itself at step 6",
        ),
        (
            {"init": "normal", "init_args": {"std": 1e25}},
            "first not finite: output of layers.1.0 at step 0",
        ),
        ({"init": "normal", "init_args": {"std": 1e25}, "activation": "tanh"}, None),
    ],
    ids=str,
)
def test_divergence_names_its_first_site(train, fields, expected):
    found = run_row(train("a", tiny(**{"activation": "relu", **WILD, **fields})))
    assert found["status"] == ("diverged" if expected else "completed")
    assert expected is None or found["reason"].endswith(expected), found["reason"]


SITES = [
    {"lr": 1e30},
    {"lr": 1e30, "activation": "tanh"},
    {"lr": 3.0, "activation": "identity"},
    {"lr": 30.0, "activation": "elu", "depth": 4},
    {"lr": 1e15, "activation": "softplus", "weight_decay": 0.1, "momentum": 0.9},
    {"lr": 1e38, "eval_every": 1, "activation": "tanh"},
    {"init": "normal", "init_args": {"std": 1e25}},
]


@pytest.mark.parametrize("fields", SITES, ids=str)
@pytest.mark.parametrize("seconds", [1e9, 0.0], ids=["marked by epoch", "marked by step"])
def test_a_run_of_a_pack_names_the_same_site_as_alone(
    train, tmp_path, data_folder, monkeypatch, fields, seconds
):
    """In a healthy run's company, which keeps its bits though the search repeats its steps."""
    monkeypatch.setattr("actstudy.training.loop.MAX_CHECKPOINT_SHARE", math.inf)
    fields = {"schedule": "constant", "activation": "relu", **WILD, **fields}
    wild = tiny(**fields, engine="pack", pack_width=4)
    calm = dataclasses.replace(wild, lr=0.01, seed=3, init="auto", init_args={})
    folders = train_together([wild, calm], tmp_path, data_folder, checkpoint_seconds=seconds)
    found, plain = run_row(folders[0]), run_row(train("a", tiny(**fields)))
    assert (found["status"], found["reason"]) == (plain["status"], plain["reason"])
    assert "first not finite" in found["reason"]
    assert same_tables(folders[1], train_together([calm], tmp_path / "alone", data_folder)[0])


@pytest.mark.parametrize("packed", [False, True], ids=["run", "pack"])
@pytest.mark.parametrize("stop", range(1, 9))
@pytest.mark.parametrize("fields", SITES[:3], ids=str)
def test_a_resumed_run_diverges_to_the_same_bits(tmp_path, data_folder, fields, stop, packed):
    """Stopped before, at and after the bad step: the same tables, steps and site among them."""
    fields = {"schedule": "constant", "activation": "relu", **WILD, **fields}
    engine = {"engine": "pack", "pack_width": 4} if packed else {}
    wild = tiny(**fields, **engine)

    def go(at, **settings):
        if packed:
            calm = dataclasses.replace(wild, lr=0.01, seed=3)
            return train_together(
                [wild, calm], tmp_path / at, data_folder, probe_every=1, **settings
            )
        run(wild, tmp_path / at, data_folder, quiet(probe_every=1, **settings))
        return [tmp_path / at]

    with contextlib.suppress(outcome.Interrupted):
        go("parts", stopping=stop_after(stop))
    whole, parts = go("whole"), go("parts")
    assert run_row(whole[0])["status"] == "diverged"
    for one, other in zip(whole, parts, strict=True):
        assert same_tables(one, other)


@pytest.mark.parametrize("place", ["in_training", "in_validation"])
@pytest.mark.parametrize("fault", [ZeroDivisionError, torch.cuda.OutOfMemoryError])
def test_a_search_that_fails_costs_no_result(tmp_path, data_folder, monkeypatch, place, fault):
    def failing(*_):
        raise fault

    fields = (
        {"lr": 1e38, "eval_every": 1, "activation": "tanh"}
        if place == "in_validation"
        else {"lr": 1e30}
    )
    one = tiny(**{"activation": "relu", **WILD, **fields}, engine="pack", pack_width=4)
    runs = [one, dataclasses.replace(one, lr=0.01, seed=1)]
    whole = train_together(runs, tmp_path / "whole", data_folder)
    monkeypatch.setattr(f"actstudy.training.blame.{place}", failing)
    folders = train_together(runs, tmp_path / "failing", data_folder)
    assert run_row(whole[0])["reason"].startswith(
        f"{run_row(folders[0])['reason']}; first not finite"
    )
    assert f"no site of divergence: {fault.__name__}" in (folders[0] / "log.txt").read_text()
    assert same_tables(folders[1], whole[1])


@pytest.mark.parametrize("packed", [False, True], ids=["run", "pack"])
def test_a_stop_does_not_wait_for_a_search(tmp_path, data_folder, monkeypatch, packed):
    """The run is found out again when the same command goes on."""
    one = tiny("relu", **WILD, lr=1e30, **({"engine": "pack", "pack_width": 4} if packed else {}))
    go = (lambda **s: train_together([one], tmp_path, data_folder, **s)) if packed else None
    go = go or (lambda **s: run(one, tmp_path / spec.run_id(one), data_folder, quiet(**s)))
    with pytest.raises(outcome.Interrupted, match="looked into"):
        go(stopping=stop_after(3))
    go()
    assert "first not finite" in run_row(tmp_path / spec.run_id(one))["reason"]


@pytest.mark.parametrize(
    "point", ["step.pt/fsync:full", "step.sha256/draft:full", "best.pt/rename:full"]
)
@pytest.mark.parametrize("packed", [False, True], ids=["run", "pack"])
def test_a_full_disk_is_no_result(tmp_path, data_folder, packed, point):
    """It is raised, nothing is published, and the same command ends with the undisturbed run's
    bits.
    """
    go = (
        (lambda at: train_together(company(), at, data_folder, checkpoint_seconds=0))
        if packed
        else None
    )
    go = go or (lambda at: run(tiny(), at / "a", data_folder, quiet(checkpoint_seconds=0)))

    def full() -> None:
        forks.fault(point)
        with pytest.raises(OSError, match="No space left"):
            go(tmp_path / "disturbed")

    assert forks.forked(full) == 0
    assert not list((tmp_path / "disturbed").rglob("runs.parquet"))
    for at in ("disturbed", "whole"):
        go(tmp_path / at)
    for final in (tmp_path / "whole").glob("*/checkpoints"):
        assert same_tables(final.parent, tmp_path / "disturbed" / final.parent.name)


def command(tmp_path, data_folder, *more):
    """The command line of a tiny run, or of a pack."""
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (data / "mnist1d").symlink_to(data_folder)
    host = [
        "--device",
        "cpu",
        "--quiet",
        "--log_dir",
        str(tmp_path / "runs"),
        "--data_dir",
        str(data),
    ]
    return [*more, *host]


def status_of(arguments, fault):
    """The exit status of a command in a child that is told to stop, or dies, at a fault point."""

    def work() -> None:
        forks.fault(fault)
        try:
            cli.main(arguments)
        except SystemExit as left:
            os._exit(left.code)

    return forks.forked(work)


@pytest.mark.parametrize("packed", [False, True], ids=["run", "pack"])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [("spec.json/rename:term", set()), ("progress.json/draft:term", {"step-000000007.pt"})],
)
def test_told_to_stop_it_leaves_a_checkpoint_or_nothing(
    tmp_path, data_folder, packed, fault, expected
):
    """Before its first step nothing is on disk; at the first evaluation the step is saved.

    Both exit with 75.
    """
    one = (
        ["pack", "--members", packs.to_json(company())]
        if packed
        else ["train", "--spec", spec.canonical(tiny())]
    )
    arguments = command(tmp_path, data_folder, *one)
    assert status_of(arguments, fault) == 75
    paths = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    files = {path.name for path in paths if path.parent.name != ".locks"}
    assert {name for name in files if name.endswith(".pt")} == expected
    assert bool(files) == bool(expected), files
    assert status_of(arguments, "none:kill") == 0
    assert not [
        path
        for path in (tmp_path / "runs").rglob("*")
        if path.name.startswith(("step-", "progress"))
    ]


def test_without_heeding_signals_it_leaves_no_checkpoint(tmp_path, data_folder, monkeypatch):
    """The guard off: the test above can fail."""
    monkeypatch.setattr("actstudy.training.attempt.signal.signal", lambda *_: signal.SIG_DFL)
    arguments = command(tmp_path, data_folder, "train", "--spec", spec.canonical(tiny()))
    assert status_of(arguments, "progress.json/draft:term") == -signal.SIGTERM
    assert not list((tmp_path / "runs").rglob("*.pt"))
