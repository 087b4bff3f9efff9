"""The manifest of a run: checksums of its tables, and the part of its row that `status` needs.

So the runs of a large study are counted without opening a table of each.
"""

import hashlib
import json
from collections.abc import Mapping
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


def written(checksums: Mapping[str, str], runs: pa.Table) -> dict[str, Any]:
    """The content of a manifest; checksums: file -> SHA-256; runs: that table of one run."""
    rows = runs.select(SUMMARY).to_pylist()
    row = rows[0] if rows else {}
    return {**checksums, ROW: row, ROW_SHA256: _digest(row)}


def checksums(content: Any) -> dict[str, str] | None:
    """File -> SHA-256 of a manifest's content; None if that is not whole.

    Those of runs that ended before there were rows in manifests have none.
    """
    if not isinstance(content, dict):
        return None
    of_tables = {name: content[name] for name in TABLES if name in content}
    is_older = content.keys() == set(TABLES)
    has_row = content.keys() == {*TABLES, ROW, ROW_SHA256}
    if is_older or (has_row and _digest(content[ROW]) == content[ROW_SHA256]):
        return of_tables
    return None


def row(content: Any) -> dict[str, Any] | None:
    """The columns SUMMARY of a run, of its manifest; None if that is not whole or has none."""
    if checksums(content) is None or ROW not in content:
        return None
    values = content[ROW]
    is_whole = isinstance(values, dict) and list(values) == SUMMARY
    return values if is_whole else None


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
