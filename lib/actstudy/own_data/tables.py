"""A CSV or Parquet file as a table of numbers, or as texts with a class."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from actstudy.own_data import features, files, frames, labels, splitting
from actstudy.own_data.columns import column
from actstudy.own_data.content import Content
from actstudy.own_data.frames import Frame
from actstudy.own_data.labels import Labels
from actstudy.own_data.options import SHARES, SPLITS, Source

SPLIT = "split"  # a column of this name says splits, if all of its values are theirs
TEXT = "text"  # a column of this name holds the texts of passages


def read(source: Source) -> Content:
    """The table or the passages in a file; StudyError, with row and column, if it is none."""
    raw = files.content(source.path)
    frame = frames.read(source, raw)
    for name in source.categories:
        frame.check_column("categories", name)
    label = labels.label_name(frame)
    split = _split_name(frame, label)
    others = [name for name in frame.columns if name not in (label, split, source.group)]
    text = _text_name(frame, others)
    source.check_keys("passages" if text else "table")
    known = labels.read(frame, label)
    how: dict[str, Any] = {"label": label, "group": source.group, "decimal": source.decimal}
    if text:
        content = _passages(frame, text, known, split)
        how["text"] = text
    else:
        content = _table(frame, others, known, split)
        how["drop"] = source.drop
        how["missing"] = source.missing
        how["target"] = "class" if known.class_names else "number"
    how["categories"] = source.categories
    how["split"] = split or source.split or SHARES
    sums = [files.entry(source.path, source.path, raw)]
    return dataclasses.replace(content, how=how, sums=sums)


def _split_name(frame: Frame, label: str) -> str | None:
    """The column that says splits: as the study has it, or one called split with such values.

    One in which some values are splits, train and another, is taken for it, so that the others
    are refused with their row.
    """
    stated = frame.source.split
    if isinstance(stated, str):
        frame.check_column("split", stated)
        return stated
    if stated is not None or SPLIT not in frame.columns or label == SPLIT:
        return None
    values = column(frame, SPLIT)
    present = {splitting.spelled(str(value)) for value in values.values[~values.missing].tolist()}
    says_splits = bool(present) and None not in present
    return SPLIT if says_splits or ("train" in present and len(present - {None}) > 1) else None


def _text_name(frame: Frame, others: list[str]) -> str | None:
    """The column of the texts of passages; None of a table.

    As the study has it, else the column called text, else, if kind is passages, the only other one.
    """
    source = frame.source
    if source.text is not None:
        frame.check_column("text", source.text)
        return source.text
    if source.kind == "table":
        return None
    if TEXT in others:
        return TEXT
    if source.kind == "passages" or (len(others) == 1 and _are_sentences(frame, others[0])):
        if len(others) == 1:
            return others[0]
        names = ", ".join(others)
        raise source.fault(f"text: missing; allowed: text: one of {names:.300}")
    return None


def _are_sentences(frame: Frame, name: str) -> bool:
    """Whether a column holds texts of which most are different and have several words."""
    values = column(frame, name).values
    if values.dtype.kind == "f":
        return False
    n_sentences = sum(" " in text.strip() for text in values)
    return 2 * min(n_sentences, len(set(values.tolist()))) > len(values)


def _splits(frame: Frame, known: Labels, split: str | None, equal: np.ndarray) -> np.ndarray:
    """The split (N,) of each row; equal: (N,) numbers that equal rows share."""
    source = frame.source
    groups = None if source.group is None else _groups(frame, source.group)
    if split is not None:
        names = column(frame, split)
        for row, name in enumerate(names.values.tolist()):
            if splitting.spelled(name) is None:
                allowed = "train, val and test"
                place = frame.place(row, split)
                raise source.fault(f"{place}: got {name!r:.40}; allowed: {allowed}")
        units = equal if groups is None else groups.codes
        splits = splitting.by_names(source, names.values.tolist(), known.strata, units)
        if groups is not None:
            splitting.check_groups(source, splits, groups.codes, groups.names)
    else:
        shares = source.split if isinstance(source.split, tuple) else SHARES
        if groups is None:
            splits = splitting.by_shares(source, known.strata, equal, shares)
        else:
            strata = known.strata if known.class_names else np.zeros(frame.n, np.int64)
            splits = splitting.by_groups(source, strata, groups.codes, shares)
    if known.class_names:
        splitting.check_classes(source, known.y, splits, known.class_names)
    for name in SPLITS:
        if name not in splits:
            raise source.fault(f"split {name}: got no example; allowed: at least one")
    return splits


@dataclass(frozen=True)
class Groups:
    """The groups of N rows: codes (N,) whole numbers from 0 on, names of them as texts."""

    codes: np.ndarray
    names: list[str]


def _groups(frame: Frame, name: str) -> Groups:
    """The groups of the rows; StudyError if one is missing."""
    frame.check_column("group", name)
    groups = column(frame, name)
    if groups.missing.any():
        place = frame.place(int(groups.missing.argmax()), name)
        raise frame.source.fault(f"{place}: missing; allowed: a group in every row")
    distinct, codes = np.unique(groups.values, return_inverse=True)
    return Groups(codes, list(map(labels.class_name, distinct)))


def _table(frame: Frame, others: list[str], known: Labels, split: str | None) -> Content:
    """A table of numbers: standardised later, as all tables are."""
    columns = features.read(frame, others)
    equal = features.equal_rows(columns)
    splits = _splits(frame, known, split, equal)
    encoded = features.encode(frame, columns, splits)
    x = encoded.x
    about = {"columns": encoded.names, **encoded.about}
    return _content("table", frame, known, splits, x, about, [x.shape[1]])


def _passages(frame: Frame, text: str, known: Labels, split: str | None) -> Content:
    """Texts with a class."""
    source = frame.source
    if known.class_names is None:
        got = f"column {known.name!r} holds numbers of many values"
        raise source.fault(f"label: {got}; allowed of texts: classes; to fix: target: class")
    passages = np.array(frame.columns[text].cast("string").fill_null("").to_pylist(), dtype=object)
    for row, passage in enumerate(passages):
        if not passage.strip():
            raise source.fault(f"{frame.place(row, text)}: empty; allowed: a text in every row")
    equal = np.unique(passages.astype(str), return_inverse=True)[1]
    splits = _splits(frame, known, split, equal)
    return _content("passages", frame, known, splits, passages, {}, None)


def _content(
    kind: str,
    frame: Frame,
    known: Labels,
    splits: np.ndarray,
    x: np.ndarray,
    about: dict[str, Any],
    shape: list[int] | None,
) -> Content:
    arrays = {split: {"x": x[splits == split], "y": known.y[splits == split]} for split in SPLITS}
    if frame.source.group is not None:
        reached = splitting.shares_of(splits)
        about = {**about, "shares": dict(zip(SPLITS, reached, strict=True))}
    return Content(
        kind=kind,
        how={},
        sums=[],
        splits=arrays,
        train_size=len(arrays["train"]["y"]),
        shape=shape,
        class_names=known.class_names,
        is_number=known.class_names is None,
        about=about,
    )
