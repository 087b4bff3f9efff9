"""Official files in data/raw, unpacked or as they are downloaded: found or fetched, and checked."""

import csv
import errno
import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actstudy.contract import registry, store
from actstudy.contract.checkout import RAW
from actstudy.contract.counting import counted
from actstudy.data import archives, download
from actstudy.data.prepared import Splits, with_val

FIX = "to fix: rm it and put it there again"
REPLACE = "to fix: rm it and put the official file there"
EDITION = f"it is another edition or was edited; {REPLACE}"
END = "the end of the table"
Digests = dict[str, str]  # "sha256" or "md5" of a file, unpacked -> its value


class Source(NamedTuple):
    """A file as it is downloaded: its place in data/raw, its address, the official files in it."""

    file: str
    url: str | None
    members: dict[str, Digests]


def content(dataset: str, file: str) -> bytes:
    """Content of an official file: in data/raw itself, as .gz or in its archive, else fetched.

    Damaged, with the way to fix it, if it is absent, empty, or not the file that the data set
    declares.
    """
    source = source_of(dataset, file)
    for place in (file, f"{file}.gz", source.file):
        if (RAW / place).is_file():
            return checked_content(RAW / place, file, source.members[file])
    fetch(dataset, file, source)
    return checked_content(RAW / source.file, file, source.members[file])


def source_of(dataset: str, file: str) -> Source:
    """Where an official file is downloaded from: the data set's archive, else its own .gz."""
    about: dict[str, Any] = registry.dataset(dataset)
    declared = {name: digests(entry) for name, entry in about["files"].items()}
    if "archive" in about:
        archive = about["archive"]
        return Source(archive["file"], archive.get("url"), declared)
    return Source(f"{file}.gz", about["files"][file].get("url"), {file: declared[file]})


def digests(entry: dict[str, str]) -> Digests:
    """The checksums that a data set declares: MD5 if its authors publish no other."""
    return {kind: entry[kind] for kind in ("sha256", "md5") if kind in entry}


def text(dataset: str, file: str) -> str:
    """Content of an official file as text; a byte order mark, which editors add, is left out."""
    raw = content(dataset, file)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"byte {error.start:,}"
        raise store.Damaged(f"data/raw/{file}: {place} is not UTF-8; {EDITION}") from None


@contextmanager
def reading(where: str, *more: type[Exception]) -> Iterator[None]:
    """Damaged, naming the file, if it is absent or its content is wrong.

    The system's own errors pass, with the file's name.
    """
    faults: tuple[type[Exception], ...] = (OSError, *archives.FAULTS, *more)
    try:
        yield
    except FileNotFoundError:
        raise store.Damaged(f"{where} is missing; to fix: put it there again") from None
    except faults as error:
        if isinstance(error, OSError) and is_of_system(error):
            error.filename = error.filename or where
            raise
        reason = error.args[0] if isinstance(error, KeyError) else error
        sentence = " ".join(str(reason).split())
        raise store.Damaged(f"{where} is damaged ({sentence}); {FIX}") from None


def is_of_system(error: OSError) -> bool:
    """Whether an error is the system's; EINVAL is that of a .zip with an offset below 0."""
    return error.errno not in (None, errno.EINVAL)


def checked_content(path: Path, file: str, declared: Digests) -> bytes:
    """Content of an official file that `path` holds, unpacked; Damaged if it is not as declared."""
    place = path.relative_to(RAW).as_posix()
    where = f"data/raw/{place}"
    if place.removesuffix(".gz") != file:
        where += f" ({file})"
    with reading(where):
        raw = archives.content(path, file)
    if not raw.strip():
        raise store.Damaged(f"{where} is empty; {FIX}")
    for kind, allowed in declared.items():
        got = hashlib.new(kind, raw, usedforsecurity=False).hexdigest()
        if got != allowed:
            raise store.Damaged(
                f"{where} is not the official file ({kind}: got {got}; allowed: {allowed}): "
                f"it is damaged or another edition; {REPLACE}"
            )
    return raw


def fetch(dataset: str, file: str, source: Source) -> None:
    """Fetch the source of an official file; Damaged, with what to do, if that fails.

    A source is fetched only if every file in it has a checksum.
    """
    reason = f"its source: {registry.dataset(dataset)['source']}"
    url = download.address(source.url, source.file)
    if url and all(source.members.values()):

        def verify(path: Path) -> None:
            for name, declared in source.members.items():
                checked_content(path, name, declared)

        try:
            return download.fetch(url, RAW / source.file, verify)
        except download.NotFetched as error:
            reason = str(error)
    sums = "".join(f" ({kind} {value})" for kind, value in source.members[file].items())
    origin = f"{source.url} as " if source.url else ""
    raise store.Damaged(
        f"data/raw/{file} is missing ({reason}); to fix: put the official file there{sums}, "
        f"or {origin}data/raw/{source.file}"
    )


def class_indices(
    file: str, labels: Sequence[Any] | np.ndarray, classes: int, first: int = 0
) -> np.ndarray:
    """Labels, in the file from `first` on, as y (N,) int64 from 0 on.

    Damaged if a label is invalid or a class has no example.
    """
    index = {str(first + k): k for k in range(classes)}
    y = np.array([index.get(str(label), -1) for label in labels], np.int64)
    allowed = f"allowed: {first} to {first + classes - 1}; {EDITION}"
    if (y < 0).any():
        row = int((y < 0).argmax())
        label = str(labels[row])[:20]
        raise store.Damaged(f"data/raw/{file}: row {row + 1:,}: got label {label}; {allowed}")
    absent = [label for label, k in index.items() if not (y == k).any()]
    if absent:
        raise store.Damaged(f"data/raw/{file}: no example of class {', '.join(absent)}; {allowed}")
    return y


def idx(dataset: str, file: str) -> np.ndarray:
    """The uint8 array of an idx file (LeCun et al. 1998).

    The file holds a magic number, the sizes as big-endian int32, the values.
    """
    raw = content(dataset, file)
    with reading(f"data/raw/{file}"):
        ndim = raw[3]
        sizes = np.frombuffer(raw, ">i4", ndim, offset=4)
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * ndim).reshape(sizes)


def idx_splits(dataset: str, folder: str) -> Splits:
    """Splits of MNIST and its kin, x (N, 1, H, W) uint8, y (N,) int64.

    A twelfth of train is val (stratified).
    """
    train = idx_pair(dataset, f"{folder}/train")
    test = idx_pair(dataset, f"{folder}/t10k")
    return with_val(train, test, len(train[1]) // 12)


def idx_pair(dataset: str, stem: str) -> tuple[np.ndarray, np.ndarray]:
    """Images x (N, 1, H, W) uint8 and labels y (N,) int64 of the two idx files of a split."""
    labels = f"{stem}-labels-idx1-ubyte"
    y = class_indices(labels, idx(dataset, labels), registry.dataset(dataset)["classes"])
    x = idx(dataset, f"{stem}-images-idx3-ubyte")
    return x[:, None], y


def rows(dataset: str, file: str, columns: int) -> list[list[str]]:
    """The rows of an official CSV file, empty ones left out.

    Damaged if a row does not have that many columns, or the file ends inside quotes.
    """
    raw = text(dataset, file)
    with reading(f"data/raw/{file}"):
        table = list(csv.reader(io.StringIO(f"{raw}\n{END}\n", newline="")))
    if table.pop() != [END]:  # open quotes have taken it in
        raise store.Damaged(f"data/raw/{file} is cut: it ends inside quotes; {FIX}")
    for number, row in enumerate(table, 1):
        if len(row) not in (0, columns):
            raise store.Damaged(
                f"data/raw/{file}: row {number:,}: got {counted(len(row), 'column')}; "
                f"allowed: {columns}; {EDITION}"
            )
    return [row for row in table if row]
