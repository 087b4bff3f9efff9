"""From YAML text, in a file or on the command line, to values that are not validated yet.

What YAML reads as something else than is written (`no` as false, `010` as 8, `1e-3` as text) is refused with its line.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import yaml

from actstudy.contract.errors import StudyError

LARGEST = 50_000  # bytes of a file: 30 times the longest study, and read within a second or two
DEEPEST = 10  # levels: a study has 6
DECIMAL = r"(?a)[-+]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"


class _Loader(yaml.SafeLoader):
    """Safe YAML of text, decimal numbers, true, false and null, each key once and each value in its place."""

    def __init__(self, text: str, at: Callable[[int], str]) -> None:
        super().__init__(text)
        self.at, self.place = at, list[str]()

    def refuse(self, node: Any, fault: str) -> NoReturn:
        """StudyError with the line and the key of a fault."""
        key = ".".join(filter(None, self.place))
        raise StudyError(f"{self.at(node.start_mark.line)}: {key}{': ' if key else ''}{fault}")

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(parent, yaml.MappingNode) and index is not None and not _is_text(index):
            got = repr(index.value)[:80] if isinstance(index, yaml.ScalarNode) else f"a {index.id}"
            self.refuse(index, f"got {got} as a key; allowed: text of one line, numbers in quotes")
        self.place.append(index.value if isinstance(index, yaml.ScalarNode) else "")
        if event.anchor or event.tag:  # ten lines of aliases can stand for 10**9 values
            self.refuse(
                event,
                f"got {event.anchor or event.tag!r}; allowed: values without anchors, aliases and tags",
            )
        if len(self.place) > DEEPEST:
            self.refuse(event, f"nested too deep; allowed: {DEEPEST} levels")
        plain = isinstance(event, yaml.ScalarEvent) and event.implicit[0]
        if plain and (
            fault := _misread(
                event.value, self.resolve(yaml.ScalarNode, event.value, event.implicit)
            )
        ):
            self.refuse(event, f"got {event.value[:80]}; allowed: {fault}")
        node = super().compose_node(parent, index)
        self.place.pop()
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:  # the first one would be lost in silence
                self.refuse(key, f"key {key.value!r} stands twice; allowed: once")
            if key.value == "__use_yte__":
                self.refuse(
                    key, f"key {key.value!r}: snakemake would run what follows as code; remove it"
                )
            seen.add(key.value)
        return node


class _CommandLine(_Loader):
    """The same, where `1e-3` is a number: there it is no file's text that another reader takes otherwise."""


_CommandLine.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(rf"{DECIMAL}\Z"), list("+-.0123456789")
)


def _is_text(key: yaml.Node) -> bool:
    return (
        key.tag == yaml.Loader.DEFAULT_SCALAR_TAG
        and key.value.isprintable()
        and len(key.value) <= 200
    )


def _misread(text: str, tag: str) -> str:
    """What to write instead of a plain scalar that YAML reads as something else, or an empty string."""
    kind, decimal = tag.rpartition(":")[2], len(text) <= 100 and re.fullmatch(DECIMAL, text)
    if kind == "bool" and text.lower() not in ("true", "false"):
        return f"true, false, or as text {text!r} in quotes (YAML reads yes, no, on and off as true and false)"
    if kind in ("int", "float") or (
        kind == "str" and text[:1] in set("+-.0123456789") and _is_number(text)
    ):
        finite = decimal and (
            abs(int(text)) < 2**63 if kind == "int" else math.isfinite(float(text))
        )
        if not finite:
            return "a finite decimal number, a whole one below 2**63, or text in quotes"
        if kind == "str":
            mantissa, _, exponent = text.lower().partition("e")
            point = mantissa if "." in mantissa else f"{mantissa}.0"
            return f"{point}e{int(exponent):+d} (YAML reads text here), or text in quotes"
    return (
        f"text in quotes (YAML reads a {kind})" if kind in ("timestamp", "merge", "value") else ""
    )


def _is_number(text: str) -> bool:
    """Whether Python takes a text for a number."""
    try:
        return not math.isnan(float(text.replace("_", "")))
    except ValueError:
        return False


def parsed(text: str, source: str, lines: bool = True) -> Any:
    """YAML text as a value; StudyError where it is none, with the line if there are lines."""

    def at(line: int) -> str:
        return f"{source}: line {line + 1}" if lines else source

    try:
        return (_Loader if lines else _CommandLine)(text, at).get_single_data()
    except yaml.MarkedYAMLError as error:
        where, fault = (
            at(error.problem_mark.line if error.problem_mark else 0),
            error.problem or error.context,
        )
    except yaml.reader.ReaderError as error:
        where, fault = (
            at(text.count("\n", 0, error.position)),
            f"got {chr(error.character)!r}; allowed: text in UTF-8",
        )
    raise StudyError(f"{where}: not readable as YAML: {fault}")


def read(file: Path) -> dict[str, Any]:
    """The content of a study file, not yet validated."""
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
    except OSError as error:
        raise StudyError(
            f"{file}: {str(error.strerror).lower()}; allowed: the path of a study file"
        ) from None
    if len(data) > LARGEST:
        raise StudyError(
            f"{file}: got over {LARGEST:,} bytes; allowed: a study file, which has a few thousand"
        )
    text = data.decode(
        "utf-8", "surrogateescape"
    )  # which the reader of YAML refuses, with the line
    if text.startswith("\ufeff"):
        raise StudyError(f"{file}: line 1: got a byte order mark; allowed: UTF-8 without one")
    content = parsed(text, str(file))
    if not isinstance(content, dict):
        raise StudyError(
            f"{file}: got {type(content).__name__}; allowed: a mapping of keys, tasks among them"
        )
    return content


def coerced(value: Any, source: str) -> Any:
    """A command-line value as YAML would have it: `a,b` is a list, `3` a number; `1e-3` is one too."""
    if isinstance(value, str) and "," in value and not value.lstrip().startswith(("[", "{")):
        return [coerced(part, source) for part in value.split(",")]
    return parsed(value.strip(), source, lines=False) if isinstance(value, str) else value
