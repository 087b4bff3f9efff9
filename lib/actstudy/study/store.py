"""A run's folder: written by rename, believed by checksum, held by one writer at a time."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from actstudy.study.schema import SCHEMAS

MANIFEST = "manifest.json"
FILES = [*(f"{name}.parquet" for name in SCHEMAS), MANIFEST]


class Damaged(Exception):
    """A file that is missing or does not verify; the message names it and the command that mends it."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file in the same folder; on leaving it is flushed to disk and renamed to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield draft
        with draft.open("rb") as handle:
            os.fsync(handle.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def write_json(path: Path, content: Any) -> None:
    """Write JSON, indented, keys in their order, by rename."""
    with replacing(path) as draft:
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


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
    write_json(final / MANIFEST, {f"{name}.parquet": sha256(final / f"{name}.parquet") for name in tables})


def publish(run: Path) -> None:
    """Copy the sealed tables to where readers look, the manifest last; Damaged where the seal does not verify."""
    final = run / "checkpoints" / "final"
    verify(final)
    for name in FILES:
        with replacing(run / name) as draft:
            shutil.copyfile(final / name, draft)


def verify(folder: Path) -> None:
    """Pass where every table is there and has its checksum, else raise Damaged."""
    mend = "to mend: run snakemake again"
    if not (folder / MANIFEST).is_file():
        raise Damaged(f"{folder / MANIFEST} is missing; {mend}")
    for name, digest in json.loads((folder / MANIFEST).read_text(encoding="utf-8")).items():
        if not (folder / name).is_file():
            raise Damaged(f"{folder / name} is missing; {mend}")
        if sha256(folder / name) != digest:
            raise Damaged(f"{folder / name} does not have its checksum; to mend: python -m actstudy retry {folder}")


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


@contextlib.contextmanager
def locked(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold a folder alone: a second writer waits, or with `wait=False` gets BlockingIOError naming the holder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            if not wait:
                raise BlockingIOError(f"{folder} is held by {handle.read().strip()}") from None
            handle.seek(0)
            print(f"waiting: {folder} is held by {handle.read().strip()}", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        handle.truncate(0)
        handle.write(f"pid {os.getpid()} on {socket.gethostname()}")
        handle.flush()
        yield


def holder(run: Path) -> str | None:
    """Who holds a run's folder now, or None."""
    try:
        with locked(run, wait=False):
            return None
    except BlockingIOError as error:
        return str(error)
