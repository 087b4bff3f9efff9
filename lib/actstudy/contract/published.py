"""What can be said of a published run without reading it, from what the disk says of its files.

The manifest is published last, so its time is that of the run: a workflow that names it alone
asks here for what it must name besides.
"""

import hashlib
import time
from pathlib import Path

from actstudy.contract.store import FILES, MANIFEST, TABLES

SETTLED_NS = 2_000_000_000  # after which a file that changes bears another time on every disk


def gone(run: Path) -> list[str]:
    """The tables that a published run lacks; empty if it is not published."""
    if _written(run / MANIFEST) is None:
        return []
    return [name for name in TABLES if _written(run / name) is None]


def edited(run: Path) -> list[str]:
    """The tables of a published run that were written after its manifest."""
    published = _written(run / MANIFEST)
    if published is None:
        return []
    return [name for name in TABLES if (_written(run / name) or 0) > published]


def _written(path: Path) -> int | None:
    """When a file was last written, in ns; None if there is none, or if this user may not look."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def signature(run: Path) -> str:
    """What tells the files of a published run from edited ones without reading them.

    Hexadecimal; of each file its number on the disk, size, and the times of its last change and of
    the last change of its name, which no program can set. Empty if one is not there, or if the
    last change is so recent that another could bear the same time.
    """
    stats: list[int] = []
    newest = 0
    for name in FILES:
        try:
            entry = run.joinpath(name).stat()
        except OSError:
            return ""
        stats += [entry.st_ino, entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns]
        newest = max(newest, entry.st_ctime_ns)
    if time.time_ns() - newest < SETTLED_NS:
        return ""
    return hashlib.blake2b(repr(stats).encode(), digest_size=12).hexdigest()
