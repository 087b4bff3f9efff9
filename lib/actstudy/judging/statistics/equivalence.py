"""Is this the same as that? A margin that was stated first, and a t test at each of its ends.

An implementation is the same as its reference if it is neither worse by the margin nor better by
it: one that beats its reference by much has often seen test data, or trains something else. Each
end is a one-sided t test (Schuirmann 1987), of pairs or by Welch; both assume nearly normal noise.
Below MIN_SEEDS pairs, or runs of a side, nothing is said, as in verdicts: there the sd of noise
with long tails is too often too small.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from actstudy.analysis.questions.power import MAX_MORE_SEEDS, MIN_SEEDS, POWER, upper_sd
from actstudy.analysis.questions.procedure import TOO_FEW
from actstudy.contract.counting import counted
from actstudy.contract.errors import StudyError, choices

LEVEL = 0.05  # of each end; both together err with no more, as one of them must
SAME = "the same"
WORSE = "worse"
BETTER = "suspiciously better"
NOT_WORSE = "not worse; better is not excluded"
NOT_BETTER = "not suspiciously better; worse is not excluded"
OPEN = "not shown"
WORDS = {  # verdict -> its sentence
    SAME: "{level} is the same as {baseline}, within the margin of {margin}",
    WORSE: "{level} is worse than {baseline} by more than the margin of {margin}",
    BETTER: "{level} is suspiciously better than {baseline}, by more than the margin of {margin}",
    NOT_WORSE: "{level} is not worse than {baseline} by the margin of {margin}, but may be better "
    "by it",
    NOT_BETTER: "{level} is not suspiciously better than {baseline} by the margin of {margin}, but "
    "may be worse by it",
    OPEN: "{level} is not shown to be the same as {baseline}: it may be worse or better by the "
    "margin of {margin}",
    TOO_FEW: "{level} is not judged against {baseline}: too few seeds ({n} of {needed})",
}


@dataclass(frozen=True)
class Equivalence:
    """The two tests of one level against its reference; gains are positive if it is better.

    n: pairs, or runs of the level (n_reference: of the reference). low, high: the interval that
    lies inside the margin if and only if both ends are excluded. p_not_worse: of "worse by the
    margin or more"; p_not_better: of "better by it or more". more_seeds: for each side, with which
    a level that is exactly as good is shown to be the same with 80%; None if it is decided, or
    above MAX_MORE_SEEDS. Below MIN_SEEDS on a side the verdict is TOO_FEW and both p are missing.
    """

    verdict: str
    n: int
    n_reference: int
    mean: float
    low: float
    high: float
    interval_level: float
    margin: float
    p_not_worse: float
    p_not_better: float
    more_seeds: int | None


def of_pairs(gains: np.ndarray, margin: float, level: float = LEVEL) -> Equivalence:
    """Two one-sided paired t tests of gains (n,), the difference of each seed.

    ValueError below two pairs, for a gain that is not finite, or a margin not above 0.
    """
    x = _checked(gains, margin)
    sd = float(x.std(ddof=1))
    sizes = (len(x), len(x))

    def error(n: int) -> tuple[float, float]:
        return sd / math.sqrt(n), n - 1

    return _tested(float(x.mean()), error(len(x)), sizes, margin, level, error)


def of_runs(
    values: np.ndarray, reference: np.ndarray, margin: float, level: float = LEVEL
) -> Equivalence:
    """The same of runs that share nothing, values (n,) and reference (m,), larger is better.

    Welch's t tests, each side with an sd of its own. ValueError as for pairs.
    """
    x = _checked(values, margin)
    y = _checked(reference, margin)
    variances = (float(x.var(ddof=1)), float(y.var(ddof=1)))
    sizes = (len(x), len(y))

    def error(n: int) -> tuple[float, float]:
        return _welch(variances, (n, n + len(y) - len(x)))

    mean = float(x.mean() - y.mean())
    return _tested(mean, _welch(variances, sizes), sizes, margin, level, error)


def _checked(values: np.ndarray, margin: float) -> np.ndarray:
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or len(x) < 2 or not np.isfinite(x).all():
        raise ValueError(f"values: got shape {x.shape}; allowed: two finite numbers or more")
    if not 0 < margin < math.inf:
        raise ValueError(f"margin: got {margin}; allowed: a number above 0")
    return x


def _welch(variances: tuple[float, float], sizes: tuple[int, int]) -> tuple[float, float]:
    """Standard error and degrees of freedom (Welch 1947) of a difference of means."""
    parts = [variance / n for variance, n in zip(variances, sizes, strict=True)]
    total = sum(parts)
    if total == 0:
        return 0.0, sum(sizes) - 2
    below = sum(part**2 / (n - 1) for part, n in zip(parts, sizes, strict=True))
    return math.sqrt(total), total**2 / below


def _tested(
    mean: float,
    now: tuple[float, float],
    sizes: tuple[int, int],
    margin: float,
    level: float,
    error: Callable[[int], tuple[float, float]],
) -> Equivalence:
    """Both tests from a mean and its standard error; error: that of n seeds, for `more_seeds`."""
    width, freedom = now
    half = float(special.stdtrit(freedom, 1 - level)) * width
    p_not_worse = _tail(mean + margin, width, freedom)
    p_not_better = _tail(margin - mean, width, freedom)
    verdict = _word(mean - half, mean + half, margin, (p_not_worse, p_not_better), level)
    if min(sizes) < MIN_SEEDS:
        verdict = TOO_FEW
        p_not_worse = math.nan
        p_not_better = math.nan
    is_open = verdict in (OPEN, NOT_WORSE, NOT_BETTER, TOO_FEW)
    more = _more_seeds(sizes, margin, level, error) if is_open else None
    ends = (mean - half, mean + half, 1 - 2 * level)
    return Equivalence(verdict, *sizes, mean, *ends, margin, p_not_worse, p_not_better, more)


def _tail(distance: float, width: float, freedom: float) -> float:
    """p of a one-sided t test whose estimate lies `distance` inside of an end."""
    if width == 0:
        return float(distance <= 0)
    return float(special.stdtr(freedom, -distance / width))


def _word(low: float, high: float, margin: float, p: tuple[float, float], level: float) -> str:
    not_worse, not_better = (value <= level for value in p)
    if not_worse and not_better:
        return SAME
    if high < -margin:
        return WORSE
    if low > margin:
        return BETTER
    if not_worse:
        return NOT_WORSE
    return NOT_BETTER if not_better else OPEN


def _more_seeds(
    sizes: tuple[int, int],
    margin: float,
    level: float,
    error: Callable[[int], tuple[float, float]],
) -> int | None:
    """Seeds to add to each side until a level without any difference is `the same` with POWER.

    By the t distribution around 0, with the standard error's 80% upper limit.
    """
    factor = upper_sd(1.0, sizes[0])
    for more in range(max(1, MIN_SEEDS - min(sizes)), MAX_MORE_SEEDS + 1):
        width, freedom = error(sizes[0] + more)
        if width == 0:
            return more
        room = margin / (factor * width) - float(special.stdtrit(freedom, 1 - level))
        if 2 * float(special.stdtr(freedom, room)) - 1 >= POWER:
            return more
    return None


def table(
    frame: pd.DataFrame,
    baseline: str,
    margin: float,
    higher_is_better: bool = True,
    paired: bool | None = None,
) -> pd.DataFrame:
    """A row per task and level: is it the same as the baseline? Columns of `Equivalence`.

    frame: a row per run with level, seed, value, and task if there are several. paired: whether
    runs of one seed belong together; None: if the two sides have the same seeds. The levels of a
    task share LEVEL (Bonferroni). StudyError if the baseline is not there, or a side has one run.
    """
    sign = 1 if higher_is_better else -1
    runs = frame if "task" in frame else frame.assign(task="")
    rows = []
    for task, part in runs.groupby("task", sort=False):
        levels = list(part["level"].unique())
        if baseline not in levels:
            raise StudyError(f"baseline: got {baseline!r}; {choices(baseline, levels)}")
        sides = {level: own.set_index("seed")["value"] for level, own in part.groupby("level")}
        share = LEVEL / max(len(levels) - 1, 1)
        for level in levels:
            if level != baseline:
                try:
                    result = _compared(sides[level], sides[baseline], sign, margin, share, paired)
                except ValueError as error:
                    raise StudyError(f"{level!r:.60} against {baseline!r:.60}: {error}") from None
                rows.append({"task": task, "level": level, "baseline": baseline, **vars(result)})
    return pd.DataFrame(rows)


def _compared(
    values: pd.Series,
    reference: pd.Series,
    sign: int,
    margin: float,
    level: float,
    paired: bool | None,
) -> Equivalence:
    """One level against the baseline, in pairs or not."""
    if paired is None:
        paired = set(values.index) == set(reference.index)
    if paired:
        if values.index.intersection(reference.index).empty:
            raise ValueError("no seed is shared; allowed: seeds of both sides, or unpaired")
        gains = (values - reference).dropna()
        return of_pairs(sign * gains.to_numpy(), margin, level)
    own = sign * values.dropna().to_numpy()
    return of_runs(own, sign * reference.dropna().to_numpy(), margin, level)


def sentence(row: Equivalence, level: str, baseline: str, unit: str = "") -> str:
    """The result in words, with the margin, which was stated first."""
    of = f" {unit}" if unit else ""
    margin = f"{row.margin:g}{of}"
    needed = {"n": min(row.n, row.n_reference), "needed": MIN_SEEDS}
    words = WORDS[row.verdict].format(level=level, baseline=baseline, margin=margin, **needed)
    interval = f"{100 * row.interval_level:.3g}% interval"
    words += f": gain {row.mean:+.4g}{of} ({interval} {row.low:+.4g} to {row.high:+.4g}"
    words += f", n = {row.n})" if row.n == row.n_reference else f", n = {row.n}, {row.n_reference})"
    if pd.notna(row.more_seeds):
        more = counted(f"{row.more_seeds:.0f}", "more seed")
        words += f"; {more} would show that they are the same, if they are"
    return f"{words}."
