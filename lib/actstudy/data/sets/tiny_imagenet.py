"""Tiny-ImageNet-200 (Stanford CS231n, a part of ILSVRC-2012 at 64x64): data/raw/tiny-imagenet-200/ or .zip.

Research use only, under ImageNet's terms. Its test split has no labels: the official val is test here.
"""

import io
import os
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from actstudy.contract import store
from actstudy.data import archives, official
from actstudy.data.official import MEND, reading, text
from actstudy.data.prepared import Splits, hold_out

DATASET = {
    "title": "Tiny-ImageNet-200",
    "kind": "images",
    "version": 1,
    "source": "https://cs231n.stanford.edu/tiny-imagenet-200.zip, put there by hand",
    "paper": "Le and Yang 2015, Tiny ImageNet Visual Recognition Challenge",
    "licence": "ImageNet terms: research, non-commercial",
    "archive": {"file": "tiny-imagenet-200.zip"},
    "files": {"tiny-imagenet-200/wnids.txt": {}, "tiny-imagenet-200/val/val_annotations.txt": {}},
    "shape": [3, 64, 64],
    "classes": 200,
}
FOLDER, TRAIN, TEST = "tiny-imagenet-200", 100_000, 10_000
PART = 500  # images that a process decodes at a time
AHEAD = 2 * (os.cpu_count() or 1)  # parts that wait, so that no process does
AGAIN = "unpack tiny-imagenet-200.zip there again"
Read = Callable[[str], bytes | Path]


def prepare() -> Splits:
    """90,000 train and 10,000 val (stratified from the official train), 10,000 test: x (N, 3, 64, 64) uint8, y (N,).

    Greyscale images are expanded to three equal channels.
    """
    wnids = text("tiny_imagenet", f"{FOLDER}/wnids.txt").split()
    with opened() as (names, read):
        trains, tests = train_images(names), test_images(wnids)
        present = {"train": {wnid for wnid in wnids if trains[wnid]}, "val": set(tests.values())}
        for split, found in present.items():
            if absent := [wnid for wnid in wnids if wnid not in found]:
                raise store.Damaged(
                    f"data/raw/{FOLDER} has no {split} image of class {', '.join(absent[:3])} ({len(absent)} classes "
                    f"absent); allowed: images of all {len(wnids)} classes of wnids.txt; to mend: {AGAIN}"
                )
        paths = [name for wnid in wnids for name in trains[wnid]]
        labels = np.repeat(np.arange(len(wnids)), [len(trains[wnid]) for wnid in wnids])
        if (len(paths), len(tests)) != (TRAIN, TEST):
            raise store.Damaged(
                f"data/raw/{FOLDER} has {len(paths):,} train and {len(tests):,} val images instead of {TRAIN:,} and "
                f"{TEST:,}; to mend: {AGAIN}"
            )
        train, val = hold_out(labels, len(paths) // 10)
        return {
            "train": {"x": images([paths[index] for index in train], read), "y": labels[train]},
            "val": {"x": images([paths[index] for index in val], read), "y": labels[val]},
            "test": {
                "x": images([*tests], read),
                "y": np.array([wnids.index(wnid) for wnid in tests.values()]),
            },
        }


@contextmanager
def opened() -> Iterator[tuple[list[str], Read]]:
    """The names of files, all train images among them, from data/raw on, and what finds one: its path or its bytes.

    Of the folder where it is there, else of the .zip.
    """
    root = official.RAW / FOLDER
    if root.is_dir():
        names = [
            path.relative_to(official.RAW).as_posix() for path in root.glob("train/*/images/*.JPEG")
        ]
        yield names, lambda name: official.RAW / name  # for the process that decodes it
    else:
        with archives.opened(root.with_name(f"{FOLDER}.zip")) as found:
            yield found


def train_images(names: list[str]) -> dict[str, list[str]]:
    """Class -> its train images, in the order of their names."""
    found = defaultdict(list)
    for name in sorted(names):
        if image := re.fullmatch(rf"{FOLDER}/train/([^/]+)/images/[^/]+\.JPEG", name):
            found[image[1]].append(name)
    return found


def test_images(wnids: list[str]) -> dict[str, str]:
    """Image of the official val -> its class, in the order of the list; Damaged where that is none of wnids.txt."""
    found, file = {}, f"{FOLDER}/val/val_annotations.txt"
    for number, line in enumerate(text("tiny_imagenet", file).splitlines(), 1):
        name, wnid = (*line.split("\t"), "")[:2]
        if wnid not in wnids:
            raise store.Damaged(
                f"data/raw/{file}: row {number:,}: got class {wnid!r}; allowed: of wnids.txt; {MEND}"
            )
        found[f"{FOLDER}/val/images/{name}"] = wnid
    return found


def images(names: list[str], read: Read) -> np.ndarray:
    """The images as x (N, 3, 64, 64) uint8, decoded on all cores."""
    x = np.empty((len(names), 3, 64, 64), np.uint8)
    starts = range(0, len(names), PART)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        decoded = in_turn(pool, (files(names[start : start + PART], read) for start in starts))
        shown = track(
            zip(starts, decoded, strict=True), "decoding", len(starts), console=Console(stderr=True)
        )
        for start, part in shown:
            x[start : start + PART] = part
    return x


def in_turn(
    pool: ProcessPoolExecutor, parts: Iterator[dict[str, bytes | Path]]
) -> Iterator[np.ndarray]:
    """The parts decoded, in their order; `pool.map` would have all of them made, and in memory, before the first."""
    waiting = deque[Future[np.ndarray]]()
    for part in parts:
        waiting.append(pool.submit(decoded_part, part))
        if len(waiting) > AHEAD:
            yield waiting.popleft().result()
    for one in waiting:
        yield one.result()


def files(names: list[str], read: Read) -> dict[str, bytes | Path]:
    """Name -> bytes or path of some images; Damaged, naming the file, where one cannot be read."""
    found = {}
    for name in names:
        with reading(f"data/raw/{name}"):
            found[name] = read(name)
    return found


def decoded_part(jpegs: dict[str, bytes | Path]) -> np.ndarray:
    """Some images, decoded; Damaged, naming the file, where one is no JPEG of 64x64."""
    from PIL import Image

    part = np.empty((len(jpegs), 3, 64, 64), np.uint8)
    for row, (name, jpeg) in zip(part, jpegs.items(), strict=True):
        damages = reading(f"data/raw/{name}", Image.DecompressionBombError)
        with (
            damages,
            Image.open(
                io.BytesIO(jpeg) if isinstance(jpeg, bytes) else jpeg, formats=["JPEG"]
            ) as image,
        ):
            if image.size != (64, 64):
                raise ValueError(f"got {image.width} x {image.height} pixels; allowed: 64 x 64")
            row[:] = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    return part
