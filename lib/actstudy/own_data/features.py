"""Columns of a table as numbers: categories one-hot by the train split, missing values imputed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from actstudy.contract.counting import counted
from actstudy.own_data.columns import Column, column
from actstudy.own_data.frames import Frame
from actstudy.own_data.options import SPLITS

MAX_CATEGORIES = 100  # of a column
MAX_OFFSET = 1000  # times the range of a column, from which on it is moved to zero
ABSENT = "missing"  # the category of missing values


@dataclass
class Features:
    """The inputs of N rows, column by column, and what a manifest says of them."""

    names: list[str] = field(default_factory=list)
    columns: list[np.ndarray] = field(default_factory=list)  # each (N,) float64
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def x(self) -> np.ndarray:
        """All columns, (N, columns)."""
        return np.stack(self.columns, 1)

    def add(self, name: str, values: np.ndarray) -> None:
        """A column more."""
        self.names.append(name)
        self.columns.append(values.astype(np.float64))

    def note(self, topic: str, name: str, content: Any) -> None:
        """A column's line of the manifest."""
        self.about.setdefault(topic, {})[name] = content


def read(frame: Frame, names: Sequence[str]) -> list[Column]:
    """The columns of a table that are inputs; StudyError if values are missing and may not be."""
    columns = [column(frame, name) for name in names]
    if not columns:
        allowed = "a column besides the label, split and group"
        raise frame.source.fault(f"got no column of inputs; allowed: {allowed}")
    for part in columns:
        n = int(part.missing.sum())
        if n == frame.n:
            raise frame.source.fault(f"column {part.name!r} is empty; to fix: drop: [{part.name}]")
        if n and frame.source.missing != "impute":
            row = int(part.missing.argmax())
            fault = f"{frame.place(row, part.name)}: missing ({n:,} of {frame.n:,} rows)"
            remedy = "missing: impute (median of train, and a column that says so)"
            raise frame.source.fault(f"{fault}; allowed: a value in every row, or {remedy}")
    return columns


def encode(frame: Frame, columns: Sequence[Column], splits: np.ndarray) -> Features:
    """Columns as numbers; splits: (N,) of each row. What is learnt of them is learnt of train."""
    features = Features()
    for part in columns:
        if part.is_number:
            _add_number(frame, features, part, splits == "train")
        else:
            _add_categories(frame, features, part, splits)
    return features


def _add_number(frame: Frame, features: Features, part: Column, in_train: np.ndarray) -> None:
    """A column of numbers; of missing ones the median of train, and a column of 0 and 1.

    From numbers far from zero the median of train is subtracted, as float32 would drown them.
    """
    present = part.values[in_train & ~part.missing]
    if not len(present):
        fault = f"column {part.name!r} is empty in train; to fix: drop: [{part.name}]"
        raise frame.source.fault(fault)
    median = float(np.median(present))
    values = np.where(part.missing, median, part.values)
    if np.abs(values).max() > MAX_OFFSET * np.ptp(values) > 0:
        features.note("subtracted", part.name, median)
        values = values - median
    features.add(part.name, values)
    if not part.missing.any():
        return
    features.note("imputed", part.name, {"n": int(part.missing.sum()), "median": median})
    if part.missing[in_train].any():
        features.add(f"{part.name} {ABSENT}", part.missing)


def _add_categories(frame: Frame, features: Features, part: Column, splits: np.ndarray) -> None:
    """A column of 0 and 1 per category of train; rows of other categories are 0 in all of them."""
    texts = np.where(part.missing, ABSENT, part.values).astype(str)
    in_train = splits == "train"
    categories = np.unique(texts[in_train])
    if len(categories) > MAX_CATEGORIES:
        fault = f"column {part.name!r} has {counted(f'{len(categories):,}', 'different text')}"
        remedy = f"to fix: drop: [{part.name}]"
        raise frame.source.fault(f"{fault}; allowed: at most {MAX_CATEGORIES} categories; {remedy}")
    if part.missing.any():
        features.note("imputed", part.name, {"n": int(part.missing.sum()), "category": ABSENT})
    for category in categories:
        features.add(f"{part.name}={category}", texts == category)
    unseen = ~np.isin(texts, categories)
    if unseen.any():
        counts = {split: int(unseen[splits == split].sum()) for split in SPLITS}
        features.note("unseen", part.name, counts)


def equal_rows(columns: Sequence[Column]) -> np.ndarray:
    """A whole number (N,) per row, which rows share that are equal in all columns."""
    equal = np.zeros(len(columns[0].values), np.int64)
    for part in columns:
        values = part.values if part.is_number else part.values.astype(str)
        codes = np.unique(values, return_inverse=True)[1]
        equal = np.unique(equal * (codes.max() + 1) + codes, return_inverse=True)[1]
    return equal
