"""Faults in object storage that cost no run: failed jobs, cut uploads, a server that is away."""

import io
import shutil

import buckets
import pytest
from buckets import STORAGE

from actstudy.contract import sealed, store
from actstudy.contract.errors import StudyError
from actstudy.study import storage_link

COLLECT = ("--cores", "2", "--until", "collect")


@pytest.fixture(scope="module")
def server():
    """A server for S3."""
    with buckets.served() as running:
        yield running


@pytest.fixture(scope="module")
def stored(server, tmp_path_factory):
    """A project of two runs that one job has trained into s3://bucket/studies."""
    project = buckets.series(tmp_path_factory.mktemp("stored") / "first")
    project.snakemake(*STORAGE, *COLLECT)
    return project


def key_of(project, path):
    """The name of a file's object."""
    return f"studies/{path.relative_to(project.folder)}"


def test_a_job_that_fails_removes_no_object(stored, monkeypatch):
    """One of its two runs is lost, and its training fails: the other stays in the storage."""
    lost, good = stored.run_folders()
    buckets.client().delete_object(Bucket="bucket", Key=key_of(stored, lost / sealed.NAME))
    shutil.rmtree(lost)
    monkeypatch.setenv("ACTSTUDY_FAULT", "curves.parquet/fsync:full")
    printed = stored.snakemake(*STORAGE, *COLLECT, status=1)
    assert "Removing output files of failed job" in printed
    assert key_of(stored, good / sealed.NAME) in buckets.names()
    monkeypatch.delenv("ACTSTUDY_FAULT")
    stored.snakemake(*STORAGE, *COLLECT)
    assert key_of(stored, lost / sealed.NAME) in buckets.names()


def test_data_that_were_uploaded_in_part_are_prepared_again(stored):
    data = stored.folder / "results/data/mnist1d"
    names = {path.name for path in data.iterdir()}
    for name in ("train_x.npy", "val_y.npy"):
        buckets.client().delete_object(Bucket="bucket", Key=key_of(stored, data / name))
        (data / name).unlink()
    force = ("--forcerun", "prepare")  # data are asked for by runs that are not there alone
    printed = stored.snakemake(*STORAGE, *COLLECT, "--quiet", "host", "--until", "prepare", *force)
    assert "results/data/mnist1d: was there in part; it is prepared again" in printed
    assert "rule prepare" in printed
    for name in names:
        assert key_of(stored, data / name) in buckets.names()


class Parts:
    """Objects below a prefix of a storage."""

    key = "x/data"

    def __init__(self, contents):
        self.contents = contents

    def bucket_exists(self):
        return True

    def get_subkeys(self):
        return [Part(self, name) for name in list(self.contents)]


class Part:
    """One of them."""

    def __init__(self, parts, name):
        self.parts = parts
        self.name = name
        self.key = f"{parts.key}/{name}"

    def get(self):
        return {"Body": io.BytesIO(self.parts.contents[self.name])}

    def delete(self):
        del self.parts.contents[self.name]


WHOLE = b'{"sha256": {"x.npy": ""}}'


@pytest.mark.parametrize(
    ("contents", "is_half"),
    [
        ({}, False),
        ({"manifest.json": WHOLE, "x.npy": b""}, False),
        ({"manifest.json": WHOLE}, True),
        ({"x.npy": b""}, True),
        ({"manifest.json": b"{", "x.npy": b""}, True),
    ],
)
def test_half_of_prepared_data_goes_and_a_whole_stays(tmp_path, contents, is_half):
    (tmp_path / "manifest.json").write_bytes(WHOLE)
    parts = Parts(dict(contents))
    assert storage_link.remove_half(tmp_path, parts) == is_half
    assert parts.contents == ({} if is_half else contents)
    assert (tmp_path / "manifest.json").exists() != is_half


def test_a_note_in_a_bucket_that_is_not_there_stops_nothing(server, tmp_path):
    project = buckets.series(tmp_path / "first")
    note = project.folder / store.RUNS / "mlp/relu-s0-000000000000" / sealed.CLEARED
    note.parent.mkdir(parents=True)
    note.touch()
    project.snakemake(*STORAGE[:-1], "s3://new/x", "--cores", "1", "--until", "prepare")
    assert not note.exists()
    assert "x/results/data/mnist1d/manifest.json" in buckets.names("new")


def test_a_server_that_is_away_is_one_line(server, tmp_path, monkeypatch):
    project = buckets.series(tmp_path / "first")
    monkeypatch.setenv(buckets.ENDPOINT, "http://127.0.0.1:9")
    printed = project.snakemake(*STORAGE, *COLLECT, "-n", status=2)
    (line,) = [line for line in printed.splitlines() if "127.0.0.1:9" in line]
    assert line.startswith("actstudy: s3://bucket/studies: ")
    assert "to fix: AWS_ACCESS_KEY_ID" in line
    assert "--storage-s3-endpoint-url" in line
    assert "Traceback" not in printed


def test_other_files_in_the_place_of_copies_are_one_line(server, tmp_path):
    project = buckets.series(tmp_path / "first")
    (project.folder / ".snakemake/storage/s3/bucket/studies/results").mkdir(parents=True)
    printed = project.snakemake(*STORAGE, *COLLECT, "-n", status=2)
    assert printed.splitlines()[-1].startswith("actstudy: ")
    assert "got other files" in printed


def test_a_fault_of_ours_stays_as_it_is():
    with pytest.raises(StudyError, match="mine"), storage_link.reaching("s3://x"):
        raise StudyError("mine")
