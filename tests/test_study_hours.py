"""benchmarks/study_hours.py: who times which cell, when, and what a killed benchmark leaves."""

import math
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import yaml
from runs import ROOT

from actstudy.contract import host, parity, parity_stamp, registry, store
from actstudy.contract.errors import StudyError
from actstudy.data import prepared
from actstudy.study import planning
from actstudy.training import parity_file

sys.path.append(str(ROOT / "benchmarks"))
import study_hours

SMALL = {"model": "resnet18", "width": 4, "steps": 40, "eval_every": 20, "batch_size": 16}
AXES = {"framework": ["torch", "keras-jax"], "activation": ["relu", "gelu", "silu"]}


class Killed(BaseException):
    """As SIGKILL: nothing handles it."""


def test_data_are_made_up_without_an_official_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "train_size", lambda name: 1800)
    monkeypatch.setattr(study_hours, "TEST", 400)
    study_hours.provide(["cifar10", "tiny_imagenet", "cifar10"])
    for name, shape in (("cifar10", (3, 32, 32)), ("tiny_imagenet", (3, 64, 64))):
        data = prepared.load(store.DATA / name)
        assert (data.n("train"), data.n("val"), data.n("test")) == (1800, 200, 400)
        assert data.arrays["train_x"].shape[1:] == shape
    assert prepared.load_raw is not study_hours.made_up


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Six cells of two seeds; their times are made up and their data are not needed."""
    monkeypatch.chdir(tmp_path)
    block = {"axes": AXES, "seeds": 2, "device": "cpu", "tasks": {"vision": SMALL}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(block))
    monkeypatch.setattr(study_hours, "provide", lambda names: list(names))
    monkeypatch.setattr(study_hours, "processes", lambda n, folder: ThreadPoolExecutor(n))
    return planning.load(tmp_path / "mine.yaml")


def fake(timed, monkeypatch):
    """Let `timed(spec, gpu)` give the seconds of cells."""

    def timing(spec, study, gpu):
        return {"seconds": timed(spec, gpu), "memory": 5, "reason": ""}

    monkeypatch.setattr(study_hours, "timed", timing)


def rows(study, file, minutes=math.inf):
    return study_hours.time_cells([study], file, "CPU", time.monotonic() + 60 * minutes)


def test_gpus_work_side_by_side_and_each_on_one_cell_at_a_time(study, tmp_path, monkeypatch):
    monkeypatch.setattr(host, "gpus", lambda: ["GPU-a", "GPU-b"])
    both = threading.Barrier(2)
    busy = set()
    seen = []

    def timed(spec, gpu):
        assert gpu not in busy
        busy.add(gpu)
        both.wait(timeout=30)  # for ever, if cells were timed one after another
        seen.append(gpu)
        busy.remove(gpu)
        return 7.0

    fake(timed, monkeypatch)
    frame = rows(study, tmp_path / "hours.parquet")
    assert frame["seconds"].tolist() == [7.0] * 6
    assert frame["n_seeds"].tolist() == [2] * 6
    assert sorted(seen) == ["GPU-a"] * 3 + ["GPU-b"] * 3


def test_no_cell_starts_when_too_little_time_is_left(study, tmp_path, monkeypatch):
    fake(lambda *_: 7.0, monkeypatch)
    frame = rows(study, tmp_path / "hours.parquet", (study_hours.RESERVE - 1) / 60)
    assert frame["reason"].tolist() == [study_hours.NOT_TIMED["reason"]] * 6
    assert rows(study, tmp_path / "hours.parquet", 1e3)["reason"].tolist() == [""] * 6


def test_what_was_timed_before_a_kill_is_kept_and_not_timed_again(study, tmp_path, monkeypatch):
    monkeypatch.setattr(host, "gpus", lambda: [])
    file = tmp_path / "hours.parquet"
    write = study_hours.write

    def write_until_killed(*arguments):
        write(*arguments)
        if pd.read_parquet(file)["seconds"].notna().sum() == 2:
            raise Killed

    monkeypatch.setattr(study_hours, "write", write_until_killed)
    fake(lambda *_: 1.0, monkeypatch)
    with pytest.raises(Killed):
        rows(study, file)
    assert len(pd.read_parquet(file)) == 6
    monkeypatch.setattr(study_hours, "write", write)
    fake(lambda *_: 9.0, monkeypatch)
    assert rows(study, file)["seconds"].tolist() == [1.0, 1.0, 9.0, 9.0, 9.0, 9.0]


def test_a_cell_that_fails_has_its_reason_and_ends_no_other(study, tmp_path, monkeypatch):
    def timed(spec, gpu):
        if spec.activation == "gelu":
            raise MemoryError("all of it")
        return 1.0

    fake(timed, monkeypatch)
    frame = rows(study, tmp_path / "hours.parquet")
    assert frame["reason"].str.contains("all of it").sum() == 2
    assert frame["seconds"].notna().sum() == 4


def test_the_reason_of_a_cell_names_no_path(study, monkeypatch):
    spec = study.possible[0].spec

    def measured(spec, study):
        raise StudyError(f"{study.file}: tasks.{spec.task_name}: out_of_memory: all of it")

    monkeypatch.setattr(study_hours.cost, "measured", measured)
    assert study_hours.timed(spec, study, None)["reason"] == "out_of_memory: all of it"


def test_a_keras_cell_is_not_compared_first(study):
    (spec, *_) = [run.spec for run in study.possible if run.spec.framework == "keras-jax"]
    study_hours.skip_parity(spec)
    assert parity_stamp.is_present(parity.path(spec), spec.framework)
    parity_file.check(spec)  # raises if its runs would not start
