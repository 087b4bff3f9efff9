"""Is this the same as that: both one-sided tests against scipy, and what is said of them."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as reference

from actstudy.analysis.questions.procedure import TOO_FEW
from actstudy.contract.errors import StudyError
from actstudy.judging.statistics import equivalence
from actstudy.judging.statistics.equivalence import BETTER, NOT_BETTER, NOT_WORSE, OPEN, SAME, WORSE


def noise(n: int, key: int = 0, sd: float = 1.0) -> np.ndarray:
    return np.random.default_rng(key).normal(0, sd, n)


def p_of(result):
    return result.p_not_worse, result.p_not_better


@pytest.mark.parametrize("key", range(3))
def test_both_ends_are_scipys_t_tests(key):
    x = noise(9, key)
    result = equivalence.of_pairs(x, 0.7)
    lower = reference.ttest_1samp(x, -0.7, alternative="greater").pvalue
    upper = reference.ttest_1samp(x, 0.7, alternative="less").pvalue
    assert p_of(result) == pytest.approx((lower, upper))
    interval = reference.ttest_1samp(x, 0).confidence_interval(0.9)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
    y = noise(8, key + 10, 2.0)
    result = equivalence.of_runs(x, y, 0.7)
    lower = reference.ttest_ind(x + 0.7, y, equal_var=False, alternative="greater").pvalue
    upper = reference.ttest_ind(x - 0.7, y, equal_var=False, alternative="less").pvalue
    assert p_of(result) == pytest.approx((lower, upper))
    interval = reference.ttest_ind(x, y, equal_var=False).confidence_interval(0.9)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(
    ("shift", "sd", "verdict"),
    [
        (0.0, 0.1, SAME),
        (-3.0, 0.5, WORSE),
        (3.0, 0.5, BETTER),
        (1.0, 0.5, NOT_WORSE),
        (-1.0, 0.5, NOT_BETTER),
        (0.0, 9.0, OPEN),
    ],
)
def test_what_is_said(shift, sd, verdict):
    x = noise(8, 3)
    x = sd * (x - x.mean()) / x.std(ddof=1) + shift
    result = equivalence.of_pairs(x, 1.0)
    assert result.verdict == verdict
    is_inside = max(-result.low, result.high) < 1
    assert is_inside == (verdict == SAME)
    words = equivalence.sentence(result, "ours", "theirs", "points")
    assert words.startswith("ours is ")
    assert "theirs" in words
    assert "the margin of 1 points" in words
    assert "(90% interval " in words
    assert verdict.partition(";")[0] in words
    assert ("more seed" in words) == (result.more_seeds is not None)


def test_equal_runs_are_the_same_and_constant_ones_may_not_be():
    assert equivalence.of_pairs(np.zeros(8), 0.1).verdict == SAME
    assert equivalence.of_pairs(np.full(8, 0.5), 0.1).verdict == BETTER
    assert equivalence.of_runs(np.ones(9), np.ones(8), 0.1).verdict == SAME
    assert equivalence.of_runs(np.zeros(9), np.ones(8), 0.1).verdict == WORSE


@pytest.mark.parametrize("shift", [0.0, 9.0, -9.0])
def test_below_the_seeds_of_a_verdict_nothing_is_said(shift):
    x = 0.01 * noise(7) + shift
    few = equivalence.of_pairs(x, 1.0)
    assert few.verdict == TOO_FEW
    assert np.isnan(p_of(few)).all()
    assert few.more_seeds == 1
    words = equivalence.sentence(few, "ours", "theirs")
    assert words.startswith("ours is not judged against theirs: too few seeds (7 of 8): gain ")
    lonely = equivalence.of_runs(0.01 * noise(30) + shift, 0.01 * noise(3), 1.0)
    assert (lonely.verdict, lonely.more_seeds) == (TOO_FEW, 5)
    assert "too few seeds (3 of 8)" in equivalence.sentence(lonely, "ours", "theirs")
    assert equivalence.of_pairs(np.full(2, shift), 1.0).more_seeds == 6
    assert equivalence.of_pairs(np.append(x, shift), 1.0).verdict in (SAME, BETTER, WORSE)


def test_a_difference_of_the_margin_is_seldom_the_same():
    for shift in (1.0, -1.0):
        words = [equivalence.of_pairs(noise(8, key) + shift, 1.0).verdict for key in range(1500)]
        assert words.count(SAME) / 1500 < 0.05 + 3 * 0.0057


def test_the_seeds_that_are_promised_have_their_power():
    pilot = noise(8, 1)
    more = equivalence.of_pairs(pilot / pilot.std(ddof=1), 0.6).more_seeds
    words = [equivalence.of_pairs(noise(8 + more, key), 0.6).verdict for key in range(500)]
    assert words.count(SAME) / 500 > 0.8
    assert equivalence.of_pairs(9 * noise(8), 0.1).more_seeds is None
    assert equivalence.of_runs(noise(9), noise(8, 1), 0.6).more_seeds > 5


def frame_of(**levels):
    parts = []
    for level, values in levels.items():
        part = {"level": level, "seed": range(len(values)), "value": values}
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def test_a_table_pairs_by_seed_if_both_sides_have_the_same():
    base = noise(8, 1, 3.0)
    runs = frame_of(ref=base, paired=base + noise(8, 2, 0.1), longer=noise(9, 3, 3.0) + 50)
    rows = equivalence.table(runs, "ref", 0.5).set_index("level")
    assert rows.loc["paired", "verdict"] == SAME
    assert rows.loc["longer", "verdict"] == BETTER
    assert list(rows.loc["longer", ["n", "n_reference"]]) == [9, 8]
    assert rows.loc["paired", "interval_level"] == pytest.approx(0.95)  # two levels share 5%
    lower = equivalence.table(runs, "ref", 0.5, higher_is_better=False).set_index("level")
    assert lower.loc["longer", "verdict"] == WORSE
    assert lower.loc["paired", "mean"] == pytest.approx(-rows.loc["paired", "mean"])
    unpaired = equivalence.table(runs, "ref", 0.5, paired=False).set_index("level")
    assert unpaired.loc["paired", "verdict"] == OPEN


@pytest.mark.parametrize(
    ("runs", "baseline", "margin", "words"),
    [
        ({"ref": [1.0, 2.0], "new": [1.0, 2.0]}, "rfe", 0.1, "baseline: got 'rfe'; did you mean"),
        ({"ref": [1.0], "new": [1.0]}, "ref", 0.1, "two finite numbers or more"),
        ({"ref": [1.0, 2.0], "new": [1.0, math.inf]}, "ref", 0.1, "two finite numbers or more"),
        ({"ref": [1.0, 2.0], "new": [1.0, 2.0]}, "ref", 0.0, "margin: got 0.0; allowed"),
    ],
)
def test_what_cannot_be_compared_is_refused(runs, baseline, margin, words):
    with pytest.raises(StudyError, match=words):
        equivalence.table(frame_of(**runs), baseline, margin)
