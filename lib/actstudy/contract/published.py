"""What can be said of a published run without reading it, from what the disk says of its files.

The manifest is published last, so its time is that of the run: a workflow that names it alone
asks here for what it must name besides.
"""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from actstudy.contract import manifests
from actstudy.contract.store import FILES, MANIFEST, TABLES

NAMES = frozenset(FILES)
SETTLED_NS = 2_000_000_000  # after which a file that changes bears another time on every disk


def amiss(run: Path) -> tuple[list[str], list[str]]:
    """The tables that a published run lacks, and those that were written after its manifest.

    None if it is not published.
    """
    files = _files(run)
    if MANIFEST not in files:
        return [], []
    gone = [name for name in TABLES if name not in files]
    there = [name for name in TABLES if name in files]
    newest = files[MANIFEST].st_mtime_ns
    return gone, [name for name in there if files[name].st_mtime_ns > newest]


def row(run: Path) -> dict[str, Any] | None:
    """The columns `manifests.SUMMARY` of a published run, as its manifest has them.

    None if a table is gone, has another size or time than the manifest notes (as those of a copy
    have, or of an older version), or has changed since the manifest did, by times that no program
    can set: then its tables are to be verified and read.
    """
    files = _files(run)
    if len(files) < len(FILES):
        return None
    published = files[MANIFEST].st_ctime_ns
    stats = {}
    for name in TABLES:
        entry = files[name]
        if entry.st_ctime_ns >= published:
            return None
        stats[name] = [entry.st_size, entry.st_mtime_ns]
    try:
        content = json.loads(_content(f"{run}/{MANIFEST}", files[MANIFEST].st_size))
        return manifests.row(content, stats)
    except (OSError, TypeError, ValueError):
        return None


def signature(run: Path) -> str:
    """What tells the files of a published run from edited ones without reading them.

    Hexadecimal; of each file its number on the disk, size, and the times of its last change and of
    the last change of its name, which no program can set. Empty if one is not there, or if the
    last change is so recent that another could bear the same time.
    """
    files = _files(run)
    stats: list[int] = []
    newest = 0
    for name in FILES:
        if name not in files:
            return ""
        entry = files[name]
        stats += [entry.st_ino, entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns]
        newest = max(newest, entry.st_ctime_ns)
    if time.time_ns() - newest < SETTLED_NS:
        return ""
    return hashlib.blake2b(repr(stats).encode(), digest_size=12).hexdigest()


def _content(path: str, size: int) -> str:
    """The text of a file, in half the time that `open` takes; size: what is expected of it."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(opened, size + 1).decode()
    finally:
        os.close(opened)


def _files(run: Path) -> dict[str, os.stat_result]:
    """Name -> what the disk says, of the published files in a folder.

    Empty if there is no such folder, or if this user may not look.
    """
    try:
        with os.scandir(run) as entries:
            return {entry.name: entry.stat() for entry in entries if entry.name in NAMES}
    except OSError:
        return {}
