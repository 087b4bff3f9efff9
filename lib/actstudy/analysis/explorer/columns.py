"""Tables as columns of JSON, packed for a page: every number as exact as in the Parquet table."""

import base64
import gzip
import json
import math
from typing import Any

import numpy as np
import pandas as pd

from actstudy.contract.errors import visible

INFINITE = {"Infinity": math.inf, "-Infinity": -math.inf}  # as text in JSON, which has none
LEVEL = 9  # of gzip


def of_frame(frame: pd.DataFrame) -> dict[str, Any]:
    """A table's number of rows and its columns, by name.

    A column of text is `{"names": its distinct texts, "codes": the place of each row's}`, -1 for
    none; any other is a list, in which NaN and missing values are null and infinities text.
    """
    columns = {str(name): of_series(frame[name]) for name in frame}
    return {"n": len(frame), "columns": columns}


def of_series(series: pd.Series) -> dict[str, Any] | list[Any]:
    """A column as JSON has it: numbers and booleans in a list, texts by their places."""
    if pd.api.types.is_float_dtype(series.dtype) and np.isfinite(series.to_numpy(float)).all():
        return series.to_numpy(float).tolist()
    if isinstance(series.dtype, pd.StringDtype) and series.notna().any():
        return by_places(series)
    values = [plain(value) for value in series.to_numpy(dtype=object)]
    if all(value is None or isinstance(value, bool | int | float) for value in values):
        return [number(value) for value in values]
    texts = [None if value is None else str(value) for value in values]
    return by_places(np.array(texts, dtype=object))


def by_places(texts: pd.Series | np.ndarray) -> dict[str, Any]:
    """Texts by the place of each in those that differ, -1 for a missing one."""
    codes, names = pd.factorize(texts)
    return {"names": [visible(name) for name in names], "codes": codes.tolist()}


def plain(value: Any) -> Any:
    """A value of Python's own types; None for a missing one, a list as JSON text."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, np.ndarray | list | tuple | dict):
        return json.dumps(value, default=np.ndarray.tolist)
    return value


def number(value: Any) -> Any:
    """A number, boolean or None as JSON has it: an infinity as its text in INFINITE."""
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def displayed(content: Any) -> Any:
    """A content with every text as it may stand on a page: no character acts on its display."""
    if isinstance(content, str):
        return visible(content)
    if isinstance(content, dict):
        return {displayed(name): displayed(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [displayed(value) for value in content]
    return content


def packed(content: Any) -> str:
    """JSON of a content, gzip, base64: the same for the same content."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode("utf-8"), LEVEL, mtime=0)).decode("ascii")


def opened(text: str) -> Any:
    """The content that `packed` packed."""
    return json.loads(gzip.decompress(base64.b64decode(text)))


def to_frame(table: dict[str, Any]) -> pd.DataFrame:
    """The table that `of_frame` made columns of, as the page's script reads it."""
    columns = {}
    for name, values in table["columns"].items():
        if isinstance(values, dict):
            names = values["names"]
            columns[name] = [names[code] if code >= 0 else None for code in values["codes"]]
        else:
            columns[name] = [_value(value) for value in values]
    return pd.DataFrame(columns, index=range(table["n"]))


def _value(value: Any) -> Any:
    return INFINITE[value] if isinstance(value, str) else value
