"""Official downloads under data/raw, in the layout in which they unpack: found there, or fetched, and checked."""

import csv
import gzip
import hashlib
import http.client
import io
import urllib.request
from pathlib import Path

import numpy as np

from actstudy.data.prepared import Splits, with_val
from actstudy.study import registry, store

RAW = registry.PACKAGE.parents[1] / "data" / "raw"
SECONDS = 60  # to wait for a host


def content(dataset: str, file: str) -> bytes:
    """An official file's content, plain or beside its name as .gz; fetched first where it has an address and is absent.

    Damaged, with the way to mend it, where it is absent or is not the file that the data set's file declares.
    """
    about, path = registry.dataset(dataset), RAW / file
    declared = about["files"][file]
    packed = path.with_name(f"{path.name}.gz")
    found = next((one for one in (path, packed) if one.is_file()), None) or fetched(
        declared.get("url"), packed, file, about["source"]
    )
    raw = found.read_bytes()
    try:
        made = gzip.decompress(raw) if found == packed else raw
    except (OSError, EOFError) as error:
        raise store.Damaged(f"data/raw/{file}.gz is damaged ({error}); to mend: rm it and put it there again") from None
    if "sha256" in declared and hashlib.sha256(made).hexdigest() != declared["sha256"]:
        raise store.Damaged(f"data/raw/{file} is not the official file; to mend: rm it and put it there again")
    return made


def fetched(url: str | None, packed: Path, file: str, source: str) -> Path:
    """The path of a gzipped file after fetching it, by rename: a broken download leaves nothing."""
    why = f"its source: {source}"
    if url:
        try:
            with urllib.request.urlopen(url, timeout=SECONDS) as response, store.replacing(packed) as draft:
                draft.write_bytes(response.read())
            return packed
        except (OSError, http.client.HTTPException) as error:
            why = f"{url}: {error}"
    raise store.Damaged(f"data/raw/{file} is missing ({why}); to mend: put the official file there")


def idx(raw: bytes) -> np.ndarray:
    """The uint8 array of an idx file: a magic number, the sizes as big-endian int32, the values (LeCun et al. 1998)."""
    ndim = raw[3]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * ndim).reshape(np.frombuffer(raw, ">i4", ndim, offset=4))


def idx_splits(dataset: str, folder: str) -> Splits:
    """MNIST and its kin: x (N, 1, H, W) uint8, y (N,) int64; a twelfth of train is val (stratified)."""

    def read(split: str) -> tuple[np.ndarray, np.ndarray]:
        images = idx(content(dataset, f"{folder}/{split}-images-idx3-ubyte"))
        return images[:, None], idx(content(dataset, f"{folder}/{split}-labels-idx1-ubyte")).astype(np.int64)

    train, test = read("train"), read("t10k")
    return with_val(train, test, len(train[1]) // 12)


def rows(raw: bytes) -> list[list[str]]:
    """The rows of a CSV file."""
    return list(csv.reader(io.StringIO(raw.decode("utf-8"), newline="")))


def cifar(name: str) -> Splits:
    """CIFAR10 or CIFAR100 by torchvision, which fetches, unpacks and checks it; a stratified tenth of train is val."""
    from torchvision import datasets  # a second to import, and only preparation needs it

    kind = getattr(datasets, name)
    try:
        train, test = (kind(RAW, train=split, download=True) for split in (True, False))
    except (RuntimeError, OSError, http.client.HTTPException) as error:
        raise store.Damaged(
            f"data/raw/{kind.base_folder} is missing or damaged ({' '.join(str(error).split())}); "
            "to mend: put the official folder there"
        ) from None
    of_train, of_test = ((one.data.transpose(0, 3, 1, 2), np.array(one.targets)) for one in (train, test))
    return with_val(of_train, of_test, len(train) // 10)
