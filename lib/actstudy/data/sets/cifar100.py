"""CIFAR-100 (Krizhevsky 2009).

Read from data/raw/cifar-100-python/, as it unpacks, or data/raw/cifar-100-python.tar.gz.
"""

from actstudy.data.prepared import Splits
from actstudy.data.sets import cifar

DATASET = {
    "title": "CIFAR-100",
    "kind": "images",
    "version": 1,
    "source": "https://www.cs.toronto.edu/~kriz/cifar.html",
    "paper": "Krizhevsky 2009, Learning multiple layers of features from tiny images",
    "licence": "none stated by its authors",
    "archive": {
        "file": "cifar-100-python.tar.gz",
        "url": "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    },
    "files": {  # its authors publish no SHA-256
        "cifar-100-python/train": {"md5": "16019d7e3df5f24257cddd939b257f8d"},
        "cifar-100-python/test": {"md5": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    },
    "shape": [3, 32, 32],
    "classes": 100,
}
TRAIN_SIZE = 45_000  # examples of train


def prepare() -> Splits:
    """45,000 train and 5,000 val images (stratified from the official 50,000), 10,000 test.

    x (N, 3, 32, 32) uint8, y (N,) int64.
    """
    return cifar.splits("cifar100", "fine_labels")
