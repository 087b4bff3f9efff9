"""Verdicts at any number of seeds: capital against quadrature and all signs, e-Holm, intervals."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate
from scipy import stats as reference

from actstudy.analysis.questions.procedure import TOO_FEW, UNDECIDED
from actstudy.judging.statistics import anytime, capital, crossing

SIZES = arrays(float, 7, elements=st.floats(0.01, 100))
LATTICE = arrays(float, (9, 3), elements=st.integers(-4, 4).map(lambda value: value / 8))


def noise(n: int, contrasts: int, key: int = 0) -> np.ndarray:
    """Differences that share the baseline's noise, sd 1."""
    values = np.random.default_rng(key).normal(size=(n, contrasts + 1))
    return (values[:, 1:] - values[:, :1]) / math.sqrt(2)


def bayes_factor(x: np.ndarray, side: int) -> float:
    """Noncentral t against t, the effect half-normal, by quadrature."""
    n = len(x)
    t = side * reference.ttest_1samp(x, 0).statistic

    def weighted(effect: float) -> float:
        prior = 2 * reference.norm.pdf(effect, scale=capital.SPREAD)
        return prior * float(reference.nct.pdf(t, n - 1, effect * math.sqrt(n)))

    total = integrate.quad(weighted, 0, 12, epsabs=0, epsrel=1e-9, limit=200)[0]
    return total / float(reference.t.pdf(t, n - 1))


@pytest.mark.parametrize("n", [2, 3, 5, 12, 30])
@pytest.mark.parametrize("mean", [0.0, 0.8, -0.4])
def test_capital_of_normal_differences_is_a_bayes_factor_of_t(n, mean):
    x = noise(n, 1, key=n)[:, 0] + mean
    sides = capital.both(x, "normal")
    for log_capital, side in zip(sides, (1, -1), strict=True):
        assert math.exp(log_capital[-1]) == pytest.approx(bayes_factor(x, side), rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(SIZES)
def test_symmetric_capital_is_1_on_average_over_all_signs(sizes):
    signs = np.array(list(itertools.product((1, -1), repeat=len(sizes)))).T
    log_capital = capital.symmetric(sizes[:, None] * signs)
    assert np.exp(log_capital).mean(axis=1) == pytest.approx(np.ones(len(sizes)), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(SIZES, st.integers(0, 2**7 - 1), st.floats(0.001, 50))
def test_capital_rises_with_the_mean_and_does_not_depend_on_the_unit(sizes, bits, shift):
    x = sizes * (1 - 2 * (bits >> np.arange(7) & 1))
    assert (capital.normal(x + shift) >= capital.normal(x) - 1e-7).all()
    larger = x + shift * (np.arange(7) == 6)  # whatever the seeds before
    assert capital.symmetric(larger)[-1] >= capital.symmetric(x)[-1] - 1e-7
    for of in capital.NOISES.values():
        assert of(1e6 * x) == pytest.approx(of(x), rel=1e-6, abs=1e-6)


def test_a_missing_pair_leaves_capital_as_it_is():
    x = noise(12, 1)[:, 0] + 0.5
    gaps = np.insert(x, [0, 4, 4, 12], np.nan)
    places = np.flatnonzero(np.isfinite(gaps))
    for of in capital.NOISES.values():
        assert of(gaps)[places] == pytest.approx(of(x))
        assert of(gaps)[-1] == of(gaps)[-2]


@pytest.mark.parametrize("name", capital.NOISES)
def test_capital_of_no_difference_seldom_reaches_20(name):
    x = np.random.default_rng(5).normal(size=(100, 4000))
    shares = (capital.NOISES[name](x).max(axis=0) >= math.log(20)).mean()
    assert 0.01 < shares < 0.05 + 3 * 0.0035
    worse = (capital.NOISES[name](x - 0.1).max(axis=0) >= math.log(20)).mean()
    assert worse < shares / 2


@settings(max_examples=20, deadline=None)
@given(arrays(float, (2, 4), elements=st.floats(-3, 9)))
def test_holm_is_closed_testing_by_bonferroni(evidence):
    adjusted_p = anytime.holm_p(capital.Capital(evidence, evidence - 1))
    for row, adjusted in zip(2 * np.exp(-evidence), adjusted_p, strict=True):
        for j in range(4):
            others = [k for k in range(4) if k != j]
            subsets = [[j]]
            for size in (1, 2, 3):
                subsets += [[j, *rest] for rest in itertools.combinations(others, size)]
            expected = max(len(subset) * row[subset].min() for subset in subsets)
            assert adjusted[j] == pytest.approx(min(1, expected))


@pytest.mark.parametrize("name", capital.NOISES)
def test_a_decision_is_kept_and_the_same_whenever_one_looks(name):
    x = noise(40, 3, key=2) + [1.5, 0.0, -1.2]
    last = anytime.judge(x, 1.0, noise=name)
    assert [verdict.verdict for verdict in last] == ["better", "equivalent", "worse"]
    for n in (5, 9, 14, 25, 39):
        for now, end in zip(anytime.judge(x[:n], 1.0, noise=name), last, strict=True):
            if n >= end.decided_at:
                assert (now.verdict, now.decided_at) == (end.verdict, end.decided_at)
            else:
                assert now.verdict in (UNDECIDED, TOO_FEW)
                assert now.decided_at is None
                assert now.more_seeds >= 1


def test_p_is_of_the_largest_capital_so_far():
    x = np.concatenate([noise(10, 1) + 2.0, noise(10, 1, key=1) - 2.0])
    first = anytime.judge(x[:10], 1.0)[0]
    last = anytime.judge(x, 1.0)[0]
    assert first.verdict == last.verdict == "better"
    assert last.p <= first.p
    best = max(bayes_factor(x[:n, 0], 1) for n in range(2, 21))
    assert last.p == pytest.approx(2 / best, rel=1e-4)


def test_equivalence_is_the_weaker_of_two_gamblers():
    x = noise(30, 1, key=4)
    verdict = anytime.judge(x, 1.0)[0]
    upper = max(bayes_factor(x[:n, 0] - 1, -1) for n in range(2, 31))
    lower = max(bayes_factor(x[:n, 0] + 1, 1) for n in range(2, 31))
    assert verdict.p_equivalent == pytest.approx(1 / min(upper, lower), rel=1e-4)
    assert verdict.verdict == "equivalent"


@pytest.mark.parametrize("name", capital.NOISES)
def test_an_interval_ends_where_a_gambler_has_40(name):
    x = noise(20, 1, key=6)[:, 0] + 3
    verdict = anytime.judge(x[:, None], 1.0, noise=name)[0]
    of = capital.NOISES[name]
    assert math.exp(of(x - verdict.low)[-1]) == pytest.approx(40, rel=1e-3)
    assert math.exp(of(verdict.high - x)[-1]) == pytest.approx(40, rel=1e-3)
    student = reference.ttest_1samp(x, 0).confidence_interval(0.95)
    assert verdict.low < student.low < verdict.mean < student.high < verdict.high


@settings(max_examples=8, deadline=None)
@given(LATTICE)
def test_ties_zeros_and_constants_give_verdicts(x):
    for name in capital.NOISES:
        for verdict in anytime.judge(x, 0.5, noise=name):
            assert 0 <= verdict.p <= 1
            assert 0 <= verdict.p_equivalent <= 1
            assert verdict.low <= verdict.mean <= verdict.high


def test_too_few_seeds_are_said_with_how_many_are_missing():
    for n in (0, 1, 3):
        verdict = anytime.judge(noise(n, 4) + 1, 1.0)[0]
        assert verdict.verdict == TOO_FEW
        assert verdict.n == n
        assert (verdict.low, verdict.high) == (-math.inf, math.inf)
    fewest = capital.fewest_pairs(math.log(160), "normal")
    assert anytime.judge(noise(1, 4), 1.0)[0].more_seeds == fewest - 1
    assert anytime.judge(np.full((4, 4), 1e300), 1.0)[0].verdict == TOO_FEW


@pytest.mark.parametrize("name", capital.NOISES)
def test_fewest_pairs_are_those_of_equal_differences(name):
    for evidence in (math.log(20), math.log(160), 12.0):
        n = capital.fewest_pairs(evidence, name)
        of = capital.NOISES[name]
        assert of(np.ones(n))[-1] >= evidence > of(np.ones(n - 1))[-1]


@pytest.mark.parametrize("name", capital.NOISES)
def test_the_seeds_that_are_promised_have_their_power(name):
    evidence = math.log(160)
    x = np.random.default_rng(3).normal(size=(60, 4000)) + 1.2
    seeds = crossing.seeds_to_cross(1.2, evidence, name, 60)
    shares = np.logical_or.accumulate(capital.NOISES[name](x) >= evidence).mean(axis=1)
    assert shares[seeds - 1] == pytest.approx(0.81, abs=0.03)
    assert shares[seeds - 2] < 0.82
    assert crossing.seeds_to_cross(0.2, evidence, name, 60) is None
    effect = crossing.effect_seen(20, evidence, name)
    assert crossing.seeds_to_cross(effect, evidence, name, 20) is not None
    assert crossing.seeds_to_cross(0.97 * effect, evidence, name, 20) is None


def test_more_seeds_counts_from_those_that_are_there():
    total = 10 + crossing.more_seeds(10, 1.0, 1.5, math.log(40), "normal")
    assert crossing.more_seeds(4, 0.0, 1.5, math.log(40), "normal") >= 1
    assert crossing.more_seeds(10, 1.0, 0.0, math.log(40), "normal") is None
    assert crossing.more_seeds(10, 1.0, 0.01, math.log(40), "normal") is None
    assert total < 10 + crossing.more_seeds(10, 2.0, 1.5, math.log(40), "normal")


@pytest.mark.parametrize(
    ("x", "margin", "words"),
    [
        (np.zeros(4), 1.0, "seeds x contrasts"),
        (np.full((4, 1), np.inf), 1.0, "no infinity"),
        (np.zeros((4, 2)), [1.0, 2.0, 3.0], "one or 2 positive"),
        (np.zeros((4, 2)), 0.0, "one or 2 positive"),
    ],
)
def test_what_cannot_be_judged_is_refused(x, margin, words):
    with pytest.raises(ValueError, match=words):
        anytime.judge(x, margin)
