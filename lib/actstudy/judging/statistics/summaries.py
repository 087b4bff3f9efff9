"""Verdicts from means alone: Welch's tests of mean, sd and n, which take noise to be normal."""

import numpy as np
import pandas as pd

from actstudy.analysis.questions.procedure import ALPHA, Verdict
from actstudy.judging.statistics import welch
from actstudy.judging.statistics.unpaired import verdicts_of
from actstudy.judging.statistics.welch import Side

ASSUMPTION = (
    "from means, sd and n alone: runs are taken to be independent with nearly normal noise, "
    "which summaries cannot show (Welch's t tests, Holm's method)"
)


def judge_summaries(
    rows: pd.DataFrame, margin: float, sign: int = 1, spend: float = ALPHA
) -> list[Verdict]:
    """A verdict per row but the first, which is the baseline; rows: mean, sd, n of a level each.

    sign: 1 if a higher mean is better, else -1. Families, limits and n as in `judge_unpaired`.
    """
    sides = sides_of(rows, sign)
    n = np.array([side.n for side in sides])
    tested = (n[1:] >= welch.MIN_RUNS) & (n[0] >= welch.MIN_RUNS)
    alone = np.ones(len(sides) - 1)
    for j in np.flatnonzero(tested):
        alone[j] = welch.two_sided(welch.difference(sides[1 + j], sides[0]))
    return verdicts_of(sides, welch.holm(alone), tested, margin, spend)


def sides_of(rows: pd.DataFrame, sign: int) -> list[Side]:
    """Each row as a side, of which a larger mean is better."""
    sides = []
    for n, mean, sd in zip(rows["n"], rows["mean"], rows["sd"], strict=True):
        sides.append(Side(np.array(n), np.array(sign * mean), np.array(sd)))
    return sides
