"""Tiny-ImageNet-200 (Stanford CS231n, a part of ILSVRC-2012 at 64x64), in the layout in which it unpacks.

Research use only, under ImageNet's terms. Its test split has no labels: the official val is test here.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from actstudy.data import official
from actstudy.data.official import content
from actstudy.data.prepared import Splits, hold_out
from actstudy.study import store

DATASET = {
    "title": "Tiny-ImageNet-200",
    "kind": "images",
    "version": 1,
    "source": "https://cs231n.stanford.edu/tiny-imagenet-200.zip, unpacked by hand",
    "paper": "Le and Yang 2015, Tiny ImageNet Visual Recognition Challenge",
    "licence": "ImageNet terms: research, non-commercial",
    "files": {"tiny-imagenet-200/wnids.txt": {}, "tiny-imagenet-200/val/val_annotations.txt": {}},
    "shape": [3, 64, 64],
    "classes": 200,
}
FOLDER, TRAIN, TEST = "tiny-imagenet-200", 100_000, 10_000
PART = 500  # images that a process decodes at a time


def prepare() -> Splits:
    """90,000 train and 10,000 val (stratified from the official train), 10,000 test: x (N, 3, 64, 64) uint8, y (N,).

    Greyscale images are expanded to three equal channels.
    """
    classes = {wnid: label for label, wnid in enumerate(lines("wnids.txt"))}
    root = official.RAW / FOLDER
    paths = [path for wnid in classes for path in sorted(root.glob(f"train/{wnid}/images/*.JPEG"))]
    labels = np.array([classes[path.parts[-3]] for path in paths], np.int64)
    rows = [line.split("\t") for line in lines("val/val_annotations.txt")]
    notes = {row[0]: classes[row[1]] for row in rows if len(row) > 1 and row[1] in classes}
    tests = [root / "val/images" / name for name in notes]
    if (len(paths), len(tests)) != (TRAIN, TEST):
        raise store.Damaged(
            f"data/raw/{FOLDER} has {len(paths):,} train and {len(tests):,} val images instead of {TRAIN:,} and "
            f"{TEST:,}; to mend: unpack tiny-imagenet-200.zip there again"
        )
    train, val = hold_out(labels, len(paths) // 10)
    return {
        "train": {"x": images([paths[index] for index in train]), "y": labels[train]},
        "val": {"x": images([paths[index] for index in val]), "y": labels[val]},
        "test": {"x": images(tests), "y": np.array(list(notes.values()), np.int64)},
    }


def lines(file: str) -> list[str]:
    """The lines of an official text file; Damaged where it is missing."""
    return content("tiny_imagenet", f"{FOLDER}/{file}").decode("utf-8").splitlines()


def images(paths: list[Path]) -> np.ndarray:
    """The images as x (N, 3, 64, 64) uint8, decoded on all cores."""
    x = np.empty((len(paths), 3, 64, 64), np.uint8)
    starts = range(0, len(paths), PART)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        decoded = pool.map(decoded_part, (paths[start : start + PART] for start in starts))
        shown = track(zip(starts, decoded, strict=True), "decoding", len(starts), console=Console(stderr=True))
        for start, part in shown:
            x[start : start + PART] = part
    return x


def decoded_part(paths: list[Path]) -> np.ndarray:
    """Some images, decoded; Damaged, naming the file, where one is no image of 64x64."""
    from PIL import Image

    part = np.empty((len(paths), 3, 64, 64), np.uint8)
    for row, path in zip(part, paths, strict=True):
        try:
            with Image.open(path) as image:
                row[:] = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        except (OSError, ValueError) as error:
            name = path.relative_to(official.RAW)
            raise store.Damaged(f"data/raw/{name} is damaged ({error}); to mend: unpack it again") from None
    return part
