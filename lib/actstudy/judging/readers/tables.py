"""Parquet files, and JSON with an object per line or in one list."""

import itertools
import json
from pathlib import Path
from typing import Any

from actstudy.contract.errors import visible
from actstudy.judging.reading import tabular
from actstudy.judging.reading.options import Options
from actstudy.judging.scores import Scores
from actstudy.own_data import files, frames
from actstudy.own_data.options import Source

KIND = "table"
JSON_LINES = (".jsonl", ".ndjson", ".json")


def recognises(path: Path) -> bool:
    """Whether a file is Parquet or JSON, by the end of its name."""
    return path.suffix.lower() in (*frames.PARQUET, *JSON_LINES) and path.is_file()


def read(path: Path, options: Options) -> Scores:
    """The scores of a file; StudyError, with the row or line, if it is damaged or not clear."""
    return tabular.scores(frame_of(path), options)


def frame_of(path: Path) -> frames.Frame:
    """The table in a file."""
    source = Source(str(path), path)
    raw = files.content(path)
    if path.suffix.lower() in JSON_LINES:
        return json_frame(source, raw)
    return frames.read(source, raw)


def json_frame(source: Source, raw: bytes) -> frames.Frame:
    """Objects, one per line or in one list, as a table; what they nest has names with dots."""
    text = files.text(source.name, source.path, raw)
    objects = objects_of(source, text)
    if not objects:
        raise source.fault("got no rows; allowed: an object per line")
    columns = {}
    for name in dict.fromkeys(itertools.chain.from_iterable(objects)):
        columns[name] = array([row.get(name) for row in objects])
    return frames.Frame(source, columns, len(objects), 1)


def objects_of(source: Source, text: str) -> list[dict[str, Any]]:
    """The objects of a text, flat; StudyError with the line of what is none."""
    if text.lstrip().startswith("["):
        items = list(enumerate(parsed(source, text, 1), 1))
    else:
        items = []
        for line, part in enumerate(text.split("\n"), 1):
            if part.strip():
                items.append((line, parsed(source, part, line)))
    rows = []
    for line, item in items:
        if not isinstance(item, dict):
            got = f"got {type(item).__name__}"
            raise source.fault(f"line {line}: {got}; allowed: an object with a value per name")
        rows.append(flat(item))
    return rows


def parsed(source: Source, text: str, line: int) -> Any:
    """The value of a JSON text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        fault = getattr(error, "msg", "nested too deep")
        raise source.fault(f"line {line}: not readable as JSON: {fault:.80}") from None


def flat(item: dict[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """Nested objects as one, `{"a": {"b": 1}}` as `{"a.b": 1}`; lists as JSON text."""
    row: dict[str, Any] = {}
    for name, value in item.items():
        if isinstance(value, dict) and depth < 8:
            row |= flat(value, f"{prefix}{name}.", depth + 1)
        elif isinstance(value, list | dict):
            row[prefix + name] = json.dumps(value)
        else:
            row[prefix + name] = value
    return row


def array(values: list[Any]) -> Any:
    """Values as an Arrow array, as texts if they are of several kinds."""
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, UnicodeError):
        return pa.array([None if value is None else visible(value) for value in values])
