"""Packed files, read member by member into memory, each of a bounded size.

None is unpacked to disk, and no link in an archive is followed.
"""

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

MAX_BYTES = 2**28  # of an official file, fetched or unpacked; the largest have 248 and 155 million
# Errors that reading a damaged file raises, besides OSErrors, which official.reading sorts out.
FAULTS = (
    EOFError,
    LookupError,
    ValueError,
    RuntimeError,
    zlib.error,
    zipfile.BadZipFile,
    tarfile.TarError,
    csv.Error,
    pickle.UnpicklingError,
)


def content(path: Path, file: str) -> bytes:
    """Content of an official file: of `path` itself, gunzipped, or of the member named `file`.

    Raises one of FAULTS if the path does not hold it.
    """
    if path.name.endswith((".zip", ".tgz", ".tar.gz")):
        with open_archive(path) as (_, read):
            return read(file)
    if path.suffix == ".gz":
        return gunzip(path)
    return read_bounded(path.open("rb"))


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """The names of the members of a .zip, .tgz or .tar.gz, and a function that reads a member."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            yield archive.namelist(), lambda name: read_bounded(archive.open(name))
    else:
        now = path.stat()
        packed = io.BytesIO(unpack_tar(path, now.st_mtime_ns, now.st_size))
        with tarfile.open(fileobj=packed, mode="r:") as tar:
            yield tar.getnames(), lambda name: read_member(tar, name)


def read_member(tar: tarfile.TarFile, name: str) -> bytes:
    """Content of a member; ValueError if it is not a plain file but, say, a link or a device."""
    member = tar.getmember(name)
    handle = tar.extractfile(member) if member.isreg() else None
    if handle is None:
        raise ValueError(f"{name} is no plain file")
    return read_bounded(handle)


@functools.lru_cache(maxsize=1)
def unpack_tar(path: Path, changed: int, size: int) -> bytes:
    """The .tar in a .tgz, kept for further members; `prepared.prepare` clears it after loading."""
    return gunzip(path)


def gunzip(path: Path) -> bytes:
    """Content of a gzipped file."""
    return read_bounded(gzip.open(path))


def read_bounded(handle: IO[bytes] | gzip.GzipFile) -> bytes:
    """All content of a file; ValueError if it is more than MAX_BYTES."""
    with handle:
        raw = handle.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES:,} bytes")
    return raw
