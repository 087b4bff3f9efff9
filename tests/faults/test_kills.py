"""A sample of the kills, flips and signals that the commands of this folder do in full."""

import random
import time

import pytest

from actstudy.contract import faults, spec, store

from . import flips, forks, kills, signals


@pytest.fixture(scope="module")
def root():
    with forks.scratch() as folder:
        yield folder


@pytest.fixture(scope="module")
def grid(root):
    return kills.grid(root, ("gelu",))


@pytest.mark.parametrize("name", ["mlp gelu", "vision gelu", "pack of 2"])
def test_killed_anywhere_it_goes_on_bit_for_bit(root, grid, name):
    """Three kills one after the other, then the same command.

    `python -m tests.faults.kills` kills everywhere.
    """
    every, rng, specs = list(kills.kills(name.startswith("pack"))), random.Random(name), grid[name]
    for number in range(2):
        chosen = [
            rng.choice([kill for kill in every if bool(kill.step) == stepwise])
            for stepwise in (True, False, True)
        ]
        hits, wrong = kills.survives(
            chosen,
            specs,
            root / "a" / f"{name}-{number}",
            root / "undisturbed" / name.replace(" ", "-"),
        )
        assert hits
        assert not wrong


def test_every_stage_of_every_file_is_a_place_to_die():
    points = {kill.point.partition(":")[0] for kill in kills.kills(True) if kill.point}
    assert points >= {
        f"{name}/{stage}"
        for name in [*store.FILES, "step.pt", "best.pt"]
        for stage in faults.STAGES
    }


def test_no_damaged_file_is_accepted(tmp_path):
    tried, silent = flips.accepted(tmp_path, 120, 40)
    assert sum(tried.values()) == 160
    assert not silent


def test_a_real_process_told_to_stop_twice_saves_its_step(tmp_path):
    one = forks.run_spec("mlp", 0, {"activation": "gelu", **signals.LONG, "steps": 10**6})
    forks.prepare(tmp_path, [one])

    def trains() -> None:
        while not (tmp_path / "runs" / spec.run_id(one) / "progress.json").exists():
            time.sleep(0.05)

    found = signals.stopped(one, tmp_path / "runs", trains, 0.05)
    assert (found.status, found.wrong) == (75, "")
    assert found.step > 0
    assert found.seconds < 10
