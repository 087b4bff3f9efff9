"""Prepared data: memory-mapped arrays of the three splits and a manifest, made once per data set."""

import hashlib
import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from actstudy.contract import errors, registry, spec, store
from actstudy.data import archives

Splits = dict[
    str, dict[str, np.ndarray]
]  # train, val, test -> x (N, ...), y (N, ...) and whatever else the task reads
SPLITS = ("train", "val", "test")
SPLIT_SEED = 42
DUPLICATES = 0.01  # of val or test, and one of few, may also stand in another split: more is a mistake in the files


def hold_out(labels: np.ndarray, n_val: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted train and val indices of a stratified split with a fixed seed: the same for every study."""
    from sklearn.model_selection import (
        train_test_split,
    )  # a second to import, and only preparation needs it

    train, val = train_test_split(
        np.arange(len(labels)), test_size=n_val, stratify=labels, random_state=SPLIT_SEED
    )
    return np.sort(train), np.sort(val)


def with_val(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], n_val: int
) -> Splits:
    """The splits of an official train and test set, each (x, y): `n_val` of train are val, stratified."""
    (x, y), (x_test, y_test) = train, test
    kept, val = hold_out(y, n_val)
    return {
        "train": {"x": x[kept], "y": y[kept]},
        "val": {"x": x[val], "y": y[val]},
        "test": {"x": x_test, "y": y_test},
    }


def embedded(name: str, sha256: str) -> pa.Table:
    """A Parquet file of data/embedded; Damaged where it is missing or not the one that the data set's file declares."""
    path = registry.PACKAGE.parents[1] / "data" / "embedded" / name
    if not path.is_file() or store.sha256(path) != sha256:
        raise store.Damaged(
            f"data/embedded/{name} is missing or damaged; to mend: git checkout -- data/embedded/{name}"
        )
    return pq.read_table(path)


def prepare(name: str, folder: Path) -> None:
    """Write a data set's arrays and, last, its manifest (counts, class balance, train-only mean and sd, SHA-256).

    name: a data set, for text with its tokens, such as `sotu_text-v1024-t64` (spec.data_name).
    """
    dataset, sizes = spec.data_parts(name)
    manifest = {"dataset": dataset, **registry.dataset(dataset), **sizes, "counts": {}}
    splits: Splits = importlib.import_module(f"actstudy.data.sets.{dataset}").prepare()
    archives.unpacked.cache_clear()  # as large as the splits
    given, sums = splits, {}
    if sizes:
        from actstudy.data import text

        splits = text.tokenized(splits, **sizes, folder=folder, where=dataset)
        sums[text.FILE] = store.sha256(folder / text.FILE)
        manifest["shape"] = [sizes["context"]]
    for split in SPLITS:
        arrays = splits[split]
        check(f"{dataset}: split {split}", arrays, manifest)
        manifest["counts"][split] = len(arrays["x"])
        if "classes" in manifest:
            manifest.setdefault("class_counts", {})[split] = np.bincount(arrays["y"]).tolist()
    shared = duplicates(dataset, given)  # the last check: nothing wrong is written
    rows = manifest["counts"]["train"] + manifest["counts"]["val"]
    if rows < manifest.get("train_rows", 0):
        manifest["subset"] = f"a subset: {rows:,} of {manifest['train_rows']:,} train rows"
    if shared:
        manifest["duplicates_across_splits"] = shared
    if not sizes:
        manifest |= statistics(splits["train"]["x"])
    store.write_json(
        folder / "manifest.json", {**manifest, "sha256": sums | written(folder, splits)}
    )


def written(folder: Path, splits: Splits) -> dict[str, str]:
    """Write the arrays of the splits; the SHA-256 of each file."""
    sums = {}
    for split in SPLITS:
        for part, array in splits[split].items():
            path = folder / f"{split}_{part}.npy"
            with store.replacing(path) as draft, draft.open("wb") as handle:
                np.save(handle, array)
            sums[path.name] = store.sha256(path)
    return sums


def duplicates(dataset: str, splits: Splits) -> dict[str, int]:
    """How many examples of val, and of test, also stand in a split before it, bit for bit; StudyError where too many.

    Such a leak favours what memorises, whatever the activation. Measured: none in MNIST, Fashion-MNIST, WikiText-2, AG
    News's test and a part of its train; 7 of 10,000 in Tiny-ImageNet's test.
    """
    seen, found = set[bytes](), {}
    for split in SPLITS:
        x = splits[split]["x"]
        keys = [
            hashlib.sha256(one.encode() if isinstance(one, str) else one.tobytes()).digest()
            for one in x
        ]
        if n := sum(key in seen for key in keys):
            found[split] = n
            told = f"{dataset}: {n:,} of {len(keys):,} {split} examples also stand in another split"
            if n > (most := max(1, DUPLICATES * len(keys))):
                raise errors.StudyError(
                    f"{told}; allowed: {most:.0f}; to mend: leave each in one split alone"
                )
            print(told, file=sys.stderr)
        seen.update(keys)
    return found


def statistics(x: np.ndarray) -> dict[str, Any]:
    """Mean and sd of all values of x (N, ...), or of each channel of x (N, C, H, W) with several, as (C, 1, 1)."""
    if x.ndim < 4 or x.shape[1] == 1:
        return dict(zip(("mean", "sd"), moments(x), strict=True))
    channels = [moments(x[:, channel]) for channel in range(x.shape[1])]
    return {name: [[[values[i]]] for values in channels] for i, name in enumerate(("mean", "sd"))}


def moments(x: np.ndarray) -> tuple[float, float]:
    """Mean and sd of all values; of uint8 by their counts, exactly and without a float copy of many gigabytes."""
    if x.dtype != np.uint8:
        return float(x.mean(dtype=np.float64)), float(x.std(dtype=np.float64))
    parts = np.array_split(x, -(-len(x) // 4096))
    counts, levels = sum(np.bincount(part.ravel(), minlength=256) for part in parts), np.arange(256)
    mean = float(np.average(levels, weights=counts))
    return mean, float(np.sqrt(np.average((levels - mean) ** 2, weights=counts)))


def check(where: str, arrays: dict[str, np.ndarray], manifest: dict[str, Any]) -> None:
    """StudyError where a split is not what its data set declares: shape, finite values, every class."""
    x, y, classes = arrays["x"], arrays["y"], manifest.get("classes")
    whole = len(x) == len(y) and (not classes or (y.dtype == np.int64 and y.ndim == 1))
    if (
        (fault := faults(y, classes) if classes else "")
        or not whole
        or x.shape[1:] != tuple(manifest["shape"])
        or (x.dtype.kind == "f" and not np.isfinite(x).all())
    ):
        raise errors.StudyError(
            f"{where}: got x {x.shape}, y {y.dtype} {y.shape}{fault}; allowed: finite x of shape "
            f"(N, {manifest['shape']}), y int64 (N,) and every class of {classes} present"
        )


def faults(y: np.ndarray, classes: int) -> str:
    """What is wrong with labels, as a part of a line; nothing where every class is there and no other."""
    wrong = (y < 0) | (y >= classes)
    if wrong.any():
        row = int(wrong.argmax())
        return f", label {y.flat[row]} in row {row}"
    absent = [str(label) for label in range(classes) if not (y == label).any()]
    return f", no example of class {', '.join(absent)}" if absent else ""


@dataclass(frozen=True)
class Prepared:
    """A prepared data set: its manifest and memory-mapped arrays."""

    folder: Path
    manifest: dict[str, Any]
    arrays: dict[str, np.ndarray]
    sha256: str

    def n(self, split: str) -> int:
        """Number of examples of a split."""
        return int(self.manifest["counts"][split])

    def on(self, device: torch.device, split: str) -> dict[str, Tensor]:
        """A whole split on the device as it was prepared: x uint8, float32 or int32 tokens; on a CPU memory-mapped."""
        arrays = {
            name: array for name, array in self.arrays.items() if name.startswith(f"{split}_")
        }
        return {
            name.removeprefix(f"{split}_"): torch.from_numpy(array).to(device)
            for name, array in arrays.items()
        }

    def inputs(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """What makes a model's input of x: float32, standardised by the train split's mean and sd; tokens stay."""
        if "mean" not in self.manifest:
            return lambda x: x
        mean, sd = (torch.tensor(self.manifest[name], device=device) for name in ("mean", "sd"))
        return lambda x: (x - mean) / sd


def load(folder: Path) -> Prepared:
    """The prepared data set in a folder; Damaged where a file is missing or does not have its checksum."""
    path = folder / "manifest.json"
    mend = f"to mend: rm -r {folder}, then run snakemake again"
    if not path.is_file():
        raise store.Damaged(f"{path} is missing; {mend}")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    declared = registry.dataset(manifest["dataset"])["version"]
    if manifest["version"] != declared:
        raise store.Damaged(
            f"{path} is of version {manifest['version']}, the data set's file of {declared}; {mend}"
        )
    for name, digest in manifest["sha256"].items():
        if not (folder / name).is_file() or store.sha256(folder / name) != digest:
            raise store.Damaged(f"{folder / name} is missing or does not have its checksum; {mend}")
    stems = [name.removesuffix(".npy") for name in manifest["sha256"] if name.endswith(".npy")]
    arrays = {stem: np.load(folder / f"{stem}.npy", mmap_mode="c") for stem in stems}
    return Prepared(folder, manifest, arrays, store.sha256(path))
