"""A number about one place at one step, and all of them that rules judge."""

from collections.abc import Mapping
from typing import Any, NamedTuple

FROM_SETTINGS = -1  # the step of readings that belong to no step
Row = Mapping[str, Any]


class Reading(NamedTuple):
    """A number about one place at one step."""

    kind: str
    probe: str
    place: str
    step: int
    value: float


Series = dict[tuple[str, str], dict[str, dict[int, float]]]  # (kind, probe), place, step -> value


def add(series: Series, reading: Reading) -> None:
    """Put a reading into its place."""
    put(series, (reading.kind, reading.probe), reading.place, reading.step, reading.value)


def put(series: Series, key: tuple[str, str], place: str, step: int, value: float) -> None:
    """Put the parts of a reading into their place; key: its kind and probe."""
    series.setdefault(key, {}).setdefault(place, {})[step] = value
