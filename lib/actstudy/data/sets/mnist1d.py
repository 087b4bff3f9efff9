"""MNIST-1D (Greydanus and Kobak 2024): ten classes of 40-point signals.

Made offline by its authors' generator.
"""

import numpy as np

from actstudy.data.prepared import Splits, with_val

DATASET = {
    "title": "MNIST-1D",
    "kind": "signals",
    "version": 1,
    "source": "PyPI mnist1d, make_dataset with its default arguments (seed 42)",
    "paper": "arXiv:2011.14439",
    "licence": "Apache-2.0",
    "shape": [40],
    "classes": 10,
}
TRAIN_SIZE = 3500  # examples of train


def prepare() -> Splits:
    """3,500 train and 500 val signals (stratified from the official 4,000), 1,000 test.

    x (N, 40) float32, y (N,) int64.
    """
    from mnist1d.data import get_dataset_args, make_dataset

    arrays = make_dataset(get_dataset_args())
    train = (arrays["x"].astype(np.float32), arrays["y"].astype(np.int64))
    test = (arrays["x_test"].astype(np.float32), arrays["y_test"].astype(np.int64))
    return with_val(train, test, 500)
