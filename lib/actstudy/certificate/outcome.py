"""What a check or a measure gives: nothing, a finding, a reading, or that it is not measured."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """What was observed, with numbers and places, and what to change."""

    text: str
    fix: str


@dataclass(frozen=True)
class Reading:
    """A measured property in words, and its numbers by name."""

    text: str
    values: dict[str, Any] = field(default_factory=dict)


class NotMeasured(Exception):
    """A check or measure is impossible with this activation or machine; the message says why."""
