"""Fashion-MNIST (Xiao et al. 2017), in the layout of its files in data/raw/FashionMNIST/raw/.

The files of the Debian package dataset-fashion-mnist (/usr/share/datasets/fashion-mnist/) may be
copied there as they are.
"""

from actstudy.data.official import idx_splits
from actstudy.data.prepared import Splits

DATASET = {
    "title": "Fashion-MNIST",
    "kind": "images",
    "version": 1,
    "source": "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
    "paper": "arXiv:1708.07747",
    "licence": "MIT, Zalando SE",
    "files": {
        "FashionMNIST/raw/train-images-idx3-ubyte": {
            "sha256": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "url": "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/train-images-idx3-ubyte.gz",
        },
        "FashionMNIST/raw/train-labels-idx1-ubyte": {
            "sha256": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "url": "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/train-labels-idx1-ubyte.gz",
        },
        "FashionMNIST/raw/t10k-images-idx3-ubyte": {
            "sha256": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "url": "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/t10k-images-idx3-ubyte.gz",
        },
        "FashionMNIST/raw/t10k-labels-idx1-ubyte": {
            "sha256": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            "url": "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/t10k-labels-idx1-ubyte.gz",
        },
    },
    "shape": [1, 28, 28],
    "classes": 10,
}
TRAIN_SIZE = 55_000  # examples of train
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
    """55,000 train and 5,000 val images (stratified from the official 60,000), 10,000 test.

    x (N, 1, 28, 28) uint8, y (N,) int64.
    """
    return idx_splits("fashion_mnist", "FashionMNIST/raw")
