"""From YAML 1.2 text, in a file or on the command line, to values that are not validated yet.

A plain value that YAML 1.1 reads as something else (`no`, `010`, `1:30`) is refused with its line.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML, events, nodes
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.resolver import VersionedResolver

from actstudy.contract import checkout
from actstudy.contract.errors import StudyError, nearest

LINE_MARKS = ("\x85", "\u2028", "\u2029")
MAX_YAML_BYTES = 50_000  # 30 times the longest study; read within a second or two
MAX_YAML_DEPTH = 10  # levels; a study has 6
MAX_KEY_LENGTH = 200
MAX_DIGITS = 100
DECIMAL = r"(?a)[-+]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
YAML_1_1 = VersionedResolver((1, 1))
YAML_1_2 = VersionedResolver((1, 2))
Place = tuple[str, ...]  # the keys that lead to a value, empty text for an item of a list


class _Reader:
    """Builds the value of a text from its events; without `lines` faults do not name a line."""

    def __init__(self, text: str, source: str, lines: bool) -> None:
        self.source = source
        self.lines = lines
        self.events: Iterator[Any] = YAML(typ="safe", pure=True).parse(text)

    def where(self, line: int) -> str:
        return f"{self.source}: line {line + 1}" if self.lines else self.source

    def refuse(self, event: Any, place: Place, fault: str) -> NoReturn:
        """StudyError with the line and the key of a fault."""
        words = [self.where(event.start_mark.line), ".".join(filter(None, place)), fault]
        raise StudyError(": ".join(filter(None, words)))

    def until(self, end: type) -> Iterator[Any]:
        """The events before the next one of the type `end`, which is passed over."""
        for event in self.events:
            if isinstance(event, end):
                return
            yield event

    def document(self) -> Any:
        """The only document of the text, None if there is none."""
        content = None
        starts = list(self.until(events.DocumentStartEvent))
        if not isinstance(starts[-1], events.StreamEndEvent):
            content = self.value(next(self.events), ("",))
        for event in self.events:
            if isinstance(event, events.DocumentStartEvent):
                self.refuse(event, (), "not readable as YAML: found a second document")
        return content

    def value(self, event: Any, place: Place) -> Any:
        """The value that an event starts."""
        mark = event.anchor or getattr(event, "tag", None)
        if mark:  # ten lines of aliases can make 10**9 values
            fault = f"got {mark!r}; allowed: values without anchors, aliases and tags"
            self.refuse(event, place, fault)
        if len(place) > MAX_YAML_DEPTH:
            self.refuse(event, place, f"nested too deep; allowed: {MAX_YAML_DEPTH} levels")
        if isinstance(event, events.SequenceStartEvent):
            items = self.until(events.SequenceEndEvent)
            return [self.value(item, (*place, "")) for item in items]
        if isinstance(event, events.MappingStartEvent):
            return self.mapping(place)
        return self.scalar(event, place)

    def mapping(self, place: Place) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for event in self.until(events.MappingEndEvent):
            key = self.key(event, place)
            if key in content:  # the first value would be lost in silence
                self.refuse(event, place, f"key {key!r} is set twice; allowed: once")
            content[key] = self.value(next(self.events), (*place, key))
        return content

    def key(self, event: Any, place: Place) -> str:
        if isinstance(event, events.CollectionStartEvent):
            kind = "mapping" if isinstance(event, events.MappingStartEvent) else "sequence"
            key, got = None, f"a {kind}"
        else:
            key = self.value(event, place)
            got = repr(event.value)[:80]
        if not _is_key(key):
            fault = f"got {got} as a key; allowed: text of one line, numbers in quotes"
            self.refuse(event, place, fault)
        if key == "__use_yte__":
            fault = "snakemake would run what follows as code; remove it"
            self.refuse(event, place, f"key {key!r}: {fault}")
        return str(key)

    def scalar(self, event: Any, place: Place) -> Any:
        if not event.implicit[0]:  # in quotes, or a block of text
            return event.value
        try:
            return plain_value(event.value)
        except ValueError as fault:
            self.refuse(event, place, f"got {event.value[:80]}; allowed: {fault}")


def _is_key(key: Any) -> bool:
    return isinstance(key, str) and key.isprintable() and len(key) <= MAX_KEY_LENGTH


def plain_value(text: str) -> Any:
    """The value of an unquoted scalar; ValueError with what to write if YAML may read another."""
    if _is_number(text):
        return _finite(text)
    kinds = {_kind(YAML_1_1, text), _kind(YAML_1_2, text)}
    if kinds == {"str"} or text in ("y", "Y", "n", "N"):
        return text
    if kinds == {"null"}:
        return None
    if kinds == {"bool"}:
        return text.lower() == "true"
    if "bool" in kinds:
        switches = "YAML 1.1 reads yes, no, on and off as true and false"
        raise ValueError(f"true, false, or as text {text!r} in quotes ({switches})")
    if kinds & {"int", "float"}:
        return _finite(text)
    raise ValueError(f"text in quotes (YAML reads a {min(kinds - {'str'})})")


def _kind(resolver: VersionedResolver, text: str) -> str:
    """What a version of YAML reads in an unquoted scalar: str, int, timestamp, ..."""
    tag = resolver.resolve(nodes.ScalarNode, text, (True, False))
    return str(tag).rpartition(":")[2]


def _is_number(text: str) -> bool:
    """Whether a text that begins like a number is one for Python, underscores left out."""
    if not text.startswith(tuple("+-.0123456789")):
        return False
    try:
        return not math.isnan(float(text.replace("_", "")))
    except ValueError:
        return False


def _finite(text: str) -> int | float:
    """The number that a text spells; ValueError unless it is decimal and finite."""
    if len(text) <= MAX_DIGITS and re.fullmatch(DECIMAL, text):
        number = float(text) if set(text) & set(".eE") else int(text)
        if math.isfinite(number) and (isinstance(number, float) or abs(number) < 2**63):
            return number
    raise ValueError("a finite decimal number, a whole one below 2**63, or text in quotes")


def parse(text: str, source: str, lines: bool = True) -> Any:
    """The value of a YAML text; StudyError if it has none, with the line if `lines` are named."""
    reader = _Reader(text, source, lines)
    for mark in LINE_MARKS:
        if mark in text:
            line = text.count("\n", 0, text.index(mark))
            got = f"got {mark!r}, a line break to some readers"
            raise StudyError(f"{reader.where(line)}: {got}; allowed: newlines")
    try:
        return reader.document()
    except AssertionError as error:  # of a %YAML directive
        line, fault = 0, f"{error}; allowed: no %YAML directive"
    except MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        fault = error.problem or error.context
    except ReaderError as error:
        line = text.count("\n", 0, error.position)
        fault = f"got {chr(error.character)!r}; allowed: text in UTF-8"
    raise StudyError(f"{reader.where(line)}: not readable as YAML: {fault}")


def read(file: Path, allowed: str = "a mapping of keys, tasks among them") -> dict[str, Any]:
    """The content of a YAML file, not yet validated; of the project's if there is none here.

    allowed: what a file holds, in words; without it that of a study.
    """
    try:
        with checkout.source_of(file).open("rb") as opened:
            data = opened.read(MAX_YAML_BYTES + 1)
    except OSError as error:
        fault = str(error.strerror).lower()
        others = [str(other) for other in file.parent.glob("*.y*ml")]
        hint = nearest(file, others) if isinstance(error, FileNotFoundError) else ""
        raise StudyError(f"{file}: {fault}; {hint}allowed: the path of a study file") from None
    if len(data) > MAX_YAML_BYTES:
        limit = f"got over {MAX_YAML_BYTES:,} bytes"
        raise StudyError(f"{file}: {limit}; allowed: a study file, which has a few thousand")
    text = data.decode("utf-8", "surrogateescape")  # surrogates are refused with their line
    if text.startswith("\ufeff"):
        raise StudyError(f"{file}: line 1: got a byte order mark; allowed: UTF-8 without one")
    content = parse(text, str(file))
    if not isinstance(content, dict):
        got = "nothing: it is empty" if content is None else type(content).__name__
        raise StudyError(f"{file}: got {got}; allowed: {allowed}")
    return content


def coerce(value: Any, source: str) -> Any:
    """A command-line value as YAML reads it: `a,b` is a list, `3` and `1e-3` are numbers.

    Snakemake has read lists and mappings already, but their items are still text.
    """
    if isinstance(value, list):
        return [coerce(item, source) for item in value]
    if isinstance(value, dict):
        return {key: coerce(item, source) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    if "," in value and not value.lstrip().startswith(("[", "{")):
        return [coerce(part, source) for part in value.split(",")]
    return parse(value.strip(), source, lines=False)
