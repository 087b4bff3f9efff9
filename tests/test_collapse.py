"""Which runs collapsed, and which risk of it remains."""

import numpy as np
import pandas as pd
import pytest
from plans import task_plan
from runs import ROOT
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


# docs/statistics.md against benchmarks/results/collapse.parquet, which benchmarks/collapse.py wrote

MEASURED = pd.read_parquet(ROOT / "benchmarks/results/collapse.parquet")
CASE = ["who", "rate", "effect", "K", "n", "looks", "floor", "is_partial"]
STATISTICS = (ROOT / "docs/statistics.md").read_text()


def measured(measure):
    """The values of a measure, a row per case."""
    rows = MEASURED[MEASURED["measure"] == measure]
    return rows.set_index(CASE)["value"]


def table_of(cells, head):
    """Markdown of texts indexed by CASE: a row per distance to chance, seeds and effect.

    The columns are rates of collapse; K = 4, and the levels collapse.
    """
    rows = cells.rename("text").reset_index()
    rows = rows[(rows["K"] == 4) & (rows["who"] == "levels")]
    lines = [f"| {head} | rate 0 | 0.02 | 0.1 | 0.3 |", "|---|---|---|---|---|---|---|"]
    for (partial, floor, n, effect), part in rows.groupby(["is_partial", "floor", "n", "effect"]):
        texts = part.set_index("rate")["text"].reindex([0.0, 0.02, 0.1, 0.3]).fillna("")
        place = f"{floor:g}, a third of the way" if partial else f"{floor:g}"
        lines.append(f"| {place} | {n} | {effect:g} | {' | '.join(texts)} |")
    return "\n".join(lines)


def table_of_power():
    """By the rule and, in brackets, by the same tests on all runs."""
    better = measured("better")
    on_all = measured("better before, per level").reindex(better.index)
    texts = better.map("{:.2f}".format) + on_all.map(" ({:.2f})".format)
    return table_of(texts[better.index.get_level_values("effect") > 0], HEAD)


def table_of_verdicts_alone():
    """Cases in which "better" alone is said in half a percent of levels or more."""
    alone = measured("better without condition")
    places = alone.groupby(["floor", "n", "effect"]).transform("max") >= 0.005
    return table_of(alone[places].map("{:.2f}".format), HEAD)


def table_of_equal_levels():
    """Studies with a "better" or "worse" although typical runs are equal."""
    wrong = measured("wrong of typical runs")
    equal = wrong.index.get_level_values("effect") == 0
    return table_of(wrong[equal].map("{:.3f}".format), HEAD)


HEAD = "chance, sd lower | seeds | effect"


@pytest.mark.parametrize("table", [table_of_power, table_of_verdicts_alone, table_of_equal_levels])
def test_the_documented_tables_are_the_measured_ones(table):
    assert table() in STATISTICS, table()


def test_what_is_said_of_the_measured_rates_holds():
    """One study in 2,000 of one of 88 cases has a wrong verdict that names no condition."""
    wrong = measured("wrong without condition")
    assert (len(wrong), (wrong > 0).sum(), wrong.max()) == (88, 1, 1 / 2000)
    assert "in one of 88 cases one study\n  of 2,000, in all others none" in STATISTICS
    loss = measured("better before, per level") - measured("better")
    without_collapse = loss[loss.index.get_level_values("rate") == 0]
    assert without_collapse.max() == pytest.approx(0.016, abs=5e-4)
    assert without_collapse.drop(3.0, level="floor").max() == 0
    covered = MEASURED.loc[MEASURED["measure"] == "risk covered", "value"]
    assert covered.min() == pytest.approx(0.9655)
    assert "covered the true one in at least 96.5% of studies" in STATISTICS


@pytest.mark.parametrize(
    ("n", "spend", "share"),
    [(8, 0.05, 0.89), (20, 0.05, 0.29), (20, 0.025, 0.33), (20, 0.01, 0.40)],
)
def test_how_large_a_difference_must_be_for_better_alone(n, spend, share):
    """Of four contrasts, without a collapse; L as a share of c, at the edge of the condition."""
    risk = collapse.largest_risk(0, n, 1 - spend / (2 * 4))
    assert risk / (1 - risk) == pytest.approx(share, abs=0.005)
    assert collapse.is_better_at_any_risk(share + 0.005, risk, 1.0)
    assert not collapse.is_better_at_any_risk(share - 0.005, risk, 1.0)
    assert f"{share:.2f} c" in STATISTICS
