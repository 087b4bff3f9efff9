"""What holds of writing, holding and resuming: each proof returns what is wrong, so that a guard's
absence shows.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

from actstudy.contract import locks, store

from . import forks, kills


def a_writer_that_dies(folder: Path) -> str:
    """Killed in the midst of writing: the old file stands."""
    path = folder / "a.json"
    store.write_json(path, {"old": 1})

    def work() -> None:
        with store.replacing(path) as draft:
            draft.write_text("half a fi")
            os.kill(os.getpid(), signal.SIGKILL)

    assert forks.forked(work) == -signal.SIGKILL
    with locks.locked(folder):
        left = [one.name for one in folder.glob(".*.tmp")]
    if path.read_text() != '{\n "old": 1\n}\n':
        return f"the file is {path.read_text()!r}"
    return f"left behind {left}" if left else ""


def power_cuts(folder: Path, patch: object) -> str:
    """A power cut leaves the old file or the new one, whole, and once writing has returned the new
    one.

    Content is on disk once it was flushed; a name at any time from the rename on, surely once its
    folder was flushed.
    """
    path, events = folder / "new" / "a.json", []
    flush, rename = os.fsync, Path.rename

    def flushed(opened: int) -> None:
        events.append(("flush", Path(f"/proc/self/fd/{opened}").readlink()))
        flush(opened)

    def renamed(draft: Path, target: Path) -> Path:
        events.append(("rename", draft))
        return rename(draft, target)

    patch.setattr(os, "fsync", flushed)  # type: ignore[attr-defined]
    patch.setattr(Path, "rename", renamed)  # type: ignore[attr-defined]
    store.write_json(path, {"new": 1})
    names = [kind for kind, _ in events]
    if "rename" not in names:
        return f"written in place: {events}"
    at = names.index("rename")
    if ("flush", events[at][1]) not in events[:at]:
        return "renamed before its content was on disk: a power cut leaves an empty file"
    if ("flush", path.parent) not in events[at:]:
        return "done before its name was on disk: a power cut takes the file away"
    return "" if ("flush", folder) in events[:at] else "its folder's name was never on disk"


def two_writers(folder: Path) -> str:
    """While one holds a folder, no other does; once it is dead another does."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        with locks.locked(folder):
            os.write(write, b"x")
            time.sleep(60)
        os._exit(0)
    os.read(read, 1)
    try:
        with locks.locked(folder, wait=False):
            return "two writers at once"
    except BlockingIOError as error:
        said = str(error)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    boot = locks.BOOT.read_text()[:8] if locks.BOOT.is_file() else "unknown"
    expected = f"held by pid {child} on {locks.HOST} (boot {boot})"
    with contextlib.suppress(BlockingIOError), locks.locked(folder, wait=False):
        return "" if expected in said else f"it says {said!r}"
    return "a dead writer still holds it"


def resumed(root: Path, kill: kills.Kill) -> str:
    """Killed once and gone on: the tables of the undisturbed run."""
    specs = [forks.alone("mlp", "relu")]
    forks.prepare(root, specs)
    forks.train(specs, root / "undisturbed" / "mlp", checkpoint_seconds=1e9)
    hits, wrong = kills.survives(
        [kill], specs, root / "runs" / "killed", root / "undisturbed" / "mlp"
    )
    return wrong if hits else "the kill did not hit"
