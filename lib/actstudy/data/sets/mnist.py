"""MNIST (LeCun et al. 1998), in the layout of its files in data/raw/MNIST/raw/."""

from actstudy.data.official import idx_splits
from actstudy.data.prepared import Splits

DATASET = {
    "title": "MNIST",
    "kind": "images",
    "version": 1,
    "source": "https://ossci-datasets.s3.amazonaws.com/mnist",
    "paper": "LeCun et al. 1998, Gradient-based learning",
    "licence": "CC BY-SA 3.0",
    "files": {
        "MNIST/raw/train-images-idx3-ubyte": {
            "sha256": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "url": "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
        },
        "MNIST/raw/train-labels-idx1-ubyte": {
            "sha256": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "url": "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz",
        },
        "MNIST/raw/t10k-images-idx3-ubyte": {
            "sha256": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "url": "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz",
        },
        "MNIST/raw/t10k-labels-idx1-ubyte": {
            "sha256": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            "url": "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz",
        },
    },
    "shape": [1, 28, 28],
    "classes": 10,
}
TRAIN_SIZE = 55_000  # examples of train
CLASS_NAMES = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
)


def prepare() -> Splits:
    """55,000 train and 5,000 val images (stratified from the official 60,000), 10,000 test.

    x (N, 1, 28, 28) uint8, y (N,) int64.
    """
    return idx_splits("mnist", "MNIST/raw")
