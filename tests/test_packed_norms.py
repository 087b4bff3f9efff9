"""Norms and dropout in packs: the same training as alone, each run's bits whatever the company."""

import dataclasses
import gc
import itertools
import warnings
from collections import namedtuple

import pytest
import torch
from packed import CPU, in_float64, step, work
from runs import company, packed_spec, quiet, run, same_tables, stop_after, tiny, train_together

from actstudy.contract import store
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import run_id
from actstudy.training import checkpoint, outcome, wiring
from actstudy.training.batches import batches

KINDS = {
    "layer": {"norm": "layer"},
    "batch": {"norm": "batch"},
    "dropout": {"dropout": 0.3},
    "batch and dropout": {"norm": "batch", "dropout": 0.3},
    "layer, dropout and widths": {"norm": "layer", "dropout": 0.2, "hidden": (32, 16)},
}
kinds = pytest.mark.parametrize("fields", KINDS.values(), ids=KINDS)
Free = namedtuple("Free", "available")
MANY = {"epochs": 20, "batch_size": 200}


def of_kind(specs, fields):
    return [dataclasses.replace(spec, **fields) for spec in specs]


@kinds
@pytest.mark.parametrize("activation", ["relu", "prelu"])
def test_a_pack_is_the_plain_loop(data, tmp_path, monkeypatch, activation, fields):
    """In float64: 100 losses, the weights and running statistics, and the scores on val."""
    spec = packed_spec(activation, **{**MANY, **fields})
    packed, alone = in_float64(spec, data, tmp_path, monkeypatch)
    for number, batch in itertools.islice(batches(alone, 0), 100):
        expected = {name: value.item() for name, value in alone.train(number, batch).items()}
        assert step(packed, number, batch) == pytest.approx(expected, abs=1e-10)
    (weights,) = packed.weights()
    state = alone.model.state_dict()
    assert set(weights) == set(state)
    # a bias before a batch norm has a gradient of rounding alone, which Adam scales up
    limit = 1e-8 if spec.norm == "batch" else 1e-10
    for name, value in state.items():
        assert (weights[name] - value).abs().max() < limit
    alone.model.eval()
    x = alone.splits["val"]["x"]
    assert (packed.logits("val")[0] - alone.forward(x)).abs().max() < 1e-5  # read as float32


def test_the_runs_of_a_seed_drop_the_same_values(data, tmp_path):
    """Whatever their activation, and others of another seed others."""
    specs = [packed_spec(name, seed, dropout=0.3) for name, seed in [("relu", 5), ("tanh", 5)]]
    pack = wiring.make_pack(
        [*specs, packed_spec("tanh", 6, dropout=0.3)],
        [tmp_path] * 3,
        data,
        CPU,
        quiet(),
    )
    drawn = pack.dropout.drawn(7)
    assert [len(factors) for factors in drawn] == [2, 2]
    factors, seed_of = pack.dropout.of_layers(drawn)[0]
    first, second, other = (factors[seed_of[run]] for run in range(3))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert first.unique().tolist() == [0.0, pytest.approx(1 / 0.7)]
    assert (first == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert not torch.equal(drawn[0], pack.dropout.drawn(8)[0])


@kinds
def test_a_run_has_its_bits_whatever_the_company(tmp_path, data_folder, fields):
    specs = of_kind(company(), {"epochs": 2, **fields})
    together = train_together(specs, tmp_path / "together", data_folder)
    for spec, folder in zip(specs[1:5:2], together[1:5:2], strict=True):
        (alone,) = train_together([spec], tmp_path / "alone", data_folder)
        assert same_tables(alone, folder), folder.name


@kinds
def test_a_stopped_pack_goes_on_bit_for_bit(tmp_path, data_folder, fields):
    specs = of_kind(company(), fields)
    whole = train_together(specs, tmp_path / "whole", data_folder)
    for steps in (4, 3):
        with pytest.raises(outcome.Interrupted):
            train_together(specs, tmp_path / "parts", data_folder, stopping=stop_after(steps))
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            gc.collect()  # closes the stopped trainings' logs: not in another test
    parts = train_together(specs, tmp_path / "parts", data_folder)
    for a, b in zip(whole, parts, strict=True):
        assert same_tables(a, b)
        assert store.summary_row(b)["n_resumes"] == 2


@kinds
def test_probes_change_no_bit_and_read_what_a_run_alone_reads(tmp_path, data_folder, fields):
    spec = packed_spec("gelu", **fields)
    often, never = (
        train_together([spec], tmp_path / str(every), data_folder, probe_every=every)[0]
        for every in (1, 10**6)
    )
    assert same_tables(often, never, ["curves", "calibration"])
    alone = dataclasses.replace(spec, engine="eager", pack_width=1)
    run(alone, tmp_path / "plain", data_folder, quiet(probe_every=1))
    packed, plain = (
        store.read(folder, "health")[0].to_pandas() for folder in (often, tmp_path / "plain")
    )
    keys = ["step", "kind", "name", "index", "probe"]
    assert packed[keys].equals(plain[keys])
    early = packed["step"] < 3  # float32 sums in another order
    early &= ~packed["name"].str.endswith(".0.bias")  # before a batch norm: rounding alone
    near = pytest.approx(plain["value"][early].to_numpy(), rel=1e-3, abs=1e-4, nan_ok=True)
    assert packed["value"][early].to_numpy() == near


@kinds
def test_the_best_weights_make_a_model_of_the_reported_score(tmp_path, data_folder, data, fields):
    spec = packed_spec("tanh", **fields)
    (folder,) = train_together([spec], tmp_path, data_folder)
    model, _ = wiring.make_model(spec, data)
    model.load_state_dict(checkpoint.read(folder / "checkpoints/best.pt", CPU))
    model.eval()
    test = data.on(CPU, "test")
    hits = model(data.inputs(CPU)(test["x"])).argmax(1) == test["y"]
    reported = store.summary_row(folder)["reported_accuracy"]
    assert hits.float().mean().item() == pytest.approx(reported, abs=1.5 / len(hits))


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_where_a_run_diverged_is_named_as_alone(tmp_path, data_folder, norm):
    steep = {"norm": norm, "lr": 1e30, "clip": None, "optimizer": "sgd", "dropout": 0.1}
    packed = packed_spec("relu", **steep)
    alone = tiny("relu", **steep)
    (folder,) = train_together([packed], tmp_path / "pack", data_folder)
    run(alone, tmp_path / "alone", data_folder, quiet())
    rows = [store.summary_row(path) for path in (folder, tmp_path / "alone")]
    assert rows[0]["status"] == "diverged"
    assert rows[0]["reason"] == rows[1]["reason"]
    assert run_id(packed) != run_id(alone)


def test_the_memory_of_norms_and_dropout_is_asked_for(data, tmp_path, monkeypatch):
    """A pack that fits without them is refused with them."""
    wide = {"width": 512, "depth": 2}
    needed = []
    for fields in ({}, {"norm": "batch"}, {"norm": "batch", "dropout": 0.1}):
        low, high = (0, 10**9)
        while high - low > 1000:
            free = (low + high) // 2
            monkeypatch.setattr("psutil.virtual_memory", lambda free=free: Free(free))
            try:
                work(packed_spec(**{**wide, **fields}), data, tmp_path)
                high = free
            except StudyError:
                low = free
        needed.append(high)
    without, normed, dropped = needed
    assert normed > 1.15 * without
    assert dropped > 1.05 * normed
