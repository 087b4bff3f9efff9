"""Official files under data/raw, as they unpack or as they are downloaded: found there, or fetched, and checked."""

import csv
import errno
import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from actstudy.contract import registry, store
from actstudy.data import archives, download
from actstudy.data.prepared import Splits, with_val

RAW = registry.PACKAGE.parents[1] / "data" / "raw"
MEND = "to mend: rm it and put it there again"


def content(dataset: str, file: str) -> bytes:
    """An official file's content: from data/raw, there as it is, as .gz or in the data set's archive, else fetched.

    Damaged, with the way to mend it, where it is absent, empty, or not the file that the data set's file declares.
    """
    about = registry.dataset(dataset)
    places = [file, f"{file}.gz", *([about["archive"]["file"]] if "archive" in about else [])]
    found = next((place for place in places if (RAW / place).is_file()), None) or fetched(
        dataset, file
    )
    return checked(RAW / found, file, about["files"][file])


def text(dataset: str, file: str) -> str:
    """An official file's content as text."""
    raw = content(dataset, file)
    with reading(f"data/raw/{file}"):
        return raw.decode("utf-8")


@contextmanager
def reading(where: str, *more: type[Exception]) -> Iterator[None]:
    """Damaged, naming the file, where it is absent or what it holds is wrong; the system's own errors pass, with it."""
    faults: tuple[type[Exception], ...] = (OSError, *archives.FAULTS, *more)
    try:
        yield
    except FileNotFoundError:
        raise store.Damaged(f"{where} is missing; to mend: put it there again") from None
    except faults as error:
        if isinstance(error, OSError) and error.errno not in (
            None,
            errno.EINVAL,
        ):  # EINVAL: a .zip's offset below 0
            error.filename = error.filename or where
            raise
        why = error.args[0] if isinstance(error, KeyError) else error
        raise store.Damaged(f"{where} is damaged ({' '.join(str(why).split())}); {MEND}") from None


def checked(path: Path, file: str, declared: dict[str, str]) -> bytes:
    """What a path holds of an official file, unpacked; Damaged where it is not what was declared."""
    shown = path.relative_to(RAW).as_posix()
    where = f"data/raw/{shown}" + ("" if shown.removesuffix(".gz") == file else f" ({file})")
    with reading(where):
        made = archives.content(path, file)
    if not made.strip():
        raise store.Damaged(f"{where} is empty; {MEND}")
    for kind, allowed in digests(declared).items():
        got = hashlib.new(kind, made, usedforsecurity=False).hexdigest()
        if got != allowed:
            raise store.Damaged(
                f"{where} is not the official file ({kind}: got {got}; allowed: {allowed}); {MEND}"
            )
    return made


def digests(declared: dict[str, str]) -> dict[str, str]:
    """The declared checksums of an official file, unpacked: MD5 where its authors publish no other."""
    return {kind: declared[kind] for kind in ("sha256", "md5") if kind in declared}


def fetched(dataset: str, file: str) -> str:
    """Where under data/raw an official file stands, packed, after it was fetched; without a checksum none is."""
    about: dict[str, Any] = registry.dataset(dataset)
    one = {file: about["files"][file]}
    packed, files = (about["archive"], about["files"]) if "archive" in about else (one[file], one)
    place = packed.get("file", f"{file}.gz")
    url, why = download.address(packed.get("url"), place), f"its source: {about['source']}"
    if url and all(digests(declared) for declared in files.values()):
        try:
            download.fetched(
                url, RAW / place, lambda part: [checked(part, name, files[name]) for name in files]
            )
            return str(place)
        except download.NotFetched as error:
            why = str(error)
    sums = "".join(f" ({kind} {value})" for kind, value in digests(one[file]).items())
    origin = f"{packed['url']} as " if "url" in packed else ""
    raise store.Damaged(
        f"data/raw/{file} is missing ({why}); to mend: put the official file there{sums}, or {origin}data/raw/{place}"
    )


def labelled(
    file: str, labels: Sequence[Any] | np.ndarray, classes: int, first: int = 0
) -> np.ndarray:
    """Labels, in the file from `first` on, as y (N,) int64 from 0; Damaged where one is none, or a class has none."""
    index = {str(first + k): k for k in range(classes)}
    y = np.array([index.get(str(label), -1) for label in labels], np.int64)
    allowed = f"allowed: {first} to {first + classes - 1}; {MEND}"
    if (y < 0).any():
        row = int((y < 0).argmax())
        raise store.Damaged(
            f"data/raw/{file}: row {row + 1:,}: got label {str(labels[row])[:20]}; {allowed}"
        )
    if absent := [label for label, k in index.items() if not (y == k).any()]:
        raise store.Damaged(f"data/raw/{file}: no example of class {', '.join(absent)}; {allowed}")
    return y


def idx(dataset: str, file: str) -> np.ndarray:
    """The uint8 array of an idx file: a magic number, the sizes as big-endian int32, the values (LeCun et al. 1998)."""
    raw = content(dataset, file)
    with reading(f"data/raw/{file}"):
        ndim = raw[3]
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * ndim).reshape(
            np.frombuffer(raw, ">i4", ndim, offset=4)
        )


def idx_splits(dataset: str, folder: str) -> Splits:
    """MNIST and its kin: x (N, 1, H, W) uint8, y (N,) int64; a twelfth of train is val (stratified)."""

    def read(split: str) -> tuple[np.ndarray, np.ndarray]:
        labels = f"{folder}/{split}-labels-idx1-ubyte"
        y = labelled(labels, idx(dataset, labels), registry.dataset(dataset)["classes"])
        return idx(dataset, f"{folder}/{split}-images-idx3-ubyte")[:, None], y

    train, test = read("train"), read("t10k")
    return with_val(train, test, len(train[1]) // 12)


def rows(dataset: str, file: str, columns: int) -> list[list[str]]:
    """The rows of an official CSV file, each of as many columns."""
    raw = text(dataset, file)
    with reading(f"data/raw/{file}"):
        table = list(csv.reader(io.StringIO(raw, newline="")))
    for number, row in enumerate(table, 1):
        if len(row) != columns:
            raise store.Damaged(
                f"data/raw/{file}: row {number:,}: got {len(row)} columns; allowed: {columns}; {MEND}"
            )
    return table
