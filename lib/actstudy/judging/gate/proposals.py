"""The two sides of a gate's question: runs by seed, and what is known of their settings."""

import csv
import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actstudy.contract.errors import StudyError, choices
from actstudy.judging.gate.changes import speaks_of_a_seed
from actstudy.judging.reading import roles

MAX_RUNS = 2_000  # of one side: more rows are steps or examples
LEVEL_MARK = "@"  # `runs.csv@gelu`: the runs of one level of a source
STRUCTURE = (
    "level",
    "task",
    "group",
    "chance",
)  # settings that name a thing and do not say what it is
RESULTS = ("diverged", "step")  # columns of a source that are no settings
Values = dict[str, float | None]  # by seed, None of a run that diverged


@dataclass(frozen=True)
class Columns:
    """What the columns of a CSV file are called."""

    seed: str = "seed"
    value: str = "value"


@dataclass(frozen=True)
class Side:
    """Runs of one side: its values by seed, in the order of seeds, and what they are runs of.

    settings: columns that are the same in all its rows, without seeds, as text. name: what a user
    calls it. change: hash of a change of code. assumptions: of the reader, in sentences. Missing
    ones are empty.
    """

    source: str
    values: Values
    settings: dict[str, str] = field(default_factory=dict)
    name: str = ""
    change: str = ""
    assumptions: tuple[str, ...] = ()

    @property
    def is_described(self) -> bool:
        """Whether settings or a change say what it is, so that its name counts for nothing."""
        return bool(self.change) or any(name not in STRUCTURE for name in self.settings)

    @property
    def key(self) -> str:
        """A hash of what it is, seeds apart; empty if nothing is known of it.

        Another name of the same settings is the same thing.
        """
        name = "" if self.is_described else self.name
        known = {"settings": self.settings, "name": name, "change": self.change}
        if not any(known.values()):
            return ""
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]

    def record(self) -> dict[str, Any]:
        """What a ledger keeps of it."""
        return {
            "source": self.source,
            "values": self.values,
            "settings": self.settings,
            "name": self.name,
            "key": self.key,
            "assumptions": list(self.assumptions),
        }


def read_side(source: str, columns: Columns, name: str = "", change: str = "") -> Side:
    """The runs of a source: a CSV file with a row per run, or what judging/readers read.

    source: a path, or PATH@LEVEL for one level of several. StudyError if a seed is there twice
    (rows of one run are no replicates), a value is no number, or runs have several settings.
    """
    path, level = split_level(source)
    assumptions: tuple[str, ...] = ()
    rows = csv_rows(path, columns) if path.suffix.lower() == ".csv" else None
    if rows is None:
        rows, assumptions = other_rows(path, columns)
    rows = of_level(rows, level, source, columns)
    if len(rows) > MAX_RUNS:
        raise StudyError(f"{source}: got {len(rows)} rows; allowed: one per run, to {MAX_RUNS}")
    settings = settings_of(rows, columns)
    values = values_of(rows, columns, source)
    return Side(source, values, settings, name, change, assumptions)


def split_level(source: str) -> tuple[Path, str]:
    """The path and the level of a source; StudyError if there is no such path."""
    path, mark, level = source.rpartition(LEVEL_MARK)
    if Path(source).exists() or not mark:
        path = source
        level = ""
    if not Path(path).exists():
        raise StudyError(
            f"{source}: no such file; allowed: runs that a reader knows, as a CSV file"
        )
    return Path(path), level


def csv_rows(path: Path, columns: Columns) -> list[dict[str, str]] | None:
    """The rows of a CSV file as text; None if it has not both columns.

    StudyError if it is none, or a row is longer or shorter than its head.
    """
    if not path.is_file():
        raise StudyError(f"{path}: got no file; allowed: a CSV file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            table = list(csv.reader(opened, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise StudyError(f"{path}: not readable as CSV ({error}); allowed: UTF-8, commas") from None
    table = [row for row in table if row]
    if not table:
        raise StudyError(f"{path}: got no rows; allowed: a head and a row per run")
    names = [name.strip() for name in table[0]]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise StudyError(f"{path}: column {twice!r} is there twice; allowed: once")
    if columns.seed not in names or columns.value not in names:
        return None
    for number, row in enumerate(table[1:], 2):
        if len(row) != len(names):
            fault = f"got {len(row)} fields; allowed: {len(names)}, as in the head"
            raise StudyError(f"{path}: row {number}: {fault}")
    return [dict(zip(names, map(str.strip, row), strict=True)) for row in table[1:]]


def other_rows(path: Path, columns: Columns) -> tuple[list[dict[str, str]], tuple[str, ...]]:
    """The runs of any source that judging/readers know, and what a reader took for granted.

    StudyError if none knows it.
    """
    from actstudy.judging import readers

    named = {"seed": columns.seed, "value": columns.value}
    plain: dict[str, Any] = {role: name for role, name in named.items() if name != role}
    scores = readers.read(path, readers.Options(**plain, diverged=readers.NOT_FINITE))
    rows = []
    for row in scores.frame.to_dict("records"):
        row[columns.seed] = row.pop("seed", "")
        row[columns.value] = row.pop("value", "")
        own = {str(name): str(value) for name, value in row.items()}
        rows.append({name: own[name] for name in own if own[name] or name == columns.value})
    return rows, tuple(scores.assumptions)


def of_level(
    rows: list[dict[str, str]], level: str, source: str, columns: Columns
) -> list[dict[str, str]]:
    """The rows of one level; StudyError if it is not there, or there are several and none named."""
    if not rows:
        raise StudyError(f"{source}: got no rows; allowed: a row per run")
    column = level_column(rows, source, columns) if level else "level"
    levels = list(dict.fromkeys(row.get(column, "") for row in rows))
    if level:
        if level not in levels:
            raise StudyError(f"{source}: {column}: got {level!r:.80}; {choices(level, levels)}")
        return [row for row in rows if row[column] == level]
    if len(levels) > 1:
        first = f"{source}{LEVEL_MARK}{levels[0]}"
        raise StudyError(f"{source}: got {len(levels)} levels; allowed: one, as in {first}")
    return rows


def level_column(rows: list[dict[str, str]], source: str, columns: Columns) -> str:
    """The column of levels, which has its name as for `judge`; StudyError if none or several do."""
    names = [name for name in rows[0] if name not in (columns.seed, columns.value)]
    fitting = ["level"] if "level" in names else roles.fitting("level", names)
    if len(fitting) > 1:
        several = ", ".join(fitting)
        raise StudyError(f"{source}: level: got several columns, {several}; allowed: one `level`")
    if not fitting:
        raise StudyError(f"{source}: no column `level`; columns: {', '.join(rows[0])}")
    return fitting[0]


def values_of(rows: list[dict[str, str]], columns: Columns, source: str) -> Values:
    """The value of each seed, in the order of seeds; None if the run diverged."""
    values: Values = {}
    for row in rows:
        seed = row[columns.seed]
        where = f"{source}: seed {seed}" if seed else f"{source}: seed"
        if not seed:
            raise StudyError(f"{where}: got nothing; allowed: the seed of the run")
        if seed in values:
            fault = "is there twice; rows of one run are no replicates; allowed: one row per run"
            raise StudyError(f"{where}: {fault}")
        values[seed] = value_of(row, columns, where)
    return {seed: values[seed] for seed in sorted(values, key=seed_order)}


def value_of(row: dict[str, str], columns: Columns, where: str) -> float | None:
    """The value of a row; None if the run diverged: it says so, or has no finite value."""
    if row.get("diverged", "").lower() in ("true", "1", "1.0", "yes"):
        return None
    text = row[columns.value]
    if text.lower() in ("", "none", "null"):
        return None
    try:
        value = float(text)
    except ValueError:
        raise StudyError(f"{where}: {columns.value}: got {text!r:.60}; allowed: a number") from None
    return value if math.isfinite(value) else None


def seed_order(seed: str) -> tuple[int, int, str]:
    """The place of a seed: whole numbers by size, then all others as text."""
    if re.fullmatch(r"-?\d{1,18}", seed):
        return 0, int(seed), seed
    return 1, 0, seed


def settings_of(rows: list[dict[str, str]], columns: Columns) -> dict[str, str]:
    """The columns that are the same in all rows, seeds left out: what varies is a result."""
    settings = {}
    for name in rows[0]:
        if name in (columns.seed, columns.value, *RESULTS) or speaks_of_a_seed(name):
            continue
        entries = {row[name] for row in rows}
        if len(entries) == 1:
            settings[name] = entries.pop()
    return settings
