"""Storage without locks: jobs of the workflow go on, other writers are refused."""

import errno
import fcntl
import os

import pytest

from actstudy.contract import locks, store
from actstudy.contract.errors import StudyError
from actstudy.data import download

NUMBERS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@pytest.fixture(params=NUMBERS, ids=errno.errorcode.get)
def number(request, monkeypatch):
    """The error of flock on such storage, in a job of the workflow."""

    def refused(*_):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refused)
    monkeypatch.setattr(locks, "RELIANCE", set())
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    locks._say_lockless.cache_clear()
    locks.rely_on_snakemake()
    return request.param


def test_jobs_of_a_workflow_do_without_locks(number, tmp_path, capsys):
    """They say so in one line."""
    for name in ("a", "b"):
        with locks.locked(tmp_path / name, is_of_one_job=True):
            (tmp_path / name / "file").touch()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{tmp_path}: its file system keeps no locks ({os.strerror(number)})")
    assert "runs are kept apart by Snakemake: let no second one" in line


@pytest.mark.parametrize("wait", [True, False])
def test_a_folder_of_several_jobs_is_refused(number, tmp_path, wait):
    """Two jobs may want it at once."""
    with pytest.raises(StudyError, match="keeps no locks"), locks.locked(tmp_path / "c", wait):
        pass


def test_a_download_is_refused(number, tmp_path, monkeypatch):
    """Two data sets of one text share its file: the second would empty what the first has."""
    monkeypatch.setattr(download, "download", lambda url, part: part.write_bytes(b"x"))
    path = tmp_path / "text.zip"
    with pytest.raises(StudyError, match="keeps no locks"):
        download.fetch("https://example.org/text.zip", path, lambda part: None)
    assert not path.exists()


def test_a_draft_of_a_writer_that_may_live_stays(number, tmp_path):
    run = tmp_path / "run"
    with (
        locks.locked(run, is_of_one_job=True),
        store.replacing(run / "step-10.pt") as draft,
    ):
        draft.write_text("weights")
        with locks.locked(run, is_of_one_job=True):
            assert draft.exists()
    assert (run / "step-10.pt").read_text() == "weights"


def test_a_second_slurm_job_does_not_enter(number, tmp_path, monkeypatch):
    """Slurm may not know the first one, which Snakemake then starts again."""
    run = tmp_path / "run"
    owner = tmp_path / ".locks/run.owner"
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with locks.locked(run, is_of_one_job=True):
        monkeypatch.setenv("SLURM_JOB_ID", "8")
        message = f"^{owner}: got Slurm job 8; allowed: job 7, .* remove this file"
        with pytest.raises(StudyError, match=message), locks.locked(run, is_of_one_job=True):
            pass
        assert owner.read_text() == "7"
    assert not owner.exists()
    with locks.locked(run, is_of_one_job=True):
        assert owner.read_text() == "8"


def test_a_slurm_job_that_was_killed_and_put_back_enters_again(number, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    owner = tmp_path / ".locks/run.owner"
    owner.parent.mkdir()
    owner.write_text("7")
    with locks.locked(tmp_path / "run", is_of_one_job=True):
        pass
    assert not owner.exists()
