"""The intervals of what is measured for a guide, against coverage and textbook values."""

import numpy as np
import pytest
from scipy import stats

from actstudy.analysis.questions.stats import mean_interval
from actstudy.contract.reading import LEVEL, exact, mean_of, median_of, ratio_of, share_of


def test_a_mean_has_the_t_interval():
    x = [1.0, 2.0, 4.0, 7.0]
    value = mean_of(x)
    low, high = stats.t.interval(0.95, 3, np.mean(x), stats.sem(x))
    assert (value.value, value.n) == (3.5, 4)
    assert (value.low, value.high) == pytest.approx((low, high))


@pytest.mark.parametrize("n", [2, 5, 30])
def test_a_mean_has_the_interval_that_studies_have(n):
    """Both write down one formula: the hash of every measurement is of the one in contract/."""
    x = np.random.default_rng(n).exponential(size=n)
    value = mean_of(x.tolist())
    estimate = mean_interval(x.tolist(), LEVEL)
    for name in ("value", "low", "high", "n"):
        assert getattr(value, name) == pytest.approx(getattr(estimate, name), rel=1e-12)


def test_a_share_has_the_wilson_interval():
    value = share_of(0, 20)
    assert (value.value, value.low) == (0, 0)
    assert value.high == pytest.approx(1.959964**2 / (20 + 1.959964**2), rel=1e-5)


@pytest.mark.parametrize("n", [6, 9, 20, 100])
def test_a_median_lies_in_its_interval_in_95_percent(n):
    rng = np.random.default_rng(n)
    hits = 0
    for _ in range(2000):
        value = median_of(rng.exponential(size=n))
        hits += value.low <= np.log(2) <= value.high
    assert hits / 2000 >= 0.94


def test_a_median_of_few_values_has_no_interval_and_is_refused():
    with pytest.raises(ValueError, match="from 6 values on; got 5"):
        median_of([1.0, 2.0, 3.0, 4.0, 5.0])


def test_a_ratio_of_means_lies_in_its_interval_in_95_percent():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        others = 1 + 0.3 * rng.standard_normal(10)
        value = ratio_of(3 * others + 0.5 * rng.standard_normal(10), others)
        hits += value.low <= 3 <= value.high
    assert 0.93 < hits / 2000 < 0.97


def test_a_ratio_is_above_a_bound_if_that_many_times_the_other_is_below():
    values = np.array([8.0, 9.5, 7.0, 9.0])
    others = np.array([2.0, 1.5, 2.5, 2.0])
    low = ratio_of(values, others).low
    assert mean_of(values - low * others).low == pytest.approx(0, abs=1e-9)


def test_a_ratio_to_what_may_be_0_has_no_ends():
    for others in ([0.0, 0.0, 0.0], [-1.0, 1.0, 0.1]):
        value = ratio_of([1.0, 2.0, 3.0], others)
        assert (value.low, value.high) == (-np.inf, np.inf)


def test_a_computed_number_has_no_interval():
    value = exact(2.5)
    assert (value.low, value.high, value.n) == (2.5, 2.5, 0)
