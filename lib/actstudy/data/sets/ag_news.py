"""AG News (Zhang et al. 2015), news to be classified by topic.

Read from data/raw/ag_news_csv/ or its archive in data/raw.
"""

import numpy as np

from actstudy.contract import store
from actstudy.data.official import EDITION, class_indices, rows
from actstudy.data.prepared import Splits, with_val

DATASET = {
    "title": "AG News",
    "kind": "passages",
    "version": 1,
    "source": (
        "ag_news_csv.tgz of Zhang et al. 2015, put there by hand: class index, title, description"
    ),
    "paper": "arXiv:1509.01626",
    "licence": "research, non-commercial",
    "archive": {"file": "ag_news_csv.tgz"},
    "files": {
        # No checksum: a subset is allowed, and every table says so.
        "ag_news_csv/train.csv": {},
        "ag_news_csv/test.csv": {
            "sha256": "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699"
        },
    },
    "train_rows": 120_000,
    "classes": 4,
}
TRAIN_SIZE = 108_000  # examples of train


def prepare() -> Splits:
    """A tenth of train is val (stratified); test is the official one of 7,600.

    x (N,) of str, y (N,) int64.
    """
    train = read("train")
    test = read("test")
    return with_val(train, test, len(train[1]) // 10)


def read(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Texts, title before description, and classes from 0 on.

    A backslash in the file is a line's end. Damaged, naming the edition if it is a known one, if
    the file is not the official one or rows of it.
    """
    file = f"ag_news_csv/{split}.csv"
    table = rows("ag_news", file, columns=3)
    header = ", ".join(table[0])
    if header.startswith("Class Index"):
        raise store.Damaged(f"data/raw/{file} has a header ({header}), as Kaggle's; {EDITION}")
    if {row[0] for row in table} == set("0123"):
        raise store.Damaged(f"data/raw/{file} counts classes from 0, not from 1; {EDITION}")
    labels = []
    texts = []
    for label, title, description in table:
        words = f"{title} {description}".replace("\\", " ").split()
        labels.append(label)
        texts.append(" ".join(words))
    return np.array(texts, np.object_), class_indices(file, labels, 4, first=1)
