"""What a key of a literal may hold: in words, as a function, and by name."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Fits = Callable[[Any], bool]


@dataclass(frozen=True)
class Values:
    """What a key allows, in words, and as a function; names: those that it is made of, if any."""

    allowed: str
    fit: Fits
    names: tuple[str, ...] = ()


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_whole(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _each(fits: Fits) -> Fits:
    """Whether a value is a list whose parts all fit."""
    return lambda value: isinstance(value, list | tuple) and all(map(fits, value))


def _texts_to(fits: Fits) -> Fits:
    """Whether a value is a mapping from texts to what fits."""

    def fit(value: Any) -> bool:
        if not isinstance(value, dict):
            return False
        return all(map(_is_text, value)) and all(map(fits, value.values()))

    return fit


def one_of(*names: str) -> Values:
    """One of some names."""
    return Values(f"one of {', '.join(names)}", lambda value: value in names, names)


def list_of(*names: str) -> Values:
    """A list of one or more of some names."""
    fits = _each(lambda value: value in names)
    return Values(f"a list of {', '.join(names)}", lambda value: bool(value) and fits(value), names)


TEXT = Values("a text", _is_text)
TEXTS = Values("a list of texts", lambda value: bool(value) and _each(_is_text)(value))
SWITCH = Values("True or False", lambda value: isinstance(value, bool))
COUNT = Values("a whole number of at least 1", _is_whole)
CLASSES = Values("a whole number of at least 2", lambda value: _is_whole(value) and value > 1)
SHAPE = Values(
    "a list of whole numbers of at least 1",
    lambda value: bool(value) and _each(_is_whole)(value),
)
FILES = Values(
    "a mapping from file names to mappings of sha256, md5 and url", _texts_to(_texts_to(_is_text))
)
ARCHIVE = Values(
    "a mapping with file and, if it has one, url",
    lambda value: _texts_to(_is_text)(value) and "file" in value,
)
TARGETS = Values("a list of numbers", _each(_is_number))
MARGIN = Values("a number above 0", lambda value: _is_number(value) and value > 0)
NUMBER = Values("number", lambda value: value == "number", ("number",))
DEFAULT_FIELDS = Values(
    "a mapping from run fields to values; without dataset in it a study must name one",
    lambda value: isinstance(value, dict),
)
