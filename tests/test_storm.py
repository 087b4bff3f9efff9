"""Nothing is lost: the harnesses of tests/faults on a small scale, and the proof that each sees
what it looks for.
"""

import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import job_forks
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faults import doubles, full_disk, storm, watch
from faults.clone import Clone

from actstudy.commands import processes
from actstudy.contract import schema, store


def published(run: Path, accuracy: float = 0.5) -> Path:
    """A run's folder as training leaves it."""
    curve = {
        "step": 1,
        "epoch": 1.0,
        "samples": 1,
        "train_seconds": 1.0,
        "split": "val",
        "metric": "accuracy",
    }
    rows: dict = {name: [] for name in schema.SCHEMAS} | {"curves": [{**curve, "value": accuracy}]}
    store.seal(run, {name: schema.table(name, run.name, part) for name, part in rows.items()})
    store.publish(run)
    return run


@pytest.fixture
def seen(tmp_path):
    """A run that was seen complete."""
    run = published(tmp_path / "runs/mlp/one")
    completed = watch.Completed(tmp_path)
    completed.look()
    assert completed.lost() == []
    return completed, run


def test_a_run_trained_again_is_lost(seen):
    completed, run = seen
    shutil.rmtree(run)
    assert completed.lost() == ["one: gone"]
    published(run, 0.25)
    assert completed.lost() == ["one: trained again"]


def test_a_trainer_that_ended_a_moment_before_is_no_kill(tmp_path):
    process = subprocess.Popen(["true"])
    trainer = psutil.Process(process.pid)
    process.wait()
    clone = SimpleNamespace(trainers=lambda: [trainer], driver=lambda: None)
    attack = storm.Storm(clone, random.Random(0), 1.0, {}, watch.Completed(tmp_path))
    attack.kill("trainer", process)
    assert not attack.kills


def test_a_run_unpublished_but_kept_is_not_lost(seen):
    completed, run = seen
    (run / "curves.parquet").unlink()
    assert completed.lost() == []


def test_a_cut_file_is_seen(seen):
    completed, run = seen
    assert watch.unreadable(completed.results) == []
    whole = (run / "curves.parquet").read_bytes()
    (run / "curves.parquet").write_bytes(whole[: len(whole) // 2])
    (run / "manifest.json").write_text("{")
    assert {line.split(":")[0] for line in watch.unreadable(completed.results)} == {
        "runs/mlp/one/curves.parquet",
        "runs/mlp/one/manifest.json",
    }


def test_a_changed_bit_is_seen_and_a_changed_second_is_not(tmp_path):
    for name, accuracy, seconds in (
        ("calm", 0.5, 1.0),
        ("same", 0.5, 2.0),
        ("other", 0.5000001, 1.0),
    ):
        published(tmp_path / name / "runs/mlp/one", accuracy)
        (tmp_path / name / "storm/tables").mkdir(parents=True)
        table = pa.table({"level": ["relu"], "mean": [accuracy], "train_seconds": [seconds]})
        pq.write_table(table, tmp_path / name / "storm/tables/cells.parquet")
    assert watch.changed(tmp_path / "calm", tmp_path / "same", "storm") == []
    assert watch.changed(tmp_path / "calm", tmp_path / "other", "storm") == [
        "one/curves",
        "storm/tables/cells.parquet",
    ]


def test_few_kills_cost_nothing(tmp_path):
    with job_forks.served(anew=True) as python:
        made = storm.storm(
            kills=10,
            seed=1,
            folder=tmp_path,
            small=True,
            looks=False,
            whole=False,
            per_start=2,
            python=python,
        )
    assert sum(made.kills.values()) >= 10
    assert made.rounds
    assert made.faults == {"lost": [], "bits": [], "unreadable": [], "locks": []}, storm.report(
        made, 0
    )


def test_of_two_starts_of_a_run_one_trains(tmp_path, data_folder):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/mnist1d").symlink_to(data_folder)
    data = tmp_path / "data"
    with job_forks.served(anew=True) as python:
        assert doubles.double(tmp_path / "runs", 0, data, python=python) == []
        unlocked = (
            doubles.double(tmp_path / f"{n}", 0, data, doubles.UNLOCKED, python) for n in range(3)
        )
        assert any(unlocked), "two trainers without locks went unseen"


def test_of_two_make_study_one_works(tmp_path):
    with job_forks.served(anew=True) as python:
        assert doubles.double_study(tmp_path / "project", python) == []


def test_a_live_trainer_of_a_killed_snakemake_is_waited_for(tmp_path):
    assert doubles.orphan(tmp_path / "project") == []


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return full_disk.Trial(tmp_path_factory.mktemp("full"))


def test_a_full_disk_costs_nothing(trial):
    points = [
        "spec.json/draft",
        "step.pt/fsync:2",
        "best.pt/rename",
        "runs.parquet/draft",
        "manifest.json/folder:2",
    ]
    assert full_disk.at_points(trial, points) == len(points)
    assert trial.found == []


def test_other_tables_after_a_full_disk_are_seen(trial, monkeypatch):
    monkeypatch.setattr(trial, "calm", trial.calm[::-1])
    monkeypatch.setattr(trial, "found", [])
    trial.end(trial.folder / "again", "again")
    assert trial.found == ["again: other tables than undisturbed"]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty folder that is the present one."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["bin/snakemake", "workflow/scripts/figures.py"])
def test_what_a_killed_make_study_has_left_is_waited_for(empty, capfd, tmp_path, name):
    script = tmp_path / name
    script.parent.mkdir(parents=True)
    script.write_text("import time; time.sleep(2)")
    with subprocess.Popen([sys.executable, script], cwd=Path.cwd()) as other:
        while not processes.process_ids(lambda words: str(script) in words):
            assert other.poll() is None
        processes.wait_for_others()
        assert f"(pid {other.pid}); waiting until it ends" in capfd.readouterr().err
        assert other.poll() is not None or not processes.process_ids(processes.is_snakemake)


@pytest.mark.parametrize("name", ["snakemake", "workflow/scripts/figures.py"])
def test_an_editor_with_a_file_open_is_not_waited_for(empty, tmp_path, name):
    script = tmp_path / name
    script.parent.mkdir(parents=True, exist_ok=True)
    script.touch()
    with subprocess.Popen(["tail", "-f", script], cwd=Path.cwd()) as editor:
        while not processes.process_ids(lambda words: str(script) in words):
            assert editor.poll() is None
        processes.wait_for_others()
        assert editor.poll() is None
        editor.terminate()


def test_a_stale_lock_of_snakemake_is_cleared(tmp_path):
    """double_study above begins with one; where `make study` leaves it alone, nothing works."""
    clone = Clone(tmp_path / "project", {"twice": doubles.GRID % 1000})
    clone.edit("lib/actstudy/commands/driver.py", r"shutil\.rmtree\(.*\)", "pass")
    doubles.stale_lock(clone)
    assert clone.start("twice", doubles.DATA).wait() == 1
    assert "locked by a snakemake that was killed" in clone.said()
