"""A request to measure, answered: rows of values, or one that says why there are none."""

import json
import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from actstudy.contract.reading import Absent, Reading

MEASURED = "measured"
ABSENT = "absent"  # what it needs is not here
FAILED = "failed"
MAX_REASON = 300  # characters
Measurement = Callable[..., list[Reading]]
ANSWERS = pa.schema(  # a row is a value of a request, or a request without values
    [
        ("group", pa.string()),
        ("kind", pa.string()),
        ("arguments", pa.string()),  # JSON
        ("status", pa.string()),
        ("reason", pa.string()),  # of ABSENT and FAILED
        ("condition", pa.string()),
        ("name", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
        ("unit", pa.string()),
        ("device", pa.string()),
        ("versions", pa.string()),
        pa.field("seconds", pa.float64(), metadata={"unit": "s of the request"}),
    ]
)


def answer(function: Measurement, arguments: str, *study: Any) -> list[Any]:
    """The rows that a measurement gives for its arguments, JSON text: columns of ANSWERS.

    study: what it gets before them. Whatever it raises is a row, so that the others go on.
    """
    try:
        rows = rows_of(function(*study, **json.loads(arguments)))
    except Absent as error:
        return [{"status": ABSENT, "reason": reason_of(error)}]
    except Exception as error:
        return [{"status": FAILED, "reason": reason_of(error)}]
    return rows


def rows_of(readings: list[Reading]) -> list[dict[str, Any]]:
    """A row per condition and value; ValueError if there is none, or a condition is there twice."""
    conditions = [reading.condition for reading in readings]
    rows = []
    for reading in readings:
        for name, value in reading.values.items():
            if math.isnan(value.value):
                raise ValueError(f"{name} is not a number")
            names = {"status": MEASURED, "condition": reading.condition, "name": name}
            rows.append({**names, **vars(value)})
    if not rows or len(set(conditions)) < len(conditions):
        raise ValueError(f"got conditions {conditions}; allowed: values, each condition once")
    return rows


def reason_of(error: Exception) -> str:
    """What an error says, on one line; of one that is no ValueError also its kind."""
    line = " ".join(str(error).split())[:MAX_REASON]
    if isinstance(error, ValueError) and line:
        return line
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
