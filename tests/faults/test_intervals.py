"""What a storm on a cluster counts as trained twice at once: none with locks, else each pair."""

import subprocess
import sys
import time

import pytest

from . import intervals
from .clone import Clone

RUN = "--task mlp --activation relu --steps 1000000 --width 16 --warmup 0 --device cpu --quiet"
PATIENCE = 30.0  # seconds


@pytest.fixture
def clone(tmp_path, data_folder):
    """A clone whose trainers are noted, with data."""
    clone = Clone(tmp_path / "clone", {})
    (clone.folder / "results/data").mkdir(parents=True)
    (clone.folder / "results/data" / data_folder.name).symlink_to(data_folder)
    intervals.note_in(clone)
    yield clone
    clone.end()


def trainer(clone) -> subprocess.Popen:
    """A process that trains a run for ever."""
    return subprocess.Popen(
        [sys.executable, "-m", "actstudy", "train", *RUN.split()],
        cwd=clone.folder,
        env=clone.environment(),
        stderr=subprocess.STDOUT,
        stdout=(clone.folder / "printed.txt").open("ab"),
    )


def comes(clone, is_so) -> intervals.Count:
    """What the trainers of a clone have written, once that is so."""
    end = time.monotonic() + PATIENCE
    printed = clone.folder / "printed.txt"
    while not is_so(there := intervals.count(clone)):
        assert time.monotonic() < end, (there, printed.read_text())
        time.sleep(0.1)
    return there


def test_two_trainers_of_a_run_without_locks_are_counted(clone):
    """Planted: the lock of a run keeps nobody away."""
    clone.edit("lib/actstudy/contract/locks.py", r"fcntl\.flock\(handle, lock\)", "pass")
    first = trainer(clone)
    comes(clone, lambda count: count.trainings == 1)
    second = trainer(clone)
    there = comes(clone, lambda count: count.at_once)
    assert (there.trainings, there.runs, there.processes) == (2, 1, 2)
    (pair,) = there.at_once
    assert f":{first.pid}:" in pair
    assert f":{second.pid}:" in pair
    assert first.poll() is None


def test_a_trainer_that_waits_for_a_killed_one_is_not_counted(clone):
    """The first one writes no end: it has ended with its process."""
    first = trainer(clone)
    comes(clone, lambda count: count.trainings == 1)
    trainer(clone)
    comes(clone, lambda count: count.waits)
    first.kill()  # nobody asks for its end before the second one has begun
    there = comes(clone, lambda count: count.trainings == 2)
    assert (there.runs, there.processes, there.waits) == (1, 2, 1)
    time.sleep(1)  # the second line of a beginning
    assert intervals.count(clone).at_once == []
