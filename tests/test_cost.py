"""`cost`: what a study takes before anything has run."""

import pytest
import yaml
from runs import TINY

from actstudy.commands import cost
from actstudy.contract import host
from actstudy.study import planning


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
