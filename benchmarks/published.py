"""How often `python -m actstudy check` alarms on honest tables, and passes altered ones.

    python benchmarks/published.py --tables 1000 --out benchmarks/results

A table is two rows: n runs of each are drawn, described as a convention has it, and rounded. An
alarm is a row that fits neither the pooled nor Welch's test; without a word, if no other reading
and no paired or rank test could give it.
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from actstudy.analysis.questions import published
from actstudy.study.printed import read_row

SEED = 20_261_126
Texts = dict[str, str]
Table = tuple[dict[str, Any], dict[str, Any]]  # the row and the baseline: texts and n


def draw(rng: np.random.Generator, n: int, base_n: int, rho: float) -> tuple[Any, Any]:
    """The runs of a row and of the baseline; those of one seed correlate by rho if n are equal."""
    a = rng.normal(size=n)
    b = rng.normal(size=base_n)
    if rho:
        b = rho * a + math.sqrt(1 - rho**2) * b
    return 80 + rng.normal() + rng.uniform(0.2, 3) * a, 80 + rng.uniform(0.2, 3) * b


def table(
    rng: np.random.Generator,
    n: int = 10,
    base_n: int | None = None,
    test: str = "pooled",
    digits: tuple[int, int, int] = (2, 4, 4),
    spread: str = "n - 1",
    tail: str = "two-sided",
    effect: str = "d",
    interval: str = "t",
    rho: float = 0.0,
    cut: bool = False,
    below: float | None = None,
) -> Table:
    """A table as an author of these habits prints it.

    digits: decimals of mean and sd, of p and d, of the interval; below: p is printed as `< below`
    where it is smaller.
    """
    base_n = base_n or n
    a, b = draw(rng, n, base_n, rho)
    outcome = tested(a, b, test, tail)
    center, half = interval_of(a, b, test, interval)
    text = printing(cut)
    p = text(outcome, digits[1])
    smallest = below or 10.0 ** -digits[1]
    if outcome < smallest:
        p = f"< {smallest:g}"
    row = {**described(a, spread, digits[0], text), "p": p}
    if effect:
        row["d"] = text(standardised(a, b, effect), digits[1])
    if interval:
        row["low"] = text(center - half, digits[2])
        row["high"] = text(center + half, digits[2])
    return row, described(b, spread, digits[0], text)


def printing(cut: bool) -> Callable[[float, int], str]:
    """A number as text with some decimals, rounded or cut."""

    def text(value: float, decimals: int) -> str:
        if cut:
            value = math.trunc(value * 10**decimals) / 10**decimals
        return f"{value:.{decimals}f}"

    return text


def described(x: Any, spread: str, decimals: int, text: Callable[[float, int], str]) -> Texts:
    """Mean and sd of some runs as they are printed."""
    sd = x.std(ddof=int(spread != "n"))
    if spread == "standard error":
        sd /= math.sqrt(len(x))
    return {"mean": text(x.mean(), decimals), "sd": text(sd, decimals), "n": len(x)}


def tested(a: Any, b: Any, test: str, tail: str) -> float:
    """The p of a test of two samples."""
    if test == "paired":
        return float(stats.ttest_rel(a, b, alternative=tail).pvalue)
    if test == "rank":
        return float(stats.mannwhitneyu(a, b, alternative=tail).pvalue)
    return float(stats.ttest_ind(a, b, equal_var=test != "Welch", alternative=tail).pvalue)


def interval_of(a: Any, b: Any, test: str, kind: str) -> tuple[float, float]:
    """Centre and half width of a 95% interval of the difference."""
    if test == "paired":
        outcome = stats.ttest_rel(a, b)
    else:
        outcome = stats.ttest_ind(a, b, equal_var=test != "Welch")
    ends = outcome.confidence_interval()
    difference = a.mean() - b.mean()
    half = (ends.high - ends.low) / 2
    if kind == "normal":
        half *= stats.norm.ppf(0.975) / stats.t.ppf(0.975, outcome.df)
    return (-difference if kind == "reversed" else difference), half


def standardised(a: Any, b: Any, effect: str) -> float:
    """The size of a standardised difference."""
    n = len(a)
    base_n = len(b)
    freedom = n + base_n - 2
    pooled = ((n - 1) * a.var(ddof=1) + (base_n - 1) * b.var(ddof=1)) / freedom
    variances = {
        "d": pooled,
        "g": pooled / (1 - 3 / (4 * freedom - 1)) ** 2,
        "Glass": b.var(ddof=1),
        "n": (a.var() + b.var()) / 2,
        "mean": (a.var(ddof=1) + b.var(ddof=1)) / 2,
    }
    return float(abs(a.mean() - b.mean()) / math.sqrt(variances[effect]))


def honest_cases() -> dict[str, dict[str, Any]]:
    """Unpaired tables of usual habits, none of which may alarm."""
    cases: dict[str, dict[str, Any]] = {}
    for test in ("pooled", "Welch"):
        for n in (3, 10, 23):
            for decimals in (1, 2, 4):
                digits = (decimals, 4, 4)
                cases[f"{test}, n = {n}, {decimals} decimals"] = {
                    "test": test,
                    "n": n,
                    "digits": digits,
                }
        cases[f"{test}, all at 2 decimals"] = {"test": test, "digits": (2, 2, 2)}
        cases[f"{test}, p at 2, interval at 1"] = {"test": test, "digits": (2, 2, 1)}
        cases[f"{test}, whole numbers"] = {"test": test, "digits": (0, 2, 0)}
        cases[f"{test}, p as < 0.1"] = {"test": test, "below": 0.1}
        cases[f"{test}, n = 5 against 23"] = {"test": test, "n": 5, "base_n": 23}
    return cases


def convention_cases() -> dict[str, dict[str, Any]]:
    """Tables of other conventions: alarms that name the convention, none without a word."""
    cases: dict[str, dict[str, Any]] = {}
    for n in (3, 5, 10, 23):
        cases[f"sd by n, n = {n}"] = {"n": n, "spread": "n"}
    for rho in (0.0, 0.5, 0.9):
        cases[f"paired, n = 5, rho {rho}"] = {"n": 5, "test": "paired", "rho": rho}
    for n in (5, 23):
        cases[f"one-sided p, n = {n}"] = {"n": n, "tail": "greater"}
        cases[f"normal interval, n = {n}"] = {"n": n, "interval": "normal"}
    for n in (3, 10):
        cases[f"standard error, n = {n}"] = {"n": n, "spread": "standard error"}
    cases["Mann-Whitney p, n = 10"] = {"test": "rank"}
    for effect in ("g", "Glass", "n"):
        cases[f"{effect} as d"] = {"effect": effect}
    cases["mean of variances, n = 5 against 23"] = {"n": 5, "base_n": 23, "effect": "mean"}
    cases["interval of baseline - row"] = {"interval": "reversed"}
    cases["digits cut"] = {"cut": True}
    return cases


def altered_cases() -> dict[str, Callable[[Any, Any], Texts]]:
    """What is changed in an honest pooled table (n = 10, 2, 4 and 4 decimals)."""
    return {
        "p halved": lambda row, base: {"p": scaled(row["p"], 0.5)},
        "p a third smaller": lambda row, base: {"p": scaled(row["p"], 2 / 3)},
        "p between pooled and Welch, n = 3": p_between,
        "d a tenth larger": lambda row, base: {"d": scaled(row["d"], 1.1)},
        "interval a fifth wider": wider,
        "interval moved by half its half width": moved,
        "sd of another row": lambda row, base: {"sd": scaled(row["sd"], 1.5)},
        "mean of another row": lambda row, base: {"mean": f"{float(row['mean']) + 1:.2f}"},
    }


def scaled(text: str, factor: float) -> str:
    """A printed number times a factor, with as many decimals; a bound stays."""
    if text.startswith("<"):
        return text
    decimals = len(text.partition(".")[2])
    return f"{float(text) * factor:.{decimals}f}"


def wider(row: Texts, base: Texts) -> Texts:
    """An interval a fifth wider."""
    extra = 0.1 * (float(row["high"]) - float(row["low"]))
    return {
        "low": f"{float(row['low']) - extra:.4f}",
        "high": f"{float(row['high']) + extra:.4f}",
    }


def moved(row: Texts, base: Texts) -> Texts:
    """An interval of the same width about another centre."""
    step = 0.25 * (float(row["high"]) - float(row["low"]))
    return {"low": f"{float(row['low']) + step:.4f}", "high": f"{float(row['high']) + step:.4f}"}


def p_between(row: Texts, base: Texts) -> Texts:
    """The geometric mean of the p of both tests."""
    values = []
    for equal in (True, False):
        sides = [(float(side["mean"]), float(side["sd"]), side["n"]) for side in (row, base)]
        values.append(stats.ttest_ind_from_stats(*sides[0], *sides[1], equal_var=equal).pvalue)
    return {"p": f"{math.sqrt(values[0] * values[1]):.4f}"}


def changed(row: Texts, base: Texts, alter: Callable[[Any, Any], Texts]) -> Texts | None:
    """The row with something altered, None if that changes no printed digit."""
    new = {**row, **alter(row, base)}
    return None if new == row else new


def outcome(row: Texts, base: Texts) -> tuple[bool, bool, bool]:
    """Whether a table alarms, alarms with a reading named, and alarms without a word."""
    sides = []
    for texts in (row, base):
        printed = {key: value for key, value in texts.items() if key != "n"}
        sides.append({"n": texts["n"], **read_row(printed, "row")})
    verdict = published.judge(*sides, level=0.95, signed=False)
    alarm = bool(verdict["inconsistent"])
    named = bool(verdict["would_fit"])
    return alarm, named, alarm and not named and not verdict["not_excluded"]


def tables_of(kind: str, case: Any, rng: np.random.Generator, count: int) -> list[Table]:
    """Some tables of a case."""
    drawn: list[Table] = []
    while len(drawn) < count:
        if kind != "altered":
            drawn.append(table(rng, **case))
            continue
        row, base = table(rng, n=3 if case is p_between else 10, effect="d", digits=(4, 4, 4))
        new = changed(row, base, case)
        if new is not None:
            drawn.append((new, base))
    return drawn


def rates(count: int) -> pd.DataFrame:
    """A row per case: the shares of its tables that alarm, name a reading, are unexplained."""
    kinds = {
        "honest": honest_cases(),
        "other convention": convention_cases(),
        "altered": altered_cases(),
    }
    rows = []
    for kind, cases in kinds.items():
        for name, case in cases.items():
            rng = np.random.default_rng(SEED)
            outcomes = np.array([outcome(*pair) for pair in tables_of(kind, case, rng, count)])
            alarm, named, unexplained = outcomes.mean(axis=0)
            shares = {"alarm": alarm, "named": named, "unexplained": unexplained}
            rows.append({"kind": kind, "case": name, "tables": count, **shares})
            print(f"{kind}: {name}: {alarm:.3f} {named:.3f} {unexplained:.3f}", flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    """Measure, print and keep the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    measured = rates(arguments.tables)
    arguments.out.mkdir(parents=True, exist_ok=True)
    measured.to_parquet(arguments.out / "published.parquet")


if __name__ == "__main__":
    main()
