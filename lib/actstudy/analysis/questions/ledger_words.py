"""Measured values of a claim in words: numbers, intervals, notes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from actstudy.analysis.scale import Significant
from actstudy.contract.reading import YES_NO
from actstudy.study.ledger import PLACEHOLDER

EXACT_DIGITS = 6  # significant digits of a computed value
SAMPLED_DIGITS = 3
COMPUTED = "computed"  # without samples
MAX_DIGITS = 8  # of an interval whose ends are close
POSITIONAL = (1e-3, 1e6)  # sizes that are written without an exponent
Row = Mapping[str, Any]  # a value: condition, name, value, low, high, n, unit


def number(value: float, digits: int = EXACT_DIGITS) -> str:
    """`0.25`, `65504`, `9.09e-13`, `infinite`."""
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    low, high = POSITIONAL
    if value == 0 or low <= abs(value) < high:
        whole = len(f"{abs(value):.0f}")  # no digit before the point is dropped
        return Significant(1, max(digits, whole), "").number(value)
    mantissa, exponent = f"{value:.{min(digits, SAMPLED_DIGITS) - 1}e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def value_words(row: Row) -> str:
    """A value with its unit, and its interval if it has one; or `yes`, `no`."""
    if row["unit"] == YES_NO:
        return "yes" if row["value"] else "no"
    unit = f" {row['unit']}" if row["unit"] else ""
    if row["low"] == row["high"] or math.isnan(row["low"] + row["high"]):
        return number(row["value"]) + unit
    ends = [row["low"], row["high"]]
    for digits in range(SAMPLED_DIGITS, MAX_DIGITS):
        low, high = (number(end, digits) for end in ends)
        if low != high:
            break
    return f"{number(row['value'], digits)}{unit} ({low} to {high})"


def measured(rows: Iterable[Row], names: Sequence[str]) -> str:
    """The values of those names in words, condition by condition."""
    by_condition: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: names.index(row["name"])):
        text = value_words(row)
        if len(names) > 1:
            text = f"{row['name'].replace('_', ' ')} {text}"
        by_condition.setdefault(row["condition"], []).append(text)
    parts = []
    for condition, texts in by_condition.items():
        head = f"{condition}: " if condition else ""
        parts.append(head + ", ".join(texts))
    return "; ".join(parts)


def placeholders(note: str) -> list[tuple[str, str]]:
    """Value and condition of each placeholder of a note; the condition may be empty."""
    return [(match[1].strip(), match[2] or "") for match in PLACEHOLDER.finditer(note)]


def fill(note: str, rows: Iterable[Row]) -> str:
    """A note with its placeholders as numbers; `{value}` is that of the first condition."""
    texts: dict[tuple[str, str], str] = {}
    for row in rows:
        text = _without_interval(row)
        texts.setdefault((row["name"], ""), text)
        texts[row["name"], row["condition"]] = text
    return PLACEHOLDER.sub(lambda match: texts[match[1].strip(), match[2] or ""], note)


def _without_interval(row: Row) -> str:
    if row["unit"] == YES_NO:
        return value_words(row)
    unit = f" {row['unit']}" if row["unit"] else ""
    digits = EXACT_DIGITS if row["low"] == row["high"] else SAMPLED_DIGITS
    return number(row["value"], digits) + unit


def n_words(low: int, high: int) -> str:
    """How many samples are behind the values of a claim: `20`, `8 to 100`, `computed`."""
    if high == 0:
        return COMPUTED
    return f"{high:,}" if low in (0, high) else f"{low:,} to {high:,}"
