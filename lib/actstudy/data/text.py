"""Text as arrays of tokens: a byte-level BPE, passages and windows of a fixed length.

The BPE is trained on the train split alone.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actstudy.contract import store
from actstudy.contract.errors import StudyError

if TYPE_CHECKING:  # training needs only the constants, and tokenizers takes 40 ms to import
    from tokenizers import Tokenizer

PAD = 0  # a token that no text holds: fills up what is shorter than the context
START = 1  # a token that no text holds: comes before a document's first token
IGNORED = -100  # label of a position that is padding; torch's cross_entropy leaves it out
FILE = "tokenizer.json"
Arrays = dict[str, np.ndarray]


def train_tokenizer(texts: Sequence[str], vocabulary: int, where: str) -> "Tokenizer":
    """A byte-level BPE of exactly `vocabulary` tokens (Sennrich et al. 2016, arXiv:1508.07909).

    Pairs are merged if they occur at least twice. StudyError if the texts do not support that
    many tokens.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=["<pad>", "<start>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    size = tokenizer.get_vocab_size()
    if size < vocabulary:
        raise StudyError(
            f"{where}: vocabulary: got {vocabulary}; allowed: at most {size}, "
            "all that the train split's text supports"
        )
    return tokenizer


def tokenize(
    splits: dict[str, Arrays], vocabulary: int, context: int, folder: Path, where: str
) -> dict[str, Arrays]:
    """Splits of text as splits of tokens; the tokenizer is written to the folder.

    A split with labels, `x` (N,) texts and `y` (N,), becomes passages; one of documents alone, `x`
    (D,), windows.
    """
    tokenizer = train_tokenizer(splits["train"]["x"].tolist(), vocabulary, where)
    with store.replacing(folder / FILE) as draft:
        tokenizer.save(str(draft))
    tokenized = {}
    for split, arrays in splits.items():
        texts = arrays["x"].tolist()
        tokens = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        lengths = [len(part) for part in tokens]
        if not min(lengths):
            empty = lengths.index(0)
            raise StudyError(f"{where}: {split} text {empty} is empty; allowed: at least one token")
        if split == "train" and context > max(lengths):
            raise StudyError(
                f"{where}: context: got {context}; "
                f"allowed: at most {max(lengths)}, the longest train text"
            )
        if "y" in arrays:
            tokenized[split] = {"x": passages(tokens, context), "y": arrays["y"]}
        else:
            tokenized[split] = {**windows(tokens, context), "words": count_words(texts)}
    return tokenized


def count_words(texts: Sequence[str]) -> np.ndarray:
    """Number of words of each text (D,); a line's end is a word."""
    return np.array([len(text.split()) + text.count("\n") for text in texts])


def passages(texts: list[list[int]], context: int) -> np.ndarray:
    """Token lists cut or padded to x (N, context)."""
    x = np.full((len(texts), context), PAD, np.int32)
    for row, tokens in zip(x, texts, strict=True):
        row[: len(tokens)] = tokens[:context]
    return x


def windows(documents: list[list[int]], context: int) -> Arrays:
    """Windows in which every token is predicted once, from those before it in its window.

    x (N, context) starts with START at a document's first window, else with the token before it;
    y (N, context) is the token that follows each, IGNORED after the document's end; document (N,)
    is the index of each window's document.
    """
    starts = [range(0, len(tokens), context) for tokens in documents]
    document = np.repeat(np.arange(len(documents)), [len(part) for part in starts])
    x = np.full((len(document), context), PAD, np.int32)
    y = np.full((len(document), context), IGNORED, np.int64)
    window = 0
    for tokens, document_starts in zip(documents, starts, strict=True):
        before = [START, *tokens]
        for start in document_starts:
            following = tokens[start : start + context]
            n = len(following)
            x[window, :n] = before[start : start + n]
            y[window, :n] = following
            window += 1
    return {"x": x, "y": y, "document": document}


def texts_of(x: np.ndarray, folder: Path) -> Iterator[str]:
    """What a model sees of each passage x (N, context), as text again."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / FILE))
    yield from tokenizer.decode_batch([row[row != PAD].tolist() for row in x])
