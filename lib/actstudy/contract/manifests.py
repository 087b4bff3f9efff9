"""The manifest of a run: checksums of its tables, and the part of its row that `status` needs.

So the runs of a large study are counted without opening a table of each. It has their sizes and
times too, by which the disk says whether they are still those.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from actstudy.contract.schema import BUCKETS, SCHEMAS

TABLES = [f"{name}.parquet" for name in SCHEMAS]
SUMMARY = [  # columns of `runs` that a manifest has too: what `status` asks
    "run_id",
    "task",
    "status",
    "reason",
    "epochs",
    "ended",
    "dataset",
    "vocabulary",
    "context",
    "data_sha256",
    *[f"{bucket}_seconds" for bucket in BUCKETS],
]
ROW = "row"
ROW_SHA256 = "row_sha256"
DISK = "disk"  # file -> size in bytes and the time of its last change in ns, as it was written
DISK_SHA256 = "disk_sha256"
OWN = (ROW, ROW_SHA256, DISK, DISK_SHA256)


def written(checksums: Mapping[str, str], runs: pa.Table, folder: Path) -> dict[str, Any]:
    """The content of a manifest of the tables in a folder.

    checksums: file -> SHA-256; runs: that table of one run.
    """
    rows = runs.select(SUMMARY).to_pylist()
    row = rows[0] if rows else {}
    stats = {name: folder.joinpath(name).stat() for name in checksums}
    disk = {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}
    own = {ROW: row, ROW_SHA256: _digest(row), DISK: disk, DISK_SHA256: _digest(disk)}
    return {**checksums, **own}


def checksums(content: Any) -> dict[str, str] | None:
    """File -> SHA-256 of a manifest's content; None if that is not whole.

    Those of runs that ended before manifests had rows, or sizes and times, are without them.
    """
    if not isinstance(content, dict):
        return None
    of_tables = {name: content[name] for name in TABLES if name in content}
    if content.keys() not in (set(TABLES), {*TABLES, *OWN[:2]}, {*TABLES, *OWN}):
        return None
    for name, digest in (OWN[:2], OWN[2:]):
        if name in content and _digest(content[name]) != content[digest]:
            return None
    return of_tables


def disk(content: Any) -> dict[str, tuple[int, int]]:
    """File -> size in bytes and time of its last change in ns, as it was written.

    Of the content of a manifest; empty if that is not whole or older.
    """
    if checksums(content) is None or not isinstance(content.get(DISK), dict):
        return {}
    return {name: (size, time) for name, (size, time) in content[DISK].items()}


def row(content: Any, stats: Mapping[str, list[int]]) -> dict[str, Any] | None:
    """The columns SUMMARY of a run, of its manifest.

    None if that is not whole, has none, or notes other sizes and times than stats, as in DISK.
    """
    if checksums(content) is None or content.get(DISK) != stats:
        return None
    values = content[ROW]
    is_whole = isinstance(values, dict) and list(values) == SUMMARY
    return values if is_whole else None


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
