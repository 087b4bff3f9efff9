"""The label of a table: which column it is, and whether it names classes or is a number."""

from dataclasses import dataclass

import numpy as np

from actstudy.own_data import splitting
from actstudy.own_data.columns import Column, column
from actstudy.own_data.frames import Frame

NAMES = ("label", "target", "class", "y")  # of columns that are labels if a study names none
MAX_WHOLE = 20  # different whole numbers that are classes, of however many rows
NO_NUMBER = "target: number"


@dataclass(frozen=True)
class Labels:
    """The labels of N rows.

    y: (N,) int64 from 0 on, or float64 numbers; class_names: of y, None of numbers; strata: (N,)
    by which rows are shared out to splits.
    """

    name: str
    y: np.ndarray
    class_names: list[str] | None
    strata: np.ndarray


def label_name(frame: Frame) -> str:
    """The name of the label's column; StudyError with all names if none is known."""
    stated = frame.source.label
    if stated is not None:
        frame.check_column("label", stated)
        return stated
    for name in NAMES:
        for column_name in frame.columns:
            if column_name.strip().lower() == name:
                return column_name
    names = ", ".join(frame.columns)
    fault = f"no column is called {', '.join(NAMES[:-1])} or {NAMES[-1]}"
    raise frame.source.fault(f"label: missing, and {fault}; allowed: label: one of {names:.300}")


def read(frame: Frame, name: str) -> Labels:
    """The labels of a table; StudyError if one is missing, or they are too few or too many."""
    labels = column(frame, name)
    if labels.missing.any():
        row = int(labels.missing.argmax())
        n = int(labels.missing.sum())
        fault = f"{frame.place(row, name)}: label missing ({n:,} of {frame.n:,} rows)"
        remedy = ""
        if str(frame.columns[name][row].as_py() or "").strip():
            remedy = f"; to fix if that is a class: categories: [{name}]"
        raise frame.source.fault(f"{fault}; allowed: a label in every row{remedy}")
    if is_target_number(frame, labels):
        values = labels.values
        if values.min() == values.max():
            fault = f"column {name!r}: every label is {values[0]:g}"
            raise frame.source.fault(f"{fault}; allowed: numbers that differ")
        return Labels(name, values, None, splitting.tenths(values))
    distinct, codes = np.unique(labels.values, return_inverse=True)
    class_names = [class_name(value) for value in distinct]
    codes = codes.astype(np.int64)
    splitting.check_sizes(frame.source, codes, class_names)
    return Labels(name, codes, class_names, codes)


def is_target_number(frame: Frame, labels: Column) -> bool:
    """Whether a label is a number to predict, and not the name of a class.

    If a study does not say it: a number that is not whole, or whole ones of more than 20 values.
    """
    target = frame.source.target
    if target == "number" and not labels.is_number:
        got = f"got 'number', and column {labels.name!r} holds {labels.values[0]!r:.40}"
        raise frame.source.fault(f"target: {got}; allowed: class")
    if target is not None or not labels.is_number:
        return target == "number"
    n_distinct = len(np.unique(labels.values))
    is_whole = bool((labels.values == np.floor(labels.values)).all())
    return not is_whole or n_distinct > MAX_WHOLE


def class_name(value: object) -> str:
    """A class as text: whole numbers without a point."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(float(value))
    return str(value)
