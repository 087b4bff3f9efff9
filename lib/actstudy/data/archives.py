"""Packed files, read member by member into memory, at most so large: none is unpacked to disk, no link followed."""

import contextlib
import csv
import functools
import gzip
import io
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from actstudy.data.download import LIMIT

FAULTS = (  # what reading a damaged file raises; OSErrors too, which `official.reading` tells from the system's
    *(EOFError, LookupError, ValueError, RuntimeError),
    *(zlib.error, zipfile.BadZipFile, tarfile.TarError, csv.Error, pickle.UnpicklingError),
)


def content(path: Path, file: str) -> bytes:
    """What a path holds of an official file: itself, gunzipped, or the member of that name; one of FAULTS if none."""
    if path.name.endswith((".zip", ".tgz", ".tar.gz")):
        with opened(path) as (_, read):
            return read(file)
    return gunzipped(path) if path.suffix == ".gz" else bounded(path.open("rb"))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """The names of the members of a .zip, .tgz or .tar.gz, and what reads one of them."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            yield archive.namelist(), lambda name: bounded(archive.open(name))
    else:
        now = path.stat()
        with tarfile.open(
            fileobj=io.BytesIO(unpacked(path, now.st_mtime_ns, now.st_size)), mode="r:"
        ) as tar:
            yield tar.getnames(), lambda name: plain(tar, name)


def plain(tar: tarfile.TarFile, name: str) -> bytes:
    """A member that is a plain file; ValueError where it is a link or a device."""
    member = tar.getmember(name)
    handle = tar.extractfile(member) if member.isreg() else None
    if handle is None:
        raise ValueError(f"{name} is no plain file")
    return bounded(handle)


@functools.lru_cache(maxsize=1)
def unpacked(path: Path, changed: int, size: int) -> bytes:
    """The .tar in a .tgz, kept for the members to come; `prepared.prepare` drops it once the splits are made."""
    return gunzipped(path)


def gunzipped(path: Path) -> bytes:
    """A gzipped file's content."""
    return bounded(gzip.open(path))


def bounded(handle: IO[bytes] | gzip.GzipFile) -> bytes:
    """All that a file gives; ValueError where that is more than an official file holds."""
    with handle:
        made = handle.read(LIMIT + 1)
    if len(made) > LIMIT:
        raise ValueError(f"more than {LIMIT:,} bytes")
    return made
