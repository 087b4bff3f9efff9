"""A study in object storage: on a local S3 server a second folder trains nothing again."""

import shutil
import zipfile

import buckets
import pytest
from buckets import STORAGE
from project import Project
from runs import ROOT, same_tables, tiny

from actstudy.contract import sealed, spec, store
from actstudy.contract.errors import StudyError
from actstudy.study import storage_link

TABLES = "results/smoke/tables/plan.json"
PLANNED = ("-n", "--quiet", "host")  # a dry run that prints its jobs


@pytest.fixture(scope="module")
def server():
    """A server for S3; the bucket is made by the first file."""
    with buckets.served() as running:
        yield running


@pytest.fixture(scope="module")
def trained(server, tmp_path_factory):
    """A folder whose study was first trained without a storage, and its tables of then."""
    project = Project(tmp_path_factory.mktemp("first"))
    project.snakemake("--cores", "2", TABLES)
    local = tables_of(project)
    project.snakemake(*STORAGE, TABLES, "--cores", "2")
    return project, local


@pytest.fixture(scope="module")
def second(trained, tmp_path_factory):
    """Another folder with the same storage, and what its start printed."""
    project = Project(tmp_path_factory.mktemp("second"))
    return project, project.snakemake(*STORAGE, TABLES, "--cores", "2", "--quiet", "host")


def tables_of(project):
    """Name -> bytes of a study's tables."""
    folder = project.folder / "results/smoke/tables"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_study_that_was_trained_here_is_stored_without_training(trained):
    project, local = trained
    assert tables_of(project) == local
    assert len(list(project.folder.glob(f"results/runs/mlp/*/{sealed.NAME}"))) == 2
    assert "Nothing to be done" in project.snakemake(*STORAGE, TABLES, "-n")


def test_a_second_folder_trains_nothing_and_has_equal_tables(trained, second):
    _, local = trained
    project, printed = second
    assert "rule tables" in printed
    assert "rule train" not in printed
    assert "rule prepare" not in printed
    assert len(local) > 40
    assert tables_of(project) == local


def test_runs_that_have_come_are_those_that_were_trained(trained, second):
    first = trained[0]
    other = second[0]
    for run in first.run_folders():
        arrived = other.folder / run.relative_to(first.folder)
        for name in (*store.FILES, "spec.json", "environment.json", "log.txt"):
            assert (arrived / name).read_bytes() == (run / name).read_bytes()
        assert not list(arrived.glob("checkpoints/*.pt"))


def test_locks_and_checkpoints_stay_on_the_disk(server, trained):
    keys = buckets.names()
    kinds = {"runs", "data", "references", "smoke"}
    assert {key.split("/")[2] for key in keys} == kinds
    assert {key.split("/")[-1] for key in keys if "/runs/" in key} == {sealed.NAME}
    assert [key for key in keys if "/smoke/" in key] == ["studies/results/smoke/boundaries.parquet"]


def test_a_cleared_run_is_trained_again_and_replaces_its_object(trained, second):
    project = second[0]
    run = next(path for path in project.run_folders() if path.name.startswith("tanh"))
    words = ("retry", run.name, "--config", "config/smoke.yaml")
    project.call("python", "-m", "actstudy", *words)
    assert (run / sealed.CLEARED).is_file()
    assert not (run / sealed.NAME).exists()
    words = ("--cores", "2", "--quiet", "host", "--until", "train")
    printed = project.snakemake(*STORAGE, *words)
    assert printed.count("rule train:") == 1
    assert f"id={run.name}" in printed
    assert not (run / sealed.CLEARED).exists()
    assert store.verifies(run)
    assert "rule train" not in trained[0].snakemake(*STORAGE, *PLANNED)


def test_a_node_that_shares_no_disk_trains_from_the_storage(trained, tmp_path):
    """By the command that executors send to a node: data come, one file goes, bits are equal."""
    project = trained[0]
    (run,) = [path for path in project.run_folders() if path.name.startswith("relu")]
    (tmp_path / "node").mkdir()
    (tmp_path / "third").mkdir()
    node = Project(tmp_path / "node")
    job = ("--target-jobs", f"train:task=mlp,id={run.name}", "--allowed-rules", "train")
    words = ("--mode", "remote", "--force", "--nolock", "--no-hooks", "--cores", "1")
    node.snakemake(*job, *words, *STORAGE, "--shared-fs-usage", "none")
    folder = node.folder / run.relative_to(project.folder)
    assert same_tables(folder, run)
    assert (node.folder / "results/data/mnist1d/train_x.npy").is_file()
    elsewhere = Project(tmp_path / "third")
    elsewhere.snakemake(*STORAGE, "--cores", "2", "--until", "collect")
    arrived = elsewhere.folder / folder.relative_to(node.folder) / sealed.NAME
    assert arrived.read_bytes() == (folder / sealed.NAME).read_bytes()


def test_a_job_of_several_runs_trains_those_that_the_storage_lacks(server, tmp_path):
    storage = (*STORAGE[:-1], "s3://bucket/series", "--cores", "2", "--until", "collect")
    first, second = (buckets.series(tmp_path / name) for name in ("first", "second"))
    assert "rule series_" in first.snakemake(*storage, "--quiet", "host")
    present, lost = first.run_folders()
    key = f"series/{lost.relative_to(first.folder)}/{sealed.NAME}"
    buckets.client().delete_object(Bucket="bucket", Key=key)
    printed = second.snakemake(*storage)
    assert f"mlp {lost.name}: completed" in printed
    weights = list(second.folder.glob("results/runs/mlp/*/checkpoints/best.pt"))
    assert [path.parents[1].name for path in weights] == [lost.name]  # runs come without weights
    other = second.folder / present.relative_to(first.folder)
    assert (other / store.MANIFEST).read_bytes() == (present / store.MANIFEST).read_bytes()
    assert same_tables(second.folder / lost.relative_to(first.folder), lost)


@pytest.fixture
def run(train):
    """A published run, in a folder with its id."""
    folder = train(spec.run_id(tiny()))
    sealed.pack(folder)
    return folder


@pytest.fixture
def elsewhere(run, tmp_path):
    """A folder with the archive of the run alone."""
    folder = tmp_path / "elsewhere" / run.parent.name / run.name
    folder.mkdir(parents=True)
    shutil.copy(run / sealed.NAME, folder)
    return folder


def test_an_archive_is_the_run_and_nothing_else(run, elsewhere):
    assert sealed.unpack_all([elsewhere]) == 1
    store.verify(elsewhere)
    store.verify(elsewhere / "checkpoints/final")
    for name in store.FILES:
        assert (elsewhere / name).read_bytes() == (run / name).read_bytes()
    assert sealed.unpack_all([elsewhere]) == 0
    before = (run / sealed.NAME).read_bytes()
    sealed.pack(run)
    assert (run / sealed.NAME).read_bytes() == before


def test_an_archive_writes_no_file_that_no_run_has(elsewhere):
    with zipfile.ZipFile(elsewhere / sealed.NAME, "a") as archive:
        archive.writestr("../outside", "x")
        archive.writestr("checkpoints/best.pt", "x")
    sealed.unpack(elsewhere)
    assert not (elsewhere.parent / "outside").exists()
    assert not (elsewhere / "checkpoints/best.pt").exists()


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)


def edit(path):
    """Another table than the sealed one, in an archive that is whole."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents["curves.parquet"] += b"x"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("damage", [cut, flip, edit])
def test_a_damaged_archive_publishes_nothing(elsewhere, damage):
    damage(elsewhere / sealed.NAME)
    with pytest.raises(store.Damaged, match=f"{elsewhere.name}.*to fix: "):
        sealed.unpack(elsewhere)
    assert not (elsewhere / store.MANIFEST).exists()


def test_an_archive_of_another_run_is_refused(elsewhere):
    other = elsewhere.rename(elsewhere.with_name("relu-s9-000000000000"))
    with pytest.raises(store.Damaged, match=f"the run {elsewhere.name}; to fix"):
        sealed.unpack(other)


def test_copies_of_the_storage_are_the_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copies = tmp_path / ".snakemake/storage/s3/bucket/results"
    storage_link.join(copies)
    storage_link.join(copies)
    (copies / "runs").mkdir()
    assert (tmp_path / "results/runs").is_dir()
    copies.unlink()
    copies.mkdir()
    with pytest.raises(StudyError, match="got other files; allowed: a link to results; to fix"):
        storage_link.join(copies)


def test_the_profile_names_the_provider():
    text = (ROOT / "profiles/s3/config.yaml").read_text()
    assert "default-storage-provider: s3" in text
    assert "default-storage-prefix: s3://" in text
