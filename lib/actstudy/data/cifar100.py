"""CIFAR-100 (Krizhevsky 2009), in the layout in which it unpacks: data/raw/cifar-100-python/."""

from actstudy.data.official import cifar
from actstudy.data.prepared import Splits

DATASET = {
    "title": "CIFAR-100",
    "kind": "images",
    "version": 1,
    "source": "https://www.cs.toronto.edu/~kriz/cifar.html, read and checked by torchvision",
    "paper": "Krizhevsky 2009, Learning multiple layers of features from tiny images",
    "licence": "none stated by its authors",
    "files": {},
    "shape": [3, 32, 32],
    "classes": 100,
}


def prepare() -> Splits:
    """45,000 train and 5,000 val (stratified from the official 50,000), 10,000 test: x (N, 3, 32, 32) uint8, y (N,)."""
    return cifar("CIFAR100")
