"""Published means, sds and n against the p, Cohen's d and interval that were printed beside them."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from actstudy.analysis.page import markdown
from actstudy.study import replication

Range = tuple[float, float]  # from the smallest to the largest value that rounding leaves open
COLUMNS = [
    "name",
    "mean",
    "sd",
    "n",
    "difference",
    "t",
    "p_low",
    "p_high",
    "d_low",
    "d_high",
    "low",
    "high",
]
COLUMNS += ["published_p", "published_d", "published_low", "published_high", "inconsistent"]


def check(rows: pd.DataFrame, baseline: str, level: float = 0.95) -> pd.DataFrame:
    """A row per row but the baseline: t, p, d and interval recomputed, and what of the published cannot be.

    rows: name, mean, sd, n and, where published, p, d, low, high (interval of row - baseline), as printed: the last
    digit of a text bounds what was rounded away. A p or an interval may be Welch's or of pooled variance; d is pooled.
    """
    by_name = {row["name"]: row for row in rows.to_dict("records")}
    base = by_name.pop(baseline)
    signed = any(str(row.get("d") or "").startswith("-") for row in by_name.values())
    return pd.DataFrame(
        [_checked(row, base, level, signed) for row in by_name.values()], columns=COLUMNS
    )


def rounded(printed: Any) -> Range:
    """The values that a printed number may have stood for: half a unit of its last digit to either side."""
    digits = str(printed).lstrip("<>= ").rstrip("%")
    mantissa, _, exponent = digits.lower().partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    half = 0.5 * 10.0**-decimals
    return float(digits) - half, float(digits) + half


def corners(row: dict[str, Any], base: dict[str, Any]) -> list[tuple[float, float, float]]:
    """(difference, sd of the row, sd of the baseline) at the ends of what rounding leaves open, and at equal means."""
    (low, high), (base_low, base_high) = rounded(row["mean"]), rounded(base["mean"])
    differences = [low - base_high, high - base_low]
    differences += [0.0] * (differences[0] < 0 < differences[1])
    sds = [np.maximum(rounded(one["sd"]), 1e-12) for one in (row, base)]
    return [(float(d), float(s), float(b)) for d, s, b in itertools.product(differences, *sds)]


def tests(
    difference: float, sd: float, base_sd: float, n: int, base_n: int
) -> dict[str, tuple[float, float]]:
    """Standard error and degrees of freedom of a difference of means, by the pooled variance and by Welch's."""
    a, b = sd**2 / n, base_sd**2 / base_n
    freedom = n + base_n - 2
    pooled = ((n - 1) * sd**2 + (base_n - 1) * base_sd**2) / freedom
    welch = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (base_n - 1))
    return {
        "pooled": ((pooled / n + pooled / base_n) ** 0.5, freedom),
        "Welch": ((a + b) ** 0.5, welch),
    }


def _checked(
    row: dict[str, Any], base: dict[str, Any], level: float, signed: bool
) -> dict[str, Any]:
    n, base_n = int(row["n"]), int(base["n"])
    mean, sd, base_mean, base_sd = (
        float(one[key]) for one in (row, base) for key in ("mean", "sd")
    )
    made = {"p": [], "d": [], "low": [], "high": [], "half": []}  # type: dict[str, list[float]]
    for difference, s, b in corners(row, base):
        made["d"].append(
            difference / (((n - 1) * s**2 + (base_n - 1) * b**2) / (n + base_n - 2)) ** 0.5
        )
        for error, freedom in tests(difference, s, b, n, base_n).values():
            half = stats.t.ppf((1 + level) / 2, freedom) * error
            made["p"].append(2 * stats.t.sf(abs(difference) / error, freedom))
            made["half"].append(half)
            made["low"].append(difference - half)
            made["high"].append(difference + half)
    between = {key: (float(min(values)), float(max(values))) for key, values in made.items()}
    between["difference"] = (
        min(c[0] for c in corners(row, base)),
        max(c[0] for c in corners(row, base)),
    )
    error, freedom = tests(mean - base_mean, sd, base_sd, n, base_n)["pooled"]
    half = stats.t.ppf((1 + level) / 2, freedom) * error
    found = {"difference": mean - base_mean, "t": (mean - base_mean) / error}
    found |= {"low": mean - base_mean - half, "high": mean - base_mean + half}
    found |= {
        "p_low": between["p"][0],
        "p_high": between["p"][1],
        "d_low": between["d"][0],
        "d_high": between["d"][1],
    }
    printed = {f"published_{key}": row.get(key) for key in ("p", "d", "low", "high")}
    faults = [*_p(row, between), *_d(row, between, signed), *_interval(row, between, level)]
    head = {"name": row["name"], "mean": mean, "sd": sd, "n": n}
    return {**head, **found, **printed, "inconsistent": "; ".join(faults)}


def overlap(first: Range, second: Range) -> bool:
    """Whether two ranges share a value, with room for the last bits of doubles."""
    return first[0] <= second[1] + 1e-9 and second[0] <= first[1] + 1e-9


def _p(row: dict[str, Any], between: dict[str, Range]) -> list[str]:
    """Faults of a published p: outside what the means, sds and n allow."""
    printed = row.get("p")
    if not printed:
        return []
    low, high = between["p"]
    bound = float(str(printed).lstrip("<= "))
    if overlap(rounded(printed) if not str(printed).startswith("<") else (0.0, bound), (low, high)):
        return []
    return [f"p {printed} cannot be: mean, sd and n give {low:.4g} to {high:.4g}"]


def _d(row: dict[str, Any], between: dict[str, Range], signed: bool) -> list[str]:
    """Faults of a published Cohen's d; where the table prints no minus, sizes alone are compared."""
    if not row.get("d"):
        return []
    low, high = between["d"]
    if not signed:
        low, high = (
            (0.0 if low <= 0 <= high else min(abs(low), abs(high))),
            max(abs(low), abs(high)),
        )
    if overlap(rounded(row["d"]), (low, high)):
        return []
    return [f"d {row['d']} cannot be: mean and sd give {low:.4g} to {high:.4g}"]


def _interval(row: dict[str, Any], between: dict[str, Range], level: float) -> list[str]:
    """Faults of a published interval: its centre, its width, and its verdict beside p's."""
    if not (row.get("low") and row.get("high")):
        return []
    low, high, faults = float(row["low"]), float(row["high"]), []
    slack = (
        sum(end - float(row[key]) for key in ("low", "high") for end in rounded(row[key])[1:]) / 2
    )
    centre, half = (low + high) / 2, (high - low) / 2
    shown = f"{row['low']} to {row['high']}"
    if not overlap((low, high), between["difference"]):
        first, last = between["difference"]
        faults.append(
            f"interval {shown} does not hold its own difference of means, {first:.4g} to {last:.4g}"
        )
    elif not overlap((centre - slack, centre + slack), between["difference"]):
        first, last = between["difference"]
        faults.append(
            f"interval {shown} has its centre at {centre:.4f}, not at the difference, {first:.4g} to {last:.4g}"
        )
    if not overlap((half - slack, half + slack), between["half"]):
        first, last = between["half"]
        faults.append(
            f"interval {shown} has half width {half:.4f}: sd and n give {first:.4f} to {last:.4f}"
        )
    if row.get("p") and level == 0.95 and (low > 0 or high < 0) != _significant(str(row["p"])):
        faults.append(f"p {row['p']} and interval {shown} disagree on whether 0 is excluded")
    return faults


def _significant(printed: str) -> bool:
    return float(printed.lstrip("<= ")) <= 0.05


def report(file: Path) -> str:
    """The Markdown of a published table's check: a sentence, then a row for each row that cannot be."""
    found, rows = replication.read_published(file)
    table = check(pd.DataFrame(rows), found.baseline, found.level)
    bad = table[table["inconsistent"] != ""]
    head = f"{found.source}: {len(bad)} of {len(table)} rows cannot be as printed"
    head += f"; baseline {found.baseline}, n = {found.n}."
    return "\n".join(
        [
            markdown.prose(head),
            "",
            markdown.markdown(faults(bad), "Every row is consistent with itself."),
        ]
    )


def faults(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a check that `analysis.text.markdown` prints."""
    return [
        {"row": r["name"], "difference": f"{r['difference']:+.4g}", **_recomputed(r)}
        for r in table.to_dict("records")
    ]


def _recomputed(row: dict[str, Any]) -> dict[str, str]:
    size = sorted(abs(row[key]) for key in ("d_low", "d_high"))
    interval = f"{row['low']:+.4f} to {row['high']:+.4f}"
    return {
        "recomputed d": f"{size[0]:.4g} to {size[1]:.4g}",
        "interval": interval,
        "cannot be": row["inconsistent"],
    }
