"""Packs: the same training as alone, each run its own bits whatever the company, and nothing lost."""

import dataclasses
import json
import random
import re
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import TINY, quiet, tiny
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from numpy_mlp import FUNCTIONS, NumpyMLP
from test_training import STEEP, _after, clipped_shares, same, tables

from actstudy.analysis import status
from actstudy.analysis import tables as analysis
from actstudy.analysis.figures import compute, timeline
from actstudy.analysis.page import summary
from actstudy.contract import schema, store
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import run_id
from actstudy.experiments.boundaries import write as write_boundaries
from actstudy.nets.activations import ACTIVATIONS, LEARNT, Sites
from actstudy.nets.initializers import POLICIES
from actstudy.study import packs, planning
from actstudy.study.grid import PlannedRun
from actstudy.tasks import classification
from actstudy.training import job, loop, pack_run
from actstudy.training.pack_run import make_pack, run_pack
from actstudy.training.run import make_job, run
from actstudy.training.step import train_step

CPU, WIDTH = torch.device("cpu"), 6
PACKABLE = [name for name in ACTIVATIONS if name not in LEARNT]
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


def small(activation="relu", seed=0, **fields):
    return tiny(
        activation, seed, **{"dropout": 0.0, "engine": "pack", "pack_width": WIDTH, **fields}
    )


def company():
    """Six runs that differ in all that may differ within a pack."""
    args = {"activation_args": {"negative_slope": 0.2}}
    return [
        small("relu", lr=0.007),
        small("tanh", seed=1, init="orthogonal"),
        small("leaky_relu", seed=2, init="normal", init_args={"std": 0.3}, **args),
        small("leaky_relu", weight_decay=0.5),
        small("gelu", seed=3),
        small({"layers.0": "tanh", "*": "relu"}, seed=1),
    ]


def trained(specs, folder, data_folder, **settings):
    """The folders of runs that were trained as one."""
    folders = {folder / run_id(spec): spec for spec in specs}
    todo = {
        path: spec
        for path, spec in folders.items()
        if not store.verifies(path / "checkpoints" / "final")
    }
    run_pack(todo, folder / "state", data_folder, quiet(**settings))
    return list(folders)


def work(spec, data, folder):
    return make_pack([spec], [folder], data, CPU, quiet())


def in_float64(spec, data, folder, monkeypatch):
    """A pack's job and its spec's job alone, both in float64."""
    monkeypatch.setattr(
        classification,
        "losses",
        lambda logits, y, smoothing: (
            torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), y.flatten(), reduction="none", label_smoothing=smoothing
            )
            .view_as(y)
            .mean(1)
        ),
    )
    alone = make_job(
        dataclasses.replace(spec, engine="eager", pack_width=1),
        folder / "alone",
        data,
        CPU,
        quiet(),
    )
    alone.task = SimpleNamespace(
        loss=lambda z, y, smoothing: torch.nn.functional.cross_entropy(
            z, y, label_smoothing=smoothing
        ),
        train_scores=alone.task.train_scores,
    )
    alone.model.double()
    with monkeypatch.context() as patch:
        patch.setattr(pack_run, "make_model", doubled(pack_run.make_model))
        packed = make_pack([spec], [folder / "pack"], data, CPU, quiet())
    for one in (alone, packed):
        one.inputs = lambda x, inputs=one.inputs: inputs(x).double()
    return packed, alone


def doubled(member):
    def made(spec, data):
        model, sites = member(spec, data)
        return model.double(), sites

    return made


def step(pack, number, batch):
    scalars = pack.optimizer.scalars(number, pack.total_steps, pack.steps_per_epoch)
    return {
        name: value[0].item()
        for name, value in pack.update(batch.expand(len(pack.specs), -1), scalars).items()
    }


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_a_pack_is_the_plain_loop(data, tmp_path, monkeypatch, activation, optimizer):
    """In float64: losses and weights of 100 steps to 1e-10, and the same steps clipped."""
    spec = small(activation, depth=4, epochs=20, batch_size=200, **OPTIMIZERS[optimizer])
    packed, alone = in_float64(spec, data, tmp_path, monkeypatch)
    for number, batch in zip(range(100), loop.batches(alone, spec.seed, 0), strict=False):
        train_step(alone, number, batch)
        expected = {name: value.item() for name, value in alone.pending[-1].items()}
        assert step(packed, number, batch) == pytest.approx(expected, abs=1e-10)
    for mine, theirs in zip(packed.parameters, alone.model.parameters(), strict=True):
        assert (mine[0] - theirs).abs().max() < 1e-10


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_a_packs_first_steps_equal_numpys(data, tmp_path, monkeypatch, activation):
    spec = small(
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
    for number, batch in zip(range(20), loop.batches(alone, spec.seed, 0), strict=False):
        lr = (
            spec.lr
            * packed.optimizer.scalars(number, packed.total_steps, packed.steps_per_epoch)[0].item()
        )
        expected = plain.step(alone.inputs(x[batch]).numpy(), y[batch].numpy(), lr)
        assert step(packed, number, batch)["loss"] == pytest.approx(expected, abs=1e-10)


def test_a_run_has_its_bits_whatever_the_company(tmp_path, data_folder):
    """Alone, its row first and last, and among five others: every table and the weights."""
    specs = [dataclasses.replace(spec, epochs=6) for spec in company()]
    for spec, folder in zip(specs, trained(specs, tmp_path / "together", data_folder), strict=True):
        (alone,) = trained([spec], tmp_path / "alone", data_folder)
        assert same(alone, folder), folder.name
        assert (alone / "checkpoints/best.pt").is_file()


@pytest.mark.parametrize("activation", PACKABLE)
def test_every_activation_has_its_bits_at_every_place(tmp_path, data_folder, activation):
    specs = [small(activation, seed, epochs=1) for seed in range(3)]
    together = trained(
        [*specs, small("tanh" if activation == "relu" else "relu", epochs=1)],
        tmp_path / "a",
        data_folder,
    )
    for spec, folder in zip(specs, together, strict=False):
        assert same(*trained([spec], tmp_path / "b", data_folder), folder)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_packs_tables_are_those_of_the_plain_loop(tmp_path, data_folder, policy):
    """Keys equal, values near: fp32 sums in another order."""
    spec = small("sigmoid", init=policy, optimizer="sgd", lr=0.05)
    (packed,) = trained([spec], tmp_path, data_folder)
    run(
        dataclasses.replace(spec, engine="eager", pack_width=1),
        tmp_path / "plain",
        data_folder,
        quiet(),
    )
    for name in ("curves", "health", "calibration"):
        mine, theirs = (
            tables(folder)[name].to_pandas().drop(columns="run_id")
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
    specs = [small(**{**STEEP, "clip": clip}), small("tanh", depth=4, clip=clip)]
    found = [
        clipped_shares(folder, limit)
        for folder in trained(specs, tmp_path, data_folder, probe_every=1)
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
    whole, rng = trained(specs, tmp_path / "whole", data_folder), random.Random(optimizer)
    for _ in range(3):
        with pytest.raises(job.Interrupted):
            trained(specs, tmp_path / "parts", data_folder, stopping=_after(rng.randrange(1, 5)))
    parts = trained(specs, tmp_path / "parts", data_folder)
    for a, b in zip(whole, parts, strict=True):
        assert same(a, b)
        assert store.summary_row(b)["n_resumes"] == 3
    assert not (tmp_path / "parts/state").exists()


def killed(specs, folder, data_folder, kills, seed):
    """Train through the command line, killed with SIGKILL `kills` times, each a while after a new checkpoint."""
    command = [
        sys.executable,
        "-m",
        "actstudy",
        "pack",
        "--members",
        packs.written(specs),
        "--device",
        "cpu",
    ]
    command += [
        "--log_dir",
        str(folder),
        "--data_dir",
        str(data_folder.parent),
        "--checkpoint_seconds",
        "0.05",
    ]
    command, silent = [*command, "--probe_every", "5", "--quiet"], subprocess.DEVNULL
    rng, hits = random.Random(seed), 0
    for _ in range(kills):
        before = set(folder.glob(".packs/*/step-*.sha256"))
        process = subprocess.Popen(command, stdout=silent, stderr=silent)
        while process.poll() is None and set(folder.glob(".packs/*/step-*.sha256")) <= before:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        hits += process.poll() is None
        process.kill()
        process.wait()
    subprocess.run(command, check=True, stdout=silent)
    return hits


def test_a_killed_pack_goes_on_bit_for_bit(tmp_path, data_folder):
    specs = [dataclasses.replace(spec, epochs=120, batch_size=50) for spec in company()]
    data = tmp_path / "data/mnist1d"
    shutil.copytree(data_folder, data)
    hits = killed(specs, tmp_path / "killed", data, 3, "kills")
    assert hits > 0
    assert store.summary_row(tmp_path / "killed" / run_id(specs[0]))["n_resumes"] == hits
    for folder in trained(specs, tmp_path / "whole", data_folder):
        assert same(tmp_path / "killed" / folder.name, folder)


def test_a_pack_goes_on_without_those_that_are_done(tmp_path, data_folder):
    """As if a kill had come while tables were written: two are done, the others go on from the pack's checkpoint."""
    specs = company()
    trained(specs, tmp_path / "whole", data_folder)
    with pytest.raises(job.Interrupted):
        trained(specs, tmp_path / "parts", data_folder, stopping=_after(9))
    rest = trained(specs[2:], tmp_path / "parts", data_folder)
    for folder in rest:
        assert same(folder, tmp_path / "whole" / folder.name)
        assert store.summary_row(folder)["n_resumes"] == 1


def test_a_checkpoint_of_other_runs_is_no_hindrance(tmp_path, data_folder):
    """Three of six stopped late, then all six stopped early: the second stop is where they go on from."""
    specs = company()
    with pytest.raises(job.Interrupted):
        trained(specs[3:], tmp_path / "a", data_folder, stopping=_after(15))
    for stop in (3, 4):
        with pytest.raises(job.Interrupted, match=f"step {stop + (3 if stop == 4 else 0)}"):
            trained(specs, tmp_path / "a", data_folder, stopping=_after(stop))
    again = trained(specs, tmp_path / "a", data_folder)
    for folder, whole in zip(again, trained(specs, tmp_path / "whole", data_folder), strict=True):
        assert same(folder, whole)


def test_probes_of_a_pack_are_those_of_the_plain_loop_in_bf16(tmp_path, data_folder):
    spec = small("tanh", precision="bf16", optimizer="sgd", lr=0.05)
    (packed,) = trained([spec], tmp_path, data_folder)
    run(
        dataclasses.replace(spec, engine="eager", pack_width=1),
        tmp_path / "plain",
        data_folder,
        quiet(),
    )
    mine, theirs = (
        tables(folder)["health"].to_pandas()["value"] for folder in (packed, tmp_path / "plain")
    )
    assert mine.to_numpy() == pytest.approx(theirs.to_numpy(), rel=0.1, abs=2e-2, nan_ok=True)


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
    pack, rows = work(small(), images, tmp_path), torch.arange(5)
    alone = make_job(
        dataclasses.replace(small(), engine="eager", pack_width=1), tmp_path, images, CPU, quiet()
    )
    train = pack.splits["train"]
    losses, _ = pack.scored(
        pack.model(pack.inputs(train["x"][rows]).flatten(1)), train["y"][rows].expand(WIDTH, -1)
    )
    assert losses[0].item() == pytest.approx(
        alone.scored(rows, torch.empty(5, 0))[0].item(), rel=1e-5
    )


def test_a_run_that_diverges_leaves_the_others_alone(tmp_path, data_folder):
    fields = {"optimizer": "sgd", "clip": None}
    calm = [small(name, seed, lr=0.05, **fields) for name in ("relu", "tanh") for seed in (0, 1)]
    wild = small("relu", 2, lr=1e30, **fields)
    folders = trained([*calm, wild], tmp_path / "a", data_folder)
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
        assert same(*trained([spec], tmp_path / "b", data_folder), folder)


def test_a_pack_all_of_whose_runs_diverge_ends_early(tmp_path, data_folder):
    (folder,) = trained(
        [small(lr=1e30, optimizer="sgd", clip=None, epochs=50)], tmp_path, data_folder
    )
    row = store.summary_row(folder)
    assert row["status"] == "diverged"
    assert row["steps_done"] < row["total_steps"] / 10


@pytest.mark.parametrize("place", ["pack_loop.close_window", "pack_run.final"])
def test_an_exception_is_every_runs_row(tmp_path, data_folder, monkeypatch, place):
    """Even where the device answers no more: rows are made from what the host knows."""
    monkeypatch.setattr(f"actstudy.training.{place}", lambda *_: 1 / 0)
    for folder in trained(company(), tmp_path, data_folder):
        row = store.summary_row(folder)
        assert (row["status"], row["reason"]) == ("failed", "ZeroDivisionError: division by zero")
        assert row["steps_done"] == (7 if "loop" in place else 21)
        assert "Traceback" in (folder / "log.txt").read_text()


@pytest.mark.parametrize("place", ["pack_run.make_pack", "pack_run.fit", "pack_run.final"])
def test_memory_that_runs_out_is_one_line_and_no_row(tmp_path, data_folder, monkeypatch, place):
    def short(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(f"actstudy.training.{place}", short)
    with pytest.raises(
        StudyError, match="pack_width: got 6: asked for 2 GiB; allowed: a smaller one"
    ):
        trained(company(), tmp_path, data_folder)
    assert not list(tmp_path.glob("*/runs.parquet"))


def test_a_pack_that_cannot_be_made_is_one_line(tmp_path, data_folder, monkeypatch):
    monkeypatch.setattr("actstudy.training.pack_run.PackedMLP", lambda _: 1 / 0)
    with pytest.raises(StudyError, match="pack of 6 runs: ZeroDivisionError: division by zero"):
        trained(company(), tmp_path, data_folder)
    assert not list(tmp_path.glob("*/runs.parquet"))


def test_an_interrupted_packs_runs_are_told(tmp_path, data_folder):
    with pytest.raises(job.Interrupted):
        run_pack(
            {tmp_path / run_id(spec): spec for spec in company()},
            tmp_path / ".packs/a",
            data_folder,
            quiet(stopping=_after(4)),
        )
    assert {status.state(tmp_path / run_id(spec)) for spec in company()} == {"interrupted"}
    assert status.state(tmp_path / "another") == "waiting"


def test_seconds_of_a_packs_runs_add_up(tmp_path, data_folder):
    """Start, training, evaluation and the rest, over all runs, are the call's wall seconds but for writing tables."""
    specs, began = [dataclasses.replace(spec, epochs=30) for spec in company()], time.time()
    rows = [store.summary_row(folder) for folder in trained(specs, tmp_path, data_folder)]
    wall, buckets = time.time() - began, [f"{name}_seconds" for name in schema.BUCKETS]
    assert 0.4 * wall < sum(row[name] for row in rows for name in buckets) < wall
    assert [row["packed_with"] for row in rows] == [6] * 6
    assert not any(row["timing_clean"] or row["throughput"] for row in rows)


def test_the_time_of_an_epoch_is_known_after_a_resume_too(tmp_path, data_folder):
    specs = [dataclasses.replace(spec, epochs=6) for spec in company()]
    with pytest.raises(job.Interrupted):
        trained(
            specs, tmp_path, data_folder, stopping=_after(25)
        )  # in the midst of an epoch of seven
    curves = store.read(trained(specs, tmp_path, data_folder)[0], "curves")[0].to_pandas()
    seconds = curves[curves["metric"] == "epoch_seconds"]["value"]
    assert len(seconds) == 6
    assert seconds.min() > seconds.max() / 20


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dropout": 0.1}, "dropout: got 0.1 with engine pack; allowed there: 0.0"),
        ({"norm": "layer"}, "norm: got layer with engine pack; allowed there: none"),
        (
            {"optimizer": "rmsprop"},
            "optimizer: got rmsprop with engine pack; allowed there: sgd, adam, adamw",
        ),
        ({"patience": 2}, "patience: got 2 with engine pack; allowed there: null"),
        ({"activation": "prelu"}, "activation: got 'prelu' with engine pack"),
        ({"width": 20}, "width: got 20 with engine pack; allowed there: multiples of 16"),
        ({"depth": 0}, "depth: got 0; allowed: greater than or equal to 1"),
        ({"engine": "eager"}, "pack_width: got 6 with engine eager; allowed: engine: pack"),
    ],
)
def test_what_cannot_be_packed_is_refused(fields, message):
    with pytest.raises(StudyError, match=message):
        small(**fields)


def test_a_pack_larger_than_memory_is_refused_before_training(
    tmp_path, data_folder, data, monkeypatch
):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=3_000_000))
    with pytest.raises(
        StudyError,
        match=r"pack_width: got 6, which takes about 0\.\d GB; allowed: at most \d, as 0\.0 GB",
    ):
        work(small(width=512), data, tmp_path)


def test_a_spec_beyond_the_data_is_one_line(tmp_path, data_folder):
    with pytest.raises(
        StudyError, match="pack of 1 runs: batch_size: got 4000; allowed: at most the 3500"
    ):
        trained([small(batch_size=4000)], tmp_path, data_folder)


def test_learnt_activations_are_those_with_weights():
    found = [name for name in ACTIVATIONS if list(Sites(name, {})("site").parameters())]
    assert tuple(found) == LEARNT


@given(st.integers(1, 9), st.integers(1, 12), st.permutations(["relu", "tanh", "gelu"]))
def test_packs_hold_each_run_once(width, seeds, names):
    specs = [
        small(name, seed, pack_width=width, depth=d)
        for name in names
        for d in (2, 3)
        for seed in range(seeds)
    ]
    made = packs.packs(PlannedRun(spec, spec.activation, {}) for spec in [*specs, tiny()])
    assert sorted(run_id(one) for part in made.values() for one in part) == sorted(
        map(run_id, specs)
    )
    for members in made.values():
        assert len(members) <= width
        assert len({packs.shared(spec) for spec in members}) == 1
        assert packs.read(packs.written(members)) == members
    fewer = packs.packs(
        PlannedRun(spec, spec.activation, {}) for spec in specs if spec.seed < seeds - 1
    )
    full = [name for name, members in fewer.items() if len(members) == width]
    assert set(full) <= set(made), "one more seed must leave full packs as they are"


def test_a_packs_name_does_not_depend_on_the_order():
    assert packs.name(company()) == packs.name(company()[::-1])
    assert json.loads(packs.written(company()[:1]))["runs"] == [{}]


def test_a_study_of_packs_alone_says_that_nothing_was_timed(tmp_path, data_folder):
    """No figure with empty axes, no `nan` in a table; beside plain runs those alone are compared in speed."""
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
        for members in packs.packs(study.runs).values():
            runs = {
                status.folder_of(one, tmp_path): one.spec
                for one in study.runs
                if one.spec in members
            }
            todo = {folder: spec for folder, spec in runs.items() if not store.verifies(folder)}
            run_pack(todo, tmp_path / "state", data_folder, quiet()) if todo else None
        for one in [one for one in study.runs if one.spec.engine == "eager"]:
            run(one.spec, status.folder_of(one, tmp_path), data_folder, quiet())
            store.publish(status.folder_of(one, tmp_path))
        write_boundaries(["relu"], tmp_path / "b.parquet")
        made = analysis.build(study.plan(), tmp_path, [], pd.read_parquet(tmp_path / "b.parquet"))
        page = summary.render(made, tmp_path / "figures", tmp_path / "s.md")
        assert not re.search(r"\bnan\b", page)
        assert ("No run has completed by itself" in page) == (name == "packed")
        assert ("no run was timed by itself" in compute.throughput_vs_metric(made, "mlp")[1]) == (
            name == "packed"
        )
        assert ("no run has completed by itself" in compute.compute_bars(made)[1]) == (
            name == "packed"
        )
        figure, caption = timeline.timeline(made)
        assert f"n = {len(study.runs)}, a pack as one bar" in caption
        bars = sum(len(part.get_paths()) for part in figure.axes[0].collections)
        assert bars == len(packs.packs(study.runs)) + sum(
            one.spec.engine == "eager" for one in study.runs
        )
        plt.close("all")


@pytest.mark.parametrize(("before", "after"), [(100, 300), (400, 400)])
def test_a_wide_pack_may_open_its_files(before, after):
    code = (
        "import resource; from actstudy.training.attempt import _allow_files\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({before}, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "_allow_files(300); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(after)
