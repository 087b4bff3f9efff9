"""Published means, sds and n against the p, Cohen's d and interval that were printed with them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis.questions.published_readings import (
    DEPARTURES,
    PAIRED,
    STANDARD,
    Reading,
    Row,
    critical,
    departures,
    recomputed,
    smallest_rank_p,
    standard_error,
    t_of,
)
from actstudy.study.printed import Range

PRINTED = ("p", "d", "low", "high")  # what a row may state
BOTH = "pooled and Welch"
POOLED = "pooled alone"
WELCH = "Welch alone"
NEITHER = "neither"
NOTHING = "nothing printed"
FITS = (BOTH, POOLED, WELCH, NEITHER, NOTHING)
COLUMNS = ["name", "mean", "sd", "n", "difference", "t", "p_pooled_low", "p_pooled_high"]
COLUMNS += ["p_welch_low", "p_welch_high", "d_low", "d_high", "low", "high"]
COLUMNS += [*[f"published_{name}" for name in PRINTED], "fits"]
COLUMNS += ["inconsistent", "would_fit", "not_excluded"]


def check(rows: Sequence[Row], baseline: str, level: float = 0.95) -> pd.DataFrame:
    """A row per row but the baseline: t, p, d and interval recomputed, and what does not fit.

    rows: name, n, and a `Printed` for mean, sd and, if printed, p, d, low, high (interval of row -
    baseline at `level`). Columns COLUMNS. fits: one of FITS; a test fits if all that the row prints
    may come from it. inconsistent: what fits neither test; would_fit: the DEPARTURES that it fits;
    not_excluded: which tests that mean, sd and n do not determine could give it.
    """
    by_name = {row["name"]: row for row in rows}
    base = by_name.pop(baseline)
    signed = any("d" in row and row["d"].value < 0 for row in by_name.values())
    checked = [check_row(row, base, level, signed) for row in by_name.values()]
    return pd.DataFrame(checked, columns=COLUMNS)


def check_row(row: Row, base: Row, level: float, signed: bool) -> dict[str, Any]:
    """One row of `check`; signed: whether the table prints Cohen's d with its sign."""
    pooled, welch = (recomputed(row, base, reading, level) for reading in STANDARD)
    difference = row["mean"].value - base["mean"].value
    sds = (row["sd"].value, base["sd"].value)
    error, freedom = standard_error("pooled", *sds, row["n"], base["n"])
    half = critical(freedom, level, STANDARD[0]) * error
    return {
        "name": row["name"],
        "mean": row["mean"].value,
        "sd": row["sd"].value,
        "n": row["n"],
        "difference": difference,
        "t": difference / error if error else math.nan,
        "p_pooled_low": pooled["p"][0],
        "p_pooled_high": pooled["p"][1],
        "p_welch_low": welch["p"][0],
        "p_welch_high": welch["p"][1],
        "d_low": pooled["d"][0],
        "d_high": pooled["d"][1],
        "low": difference - half,
        "high": difference + half,
        **{f"published_{name}": row[name].text if name in row else None for name in PRINTED},
        **judge(row, base, level, signed),
    }


def judge(row: Row, base: Row, level: float, signed: bool) -> dict[str, str]:
    """The columns fits, inconsistent, would_fit and not_excluded of a row."""
    nothing = {"inconsistent": "", "would_fit": "", "not_excluded": ""}
    if not any(name in row for name in PRINTED):
        return {"fits": NOTHING, **nothing}
    pooled, welch = (faults(row, base, reading, level, signed) for reading in STANDARD)
    fits = {(True, True): BOTH, (True, False): POOLED, (False, True): WELCH}
    fit = fits.get((not pooled, not welch), NEITHER)
    if fit != NEITHER:
        return {"fits": fit, **nothing}
    would_fit = []
    for name in DEPARTURES:
        if any(not faults(row, base, reading, level, signed) for reading in departures(name)):
            would_fit.append(name)
    return {
        "fits": NEITHER,
        "inconsistent": both_faults(pooled, welch),
        "would_fit": "; ".join(would_fit),
        "not_excluded": " and ".join(not_excluded(row, base, level, signed)),
    }


def not_excluded(row: Row, base: Row, level: float, signed: bool) -> list[str]:
    """Which tests could give a row that cannot be recomputed from means and sds."""
    tests = []
    if row["n"] == base["n"] and not faults(row, base, PAIRED, level, signed):
        tests.append("a paired test")
    if "p" in row and printed_p(row, STANDARD[0])[1] >= smallest_rank_p(row["n"], base["n"]):
        without_p = {key: value for key, value in row.items() if key != "p"}
        if any(not faults(without_p, base, reading, level, signed) for reading in STANDARD):
            tests.append("a rank test")
    return tests


def both_faults(pooled: Sequence[str], welch: Sequence[str]) -> str:
    """The faults by two tests as text: those by either, then those by one of them alone."""
    parts = [fault for fault in pooled if fault in welch]
    for test, own, other in (("pooled", pooled, welch), ("Welch", welch, pooled)):
        alone = [fault for fault in own if fault not in other]
        if alone:
            parts.append(f"{test}: {', '.join(alone)}")
    return "; ".join(parts)


def faults(row: Row, base: Row, reading: Reading, level: float, signed: bool) -> list[str]:
    """What of a row does not fit a reading: with its means, sds and n, or with each other."""
    ranges = recomputed(row, base, reading, level)
    return [
        *faults_of_p(row, reading, ranges),
        *faults_of_d(row, reading, ranges, signed),
        *faults_of_interval(row, reading, ranges),
        *contradictions(row, reading, ranges["freedom"], level),
    ]


def overlap(first: Range, second: Range) -> bool:
    """Whether two ranges share a value, with room for the last bits of doubles."""
    return at_most(first[0], second[1]) and at_most(second[0], first[1])


def at_most(a: float, b: float) -> bool:
    """Whether a is at most b, but for the last bits of doubles."""
    return a <= b or math.isclose(a, b, rel_tol=1e-9)


def size(values: Range) -> Range:
    """The range of absolute values."""
    smallest = min(abs(values[0]), abs(values[1]))
    if values[0] <= 0 <= values[1]:
        smallest = 0.0
    return smallest, max(abs(values[0]), abs(values[1]))


def printed_p(row: Row, reading: Reading) -> Range:
    """The values that a printed p may be of, from 0 to 1."""
    low, high = reading.bounds(row["p"])
    return max(low, 0.0), min(high, 1.0)


def words(values: Range) -> str:
    """A range as text, as one number if its ends differ by less than the digits that are shown."""
    low, high = (f"{value:.4g}" for value in values)
    return low if low == high else f"{low} to {high}"


def faults_of_p(row: Row, reading: Reading, ranges: Mapping[str, Range]) -> list[str]:
    """Faults of a published p: outside of what the means, sds and n allow."""
    if "p" not in row or overlap(printed_p(row, reading), ranges["p"]):
        return []
    return [f"p {row['p'].text} where mean, sd and n give {words(ranges['p'])}"]


def faults_of_d(row: Row, reading: Reading, ranges: Mapping[str, Range], signed: bool) -> list[str]:
    """Faults of a published Cohen's d; if the table prints no minus, sizes alone are compared."""
    if "d" not in row:
        return []
    allowed = ranges["d"] if signed else size(ranges["d"])
    if overlap(reading.bounds(row["d"]), allowed):
        return []
    return [f"d {row['d'].text} where mean and sd give {words(allowed)}"]


def interval_of(row: Row, reading: Reading) -> tuple[Range, Range]:
    """The ranges of both ends of a published interval of row - baseline."""
    low = reading.bounds(row["low"])
    high = reading.bounds(row["high"])
    if reading.interval_sign == 1:
        return low, high
    return (-high[1], -high[0]), (-low[1], -low[0])


def faults_of_interval(row: Row, reading: Reading, ranges: Mapping[str, Range]) -> list[str]:
    """Faults of a published interval: its centre and its width."""
    if "low" not in row:
        return []
    low, high = interval_of(row, reading)
    centre = ((low[0] + high[0]) / 2, (low[1] + high[1]) / 2)
    half = (max(0.0, (high[0] - low[1]) / 2), (high[1] - low[0]) / 2)
    text = f"interval {row['low'].text} to {row['high'].text}"
    difference = ranges["difference"]
    parts = []
    if not overlap((low[0], high[1]), difference):
        parts.append(f"{text} does not hold its own difference of means, {words(difference)}")
    elif not overlap(centre, difference):
        parts.append(f"{text} has its centre off the difference of means, {words(difference)}")
    if not overlap(half, ranges["half"]):
        printed = f"half width {words(half)}"
        parts.append(f"{text} has {printed} where sd and n give {words(ranges['half'])}")
    return parts


def contradictions(row: Row, reading: Reading, freedom: Range, level: float) -> list[str]:
    """Whether p and interval disagree, with all room for rounding, on whether 0 is excluded."""
    if "p" not in row or "low" not in row:
        return []
    low, high = interval_of(row, reading)
    t = t_of(np.array(printed_p(row, reading))[:, None], np.array(freedom), reading)
    bound = critical(np.array(freedom), level, reading)
    p_excludes = t.min() > np.max(bound)
    p_includes = t.max() < np.min(bound)
    excludes = low[0] > 0 or high[1] < 0
    includes = low[1] < 0 < high[0]
    if not ((p_excludes and includes) or (p_includes and excludes)):
        return []
    interval = f"interval {row['low'].text} to {row['high'].text}"
    return [f"p {row['p'].text} and {interval} disagree on whether 0 is excluded"]
