"""The intervals of what is measured for a guide, against coverage and textbook values."""

import numpy as np
import pytest
from scipy import stats

from actstudy.contract.reading import exact, mean_of, median_of, share_of


def test_a_mean_has_the_t_interval():
    x = [1.0, 2.0, 4.0, 7.0]
    value = mean_of(x)
    low, high = stats.t.interval(0.95, 3, np.mean(x), stats.sem(x))
    assert (value.value, value.n) == (3.5, 4)
    assert (value.low, value.high) == pytest.approx((low, high))


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


def test_a_computed_number_has_no_interval():
    value = exact(2.5)
    assert (value.low, value.high, value.n) == (2.5, 2.5, 0)
