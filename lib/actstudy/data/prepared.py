"""Prepared data: memory-mapped arrays of the three splits and a manifest, made once per data set."""

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from actstudy.study import registry, store

Splits = dict[str, tuple[np.ndarray, np.ndarray]]  # train, val, test -> x (N, ...), y (N,)
SPLITS = ("train", "val", "test")
SPLIT_SEED = 42


def hold_out(labels: np.ndarray, n_val: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted train and val indices of a stratified split with a fixed seed: the same for every study."""
    from sklearn.model_selection import train_test_split  # a second to import, and only preparation needs it

    train, val = train_test_split(np.arange(len(labels)), test_size=n_val, stratify=labels, random_state=SPLIT_SEED)
    return np.sort(train), np.sort(val)


def embedded(name: str, sha256: str) -> pa.Table:
    """A Parquet file of data/embedded; Damaged where it is missing or not the one that the data set's file declares."""
    path = registry.PACKAGE.parents[1] / "data" / "embedded" / name
    if not path.is_file() or store.sha256(path) != sha256:
        raise store.Damaged(
            f"data/embedded/{name} is missing or damaged; to mend: git checkout -- data/embedded/{name}"
        )
    return pq.read_table(path)


def prepare(name: str, folder: Path) -> None:
    """Write a data set's arrays and, last, its manifest (counts, class balance, train-only mean and sd, SHA-256)."""
    declared = registry.dataset(name)
    splits: Splits = importlib.import_module(f"actstudy.data.{name}").prepare()
    sums, manifest = {}, {"dataset": name, **declared, "counts": {}, "class_counts": {}}
    for split in SPLITS:
        x, y = splits[split]
        counts = np.bincount(y, minlength=declared["classes"])
        if x.shape[1:] != tuple(declared["shape"]) or len(x) != len(y) or not counts.all() or not np.isfinite(x).all():
            raise registry.StudyError(
                f"{name}: split {split}: got x {x.shape}, y {y.shape}, class counts {counts.tolist()}; "
                f"allowed: finite x of shape (N, {declared['shape']}) and every class present"
            )
        manifest["counts"][split], manifest["class_counts"][split] = len(y), counts.tolist()
        for part, array in (("x", x), ("y", y)):
            path = folder / f"{split}_{part}.npy"
            with store.replacing(path) as draft, draft.open("wb") as handle:
                np.save(handle, array)
            sums[path.name] = store.sha256(path)
    x_train = splits["train"][0]
    manifest |= {
        "mean": float(x_train.mean(dtype=np.float64)),
        "sd": float(x_train.std(dtype=np.float64)),
        "sha256": sums,
    }
    store.write_json(folder / "manifest.json", manifest)


@dataclass(frozen=True)
class Prepared:
    """A prepared data set: its manifest and memory-mapped arrays."""

    manifest: dict[str, Any]
    arrays: dict[str, np.ndarray]
    sha256: str

    def n(self, split: str) -> int:
        """Number of examples of a split."""
        return int(self.manifest["counts"][split])

    def on(self, device: torch.device, split: str) -> tuple[Tensor, Tensor]:
        """A whole split on the device: x standardised by the train split's mean and sd, float32; y int64."""
        x = torch.from_numpy(np.array(self.arrays[f"{split}_x"])).to(device)
        y = torch.from_numpy(np.array(self.arrays[f"{split}_y"])).to(device)
        return (x - self.manifest["mean"]) / self.manifest["sd"], y


def load(folder: Path) -> Prepared:
    """The prepared data set in a folder; Damaged where an array is missing or does not have its checksum."""
    path = folder / "manifest.json"
    mend = f"to mend: rm -r {folder}, then run snakemake again"
    if not path.is_file():
        raise store.Damaged(f"{path} is missing; {mend}")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    arrays = {}
    for name, digest in manifest["sha256"].items():
        if not (folder / name).is_file() or store.sha256(folder / name) != digest:
            raise store.Damaged(f"{folder / name} is missing or does not have its checksum; {mend}")
        arrays[name.removesuffix(".npy")] = np.load(folder / name, mmap_mode="r")
    return Prepared(manifest, arrays, store.sha256(path))
