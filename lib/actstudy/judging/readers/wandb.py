"""Offline runs of Weights & Biases: .wandb files, or a folder that has some."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from actstudy.contract.errors import StudyError
from actstudy.judging.readers.tables import flat
from actstudy.judging.readers.trackio import SPELLED
from actstudy.judging.readers.wandb_log import Fields, fields, parts, records, text
from actstudy.judging.reading.options import Options
from actstudy.judging.reading.runs import Curve, Run, scores
from actstudy.judging.scores import Scores
from actstudy.own_data import files

KIND = "wandb"
# Numbers of fields: of a record,
HISTORY = 2
CONFIG = 5
RUN = 17
# of a history,
ITEM = 1
STEP = 2
# of a config,
UPDATE = 1
REMOVE = 2
# of an item,
KEY = 1
NESTED_KEY = 2
JSON = 16
# of a run.
RUN_ID = 1
RUN_CONFIG = 4
DISPLAY_NAME = 8


def recognises(path: Path) -> bool:
    """Whether a path is a .wandb file, or a folder with some in it or in its folders."""
    return bool(logs(path))


def logs(path: Path) -> list[Path]:
    """The .wandb files of a path, up to three folders deep."""
    if path.is_file():
        return [path] if path.suffix == ".wandb" else []
    inside: list[Path] = []
    for depth in ("*", "*/*", "*/*/*", "*/*/*/*"):
        inside += path.glob(f"{depth}.wandb")
    return sorted(inside)


def read(path: Path, options: Options) -> Scores:
    """The scores of all runs; StudyError, with the file, if one is damaged."""
    return scores([run_of(file) for file in logs(path)], options, str(path), "_step")


def run_of(file: Path) -> Run:
    """The run of a file: its last settings, and all that it logged."""
    settings: dict[str, Any] = {}
    points: dict[str, list[tuple[float, float]]] = {}
    name = ""
    run_id = ""
    for record in records(files.content(file), file):
        for number, message in fields(record, file):
            if not isinstance(message, bytes) or number not in (HISTORY, CONFIG, RUN):
                continue
            own = fields(message, file)
            if number == HISTORY:
                add_history(points, own, file)
            elif number == CONFIG:
                change(settings, own, file)
            else:
                name = text(own, DISPLAY_NAME) or name
                run_id = text(own, RUN_ID) or run_id
                for config in parts(own, RUN_CONFIG):
                    change(settings, fields(config, file), file)
    filled = {key: value for key, value in flat(settings).items() if value is not None}
    called = name or run_id or file.stem
    curves = {metric: curve(pairs) for metric, pairs in points.items()}
    return Run(called, filled, curves, f"{called} ({run_id})" if run_id else called)


def curve(pairs: list[tuple[float, float]]) -> Curve:
    """Steps and values."""
    array = np.array(pairs, dtype=float)
    return array[:, 0], array[:, 1]


def add_history(points: dict[str, list[tuple[float, float]]], own: Fields, file: Path) -> None:
    """Adds what was logged at one step; what is no number is left out."""
    logged: dict[str, Any] = {}
    for path, value in items(own, ITEM, file):
        name = ".".join(path)
        if isinstance(value, dict):
            logged |= flat(value, f"{name}.")
        else:
            logged[name] = value
    step = logged.get("_step", step_of(own, file))
    if not isinstance(step, int | float):
        raise StudyError(f"{file}: _step: got {step!r:.40}; allowed: a whole number")
    for name, value in logged.items():
        if name.startswith("_"):
            continue
        number = SPELLED.get(value, value) if isinstance(value, str) else value
        if isinstance(number, int | float) and not isinstance(number, bool):
            points.setdefault(name, []).append((float(step), float(number)))


def step_of(own: Fields, file: Path) -> int:
    """The step of a history record, 0 if it has none."""
    for message in parts(own, STEP):
        for number, value in fields(message, file):
            if number == 1 and isinstance(value, int):
                return value
    return 0


def change(settings: dict[str, Any], own: Fields, file: Path) -> None:
    """Changes settings as a record says, but those of wandb itself."""
    for path, value in items(own, UPDATE, file):
        if path[0].startswith("_"):
            continue
        settings[".".join(path)] = value
    for path, _ in items(own, REMOVE, file):
        settings.pop(".".join(path), None)


def items(own: Fields, number: int, file: Path) -> Iterator[tuple[list[str], Any]]:
    """The parts of the name and the value of each item of a record; items without a name are out.

    Values are JSON, in which Python's NaN and Infinity may stand.
    """
    for message in parts(own, number):
        item = fields(message, file)
        nested = [part.decode("utf-8", "replace") for part in parts(item, NESTED_KEY)]
        path = nested or [text(item, KEY)]
        if not path[0]:
            continue
        raw = text(item, JSON)
        try:
            yield path, json.loads(raw) if raw else None
        except (ValueError, RecursionError):
            fault = f"{'.'.join(path)}: got {raw!r:.60}; allowed: a value in JSON"
            raise StudyError(f"{file}: {fault}") from None
