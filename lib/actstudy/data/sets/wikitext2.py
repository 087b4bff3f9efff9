"""WikiText-2 (Merity et al. 2016), word-level with `<unk>`.

Read from data/raw/wikitext-2/ or its archive in data/raw.
"""

import re

import numpy as np

from actstudy.data.official import text
from actstudy.data.prepared import Splits

DATASET = {
    "title": "WikiText-2",
    "kind": "text",
    "version": 1,
    "source": "wikitext-2-v1.zip of Merity et al. 2016 (word level), put there by hand",
    "paper": "arXiv:1609.07843",
    "licence": "CC BY-SA 3.0",
    "archive": {"file": "wikitext-2-v1.zip"},
    "files": {
        "wikitext-2/wiki.train.tokens": {
            "sha256": "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f"
        },
        "wikitext-2/wiki.valid.tokens": {
            "sha256": "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8"
        },
        "wikitext-2/wiki.test.tokens": {
            "sha256": "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0"
        },
    },
}
FILES = {
    "train": "wikitext-2/wiki.train.tokens",
    "val": "wikitext-2/wiki.valid.tokens",
    "test": "wikitext-2/wiki.test.tokens",
}
TRAIN_WORDS = 2_051_910  # of train, between white space
# A heading of the first level: ` = Title = `, then an empty line.
HEADING = re.compile(r"(?m)^(?= = [^=\n]+ = \n \n)")


def prepare() -> Splits:
    """Whole articles, x (documents,) of str; a line's end is a word, as in published counts.

    `<unk>` replaces the words that the authors found too rare; it is text like any other, of as
    many tokens as the BPE makes of it.
    """
    splits = {}
    for split, file in FILES.items():
        documents = articles(text("wikitext2", file))
        splits[split] = {"x": np.array(documents, np.object_)}
    return splits


def articles(whole: str) -> list[str]:
    """A text cut before the heading of each article; what precedes the first goes with it."""
    first, *others = HEADING.split(whole)
    if others and not first.strip():
        return [first + others[0], *others[1:]]
    return [first, *others]
