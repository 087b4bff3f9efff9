"""WikiText-2 (Merity et al. 2016), word-level with `<unk>`: data/raw/wikitext-2/, or its archive in data/raw."""

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


def prepare() -> Splits:
    """Articles, whole, a line's end being a word of its own as in published counts: x (documents,) of str.

    `<unk>` stands where the authors replaced a rare word; it is text like any other, of as many tokens as BPE makes it.
    """
    names = {"train": "train", "val": "valid", "test": "test"}
    return {
        split: {
            "x": np.array(articles(text("wikitext2", f"wikitext-2/wiki.{name}.tokens")), np.object_)
        }
        for split, name in names.items()
    }


HEADING = re.compile(
    r"(?m)^(?= = [^=\n]+ = \n \n)"
)  # of the first level: ` = Title = `, then an empty line


def articles(whole: str) -> list[str]:
    """A text cut before every heading of an article; what stands before the first heading goes with it."""
    first, *others = HEADING.split(whole)
    return [first + others[0], *others[1:]] if others and not first.strip() else [first, *others]
