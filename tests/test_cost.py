"""`cost`: what a study takes before anything has run."""

import pytest
import yaml
from runs import TINY

from actstudy.commands import cost
from actstudy.contract import host
from actstudy.study import planning
from actstudy.study.planning import run_spec


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """A function: what is printed of two activations with these settings of mlp, runs not timed."""
    monkeypatch.chdir(tmp_path)

    def describe(memory, timed=cost.Cost, **block):
        axes = {"activation": ["tanh", "relu"]}
        study = {"axes": axes, "device": "cpu", "tasks": {"mlp": block}}
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(study))
        monkeypatch.setattr(cost, "measured", lambda *_: timed(30.0, 10**6, memory))
        return list(cost.describe(planning.load("mine.yaml")))

    return describe


def test_runs_share_the_processes_that_there_are(lines, monkeypatch):
    monkeypatch.setattr(host, "cores", lambda: 2)
    printed = lines(5 * 10**6, **TINY, seeds=4)
    assert printed[0].startswith("mlp: 8 runs, about 30.0 s each")
    assert "all: about 2 min with 2 processes" in printed
    assert printed[-1] == "memory: about 10 MB"


def test_a_pack_is_one_process_and_its_memory_is_not_measured(lines, monkeypatch):
    pack = {"seeds": 4, "engine": "pack", "pack_width": 4, "dropout": 0.0}
    monkeypatch.setattr(host, "cores", lambda: 16)
    printed = lines(0, **pack)
    assert "all: about 2 min with 2 processes" in printed
    assert printed[-1] == "memory of packs: not measured"


def test_runs_that_diverge_at_once_end_no_forecast(lines):
    """A study of what diverges has such runs."""
    printed = lines(0, timed=lambda *_: None, **TINY, seeds=4)
    assert printed[0] == "mlp: 8 runs, not timed: those that were tried diverged"
    assert printed[1].startswith("all: about ")


class Trained(Exception):
    """In place of a training: its spec."""


@pytest.mark.parametrize(("warmup", "share"), [(2.0, cost.WARMING), (0.0, 1.0)])
def test_a_run_with_warm_up_is_timed_at_the_rate_that_it_begins_with(
    tmp_path, monkeypatch, warmup, share
):
    """ResNet-50 in fp16 diverges within 12 steps of the whole rate, and not with its warm-up."""

    def train(spec, *_):
        raise Trained(spec)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cost, "_train", train)
    monkeypatch.setattr("actstudy.training.attempt.prepared", lambda *_: None)
    spec = run_spec("mlp", 0, {**TINY, "activation": "relu", "lr": 0.5, "warmup": warmup})
    with pytest.raises(Trained) as trained:
        cost.measured(spec, None)
    assert trained.value.args[0].lr == pytest.approx(0.5 * share)
