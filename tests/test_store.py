"""Publishing: by rename, believed by checksum, one writer at a time. Each guard has a test that
fails without it.
"""

import errno
import multiprocessing
import os
import time
from pathlib import Path

import pytest
from runs import ROOT

from actstudy.commands import cli
from actstudy.contract import locks, schema, store
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
    with pytest.raises(store.Damaged, match=f"{name} is missing; to fix: run snakemake again"):
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
