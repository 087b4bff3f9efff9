"""A tenth of Fashion-MNIST (Xiao et al. 2017), class-balanced, embedded in the project."""

import numpy as np

from actstudy.data.prepared import SPLITS, Splits, read_embedded

DATASET = {
    "title": "Fashion-MNIST, a class-balanced tenth",
    "kind": "images",
    "version": 1,
    "source": (
        "data/embedded/fashion_mnist.parquet, made from the Debian package dataset-fashion-mnist"
    ),
    "paper": "arXiv:1708.07747",
    "licence": "MIT",
    "sha256": "ad2f10964db2ad65e52f7dfdc8c398a53b5eea8c0d99fcea71bb7d6c5962d5f9",
    "shape": [1, 28, 28],
    "classes": 10,
}
TRAIN_SIZE = 5000  # examples of train
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def prepare() -> Splits:
    """5,000 train, 1,000 val and 2,000 test images: x (N, 1, 28, 28) uint8, y (N,) int64."""
    table = read_embedded("fashion_mnist.parquet", str(DATASET["sha256"]))
    pixels = np.frombuffer(b"".join(table["image"].to_pylist()), np.uint8).reshape(-1, 1, 28, 28)
    labels = table["label"].to_numpy().astype(np.int64)
    split_of_row = np.array(table["split"].to_pylist())
    splits = {}
    for split in SPLITS:
        rows = split_of_row == split
        splits[split] = {"x": pixels[rows], "y": labels[rows]}
    return splits
