"""CIFAR-10 (Krizhevsky 2009).

Read from data/raw/cifar-10-batches-py/, as it unpacks, or data/raw/cifar-10-python.tar.gz.
"""

from actstudy.data.prepared import Splits
from actstudy.data.sets import cifar

DATASET = {
    "title": "CIFAR-10",
    "kind": "images",
    "version": 1,
    "source": "https://www.cs.toronto.edu/~kriz/cifar.html",
    "paper": "Krizhevsky 2009, Learning multiple layers of features from tiny images",
    "licence": "none stated by its authors",
    "archive": {
        "file": "cifar-10-python.tar.gz",
        "url": "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    },
    "files": {  # its authors publish no SHA-256
        "cifar-10-batches-py/data_batch_1": {"md5": "c99cafc152244af753f735de768cd75f"},
        "cifar-10-batches-py/data_batch_2": {"md5": "d4bba439e000b95fd0a9bffe97cbabec"},
        "cifar-10-batches-py/data_batch_3": {"md5": "54ebc095f3ab1f0389bbae665268c751"},
        "cifar-10-batches-py/data_batch_4": {"md5": "634d18415352ddfa80567beed471001a"},
        "cifar-10-batches-py/data_batch_5": {"md5": "482c414d41f54cd18b22e5b47cb7c3cb"},
        "cifar-10-batches-py/test_batch": {"md5": "40351d587109b95175f43aff81a1287e"},
    },
    "shape": [3, 32, 32],
    "classes": 10,
}
TRAIN_SIZE = 45_000  # examples of train
CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def prepare() -> Splits:
    """45,000 train and 5,000 val images (stratified from the official 50,000), 10,000 test.

    x (N, 3, 32, 32) uint8, y (N,) int64.
    """
    return cifar.splits("cifar10", "labels")
