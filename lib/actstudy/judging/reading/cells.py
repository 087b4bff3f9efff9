"""Columns of a table as numbers or texts; what is neither is refused with its row."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from actstudy.own_data.frames import Frame

if TYPE_CHECKING:
    import pyarrow as pa

LOOKED_AT = 100  # cells by which a column of a CSV counts as numbers


def numbers(frame: Frame, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A column as float64, (N,), and which cells are empty, bool (N,); StudyError for texts."""
    import pyarrow as pa

    column = frame.columns[name]
    empty = empty_cells(column)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if is_text(column):
        return _parsed(frame, name, column, empty), empty
    if not _is_number(column):
        allowed = "allowed: a column of numbers"
        raise frame.source.fault(f"column {name!r}: got values of type {column.type}; {allowed}")
    filled = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.where(empty, np.nan, filled), empty


def _parsed(frame: Frame, name: str, column: "pa.Array", empty: np.ndarray) -> np.ndarray:
    """The numbers that texts spell, NaN for empty ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(column)
    spelled = pc.if_else(pa.array(empty), pa.scalar(None, trimmed.type), trimmed)
    try:
        return np.asarray(spelled.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=float)
    except pa.ArrowInvalid:
        pass
    for row, text in enumerate(spelled.to_pylist()):
        if text is not None and not _spells_number(text):
            got = f"got {text!r:.60}"
            allowed = "allowed: a finite number with a decimal point, empty for a run without one"
            raise frame.source.fault(f"{frame.place(row, name)}: {got}; {allowed}")
    raise frame.source.fault(f"column {name!r}: not readable as numbers; allowed: numbers")


def _spells_number(text: str) -> bool:
    import pyarrow as pa

    try:
        pa.array([text]).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def empty_cells(column: "pa.Array") -> np.ndarray:
    """Which cells are null, or texts of spaces, bool (N,)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    empty = column.is_null()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if is_text(column):
        blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0)
        empty = pc.or_(empty, pc.fill_null(blank, True))
    return np.asarray(empty.to_numpy(zero_copy_only=False), dtype=bool)


def texts(frame: Frame, name: str, role: str) -> pd.Series:
    """A column as texts without spaces around them, index 0 .. N - 1; StudyError if one is empty.

    Numbers are spelled as Python does, whole ones without a point.
    """
    import pyarrow as pa

    column = frame.columns[name]
    empty = empty_cells(column)
    if empty.any():
        row = int(np.flatnonzero(empty)[0])
        raise frame.source.fault(f"{frame.place(row, name)}: got nothing; allowed: a {role}")
    if is_nested(column):
        raise frame.source.fault(f"column {name!r}: got {column.type}; allowed: texts or numbers")
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    series = pd.Series(column.to_pandas())
    if pa.types.is_floating(column.type) and (series % 1 == 0).all() and series.abs().max() < 1e15:
        series = series.astype("int64")
    return series.astype(str).str.strip()


def is_nested(column: "pa.Array") -> bool:
    """Whether the values of a column are lists or objects."""
    import pyarrow as pa

    return bool(pa.types.is_nested(column.type))


def is_text(column: "pa.Array") -> bool:
    """Whether a column holds texts."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(column: "pa.Array") -> bool:
    import pyarrow as pa

    kind = column.type
    is_plain = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return bool(is_plain or pa.types.is_decimal(kind) or pa.types.is_null(kind))


def numeric(frame: Frame, names: list[str]) -> list[str]:
    """The columns that hold numbers, by their type or by the first LOOKED_AT texts of a CSV."""
    fitting = []
    for name in names:
        column = frame.columns[name]
        looked_at = column
        if is_text(column):
            head = column.slice(0, LOOKED_AT)
            looked_at = head.filter(~empty_cells(head))
            is_number = len(looked_at) > 0 and all(map(_spells_number, looked_at.to_pylist()))
        else:
            is_number = _is_number(column)
        if is_number:
            fitting.append(name)
    return fitting
