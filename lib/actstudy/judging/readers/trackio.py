"""Trackio's store: an SQLite file per project, with tables of metrics and settings as JSON."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from actstudy.contract.errors import StudyError, visible
from actstudy.judging.readers.tables import flat
from actstudy.judging.reading.options import Options
from actstudy.judging.reading.runs import Curve, Run, scores
from actstudy.judging.scores import Scores

KIND = "trackio"
MAGIC = b"SQLite format 3\0"
ALLOWED = "allowed: a project's store of trackio, PROJECT.db"
SPELLED = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def recognises(path: Path) -> bool:
    """Whether a file is called .db, or begins as SQLite does."""
    if not path.is_file():
        return False
    with path.open("rb") as opened:
        return path.suffix.lower() == ".db" or opened.read(len(MAGIC)) == MAGIC


def read(path: Path, options: Options) -> Scores:
    """The scores of a project; StudyError if the file is damaged or of another program."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as store:
            store.text_factory = bytes
            settings = settings_of(store, path)
            curves = curves_of(store, path)
    except (sqlite3.Error, OverflowError) as error:
        raise StudyError(visible(f"{path}: not readable as SQLite: {error}; {ALLOWED}")) from None
    runs = []
    for key, (name, metrics) in curves.items():
        label = name if name == key else f"{name} ({key[:8]})"
        runs.append(Run(name, settings.get(key, {}), metrics, label))
    return scores(runs, options, str(path))


def columns_of(store: sqlite3.Connection, table: str, path: Path) -> list[str]:
    """The columns of a table; StudyError if there is no such table."""
    names = [text(row[1]) for row in store.execute(f"PRAGMA table_info({table})")]
    if not names:
        raise StudyError(f"{path}: no table {table}; {ALLOWED}")
    return names


def key_of(names: list[str]) -> str:
    """The column that tells runs apart; stores of early versions have names alone."""
    return "run_id" if "run_id" in names else "run_name"


def settings_of(store: sqlite3.Connection, path: Path) -> dict[str, dict[str, Any]]:
    """Run -> its settings, nested ones with dots, without those of trackio itself."""
    key = key_of(columns_of(store, "configs", path))
    settings = {}
    for run, config in store.execute(f"SELECT {key}, config FROM configs"):  # noqa: S608
        loaded = flat(loads(config, f"{path}: configs: run {text(run)}"))
        settings[text(run)] = {
            name: value
            for name, value in loaded.items()
            if not name.startswith("_") and value is not None
        }
    return settings


def curves_of(store: sqlite3.Connection, path: Path) -> dict[str, tuple[str, dict[str, Curve]]]:
    """Run -> its name and its metrics, in the order in which they were logged."""
    key = key_of(columns_of(store, "metrics", path))
    query = f"SELECT {key}, run_name, step, metrics FROM metrics ORDER BY id"  # noqa: S608
    rows: dict[str, tuple[str, dict[str, list[tuple[float, float]]]]] = {}
    for run, name, step, metrics in store.execute(query):
        where = f"{path}: metrics: run {text(name)}"
        _, points = rows.setdefault(text(run), (text(name), {}))
        if not isinstance(step, int):
            raise StudyError(visible(f"{where}: step: got {step!r:.40}; allowed: a whole number"))
        for metric, value in numbers(loads(metrics, where)):
            points.setdefault(metric, []).append((float(step), value))
    curves = {}
    for run, (name, points) in rows.items():
        arrays = {metric: np.array(pairs).T for metric, pairs in points.items()}
        curves[run] = (name, {metric: (pair[0], pair[1]) for metric, pair in arrays.items()})
    return curves


def numbers(metrics: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Name and value of all that is a number."""
    for name, value in flat(metrics).items():
        if isinstance(value, str) and value in SPELLED:
            yield name, SPELLED[value]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


def loads(raw: Any, where: str) -> dict[str, Any]:
    """An object in JSON."""
    try:
        value = json.loads(raw)
    except (ValueError, TypeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        got = f"{where}: got {text(raw)!r:.60}"
        raise StudyError(visible(f"{got}; allowed: an object in JSON"))
    return value


def text(raw: Any) -> str:
    """Bytes of SQLite as text."""
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
