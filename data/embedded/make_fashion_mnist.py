"""Make fashion_mnist.parquet from the Debian package dataset-fashion-mnist.

Its version is 0.0~git20200523.55506a9-1.

    apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb unpacked
    python make_fashion_mnist.py unpacked/usr/share/datasets/fashion-mnist

The same number of images per class, drawn with a fixed seed: 500 train and 100 val from the
official train set, 200 test from the official test set. A split keeps the official order.
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 42
N_PER_CLASS = {"train": 500, "val": 100, "test": 200}


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array of an idx file: a magic number, the sizes as big-endian int32, the values."""
    raw = gzip.decompress(path.read_bytes())
    ndim = raw[3]
    sizes = np.frombuffer(raw, ">i4", ndim, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * ndim).reshape(sizes)


def main(folder: Path) -> None:
    """Draw the subset and write the Parquet file next to this script."""
    rng = np.random.default_rng(SEED)
    columns: dict[str, list] = {
        "split": [],
        "official_split": [],
        "official_index": [],
        "label": [],
        "image": [],
    }
    for official, splits in (("train", ("train", "val")), ("t10k", ("test",))):
        images = read_idx(folder / f"{official}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{official}-labels-idx1-ubyte.gz")
        drawn = [rng.permutation(np.flatnonzero(labels == label)) for label in range(10)]
        start = 0
        for split in splits:
            n = N_PER_CLASS[split]
            parts = [indices[start : start + n] for indices in drawn]
            for index in np.sort(np.concatenate(parts)):
                columns["split"].append(split)
                columns["official_split"].append(official)
                columns["official_index"].append(int(index))
                columns["label"].append(int(labels[index]))
                columns["image"].append(images[index].tobytes())
            start += n
    schema = pa.schema(
        [
            ("split", pa.string()),
            ("official_split", pa.string()),
            ("official_index", pa.int32()),
            ("label", pa.int8()),
            ("image", pa.binary(784)),
        ]
    )
    out = Path(__file__).with_name("fashion_mnist.parquet")
    pq.write_table(pa.table(columns, schema=schema), out, compression="zstd", compression_level=22)


main(Path(sys.argv[1]))
