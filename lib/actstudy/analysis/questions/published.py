"""Published means, sds and n against the p, Cohen's d and interval that were printed with them.

A row is a dictionary of texts as printed: the last digit of a text bounds what was rounded away.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

Row = Mapping[str, Any]
Range = tuple[float, float]  # from the smallest to the largest value that rounding leaves open
PRINTED = ["p", "d", "low", "high"]  # what a row may state
COLUMNS = ["name", "mean", "sd", "n", "difference", "t", "p_low", "p_high", "d_low", "d_high"]
COLUMNS += ["low", "high", *[f"published_{name}" for name in PRINTED], "inconsistent"]


def check(rows: pd.DataFrame, baseline: str, level: float = 0.95) -> pd.DataFrame:
    """A row per row but the baseline: t, p, d and interval recomputed, and what is inconsistent.

    rows: name, mean, sd, n and, if published, p, d, low, high (interval of row - baseline). A p or
    an interval may be Welch's or of pooled variance; d is pooled. Columns COLUMNS.
    """
    by_name = {row["name"]: row for row in rows.to_dict("records")}
    base = by_name.pop(baseline)
    signed = any(str(row.get("d") or "").startswith("-") for row in by_name.values())
    checked = [check_row(row, base, level, signed) for row in by_name.values()]
    return pd.DataFrame(checked, columns=COLUMNS)


def rounded(printed: Any) -> Range:
    """The values that a printed number may be of: half a unit of its last digit to either side."""
    digits = str(printed).lstrip("<>= ").rstrip("%")
    mantissa, _, exponent = digits.lower().partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    half = 0.5 * 10.0**-decimals
    return float(digits) - half, float(digits) + half


def corners(row: Row, base: Row) -> list[tuple[float, float, float]]:
    """(difference, sd of the row, sd of the baseline) at the ends of what rounding leaves open.

    Equal means are another such case if they are possible.
    """
    low, high = rounded(row["mean"])
    base_low, base_high = rounded(base["mean"])
    differences = [low - base_high, high - base_low]
    if differences[0] < 0 < differences[1]:
        differences.append(0.0)
    sds = [np.maximum(rounded(side["sd"]), 1e-12) for side in (row, base)]
    return [(float(d), float(s), float(b)) for d, s, b in itertools.product(differences, *sds)]


def tests(
    difference: float, sd: float, base_sd: float, n: int, base_n: int
) -> dict[str, tuple[float, float]]:
    """Standard error and degrees of freedom of a difference, by pooled variance and by Welch's."""
    a, b = sd**2 / n, base_sd**2 / base_n
    freedom = n + base_n - 2
    pooled = ((n - 1) * sd**2 + (base_n - 1) * base_sd**2) / freedom
    welch = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (base_n - 1))
    return {
        "pooled": ((pooled / n + pooled / base_n) ** 0.5, freedom),
        "Welch": ((a + b) ** 0.5, welch),
    }


def check_row(row: Row, base: Row, level: float, signed: bool) -> dict[str, Any]:
    """One row of `check`; signed: whether the table prints Cohen's d with its sign."""
    ranges = possible_ranges(row, base, level)
    mean = float(row["mean"])
    sd = float(row["sd"])
    n = int(row["n"])
    difference = mean - float(base["mean"])
    error, freedom = tests(difference, sd, float(base["sd"]), n, int(base["n"]))["pooled"]
    half = stats.t.ppf((1 + level) / 2, freedom) * error
    faults = [*faults_of_p(row, ranges), *faults_of_d(row, ranges, signed)]
    faults += faults_of_interval(row, ranges, level)
    return {
        "name": row["name"],
        "mean": mean,
        "sd": sd,
        "n": n,
        "difference": difference,
        "t": difference / error,
        "p_low": ranges["p"][0],
        "p_high": ranges["p"][1],
        "d_low": ranges["d"][0],
        "d_high": ranges["d"][1],
        "low": difference - half,
        "high": difference + half,
        **{f"published_{name}": row.get(name) for name in PRINTED},
        "inconsistent": "; ".join(faults),
    }


def possible_ranges(row: Row, base: Row, level: float) -> dict[str, Range]:
    """The ranges that rounding leaves open: of the difference, p, d, and the interval's half."""
    n = int(row["n"])
    base_n = int(base["n"])
    values: dict[str, list[float]] = {"difference": [], "p": [], "d": [], "half": []}
    for difference, sd, base_sd in corners(row, base):
        pooled = ((n - 1) * sd**2 + (base_n - 1) * base_sd**2) / (n + base_n - 2)
        values["difference"].append(difference)
        values["d"].append(difference / pooled**0.5)
        for error, freedom in tests(difference, sd, base_sd, n, base_n).values():
            values["p"].append(2 * stats.t.sf(abs(difference) / error, freedom))
            values["half"].append(stats.t.ppf((1 + level) / 2, freedom) * error)
    return {name: (float(min(each)), float(max(each))) for name, each in values.items()}


def overlap(first: Range, second: Range) -> bool:
    """Whether two ranges share a value, with room for the last bits of doubles."""
    return first[0] <= second[1] + 1e-9 and second[0] <= first[1] + 1e-9


def faults_of_p(row: Row, ranges: Mapping[str, Range]) -> list[str]:
    """Faults of a published p: outside of what the means, sds and n allow."""
    printed = row.get("p")
    if not printed:
        return []
    low, high = ranges["p"]
    bound = float(str(printed).lstrip("<= "))
    stated = (0.0, bound) if str(printed).startswith("<") else rounded(printed)
    if overlap(stated, (low, high)):
        return []
    return [f"p {printed} cannot be: mean, sd and n give {low:.4g} to {high:.4g}"]


def faults_of_d(row: Row, ranges: Mapping[str, Range], signed: bool) -> list[str]:
    """Faults of a published Cohen's d; if the table prints no minus, sizes alone are compared."""
    if not row.get("d"):
        return []
    low, high = ranges["d"]
    if not signed:
        smallest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        low, high = smallest, max(abs(low), abs(high))
    if overlap(rounded(row["d"]), (low, high)):
        return []
    return [f"d {row['d']} cannot be: mean and sd give {low:.4g} to {high:.4g}"]


def faults_of_interval(row: Row, ranges: Mapping[str, Range], level: float) -> list[str]:
    """Faults of a published interval: its centre, its width, and its verdict against p's."""
    if not (row.get("low") and row.get("high")):
        return []
    low = float(row["low"])
    high = float(row["high"])
    slack = sum(rounded(row[key])[1] - float(row[key]) for key in ("low", "high")) / 2
    centre = (low + high) / 2
    half = (high - low) / 2
    text = f"interval {row['low']} to {row['high']}"
    first, last = ranges["difference"]
    faults = []
    if not overlap((low, high), (first, last)):
        faults.append(
            f"{text} does not hold its own difference of means, {first:.4g} to {last:.4g}"
        )
    elif not overlap((centre - slack, centre + slack), (first, last)):
        place = f"at {centre:.4f}, not at the difference, {first:.4g} to {last:.4g}"
        faults.append(f"{text} has its centre {place}")
    if not overlap((half - slack, half + slack), ranges["half"]):
        smallest, largest = ranges["half"]
        faults.append(
            f"{text} has half width {half:.4f}: sd and n give {smallest:.4f} to {largest:.4f}"
        )
    excludes_zero = low > 0 or high < 0
    if row.get("p") and level == 0.95 and excludes_zero != significant(str(row["p"])):
        faults.append(f"p {row['p']} and {text} disagree on whether 0 is excluded")
    return faults


def significant(printed: str) -> bool:
    """Whether a printed p is at most 0.05."""
    return float(printed.lstrip("<= ")) <= 0.05
