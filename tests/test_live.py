"""`status --watch` on a terminal: a table per task, with how far the estimate may be off."""

import io
import math
import re
import statistics

import numpy as np
import pytest
from made_up import study_of
from rich.console import Console

from actstudy.analysis import forecast, live
from actstudy.analysis.watch import Watch
from actstudy.contract import host, store

STUDY = {
    "axes": {"activation": ["relu", "tanh"]},
    "tasks": {"mlp": {"epochs": 1, "seeds": 5}, "vision": {"steps": 20, "warmup": 0, "seeds": 2}},
}


@pytest.fixture
def watch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(host, "gpus", lambda: [])
    return Watch(study_of(tmp_path, STUDY), room=2, root=tmp_path / "results/runs")


def end(watch, task, names, seconds=10.0):
    """Let runs of a task end, one per name, the completed ones after some seconds."""
    runs = [run for run, folder in watch.folders.items() if folder.parent.name == task]
    open_runs = [run for run in runs if run not in watch.states]
    for run, name in zip(open_runs, names, strict=False):
        watch.states[run] = name
        watch._rows[run] = {"status": name, "train_seconds": seconds}


def drawn(watch):
    """The table as lines of a wide terminal."""
    stream = io.StringIO()
    Console(file=stream, width=150).print(live.table(watch))
    return stream.getvalue()


def test_a_row_counts_the_runs_of_its_task(watch):
    end(watch, "mlp", ["completed", "completed", "failed", "out_of_memory", "diverged", "running"])
    mlp, vision = live.rows(watch)
    assert mlp.cells()[:-1] == ["mlp", "2 of 10", "1", "2", "1", "4"]
    assert vision.cells()[:-1] == ["vision", "0 of 4", "", "", "", "4"]
    assert vision.rest == "no estimate: no run of vision has been timed yet"


def test_a_table_has_every_task_the_disk_and_the_gpus(watch, monkeypatch):
    monkeypatch.setattr(host, "gpus", lambda: ["GPU-1", "GPU-2"])
    monkeypatch.setattr(host, "load", lambda gpu: host.Load(1, 93 if gpu == "GPU-1" else 7))
    end(watch, "mlp", ["completed"] * 8)
    text = drawn(watch)
    assert "study made: 8 of 14 runs completed" in text
    assert re.search(r"mlp +8 of 10 +2 +about 10 s left \(± 0 s\)", text), text
    assert re.search(r"disk: [\d.]+ of \d+ GB free", text)
    assert "GPUs here, busy: 93%, 7%" in text


def test_a_table_says_nothing_of_gpus_that_are_not_there(watch):
    assert "GPU" not in drawn(watch)


def test_the_error_is_half_the_interval_of_the_sum():
    """Against simulated studies: the rest is within the error of the estimate in about 95%."""
    rng = np.random.default_rng(0)
    within = 0
    for _ in range(4000):
        done = rng.normal(100.0, 15.0, 20)
        rest = rng.normal(100.0, 15.0, 30).sum()
        error = forecast.error_of(30, list(done))
        within += abs(30 * done.mean() - rest) <= error
    assert 0.92 < within / 4000 < 0.97


def test_the_error_by_hand():
    done = [8.0, 10.0, 12.0] * 3
    expected = 2.306 * statistics.stdev(done) * math.sqrt(4 + 16 / 9)  # t of 8 degrees of freedom
    assert forecast.error_of(4, done) == pytest.approx(expected, rel=1e-4)
    assert forecast.error_of(4, done[:7]) is None
    assert forecast.error_of(0, []) == 0.0


def test_errors_of_tasks_add_as_squares(tmp_path):
    done = {"mlp": [8.0, 10.0, 12.0] * 3, "lm": [90.0, 100.0, 110.0] * 3}
    parts = [forecast.error_of(2, seconds) for seconds in done.values()]
    todo = {task: [tmp_path / task / "a", tmp_path / task / "b"] for task in done}
    whole = forecast.total(todo, [], done, 2)
    assert whole.error == pytest.approx(math.hypot(*parts))
    assert f"left (± {forecast.duration(whole.error / 2)}), until" in str(whole)


def test_the_error_is_not_known_if_one_task_is_not_timed_often_enough(tmp_path):
    todo = {"mlp": [tmp_path / "a"], "lm": [tmp_path / "b"]}
    assert forecast.total(todo, [], {"mlp": [1.0, 2.0, 3.0] * 3, "lm": [5.0]}, 1).error is None


def test_the_table_is_drawn_until_no_run_is_left(watch, monkeypatch):
    waits = []

    def wait(seconds):
        waits.append(seconds)
        for task in watch.study.tasks:
            end(watch, task, ["completed"] * (5 if len(waits) == 1 else 9))

    monkeypatch.setattr(live.time, "sleep", wait)
    monkeypatch.setattr(watch, "look", lambda max_read: None)
    stream = io.StringIO()
    live.show(watch, 7.0, Console(file=stream, force_terminal=True, width=150))
    assert waits == [7.0, 7.0]
    assert "5 of 10" in stream.getvalue()
    assert "10 of 10" in stream.getvalue()


def test_a_study_that_is_done_is_read_to_its_end_before_it_is_drawn(watch, monkeypatch):
    """Of more runs than a look reads none is shown as waiting."""
    names = dict.fromkeys(watch.folders.values(), "completed")
    names[next(iter(names))] = "diverged"
    for folder in names:
        folder.mkdir(parents=True)
        (folder / store.MANIFEST).touch()
    row = {"train_seconds": 1.0}
    monkeypatch.setattr(store, "summary_row", lambda folder: {**row, "status": names[folder]})
    watch.look(max_read=1)
    assert not sum(row.waiting for row in live.rows(watch))
    stream = io.StringIO()
    live.show(watch, 7.0, Console(file=stream, force_terminal=True, width=150))
    assert not sum(row.counts["ended"] for row in live.rows(watch))
    assert sum(row.counts["diverged"] for row in live.rows(watch)) == 1
    assert f"{len(watch.folders) - 1} of {len(watch.folders)} runs completed" in stream.getvalue()


def test_folders_are_looked_at_again(watch):
    folder = next(iter(watch.folders.values()))
    folder.mkdir(parents=True)
    (folder / store.MANIFEST).write_text("{}")
    watch.look()
    assert sum(row.counts["failed"] for row in live.rows(watch)) == 1
