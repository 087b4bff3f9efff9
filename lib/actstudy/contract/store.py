"""A run's folder: written by rename, believed by checksum, held by one writer at a time."""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from actstudy.contract import faults
from actstudy.contract.locks import HOST
from actstudy.contract.locks import holder as holder
from actstudy.contract.locks import locked as locked
from actstudy.contract.locks import naming as naming
from actstudy.contract.schema import SCHEMAS

MANIFEST = "manifest.json"
TABLES = [f"{name}.parquet" for name in SCHEMAS]
FILES = [*TABLES, MANIFEST]


class Damaged(Exception):
    """A file that is missing or does not verify; the message names it and the command that fixes it."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file in the same folder; on leaving it is flushed to disk and renamed to `path`."""
    _made(path.parent)
    draft = path.with_name(f".{path.name}.{HOST}.{os.getpid()}.tmp")
    try:
        with naming(path):
            faults.at(faults.writing(path, "draft"))
            yield draft
            faults.at(faults.writing(path, "fsync"))
            _flush(draft)
        faults.at(faults.writing(path, "rename"))
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    faults.at(faults.writing(path, "folder"))
    _flush(path.parent)
    for left in path.parent.glob(".*.tmp"):  # of writers of this file that have died on this host
        writer = re.fullmatch(re.escape(f".{path.name}.{HOST}.") + r"(\d+)\.tmp", left.name)
        if writer and not _alive(int(writer[1])):
            left.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


def _made(folder: Path) -> None:
    """Make a folder and those above it, each noted on disk by the one that holds it."""
    if not folder.is_dir():
        _made(folder.parent)
        folder.mkdir(exist_ok=True)
        _flush(folder.parent)


def _flush(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, are on disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_json(path: Path, content: Any) -> None:
    """Write JSON, indented, keys in their order, by rename."""
    with replacing(path) as draft:
        draft.write_text(_json(content), encoding="utf-8")


def _json(content: Any) -> str:
    return json.dumps(content, indent=1) + "\n"


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def seal(run: Path, tables: dict[str, pa.Table]) -> None:
    """Keep finished tables under checkpoints/final, their checksums last: from here on the run cannot be lost."""
    final = run / "checkpoints" / "final"
    for name, table in tables.items():
        with replacing(final / f"{name}.parquet") as draft:
            pq.write_table(table, draft, write_page_checksum=True)
    write_json(
        final / MANIFEST, {f"{name}.parquet": sha256(final / f"{name}.parquet") for name in tables}
    )


def publish(run: Path) -> None:
    """Copy the sealed tables to where readers look, the manifest last; Damaged where the seal does not verify."""
    final = run / "checkpoints" / "final"
    verify(final)
    for name in FILES:
        with replacing(run / name) as draft:
            shutil.copyfile(final / name, draft)
    for left in (run / "checkpoints").glob(
        "step-*"
    ):  # of a run that was killed just after it was sealed
        left.unlink(missing_ok=True)


def verify(folder: Path) -> None:
    """Pass where every table is there and has its checksum, else raise Damaged."""
    for name, digest in _checksums(folder).items():
        if not (folder / name).is_file():
            raise Damaged(f"{folder / name} is missing; to fix: run snakemake again")
        if sha256(folder / name) != digest:
            raise Damaged(
                f"{folder / name} does not have its checksum; to fix: python -m actstudy retry {folder}"
            )


def _checksums(folder: Path) -> dict[str, str]:
    """What the manifest says of every table; Damaged where it is missing or not, byte for byte, what `seal` writes."""
    path = folder / MANIFEST
    if not path.is_file():
        raise Damaged(f"{path} is missing; to fix: run snakemake again")
    found, written = {}, path.read_bytes()
    with contextlib.suppress(ValueError):
        found = json.loads(written)
    if (
        not isinstance(found, dict)
        or sorted(found) != sorted(TABLES)
        or _json(found).encode() != written
    ):
        raise Damaged(f"{path} is not a whole manifest; to fix: python -m actstudy retry {folder}")
    return found


def verifies(folder: Path) -> bool:
    """Whether `verify` passes."""
    try:
        verify(folder)
    except (Damaged, OSError, ValueError):
        return False
    return True


def read(run: Path, *names: str) -> list[pa.Table]:
    """Tables of a published run, verified once; Damaged where the folder does not verify."""
    verify(run)
    return [pq.read_table(run / f"{name}.parquet") for name in names]


def summary_row(run: Path) -> dict[str, Any]:
    """The published `runs` row of a folder."""
    return dict(read(run, "runs")[0].to_pylist()[0])
