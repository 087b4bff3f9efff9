"""What measured values say of a claim, bound by bound, condition by condition."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from actstudy.contract import errors
from actstudy.contract.reading import YES_NO
from actstudy.study.bounds import FORMS, Range, range_of

TRUE = "true"
FALSE = "false"
OPEN = "open"
HOLDS = "holds"
PARTLY = "holds only when"
FAILS = "does not hold"
UNDECIDED = "undecided"
NOT_MEASURABLE = "not measurable here"
NOT_MEASURED = "not measured"
VERDICTS = (HOLDS, PARTLY, FAILS, UNDECIDED, NOT_MEASURABLE, NOT_MEASURED)
DECIDED = (HOLDS, PARTLY, FAILS)
MAX_SAMPLES = 9_999  # that are named; a value that needs more is on the edge of its bound
Row = Mapping[str, Any]  # a value: condition, name, value, low, high, n, unit


class Verdict(NamedTuple):
    """A verdict, and what stands behind it: the conditions, the samples to add, or why."""

    verdict: str
    detail: str = ""

    def __str__(self) -> str:
        if self.verdict == PARTLY:
            return f"{self.verdict} {self.detail}"
        return f"{self.verdict} ({self.detail})" if self.detail else self.verdict


def outcome(row: Row, bound: Range) -> str:
    """TRUE if the interval of a value is in the bound, FALSE if none of it is, else OPEN.

    A single sample has no interval: it is OPEN.
    """
    if row["n"] == 1:
        return OPEN
    if bound.contains(row["low"]) and bound.contains(row["high"]):
        return TRUE
    if bound.is_below(row["low"]) or bound.is_above(row["high"]):
        return FALSE
    return OPEN


def verdict(bounds: Mapping[str, dict[str, Any]], rows: Sequence[Row]) -> Verdict:
    """What values say of a claim; bounds: value -> its bound, rows: of all conditions."""
    outcomes: dict[str, set[str]] = {}
    more: list[int] = []
    for row in rows:
        if row["name"] in bounds:
            bound = range_of(bounds[row["name"]])
            seen = outcome(row, bound)
            outcomes.setdefault(row["condition"], set()).add(seen)
            if seen == OPEN:
                more.append(samples_to_add(row, bound))
    by_condition = {condition: _all_of(seen) for condition, seen in outcomes.items()}
    if set(by_condition.values()) == {TRUE}:
        return Verdict(HOLDS)
    if set(by_condition.values()) == {FALSE}:
        return Verdict(FAILS)
    if OPEN in by_condition.values():
        return Verdict(UNDECIDED, _samples_words(max(more)))
    holding = [condition for condition, seen in by_condition.items() if seen == TRUE]
    return Verdict(PARTLY, ", ".join(holding))


def _all_of(outcomes: set[str]) -> str:
    """The outcome of a condition, all of whose bounds must hold."""
    if FALSE in outcomes:
        return FALSE
    return OPEN if OPEN in outcomes else TRUE


def samples_to_add(row: Row, bound: Range) -> int:
    """The samples after which an interval around the same value no longer meets the bound's edge.

    An interval's width falls as 1 / sqrt(n). Above MAX_SAMPLES if no number is enough, 0 if none is
    known: of a single sample, or an interval without ends.
    """
    n = row["n"]
    half = (row["high"] - row["low"]) / 2
    distance = min(abs(row["value"] - edge) for edge in (bound.low, bound.high))
    if n < 2 or not math.isfinite(half):
        return 0
    if distance == 0:
        return MAX_SAMPLES + 1
    total = n * (half / distance) ** 2
    return max(1, math.ceil(min(total, n + 2 * MAX_SAMPLES)) - n)


def _samples_words(n: int) -> str:
    if n > MAX_SAMPLES:
        return f"over {MAX_SAMPLES + 1:,} more samples: the value is on the bound's edge"
    if not n:
        return "no interval yet"
    return f"{n:,} more sample{'s' if n > 1 else ''}"


def unknown_value(
    names: Iterable[tuple[str, str]], rows: Sequence[Row], where: str
) -> Verdict | None:
    """NOT_MEASURED if a value that a claim names was not measured; names: (value, condition).

    Without a condition the value must be there in each.
    """
    conditions = list(dict.fromkeys(row["condition"] for row in rows))
    for name, condition in names:
        if condition and condition not in conditions:
            allowed = errors.choices(condition, conditions)
            return Verdict(NOT_MEASURED, f"{where}: unknown condition {condition!r}; {allowed}")
        for place in [condition] if condition else conditions:
            values = [row["name"] for row in rows if row["condition"] == place]
            if name not in values:
                allowed = errors.choices(name, values)
                return Verdict(NOT_MEASURED, f"{where}: unknown value {name!r}; {allowed}")
    return None


def suits(row: Row, bound: Mapping[str, Any]) -> bool:
    """Whether a bound is of the kind of a value: `is` of yes or no, any other of a number."""
    return (row["unit"] == YES_NO) == ("is_true" in bound)


def unsuitable_bound(bounds: Mapping[str, dict[str, Any]], rows: Sequence[Row]) -> Verdict | None:
    """NOT_MEASURED if a bound is of the other kind than its value."""
    for row in rows:
        if row["name"] not in bounds or suits(row, bounds[row["name"]]):
            continue
        fault = "is yes or no; allowed: is"
        if row["unit"] != YES_NO:
            numeric = dict.fromkeys(form[0] for form in FORMS if form != ("is",))
            fault = f"is a number; allowed: {', '.join(numeric)}"
        return Verdict(NOT_MEASURED, f"holds_if.{row['name']}: {fault}")
    return None
