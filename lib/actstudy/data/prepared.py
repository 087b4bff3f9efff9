"""Prepared data: memory-mapped arrays of three splits and a manifest, made once per data set."""

import importlib
import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from actstudy.contract import checkout, literals, own_data, registry, sources, spec, store
from actstudy.contract.errors import StudyError
from actstudy.data import archives, arrays, checks, names_of_classes, opened, standardisation
from actstudy.data.arrays import SPLITS
from actstudy.own_data import describe as own

# train, val, test -> x (N, ...), y (N, ...) and whatever else the task reads
Splits = dict[str, dict[str, np.ndarray]]
SPLIT_SEED = 42


def hold_out(labels: np.ndarray, n_val: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted train and val indices of a stratified split with a fixed seed: equal in all runs."""
    # Takes a second to import, and only preparation needs it.
    from sklearn.model_selection import train_test_split

    train, val = train_test_split(
        np.arange(len(labels)), test_size=n_val, stratify=labels, random_state=SPLIT_SEED
    )
    return np.sort(train), np.sort(val)


def with_val(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], n_val: int
) -> Splits:
    """The splits of an official train and test set, each (x, y).

    `n_val` examples of train are val (stratified).
    """
    x, y = train
    x_test, y_test = test
    train_rows, val_rows = hold_out(y, n_val)
    return {
        "train": {"x": x[train_rows], "y": y[train_rows]},
        "val": {"x": x[val_rows], "y": y[val_rows]},
        "test": {"x": x_test, "y": y_test},
    }


def read_embedded(name: str, sha256: str) -> pa.Table:
    """A Parquet file of data/embedded; Damaged if it is missing or has another checksum."""
    path = checkout.ROOT / "data" / "embedded" / name
    if not path.is_file() or store.sha256(path) != sha256:
        remedy = f"git checkout -- data/embedded/{name}"
        if not checkout.IS_CLONE:
            remedy = "pip install --force-reinstall --no-deps actstudy"
        raise store.Damaged(f"data/embedded/{name} is missing or damaged; to fix: {remedy}")
    return pq.read_table(path)


def prepare(name: str, folder: Path) -> None:
    """Write a data set's arrays and, last, its manifest.

    name: a data set, for text with its tokens, such as `sotu_text-v1024-t64` (spec.data_name).
    """
    dataset, sizes = spec.data_parts(name)
    declared = {"dataset": dataset, **registry.dataset(dataset), **sizes}
    with opened.noting() as files:
        raw = load_raw(dataset)
        names = names_of_classes.read(dataset)
    splits, tokenizer_sum = tokenize(dataset, raw, sizes, folder) if sizes else (raw, {})
    shape = [sizes["context"]] if sizes else declared["shape"]
    for split in SPLITS:
        place = f"{dataset}: split {split}"
        checks.check(place, splits[split], shape, declared.get("classes"))
        if "target" in declared:
            checks.check_targets(place, splits[split]["y"])
    if declared["kind"] == "signals":
        where = literals.path_of(f"data/sets/{dataset}.py")
        standardisation.check_scales(splits["train"]["x"], f"{where}: split train")
    inputs = {split: raw[split]["x"] for split in SPLITS}
    duplicates = checks.count_duplicates(dataset, inputs)  # the last check before writing
    manifest = describe(declared, splits, duplicates)
    sums = {**tokenizer_sum, **write_arrays(folder, splits)}
    manifest = sources.settled(folder, {**manifest, "sha256": sums})
    store.write_json(folder / sources.SOURCE, sources.describe(dataset, files))
    names_of_classes.write(folder, names)
    store.write_json(folder / store.MANIFEST, manifest)
    own.note(dataset)


def load_raw(dataset: str) -> Splits:
    """The splits of a data set as its file makes them, before any tokenization.

    StudyError, in one line, if the file fails, or what it returns are no such splits.
    """
    declared = registry.dataset(dataset)
    where = literals.path_of(f"data/sets/{dataset}.py")
    if own_data.is_name(dataset):
        where = dataset
        raw = own.splits(dataset)
    else:
        raw = _raw_of_file(dataset, where)
    archives.unpack_tar.cache_clear()  # as large as the splits
    return arrays.of_splits(raw, declared["kind"], where, "target" in declared)


def _raw_of_file(dataset: str, where: str) -> Any:
    """What the `prepare()` of a data set's file returns; StudyError, with the line, if it fails."""
    file = f"data/sets/{dataset}.py"
    try:
        module = importlib.import_module(f"actstudy.data.sets.{dataset}")
        raw = module.prepare()
    except (StudyError, store.Damaged, OSError):
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename.endswith(file)]
        place = f"line {lines[-1]}: " if lines else ""
        remedy = ""
        if isinstance(error, ModuleNotFoundError):
            remedy = "; to fix: pip install 'actstudy[study]', or that package alone"
        fault = f"{type(error).__name__}: {error}{remedy}"
        raise StudyError(f"{where}: {place}{fault}") from error
    if registry.literal(file, "DATASET") != module.DATASET:
        raise StudyError(f"{where}: DATASET: changed after its literal; allowed: the literal alone")
    return raw


def tokenize(
    dataset: str, raw: Splits, sizes: dict[str, int], folder: Path
) -> tuple[Splits, dict[str, str]]:
    """Splits of tokens, and the name and SHA-256 of the tokenizer's file, written to the folder."""
    from actstudy.data import text

    splits = text.tokenize(raw, **sizes, folder=folder, where=dataset)
    return splits, {text.FILE: store.sha256(folder / text.FILE)}


def describe(
    declared: dict[str, Any], splits: Splits, duplicates: dict[str, int]
) -> dict[str, Any]:
    """The manifest but for its checksums.

    It holds what the data set declares, counts, class balance, train-only mean and sd of numbers.
    """
    counts = {split: len(splits[split]["x"]) for split in SPLITS}
    x = splits["train"]["x"]
    manifest = {**declared, "counts": counts, "shape": list(x.shape[1:])}
    if "classes" in declared:
        manifest["class_counts"] = {
            split: np.bincount(splits[split]["y"]).tolist() for split in SPLITS
        }
    if "target" in declared:
        manifest |= standardisation.target_statistics(splits["train"]["y"])
    rows = counts["train"] + counts["val"]
    official_rows = declared.get("train_rows", 0)
    if rows < official_rows:
        manifest["subset"] = f"a subset: {rows:,} of {official_rows:,} train rows"
    if duplicates:
        manifest["duplicates_across_splits"] = duplicates
    if "vocabulary" in declared:
        return manifest
    return {**manifest, **standardisation.statistics(x, declared["kind"])}


def write_arrays(folder: Path, splits: Splits) -> dict[str, str]:
    """Write the arrays of the splits; returns file name -> SHA-256."""
    sums = {}
    for split in SPLITS:
        for part, array in splits[split].items():
            path = folder / f"{split}_{part}.npy"
            with store.replacing(path) as draft, draft.open("wb") as handle:
                np.save(handle, array)
            sums[path.name] = store.sha256(path)
    return sums


@dataclass(frozen=True)
class Prepared:
    """A prepared data set: its manifest and memory-mapped arrays."""

    folder: Path
    manifest: dict[str, Any]
    arrays: dict[str, np.ndarray]
    sha256: str
    _on: dict[Any, dict[str, Tensor]] = field(default_factory=dict, init=False, repr=False)

    def n(self, split: str) -> int:
        """Number of examples of a split."""
        return int(self.manifest["counts"][split])

    def on(self, device: torch.device, split: str) -> dict[str, Tensor]:
        """A whole split on the device as it was prepared, on a CPU memory-mapped.

        x is uint8, float32, or int32 tokens. Numbers that a regression predicts are standardised
        by train: y (N,) float32, with `label`, as they are, and `scale`, mean and sd, in float64.
        """
        if (device, split) in self._on:
            return dict(self._on[device, split])
        prefix = f"{split}_"
        tensors = {}
        for name, array in self.arrays.items():
            if name.startswith(prefix):
                tensors[name.removeprefix(prefix)] = torch.from_numpy(array).to(device)
        if "target_mean" in self.manifest:
            tensors |= self._standardised(tensors["y"])
        self._on[device, split] = tensors
        return dict(tensors)

    def _standardised(self, label: Tensor) -> dict[str, Tensor]:
        """The parts y, label and scale of a split whose labels (N,) are numbers."""
        moments = [self.manifest["target_mean"], self.manifest["target_sd"]]
        scale = torch.tensor(moments, dtype=torch.float64, device=label.device)
        return {"y": ((label - scale[0]) / scale[1]).float(), "label": label, "scale": scale}

    def inputs(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """A function from x to a model's input: float32, standardised by train; tokens stay."""
        if "mean" not in self.manifest:
            return lambda x: x
        mean = torch.tensor(self.manifest["mean"], device=device)
        sd = torch.tensor(self.manifest["sd"], device=device)
        return lambda x: (x - mean) / sd


def load(folder: Path) -> Prepared:
    """The prepared data set in a folder; Damaged if a file is missing or fails its checksum."""
    path = folder / "manifest.json"
    fix = f"to fix: rm -r {folder}, then start the study again"
    if not path.is_file():
        raise store.Damaged(f"{path} is missing; {fix}")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    sources.check_version(manifest, folder)
    arrays = {}
    for name, digest in manifest["sha256"].items():
        file = folder / name
        if not file.is_file() or store.sha256(file) != digest:
            raise store.Damaged(f"{file} is missing or does not have its checksum; {fix}")
        if name.endswith(".npy"):
            arrays[name.removesuffix(".npy")] = np.load(file, mmap_mode="c")
    return Prepared(folder, manifest, arrays, store.sha256(path))
