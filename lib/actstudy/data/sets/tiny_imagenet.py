"""Tiny-ImageNet-200 (Stanford CS231n, a part of ILSVRC-2012 at 64x64).

Read from data/raw/tiny-imagenet-200/ or .zip. Research use only, under ImageNet's terms. Its test
split has no labels: the official val is test here.
"""

import io
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from actstudy.contract import host, store
from actstudy.data import archives, official
from actstudy.data.official import FIX, reading, text
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
TRAIN_SIZE = 90_000  # examples of train
FOLDER = "tiny-imagenet-200"
N_TRAIN = 100_000
N_TEST = 10_000
CHUNK = 500  # images that a thread decodes at a time
MAX_WAITING = 2 * host.cores()  # chunks that wait, so that no thread does
UNPACK = "unpack tiny-imagenet-200.zip there again"
TRAIN_IMAGE = r"train/([^/]+)/images/[^/]+\.JPEG"
VAL_IMAGE = r"val/images/[^/]+\.JPEG"
OTHER_NAME = r"[^/]+\.(jpe?g|JPG|png|PNG)"
LAYOUTS = (  # official files that are absent, other files that are there instead, what happened
    (r"wnids\.txt", rf"{FOLDER}/.*", f"the files are one folder too deep, in {FOLDER}/{FOLDER}"),
    (VAL_IMAGE, r"val/(images/)?n\d+/.*", "val is sorted into folders of classes"),
    (TRAIN_IMAGE, r"train/[^/]+/[^/]+\.JPEG", "the folders of train have no folder images"),
    (TRAIN_IMAGE, rf"train/.*{OTHER_NAME}", "the images of train are no .JPEG files"),
    (VAL_IMAGE, rf"val/.*{OTHER_NAME}", "the images of val are no .JPEG files"),
)
Read = Callable[[str], bytes | Path]


def prepare() -> Splits:
    """90,000 train and 10,000 val images (stratified from the official train), 10,000 test.

    x (N, 3, 64, 64) uint8, y (N,) int64; greyscale images are expanded to three equal channels.
    Damaged, naming the layout if it is a known one, if the files are not as they unpack.
    """
    try:
        return read_splits()
    except store.Damaged:
        layout = known_layout()
        if not layout:
            raise
        raise store.Damaged(f"data/raw/{FOLDER}: {layout}; to fix: rm -r it, {UNPACK}") from None


def class_names() -> list[str] | None:
    """The words of each class, in the order of wnids.txt; None if words.txt, or a class, is absent.

    Only a text tower reads them, so that the images alone are enough for all else.
    """
    wnids = text("tiny_imagenet", f"{FOLDER}/wnids.txt").split()
    file = f"{FOLDER}/words.txt"
    with open_files() as (names, read):
        if file not in names and not (official.RAW / file).is_file():
            return None
        with reading(f"data/raw/{file}"):
            raw = read(file)
            lines = (raw.read_bytes() if isinstance(raw, Path) else raw).decode().splitlines()
    words = dict(line.split("\t", 1) for line in lines if "\t" in line)
    return [words[wnid].strip() for wnid in wnids] if words.keys() >= set(wnids) else None


def known_layout() -> str:
    """What scripts or hands have made of the unpacked files, in words; "" if that is not known."""
    root = official.RAW / FOLDER
    names = [path.relative_to(root).as_posix() for path in root.rglob("*")]
    for absent, present, layout in LAYOUTS:
        official_names = filter(re.compile(absent).fullmatch, names)
        other_names = filter(re.compile(present).fullmatch, names)
        if not any(official_names) and any(other_names):
            return layout
    return ""


def read_splits() -> Splits:
    """The splits of files that are as they unpack; Damaged if they are not."""
    wnids = text("tiny_imagenet", f"{FOLDER}/wnids.txt").split()
    with open_files() as (names, read):
        trains = train_images(names, wnids)
        tests = test_images(wnids)
        check_images(wnids, trains, tests)
        train_names = list(trains)
        index = {wnid: k for k, wnid in enumerate(wnids)}
        train_y = np.array([index[wnid] for wnid in trains.values()])
        test_y = np.array([index[wnid] for wnid in tests.values()])
        train, val = hold_out(train_y, len(train_names) // 10)
        return {
            "train": {"x": images([train_names[i] for i in train], read), "y": train_y[train]},
            "val": {"x": images([train_names[i] for i in val], read), "y": train_y[val]},
            "test": {"x": images([*tests], read), "y": test_y},
        }


@contextmanager
def open_files() -> Iterator[tuple[list[str], Read]]:
    """The names of files, all train images included, and a function that reads one.

    Names are paths from data/raw on. The function returns the file's path if the folder is there,
    else the bytes of a member of the .zip.
    """
    root = official.RAW / FOLDER
    if root.is_dir():
        paths = root.glob("train/*/images/*.JPEG")
        names = [path.relative_to(official.RAW).as_posix() for path in paths]
        yield names, lambda name: official.RAW / name  # read by the thread that decodes it
    else:
        with archives.open_archive(root.with_name(f"{FOLDER}.zip")) as archive:
            yield archive


def train_images(names: list[str], wnids: list[str]) -> dict[str, str]:
    """Train image -> its class: sorted by the class's place in wnids.txt, then by name."""
    pattern = re.compile(rf"{FOLDER}/{TRAIN_IMAGE}")
    names_of: dict[str, list[str]] = {wnid: [] for wnid in wnids}
    for name in sorted(names):
        match = pattern.fullmatch(name)
        if match and match[1] in names_of:
            names_of[match[1]].append(name)
    return {name: wnid for wnid in wnids for name in names_of[wnid]}


def test_images(wnids: list[str]) -> dict[str, str]:
    """Image of the official val -> its class, in the order of the list.

    Damaged if a class is not in wnids.txt.
    """
    classes = {}
    file = f"{FOLDER}/val/val_annotations.txt"
    for number, line in enumerate(text("tiny_imagenet", file).splitlines(), 1):
        name, wnid = (*line.split("\t"), "")[:2]
        if wnid not in wnids:
            raise store.Damaged(
                f"data/raw/{file}: row {number:,}: got class {wnid!r}; allowed: of wnids.txt; {FIX}"
            )
        classes[f"{FOLDER}/val/images/{name}"] = wnid
    return classes


def check_images(wnids: list[str], trains: dict[str, str], tests: dict[str, str]) -> None:
    """Damaged if a class has no image or the numbers of images are not the official ones."""
    for split, classes in (("train", trains), ("val", tests)):
        present = set(classes.values())
        absent = [wnid for wnid in wnids if wnid not in present]
        if absent:
            raise store.Damaged(
                f"data/raw/{FOLDER} has no {split} image of class {', '.join(absent[:3])} "
                f"({len(absent)} classes absent); allowed: images of all {len(wnids)} classes "
                f"of wnids.txt; to fix: {UNPACK}"
            )
    if (len(trains), len(tests)) != (N_TRAIN, N_TEST):
        raise store.Damaged(
            f"data/raw/{FOLDER} has {len(trains):,} train and {len(tests):,} val images "
            f"instead of {N_TRAIN:,} and {N_TEST:,}; to fix: {UNPACK}"
        )


def images(names: list[str], read: Read) -> np.ndarray:
    """The images as x (N, 3, 64, 64) uint8, decoded by threads: processes need a /dev/shm."""
    x = np.empty((len(names), 3, 64, 64), np.uint8)
    starts = range(0, len(names), CHUNK)
    chunks = (read_chunk(names[start : start + CHUNK], read) for start in starts)
    with ThreadPoolExecutor(host.cores()) as pool:
        decoded = zip(starts, decode_in_order(pool, chunks), strict=True)
        stderr = Console(stderr=True)
        for start, chunk in track(decoded, "decoding", len(starts), console=stderr):
            x[start : start + CHUNK] = chunk
    return x


def decode_in_order(
    pool: ThreadPoolExecutor, chunks: Iterator[dict[str, bytes | Path]]
) -> Iterator[np.ndarray]:
    """The chunks decoded, in their order, at most MAX_WAITING of them in memory.

    `pool.map` would read all chunks before it returns the first.
    """
    waiting = deque[Future[np.ndarray]]()
    for chunk in chunks:
        waiting.append(pool.submit(decode_chunk, chunk))
        if len(waiting) > MAX_WAITING:
            yield waiting.popleft().result()
    for future in waiting:
        yield future.result()


def read_chunk(names: list[str], read: Read) -> dict[str, bytes | Path]:
    """Name -> bytes or path of some images; Damaged, naming the file, if one cannot be read."""
    chunk = {}
    for name in names:
        with reading(f"data/raw/{name}"):
            chunk[name] = read(name)
    return chunk


def decode_chunk(jpegs: dict[str, bytes | Path]) -> np.ndarray:
    """Some images, decoded (n, 3, 64, 64); Damaged, naming the file, if one is no JPEG of 64x64."""
    from PIL import Image

    chunk = np.empty((len(jpegs), 3, 64, 64), np.uint8)
    for row, (name, jpeg) in zip(chunk, jpegs.items(), strict=True):
        with reading(f"data/raw/{name}", Image.DecompressionBombError):
            row[:] = decode(jpeg)
    return chunk


def decode(jpeg: bytes | Path) -> np.ndarray:
    """An image (3, 64, 64) uint8; ValueError or one of PIL's errors if it is no JPEG of 64x64."""
    from PIL import Image

    file = io.BytesIO(jpeg) if isinstance(jpeg, bytes) else jpeg
    with Image.open(file, formats=["JPEG"]) as image:
        if image.size != (64, 64):
            raise ValueError(f"got {image.width} x {image.height} pixels; allowed: 64 x 64")
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
