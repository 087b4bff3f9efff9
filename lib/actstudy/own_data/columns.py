"""A column of a table as numbers or categories, its missing values named; mixed ones refused."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from actstudy.own_data.frames import Frame

if TYPE_CHECKING:
    import pyarrow as pa

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?", "-")
EMPTY = ("",)  # of categories that a study names, in which NA may be one
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
COMMA_NUMBER = r"^[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?$"


@dataclass(frozen=True)
class Column:
    """A column of N values.

    values: (N,) float64, NaN where missing, or objects of str, "" where missing; missing: (N,)
    bool.
    """

    name: str
    values: np.ndarray
    missing: np.ndarray

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers, not categories."""
        return self.values.dtype.kind == "f"


def column(frame: Frame, name: str) -> Column:
    """A column by what it holds: numbers alone are numbers, texts, true and false categories.

    StudyError if it is mixed, holds a number that is not finite, or is of another type.
    """
    import pyarrow as pa
    from pyarrow import compute

    array = frame.columns[name]
    kind = array.type
    is_category = name in frame.source.categories
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _of_texts(frame, name, array, is_category)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if pa.types.is_boolean(kind) or (is_number and is_category):
        missing = compute.is_null(array, nan_is_null=True).to_numpy(zero_copy_only=False)
        texts = compute.fill_null(compute.cast(array, pa.string()), "")
        return Column(name, _categories(texts, missing), missing)
    if is_number:
        values = compute.cast(array, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return _numbers(frame, name, values.astype(np.float64))
    allowed = "numbers, texts, true and false"
    remedy = f"to fix: drop: [{name}]"
    raise frame.source.fault(f"column {name!r} holds {kind}; allowed: {allowed}; {remedy}")


def _of_texts(frame: Frame, name: str, array: "pa.Array", is_category: bool) -> Column:
    """A column of texts as numbers, if all of them spell one, or as categories, if none does."""
    import pyarrow as pa
    from pyarrow import compute

    texts = compute.utf8_trim_whitespace(compute.fill_null(array, ""))
    spellings = EMPTY if is_category else MISSING
    missing = compute.is_in(texts, value_set=pa.array(spellings, texts.type))
    is_missing = missing.to_numpy(zero_copy_only=False)
    if is_category:
        return Column(name, _categories(texts, is_missing), is_missing)
    if frame.source.decimal == ",":
        has_comma = compute.match_substring_regex(texts, COMMA_NUMBER)
        texts = compute.if_else(has_comma, compute.replace_substring(texts, ",", "."), texts)
    spells = compute.match_substring_regex(texts, NUMBER).to_numpy(zero_copy_only=False)
    _check_commas(frame, name, texts, spells | is_missing)
    if not (spells & ~is_missing).any() and not is_missing.all():
        return Column(name, _categories(texts, is_missing), is_missing)
    wrong = np.flatnonzero(~spells & ~is_missing)
    if len(wrong):
        row = int(wrong[0])
        n_such = f"{len(wrong):,} such of {frame.n:,}"
        got = f"got {texts[row].as_py()!r:.40} among numbers ({n_such})"
        remedy = f"to fix: missing values are empty, or categories: [{name}] reads texts alone"
        fault = f"{frame.place(row, name)}: {got}; allowed: numbers alone, or texts alone"
        raise frame.source.fault(f"{fault}; {remedy}")
    numbers = compute.cast(compute.if_else(missing, None, texts), pa.float64())
    return _numbers(frame, name, numbers.to_numpy(zero_copy_only=False))


def _categories(texts: "pa.Array", missing: np.ndarray) -> np.ndarray:
    """Texts (N,) as objects of str, "" where missing."""
    values = np.array(texts.to_pylist(), dtype=object)
    values[missing] = ""
    return values


def _check_commas(frame: Frame, name: str, texts: "pa.Array", others: np.ndarray) -> None:
    """StudyError if what is no number are numbers with a decimal comma; others: (N,) bool."""
    from pyarrow import compute

    has_comma = compute.match_substring_regex(texts, COMMA_NUMBER).to_numpy(zero_copy_only=False)
    if has_comma.any() and (has_comma | others).all():
        row = int(has_comma.argmax())
        fault = f"{frame.place(row, name)}: got {texts[row].as_py()!r:.40}, a decimal comma"
        raise frame.source.fault(f"{fault}; allowed: a decimal point, or the key decimal: ','")


def _numbers(frame: Frame, name: str, values: np.ndarray) -> Column:
    """A column of numbers; StudyError if one is infinite."""
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        place = frame.place(int(infinite[0]), name)
        raise frame.source.fault(f"{place}: got {values[infinite[0]]}; allowed: finite numbers")
    return Column(name, values, np.isnan(values))
