"""Prepared data are those of their sources, and of one content for a version."""

import errno
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import command
from runs import tiny

from actstudy.contract import code, registry, sources, spec, store
from actstudy.data import opened, prepared
from actstudy.study import jobs, planning

N = 40  # of a split


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """A CSV file that mnist1d is prepared from: per row 40 values and a label."""
    path = tmp_path / "raw.csv"
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3 * N, 40)).round(3)
    np.savetxt(path, np.column_stack([x, np.arange(3 * N) % 10]), delimiter=",")

    def prepare():
        table = np.loadtxt(path, delimiter=",")
        splits = {}
        for split, part in zip(prepared.SPLITS, np.split(table, 3), strict=True):
            splits[split] = {"x": part[:, :40].astype(np.float32), "y": part[:, 40].astype(int)}
        return splits

    monkeypatch.setattr("actstudy.data.sets.mnist1d.prepare", prepare)
    return path


@pytest.fixture
def folder(raw, tmp_path):
    """Data prepared from `raw`."""
    prepared.prepare("mnist1d", tmp_path / "data" / "mnist1d")
    return tmp_path / "data" / "mnist1d"


def shuffle_labels(path):
    table = np.loadtxt(path, delimiter=",")
    table[:, 40] = np.roll(table[:, 40], 1)
    np.savetxt(path, table, delimiter=",")


def again(folder):
    shutil.rmtree(folder)
    prepared.prepare("mnist1d", folder)


def check(folder):
    sources.check(folder, "mnist1d")


def at_version(monkeypatch, version, **keys):
    declared = {**registry.dataset("mnist1d"), **keys, "version": version}
    monkeypatch.setattr(registry, "dataset", lambda name: declared)


def test_a_preparation_notes_the_files_that_it_read(folder, raw):
    source = json.loads((folder / sources.SOURCE).read_text())
    (entry,) = source["files"]
    assert entry["path"] == str(raw)
    assert entry["sha256"] == store.sha256(raw)
    assert source["code"] == {}
    check(folder)


def test_changed_raw_files_are_named(folder, raw):
    shuffle_labels(raw)
    with pytest.raises(
        store.Damaged,
        match=rf"{raw} has changed since {folder} was prepared from it; to fix: .*raise `version` "
        rf"in lib/actstudy/data/sets/mnist1d.py \(new runs\), or, .* rm -r {folder}",
    ):
        check(folder)


def test_one_byte_of_the_same_length_is_seen(folder, raw):
    text = raw.read_text()
    raw.write_text(text.replace("1", "2", 1))
    with pytest.raises(store.Damaged, match="has changed since"):
        check(folder)
    raw.write_text(text)
    check(folder)


def test_a_touched_file_is_read_once_and_accepted(folder, raw, monkeypatch):
    raw.touch()
    check(folder)
    monkeypatch.setattr(store, "sha256", lambda path: "read again")
    check(folder)


def test_arrays_without_their_raw_files_are_the_record(folder, raw):
    raw.unlink()
    check(folder)


def test_data_prepared_before_sources_were_noted_stay(folder, raw):
    (folder / sources.SOURCE).unlink()
    shuffle_labels(raw)
    check(folder)


def test_changed_code_of_a_preparation_is_named(folder, monkeypatch):
    piece = "data/sets/mnist1d.py"
    monkeypatch.setattr(code, "of_data", lambda dataset: {piece: "ab12cd34"})
    with pytest.raises(store.Damaged, match=rf"lib/actstudy/{piece} has changed since"):
        check(folder)
    again(folder)
    check(folder)
    monkeypatch.undo()


def test_equal_arrays_keep_the_runs(folder, monkeypatch):
    before = prepared.load(folder).sha256
    sources.pin(folder)
    at_version(monkeypatch, 1, title="another")
    again(folder)
    assert prepared.load(folder).sha256 == before


def test_a_version_is_one_content(folder, raw, monkeypatch):
    sources.pin(folder)
    shuffle_labels(raw)
    with pytest.raises(store.Damaged, match=r"arrays are others .* raise `version` in lib/"):
        again(folder)
    assert not (folder / store.MANIFEST).exists()
    with pytest.raises(store.Damaged, match="has changed since"):
        check(folder)  # the arrays are gone, their runs are not
    at_version(monkeypatch, 2)
    again(folder)
    sources.pin(folder)
    at_version(monkeypatch, 1)
    with pytest.raises(store.Damaged, match="arrays are others"):
        again(folder)


def test_before_the_first_run_a_preparation_may_be_repeated(folder, raw):
    before = prepared.load(folder).sha256
    shuffle_labels(raw)
    again(folder)
    assert prepared.load(folder).sha256 != before


def test_other_arrays_put_in_place_are_no_data_of_earlier_runs(folder, raw, tmp_path):
    sources.pin(folder)
    shuffle_labels(raw)
    prepared.prepare("mnist1d", tmp_path / "elsewhere" / "mnist1d")
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "elsewhere" / "mnist1d", folder)
    with pytest.raises(store.Damaged, match="arrays are others"):
        sources.pin(folder)


def test_declared_files_count_whoever_reads_them(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "RAW", tmp_path)
    (tmp_path / "declared.bin").write_bytes(b"1")
    at_version(monkeypatch, 1, files={"declared.bin": {}, "absent.bin": {}})
    again(folder)
    (tmp_path / "declared.bin").write_bytes(b"2")
    with pytest.raises(store.Damaged, match=r"declared\.bin has changed"):
        check(folder)


def test_a_study_is_refused_before_any_job(folder, raw, tmp_path):
    (tmp_path / "x.yaml").write_text("tasks: {mlp: {activation: relu}}\n")
    study = planning.load(tmp_path / "x.yaml")
    jobs.check_sources(study, folder.parent)
    shuffle_labels(raw)
    with pytest.raises(store.Damaged, match="has changed since"):
        jobs.check_sources(study, folder.parent)
    shutil.rmtree(folder)
    jobs.check_sources(study, folder.parent)  # prepared again by a job


def test_no_old_result_under_new_data(raw, tmp_path):
    def train(seed, status=0):
        run = spec.canonical(tiny("relu", seed, batch_size=10))
        done = command(tmp_path, "train", "--spec", run, "--quiet", "--device", "cpu")
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "completed" in train(0)
    shuffle_labels(raw)
    for seed in (0, 1):
        printed = train(seed, status=2)
        assert "raw.csv has changed since results/data/mnist1d was prepared" in printed
        assert printed.count("\n") == 1
    shutil.rmtree(tmp_path / "results/data/mnist1d")
    assert "arrays are others" in train(2, status=2)
    assert "raw.csv has changed" in train(0, status=2)
    shutil.rmtree(tmp_path / "results/data")
    assert "completed" in train(2)
    run = next((tmp_path / "results/runs/mlp").glob("relu-s0-*")).relative_to(tmp_path)
    assert f"{run} was trained on other data" in train(0, status=2)
    assert f"{run} was trained on other data" in counted(tmp_path, run)
    note = tmp_path / run / "spec.json"
    note.write_text(note.read_text().replace('"code": {}', '"code": {"init auto": "ab12cd34"}'))
    assert "the code has changed since the run was planned: init auto" in counted(tmp_path, run)


def counted(folder, run):
    """What doctor prints of a run whose units it is to count, and refuses."""
    done = command(folder, "doctor", str(run), "--train_split")
    assert done.returncode == 2
    return done.stderr


def test_of_very_many_files_a_sample_is_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_FILES", 3)
    paths = [tmp_path / f"{index}.png" for index in range(7)]
    for path in paths:
        path.touch()
    noted = sources.describe("mnist1d", paths)["files"]
    assert [entry["path"] for entry in noted] == [str(path) for path in paths[::3]]


def test_what_is_noted_of_opened_files(tmp_path):
    (tmp_path / "read.csv").write_text("1")
    (tmp_path / "later.csv").write_text("1")
    (tmp_path / ".hidden").write_text("1")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    with opened.noting() as files:
        (tmp_path / "read.csv").read_text()
        (tmp_path / ".hidden").read_text()
        (tmp_path / "written.csv").write_text("1")
        (tmp_path / "gone.csv").write_text("1")
        (tmp_path / "gone.csv").read_text()
        (tmp_path / "gone.csv").unlink()
        pq.read_table(tmp_path / "x.parquet")  # opened in C++: docs/adding.md says so
    (tmp_path / "later.csv").read_text()
    assert files == [tmp_path / "read.csv"]


@pytest.mark.parametrize(
    ("number", "is_refused"), [(errno.EACCES, False), (errno.EROFS, False), (errno.ENOSPC, True)]
)
def test_data_that_may_only_be_read_can_be_trained_on(folder, monkeypatch, number, is_refused):
    def refuse(path, _content):
        raise OSError(number, "refused", str(path))

    monkeypatch.setattr(store, "write_json", refuse)
    if not is_refused:
        sources.pin(folder)
        return
    with pytest.raises(OSError, match="refused"):
        sources.pin(folder)
