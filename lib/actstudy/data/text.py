"""Text as arrays of tokens: a byte-level BPE trained on the train split alone, passages and windows of fixed length."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from actstudy.contract import store
from actstudy.contract.errors import StudyError
from actstudy.nets.encoder import PAD

START = 1  # like PAD a token that no text holds: what comes before a document's first token
IGNORED = -100  # label of a position that is padding; torch's cross_entropy leaves it out
FILE = "tokenizer.json"
Arrays = dict[str, np.ndarray]


def byte_pairs(texts: Sequence[str], vocabulary: int, where: str) -> Tokenizer:
    """A byte-level BPE of exactly `vocabulary` tokens (Sennrich et al. 2016, arXiv:1508.07909); merges occur twice."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            min_frequency=2,
            special_tokens=["<pad>", "<start>"],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    if tokenizer.get_vocab_size() < vocabulary:
        raise StudyError(
            f"{where}: vocabulary: got {vocabulary}; allowed: at most {tokenizer.get_vocab_size()}, "
            "all that the train split's text supports"
        )
    return tokenizer


def tokenized(
    splits: dict[str, Arrays], vocabulary: int, context: int, folder: Path, where: str
) -> dict[str, Arrays]:
    """Splits of text as splits of tokens; the tokenizer is left in the folder.

    A split with labels, `x` (N,) texts and `y` (N,), becomes passages; one of documents alone, `x` (D,), windows.
    """
    tokenizer = byte_pairs(splits["train"]["x"].tolist(), vocabulary, where)
    with store.replacing(folder / FILE) as draft:
        tokenizer.save(str(draft))
    made = {}
    for split, arrays in splits.items():
        texts = arrays["x"].tolist()
        tokens = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        lengths = [len(part) for part in tokens]
        if not min(lengths):
            raise StudyError(
                f"{where}: {split} text {lengths.index(0)} is empty; allowed: at least one token"
            )
        if split == "train" and context > max(lengths):
            raise StudyError(
                f"{where}: context: got {context}; allowed: at most {max(lengths)}, the longest train text"
            )
        if "y" in arrays:
            made[split] = {"x": passages(tokens, context), "y": arrays["y"]}
        else:
            words = np.array(
                [len(text.split()) + text.count("\n") for text in texts]
            )  # a line's end is a word
            made[split] = {**windows(tokens, context), "words": words}
    return made


def passages(texts: list[list[int]], context: int) -> np.ndarray:
    """Token lists cut or padded to x (N, context)."""
    x = np.full((len(texts), context), PAD, np.int32)
    for row, tokens in zip(x, texts, strict=True):
        row[: len(tokens)] = tokens[:context]
    return x


def windows(documents: list[list[int]], context: int) -> Arrays:
    """Windows in which every token of every document is predicted once, from those before it in its window.

    x (N, context) starts with START at a document's first window, else with the token before; y (N, context) is the
    token that follows each, IGNORED where the document has ended; document (N,) says whose window it is.
    """
    starts = [range(0, len(tokens), context) for tokens in documents]
    document = np.repeat(np.arange(len(documents)), [len(part) for part in starts])
    x = np.full((len(document), context), PAD, np.int32)
    y = np.full((len(document), context), IGNORED, np.int64)
    rows = iter(zip(x, y, strict=True))
    for tokens, part in zip(documents, starts, strict=True):
        before = [START, *tokens]
        for start in part:
            x_row, y_row = next(rows)
            n = len(tokens[start : start + context])
            x_row[:n], y_row[:n] = before[start : start + n], tokens[start : start + n]
    return {"x": x, "y": y, "document": document}


def texts_of(x: np.ndarray, folder: Path) -> Iterator[str]:
    """What a model sees of each passage x (N, context), as text again."""
    tokenizer = Tokenizer.from_file(str(folder / FILE))
    yield from tokenizer.decode_batch([row[row != PAD].tolist() for row in x])
