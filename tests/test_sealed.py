"""Archives of runs that were trained again, of other studies, or with another run's tables."""

import dataclasses
import shutil
import zipfile

import pytest
from runs import tiny

from actstudy.analysis import retry
from actstudy.contract import sealed, spec, store
from actstudy.study import planning


@pytest.fixture
def run(train):
    """A published run with its archive."""
    folder = train(spec.run_id(tiny()))
    sealed.pack(folder)
    return folder


@pytest.fixture
def other(train):
    """Another one."""
    planned = dataclasses.replace(tiny(), seed=1)
    folder = train(spec.run_id(planned), planned)
    sealed.pack(folder)
    return folder


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_an_archive_of_other_tables_takes_the_place_of_those_here(run, tmp_path):
    """As the run was trained again elsewhere."""
    copy = tmp_path / "copy" / run.name
    shutil.copytree(run, copy)
    assert not sealed.unpack(copy)
    tables = {name: store.read(run, name)[0] for name in ("runs", *others(run))}
    row = {**tables["runs"].to_pylist()[0], "status": "failed"}
    tables["runs"] = tables["runs"].from_pylist([row], schema=tables["runs"].schema)
    store.seal(copy, tables)
    store.publish(copy)
    assert store.summary_row(copy)["status"] == "failed"
    assert sealed.unpack_all([copy]) == 1
    assert store.summary_row(copy) == store.summary_row(run)
    assert not sealed.unpack(copy)


def others(run):
    """The names of a run's tables but `runs`."""
    return [path.stem for path in run.glob("*.parquet") if path.stem != "runs"]


def test_a_damaged_archive_keeps_no_good_one_from_its_place(run, tmp_path):
    damaged = tmp_path / "lm/a"
    good = tmp_path / "mlp" / run.name
    for folder in (damaged, good):
        folder.mkdir(parents=True)
    (damaged / sealed.NAME).write_bytes(b"half")
    shutil.copy(run / sealed.NAME, good)
    with pytest.raises(store.Damaged, match=f"to fix: .*retry {damaged}, "):
        sealed.unpack_all([damaged, good])
    store.verify(good)
    assert sealed.unpack_all([good]) == 0  # of another study, the damaged one is not looked at


def test_tables_of_another_run_are_refused(run, other, tmp_path):
    folder = tmp_path / "here" / run.name
    folder.mkdir(parents=True)
    mixed = {**contents(other / sealed.NAME), "spec.json": (run / "spec.json").read_bytes()}
    with zipfile.ZipFile(folder / sealed.NAME, "w") as archive:
        for name, content in mixed.items():
            archive.writestr(name, content)
    for _ in range(2):
        with pytest.raises(store.Damaged, match=f"the tables of run {other.name}; to fix"):
            sealed.unpack(folder)
    assert not (folder / store.MANIFEST).exists()
    assert not store.verifies(folder / "checkpoints/final")


def test_a_folder_with_an_archive_alone_can_be_cleared(tmp_path):
    """As the line on a damaged archive says."""
    study = planning.load("config/smoke.yaml")
    run = tmp_path / "lm/a"
    run.mkdir(parents=True)
    (run / sealed.NAME).write_bytes(b"half")
    assert retry.clear(study, str(run)) == [str(run)]
    assert (run / sealed.CLEARED).is_file()
    assert not (run / sealed.NAME).exists()
