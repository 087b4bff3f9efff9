"""What a study may say of its own data, checked before anything is read."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from actstudy.contract import own
from actstudy.contract.errors import StudyError, choices, visible

SPLITS = ("train", "val", "test")
SHARES = (0.7, 0.15, 0.15)
MAX_SIZE = 1024  # pixels of a side
ALWAYS = ("path", "kind", "split", "licence")
KEYS = {  # kind of data -> the keys that it has besides
    "images": ("size",),
    "table": ("label", "target", "group", "drop", "categories", "missing", "decimal"),
    "passages": ("label", "target", "text", "group", "categories", "decimal"),
    "text": (),
}


@dataclass(frozen=True)
class Source:
    """What a study says of its own data: their path and how they are to be read.

    name: the path as the study has it, for messages; path: where it is. What is None, or (), is
    decided by what the data hold.
    """

    name: str
    path: Path
    kind: str | None = None
    label: str | None = None
    text: str | None = None
    target: str | None = None
    split: str | tuple[float, ...] | None = None
    group: str | None = None
    drop: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    missing: str | None = None
    decimal: str | None = None
    size: int | None = None
    licence: str | None = None

    def fault(self, text: str) -> StudyError:
        """A StudyError that names the data."""
        return StudyError(visible(f"{self.name}: {text}"))

    def check_keys(self, kind: str) -> None:
        """StudyError if a key is set that data of a kind have no use for."""
        allowed = (*ALWAYS, *KEYS[kind])
        for field in fields(self):
            is_set = field.name != "name" and getattr(self, field.name) != field.default
            if is_set and field.name not in allowed:
                fault = f"{field.name}: set, but read as {kind}; allowed: {', '.join(allowed)}"
                raise self.fault(fault)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_column(value: Any) -> bool:
    return isinstance(value, str)


def _are_columns(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_column, value))


def _are_shares(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) != len(SPLITS):
        return False
    if not all(type(share) in (int, float) and 0 < share < 1 for share in value):
        return False
    return math.isclose(sum(value), 1, abs_tol=1e-6)


def _is_size(value: Any) -> bool:
    return type(value) is int and 1 <= value <= MAX_SIZE


def _among(*names: str) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: value in names), " or ".join(map(repr, names))


COLUMN = (_is_text, "the name of a column")
COLUMNS = (_are_columns, "a list of names of columns")
ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "path": (_is_text, "the path of a file or folder"),
    "kind": _among(*KEYS),
    "label": COLUMN,
    "text": COLUMN,
    "target": _among("class", "number"),
    "split": (
        lambda value: _is_text(value) or _are_shares(value),
        "the name of a column, or three shares of train, val and test that add up to 1",
    ),
    "group": COLUMN,
    "drop": COLUMNS,
    "categories": COLUMNS,
    "missing": _among("impute"),
    "decimal": _among(".", ","),
    "size": (_is_size, f"a whole number from 1 to {MAX_SIZE}"),
    "licence": (_is_text, "a text"),
}


def source(value: str | Mapping[str, Any]) -> Source:
    """What a study says of its own data, checked; StudyError if it is not allowed.

    A relative path is looked for from the study file's folder on, then from the present one.
    """
    stated = {"path": value} if isinstance(value, str) else dict(value)
    for key, option in stated.items():
        if key not in ALLOWED:
            raise StudyError(f"unknown key {key!r} of own data; {choices(key, ALLOWED)}")
        fits, allowed = ALLOWED[key]
        if not fits(option):
            raise StudyError(f"{key}: got {option!r:.80}; allowed: {allowed}")
    if "path" not in stated:
        raise StudyError(f"path: missing; allowed: {ALLOWED['path'][1]}")
    name = stated.pop("path")
    options: dict[str, Any] = {
        key: tuple(option) if isinstance(option, list) else option for key, option in stated.items()
    }
    return Source(name=name, path=_located(name), **options)


def _located(name: str) -> Path:
    """The whole path of a file or folder; StudyError with the nearest name if there is none."""
    stated = Path(name).expanduser()
    places = [folder / stated for folder in own.folders()]
    for place in places:
        if place.exists():
            return Path(os.path.normpath(place.absolute()))  # a link keeps its own name
    near: list[str] = []
    for place in places:
        if place.parent.is_dir():
            near += [path.name for path in place.parent.iterdir()]
    folders = dict.fromkeys(visible(place.parent) for place in places)
    hint = choices(stated.name, near).partition("allowed:")[0]
    raise StudyError(
        f"{name}: no such file or folder in {', '.join(folders)}; {hint}allowed: a path from the "
        "study file's folder or the present one, or a whole path"
    )


def as_value(source: Source) -> dict[str, Any]:
    """The mapping that a study could have, with the whole path."""
    value: dict[str, Any] = {"path": str(source.path)}
    for field in fields(source):
        option = getattr(source, field.name)
        if field.name not in ("name", "path") and option != field.default:
            value[field.name] = list(option) if isinstance(option, tuple) else option
    return value
