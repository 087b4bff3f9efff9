"""Tables as columns of JSON, packed for a page: every number as exact as in the Parquet table."""

import base64
import gzip
import json
import math
from typing import Any

import numpy as np
import pandas as pd

from actstudy.contract.errors import visible

NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}  # as text in JSON
LEVEL = 9  # of gzip


def of_frame(frame: pd.DataFrame) -> dict[str, Any]:
    """A table's number of rows and its columns, by name.

    A column of text is `{"names": its distinct texts, "codes": the place of each row's}`, -1 for
    none; any other is a list, in which a missing value is null and one that is not finite is text.
    """
    columns = {str(name): of_series(frame[name]) for name in frame}
    return {"n": len(frame), "columns": columns}


def of_series(series: pd.Series) -> dict[str, Any] | list[Any]:
    """A column as JSON has it: numbers and booleans in a list, texts by their places."""
    if pd.api.types.is_bool_dtype(series.dtype):
        return [bool(value) for value in series]
    if pd.api.types.is_numeric_dtype(series.dtype):
        return [number(value) for value in series.to_numpy(dtype=object, na_value=None)]
    values = [plain(value) for value in series]
    if all(value is None or isinstance(value, bool | int | float) for value in values):
        return [value if isinstance(value, bool | None) else number(value) for value in values]
    texts = pd.Series([None if value is None else visible(str(value)) for value in values], None)
    codes, names = pd.factorize(texts.astype(object))
    return {"names": list(names), "codes": codes.tolist()}


def plain(value: Any) -> Any:
    """A value of Python's own types; None for a missing one, a list as JSON text."""
    if isinstance(value, np.ndarray | list | dict):
        return json.dumps(value, default=np.ndarray.tolist)
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.generic):
        return value.item()
    return value


def number(value: Any) -> int | float | str | None:
    """A number as JSON has it: NaN and infinities as the texts of NOT_FINITE."""
    if value is None or value is pd.NA:
        return None
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        return next(text for text, other in NOT_FINITE.items() if repr(other) == repr(value))
    return int(value) if isinstance(value, int) else float(value)


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
    return NOT_FINITE[value] if isinstance(value, str) else value
