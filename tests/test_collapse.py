"""Which runs collapsed, and which risk of it remains."""

import numpy as np
import pandas as pd
import pytest
from plans import task_plan
from scipy.stats import binom

from actstudy.analysis.questions import collapse
from actstudy.analysis.questions.seed_values import TaskValues

CELL = ("", "gelu")


def gains(values, chance=0.1, diverged=(), **settings):
    frame = pd.DataFrame({CELL: values}, dtype=float)
    fell = frame.isna()
    fell.loc[list(diverged)] = True
    level = pd.Series(chance, frame.columns)
    return collapse.gains(TaskValues(frame, fell, level), task_plan(**settings))


@pytest.mark.parametrize(
    ("values", "collapsed"),
    [
        ([0.7, 0.7, 0.7, 0.39], [3]),
        ([0.7, 0.7, 0.7, 0.41], []),
        ([0.7, 0.7, 0.7, 0.7, 0.1, 0.1, 0.1], [4, 5, 6]),
        ([0.12, 0.11, 0.1, 0.09], []),  # near chance, noise is no collapse
        ([0.16, 0.2, 0.12, 0.18, 0.14, 0.22, 0.1, 0.17], []),  # nor is wide noise above it
        ([0.9], []),
    ],
)
def test_a_run_below_half_way_to_its_cells_median_collapsed(values, collapsed):
    judged = gains(values)
    assert np.flatnonzero(judged.collapsed[CELL]).tolist() == collapsed
    assert np.flatnonzero(judged.typical[CELL].isna()).tolist() == collapsed


def test_lower_is_better_has_its_line_above():
    judged = gains([5.0, 5.1, 5.2, 7.6, 9.0], 10.0, higher_is_better=False, margin=0.1)
    assert np.flatnonzero(judged.collapsed[CELL]).tolist() == [4]
    assert judged.every[CELL].tolist() == [-5.0, -5.1, -5.2, -7.6, -9.0]


def test_a_diverged_run_collapsed_wherever_its_cell_is():
    trains = gains([0.7, 0.7, 0.1], diverged=[2])
    assert (trains.collapsed[CELL].sum(), trains.typical[CELL].count()) == (1, 2)
    stalls = gains([0.7, 0.1, 0.1], diverged=[1, 2])
    assert (stalls.collapsed[CELL].sum(), stalls.typical[CELL].count()) == (2, 3)
    assert not stalls.trains[CELL]


def test_without_chance_level_nothing_is_known_of_a_collapse():
    judged = gains([0.7, 0.1], np.nan)
    assert not judged.collapsed.any(axis=None)
    assert judged.typical[CELL].tolist() == [0.7, 0.1]


@pytest.mark.parametrize("n", [1, 8, 20, 40])
def test_the_largest_risk_is_the_exact_limit(n):
    for events in range(n):
        risk = collapse.largest_risk(events, n)
        assert binom.cdf(events, n, risk) == pytest.approx(0.05)
    assert collapse.largest_risk(n, n) == 1.0
    assert collapse.largest_risk(0, 0) == 1.0


def test_none_of_eight_allows_31_percent():
    assert collapse.largest_risk(0, 8) == pytest.approx(0.312, abs=5e-4)


@pytest.mark.parametrize("risk", [0.0, 0.02, 0.1, 0.3, 0.5])
def test_the_limit_covers_the_risk(risk):
    """By enumeration: the probability of a limit below the true risk is at most 5%."""
    for n in (8, 12, 20):
        missed = [k for k in range(n + 1) if collapse.largest_risk(k, n) < risk]
        assert binom.pmf(missed, n, risk).sum() <= 0.05


def test_better_on_average_at_any_risk():
    """0.9 of the runs gain 0.1, a tenth loses 0.5: 0.09 - 0.05."""
    assert collapse.is_better_at_any_risk(0.1, 0.1, 0.5)
    assert not collapse.is_better_at_any_risk(0.1, 0.2, 0.5)
    assert collapse.is_better_at_any_risk(0.1, 0.9, -0.2)
