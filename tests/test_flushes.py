"""What is on disk when: files written together, the manifest after its tables, notes never."""

import threading
from pathlib import Path

import pytest
from test_store import minimal

from actstudy.contract import store
from actstudy.training.log import Log


@pytest.fixture
def events(monkeypatch) -> list[tuple[str, str]]:
    """Flushes and renames from here on, with the name of their file or folder."""
    seen: list[tuple[str, str]] = []
    flush = store.flush
    rename = Path.rename

    def flushed(path: Path) -> None:
        flush(path)
        seen.append(("flush", path.name.split(f".{store.HOST}")[0].removeprefix(".")))

    def renamed(draft: Path, target: Path) -> Path:
        seen.append(("rename", target.name))
        return rename(draft, target)

    monkeypatch.setattr(store, "flush", flushed)
    monkeypatch.setattr(Path, "rename", renamed)
    return seen


def test_all_tables_are_on_disk_before_the_manifest_names_them(tmp_path, events):
    """Sealed, then published: all contents, then all names, then the manifest."""
    tables = list(store.TABLES)
    (tmp_path / "run/checkpoints/final").mkdir(parents=True)
    store.seal(tmp_path / "run", minimal())
    assert sorted(events[:5]) == sorted(("flush", name) for name in tables)
    assert events[5:10] == [("rename", name) for name in tables]
    ending = [("flush", "manifest.json"), ("rename", "manifest.json")]
    assert events[10:] == [("flush", "final"), *ending, ("flush", "final")]
    events.clear()
    store.publish(tmp_path / "run")
    assert sorted(events[:5]) == sorted(("flush", name) for name in tables)
    assert events[5:10] == [("rename", name) for name in tables]
    assert events[10:] == [("flush", "run"), *ending, ("flush", "run")]


def test_files_that_are_written_together_are_flushed_at_the_same_time(tmp_path, monkeypatch):
    """Each flush waits until all have begun."""
    begun = threading.Barrier(3, timeout=20)
    flush = store.flush

    def waiting(path: Path) -> None:
        if path.is_file():
            begun.wait()
        flush(path)

    monkeypatch.setattr(store, "flush", waiting)
    store.write_all({tmp_path / name: lambda draft: draft.write_text("x") for name in "abc"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_of_files_written_together_a_fault_of_one_leaves_none(tmp_path):
    def full(_draft: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space") as caught:
        store.write_all({tmp_path / "a": lambda draft: draft.touch(), tmp_path / "b": full})
    assert caught.value.filename == str(tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_note_on_progress_waits_for_no_disk(tmp_path, events):
    """It is of use only while its run trains."""
    log = Log(tmp_path, quiet=True, tensorboard=False, pause=0.0)
    log.evaluated(1, 2, 0.5, {}, None, "labels/s", 1.0)
    assert log.train_seconds_seen() == 1.0
    assert events == [("rename", "progress.json")]
