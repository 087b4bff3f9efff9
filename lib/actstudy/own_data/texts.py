"""Running text: a file in paragraphs or lines, or a folder whose files are documents."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from actstudy.contract.counting import counted
from actstudy.own_data import files, folders, splitting
from actstudy.own_data.content import Content
from actstudy.own_data.options import SHARES, SPLITS, Source

BLANK = re.compile(r"\n[ \t]*\n")
MIN_DOCUMENTS = len(SPLITS)


def read(source: Source) -> Content:
    """The documents of a file or folder by split; StudyError if they are too few, or no text."""
    source.check_keys("text")
    if isinstance(source.split, str):
        folders.check_shares(source)
    if source.path.is_file():
        return _of_file(source)
    return _of_folder(source)


def _of_file(source: Source) -> Content:
    """The documents of a file, in their order: the first are train, the last test."""
    raw = files.content(source.path)
    text = files.text(source.name, source.path, raw)
    paragraphs = _filled(BLANK.split(text))
    lines = _filled(text.split("\n"))
    documents = paragraphs if len(paragraphs) >= MIN_DOCUMENTS else lines
    unit = "paragraphs" if documents is paragraphs else "lines"
    if len(documents) < MIN_DOCUMENTS:
        got = f"got {counted(len(documents), 'line')} of text"
        allowed = f"at least {MIN_DOCUMENTS} documents, one per split"
        raise source.fault(f"{got}; allowed: {allowed}: paragraphs between blank lines, else lines")
    shares = source.split or SHARES
    n = len(documents)
    n_train = min(max(1, round(float(shares[0]) * n)), n - 2)
    n_val = min(max(1, round(float(shares[1]) * n)), n - n_train - 1)
    splits = np.repeat(SPLITS, [n_train, n_val, n - n_train - n_val])
    sums = [files.entry(source.path, source.path, raw)]
    return _content(source, documents, splits, sums, {"split": shares, "unit": unit})


def _filled(parts: Sequence[str]) -> list[str]:
    return [part.strip("\n") for part in parts if part.strip()]


def _of_folder(source: Source) -> Content:
    """The files of a folder as documents, in splits by its folders or by shares."""
    by_split = folders.split_folders(source) or {"": source.path}
    names = []
    documents = []
    sums = []
    for split, root in by_split.items():
        for path in files.listed(root):
            raw = files.content(path)
            documents.append(_document(source, path, raw))
            names.append(split)
            sums.append(files.entry(source.path, path, raw))
    if len(documents) < MIN_DOCUMENTS:
        allowed = f"at least {MIN_DOCUMENTS}, one per split, or one file"
        raise source.fault(f"got {counted(len(documents), 'file')}; allowed: {allowed}")
    strata = np.zeros(len(documents), np.int64)
    equal = np.unique(np.array(documents), return_inverse=True)[1]
    if names[0]:
        splits = splitting.by_names(source, names, strata, equal)
        return _content(source, documents, splits, sums, {"split": "folders", "unit": "files"})
    shares = source.split or SHARES
    splits = splitting.by_shares(source, strata, equal, shares)  # type: ignore[arg-type]
    return _content(source, documents, splits, sums, {"split": shares, "unit": "files"})


def _document(source: Source, path: Path, raw: bytes) -> str:
    """The text of a file; StudyError if there is none in it."""
    document = files.text(source.name, path, raw)
    if not document.strip():
        name = path.relative_to(source.path)
        raise source.fault(f"{name}: empty; allowed: text in each file")
    return document


def _content(
    source: Source,
    documents: list[str],
    splits: np.ndarray,
    sums: list[tuple[str, str]],
    how: dict[str, object],
) -> Content:
    """Documents (N,) by split (N,); those of val and test that were there before are left out.

    StudyError if none is left of a split.
    """
    whole = np.array(documents, dtype=object)
    seen: set[str] = set()
    arrays = {}
    n_left_out = 0
    for split in SPLITS:
        part = whole[splits == split].tolist()
        fresh = [document for document in part if document not in seen]
        if split == "train":
            fresh = part
        if not fresh:
            fault = f"split {split}: no document of its own among {len(part):,}"
            different = f"{len(set(documents)):,} different ones of {len(documents):,} in all"
            raise source.fault(f"{fault} ({different}); allowed: a text that no other split has")
        n_left_out += len(part) - len(fresh)
        seen.update(part)
        arrays[split] = {"x": np.array(fresh, dtype=object)}
    about = {"repeated_documents_left_out": n_left_out} if n_left_out else {}
    return Content("text", how, sums, arrays, train_size=None, about=about)
