"""Publishing: by rename, believed by checksum, one writer at a time. Each guard has a test that
fails without it.
"""

import contextlib
import errno
import fcntl
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from runs import ROOT

from actstudy.analysis import status
from actstudy.commands import cli
from actstudy.contract import errors, locks, schema, store
from actstudy.contract.errors import StudyError
from actstudy.training.log import Log


def minimal(run_id="r"):
    rows = {"runs": [{"run_id": run_id, "status": "completed"}]}
    return {name: schema.table(name, "a", rows.get(name, [])) for name in schema.SCHEMAS}


def test_a_writer_that_dies_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    store.write_json(path, {"old": 1})
    writing = store.replacing(path)
    writing.__enter__().write_text("half a fi")
    with pytest.raises(RuntimeError):
        writing.gen.throw(RuntimeError())
    assert "old" in path.read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_full_disk_is_told_with_the_file_it_was_for(tmp_path):
    """The system's own error names none; /dev/full is a disk that is always full."""
    full = Path("/dev/full")

    def draft():
        with store.replacing(tmp_path / "x.json") as made:
            made.symlink_to(full)
            made.write_text("a")

    def flushed():
        with store.replacing(tmp_path / "y.json"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def logged():
        (tmp_path / "log.txt").symlink_to(full)
        Log(tmp_path, quiet=True, tensorboard=False).line("a")

    for work, name in ((draft, "x.json"), (flushed, "y.json"), (logged, "log.txt")):
        with pytest.raises(OSError, match=f"No space left on device: .*{name}"):
            work()


def test_readers_never_see_a_half_written_file(tmp_path):
    """While the draft is open the target does not exist yet: a plain `open(path, 'w')` would fail
    here.
    """
    with store.replacing(tmp_path / "x") as draft:
        draft.write_text("part")
        assert not (tmp_path / "x").exists()
    assert (tmp_path / "x").read_text() == "part"


def test_sealed_and_published_tables_verify(tmp_path):
    store.seal(tmp_path, minimal())
    assert not store.verifies(tmp_path)  # sealed is not yet published
    store.publish(tmp_path)
    assert store.verifies(tmp_path)
    assert store.summary_row(tmp_path)["status"] == "completed"


@pytest.mark.parametrize("name", [n for n in store.FILES if n != store.MANIFEST])
def test_one_flipped_byte_is_found_and_named(tmp_path, name):
    store.seal(tmp_path, minimal())
    store.publish(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        store.Damaged,
        match=rf"{name} does not have its checksum; to fix: python -m actstudy retry",
    ):
        store.read(tmp_path, "curves")


@pytest.mark.parametrize("name", store.FILES)
def test_a_missing_file_is_named(tmp_path, name):
    store.seal(tmp_path, minimal())
    store.publish(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(store.Damaged, match=f"{name} is missing; to fix: start the study again"):
        store.read(tmp_path, "runs")


def test_a_damaged_seal_is_not_published(tmp_path):
    store.seal(tmp_path, minimal())
    (tmp_path / "checkpoints/final/runs.parquet").write_bytes(b"PAR1")
    with pytest.raises(store.Damaged):
        store.publish(tmp_path)
    assert not (tmp_path / store.MANIFEST).exists()


@pytest.mark.parametrize("part", ["", "checkpoints/final"])
@pytest.mark.parametrize("name", store.FILES)
def test_the_command_of_a_damaged_run_is_accepted(tmp_path, monkeypatch, capsys, part, name):
    """Of published and of sealed tables: `retry` takes a run's folder, not one within it."""
    monkeypatch.chdir(ROOT)
    store.write_json(tmp_path / "spec.json", {})
    store.seal(tmp_path, minimal())
    store.publish(tmp_path)
    (tmp_path / part / name).write_bytes(b"{}")
    with pytest.raises(store.Damaged) as damaged:
        store.verify(tmp_path / part)
    _, _, command = str(damaged.value).partition("to fix: python -m actstudy ")
    assert command == f"retry {tmp_path}"
    with pytest.raises(SystemExit, match="0"):
        cli.main(command.split())
    assert "cleared" in capsys.readouterr().out
    assert not (tmp_path / name).exists()


def test_tables_are_strict():
    with pytest.raises(ValueError, match="unknown columns"):
        schema.table("runs", "a", [{"status": "x", "colour": 1}])
    with pytest.raises(ValueError, match="status is null"):
        schema.table("runs", "a", [{"task": "mlp"}])


def _hold(folder: Path, seconds: float) -> None:
    with locks.locked(folder):
        (folder / "held").touch()
        time.sleep(seconds)


def test_one_writer_at_a_time(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=_hold, args=(tmp_path, 30))
    process.start()
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    with (
        pytest.raises(BlockingIOError, match=f"is held by pid {process.pid}"),
        locks.locked(tmp_path, wait=False),
    ):
        pass
    holder = locks.holder(tmp_path)
    assert holder is not None
    assert (holder.pid, holder.host) == (process.pid, locks.HOST)
    process.kill()  # a dead holder frees the lock
    process.join()
    assert locks.holder(tmp_path) is None


def test_an_empty_folder_is_removed_and_its_lock_stays(tmp_path):
    folder = tmp_path / "run"
    assert locks.holder(folder) is None
    assert list(tmp_path.iterdir()) == []  # asking leaves nothing
    with locks.locked(folder):
        assert folder.is_dir()
        assert locks.holder(folder) == locks.Holder(os.getpid(), locks.HOST, _boot())
    assert [path.name for path in tmp_path.iterdir()] == [".locks"]
    with locks.locked(folder):
        (folder / ".x.json.elsewhere.1.tmp").touch()
        (folder / "x.json").touch()
    with locks.locked(folder):
        assert [path.name for path in folder.iterdir()] == ["x.json"]


def _boot():
    return locks.BOOT.read_text()[:8] if locks.BOOT.is_file() else "unknown"


def test_a_holder_without_a_note_is_unknown(tmp_path):
    with locks.locked(tmp_path / "run"):
        locks.lock_file(tmp_path / "run").write_text("")
        assert locks.holder(tmp_path / "run") == locks.UNKNOWN


def test_links_and_relative_paths_of_a_folder_have_one_lock(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    link = tmp_path / "elsewhere" / "link"
    link.parent.mkdir()
    link.symlink_to(folder)
    monkeypatch.chdir(folder)
    names = [folder, link, Path(), Path("../data")]
    assert {locks.lock_file(name) for name in names} == {tmp_path / locks.LOCKS / "data"}


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_one_line(tmp_path, monkeypatch, number):
    """A writer names the folder and what to do; a reader may not say that nobody holds it."""

    def refused(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    message = f"^{tmp_path}/run: its file system keeps no locks .*; to fix: put it on a local disk"
    with pytest.raises(StudyError, match=message), locks.locked(tmp_path / "run"):
        pass
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    with pytest.raises(OSError, match=f"{tmp_path}/.locks/run"):
        locks.holder(tmp_path / "run")
    states, unknown = status.states_of({"a": tmp_path / "run"})
    assert states == {"a": "not known"}
    assert errors.system_fault(unknown[0]).startswith(f"{tmp_path}/.locks/run: ")


def test_other_faults_of_a_lock_name_its_file(tmp_path, monkeypatch):
    def interrupted(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", interrupted)
    with pytest.raises(OSError, match=f"{tmp_path}/.locks/run"), locks.locked(tmp_path / "run"):
        pass


@pytest.fixture
def shared():
    """A folder that every user may enter; what it holds belongs to this process's user."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextlib.contextmanager
def stranger():
    """With the rights of a user who owns nothing here."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(12345)
    try:
        yield
    finally:
        os.seteuid(user)


def readable(folder):
    """Makes a tree one that may be read and not written."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def writable(folder):
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)


def test_a_state_needs_no_writers_rights(shared):
    """Another user's runs that are done, at work, given up and not begun: nothing is written."""
    done = shared / "runs/done"
    store.seal(done, minimal("done"))
    store.publish(done)
    names = ("done", "running", "stopped", "waiting")
    folders = {name: shared / "runs" / name for name in names}
    (folders["stopped"] / "checkpoints").mkdir(parents=True)
    (folders["stopped"] / "checkpoints/step-1.pt").touch()
    with locks.locked(folders["running"]):
        (folders["running"] / "log.txt").touch()
        readable(shared)
        before = sorted(shared.rglob("*"))
        with stranger():
            states, unknown = status.states_of(folders)
        assert sorted(shared.rglob("*")) == before
        writable(shared)
    assert unknown == []
    assert list(states.values()) == ["completed", "running", "interrupted", "waiting"]


@pytest.mark.parametrize("closed", ["runs/a", "runs/.locks", "runs/.locks/a", "runs"])
def test_what_may_not_be_read_is_not_known(shared, closed):
    """Never `waiting`, and never `damaged`, whose remedy removes it."""
    folder = shared / "runs/a"
    with locks.locked(folder):
        (folder / "log.txt").touch()
        (shared / closed).chmod(0)
        with stranger():
            states, unknown = status.states_of({"a": folder})
        (shared / closed).chmod(0o755)
    assert states == {"a": "not known"}
    line = errors.system_fault(unknown[0])
    assert line.startswith(str(shared))
    assert "Permission denied; to fix: ask its owner" in line


def test_tables_that_may_not_be_read_are_not_damaged(shared):
    store.seal(shared / "a", minimal())
    store.publish(shared / "a")
    (shared / "a/runs.parquet").chmod(0)
    with stranger():
        with pytest.raises(PermissionError, match=r"runs\.parquet"):
            store.verifies(shared / "a")
        assert status.states_of({"a": shared / "a"})[0] == {"a": "not known"}


def test_a_missing_folder_of_locks_means_that_nobody_holds_it(shared):
    (shared / "a").mkdir()
    with stranger():
        assert locks.holder(shared / "a") is None
        assert status.state(shared / "a") == "waiting"


def test_a_systems_error_says_where_and_what_to_do():
    named = OSError(errno.EROFS, "Read-only file system", "/x/y")
    line = "/x/y: Read-only file system; to fix: work in a folder that can be written"
    assert errors.system_fault(named) == line
    assert errors.system_fault(OSError(errno.ENOTDIR, "Not a directory", "/x")) == (
        "/x: Not a directory"
    )
    with pytest.raises(OSError, match="x") as caught, store.replacing(Path("/dev/null/x")):
        pass
    caught.value.filename = None
    assert errors.system_fault(caught.value).startswith("store.")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_is_full_or_closed_is_no_traceback(unbuffered):
    words = [sys.executable, "-m", "actstudy", "template", "--task", "mlp"]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment
        )
    assert done.returncode == 2
    assert "No space left on device; to fix: make room on its disk\n" in done.stderr
    assert done.stderr.count("\n") == 1
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        words, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, env=environment
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
