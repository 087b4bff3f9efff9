"""Published tables: what `check` reads, recomputes, and says of rows that do not fit."""

import itertools
import math
import sys

import numpy as np
import pytest
from commands import command
from runs import ROOT
from scipy import stats

from actstudy.analysis.page import published_tables
from actstudy.analysis.questions import published
from actstudy.analysis.questions.published_readings import DEPARTURES
from actstudy.contract.errors import StudyError
from actstudy.study import replication
from actstudy.study.printed import Printed, read_printed, read_row

sys.path.append(str(ROOT / "benchmarks"))
import published as simulations

FOLDER = ROOT / "config/replicate"
MISH = FOLDER / "mish_cifar10.yaml"
BASE = {"mean": "80.0000", "sd": "0.4500"}
ROW = {"mean": "80.7500", "sd": "0.3600"}
HONEST = {"p": "0.0007", "d": "1.84", "low": "0.3671", "high": "1.1329"}


def judged(row, base=BASE, n=10, base_n=None):
    """The row of `check` for one row of texts against a baseline."""
    rows = [
        {"name": "b", "n": base_n or n, **read_row(base, "b")},
        {"name": "a", "n": n, **read_row(row, "a")},
    ]
    return published.check(rows, "b").iloc[0]


def checked(file):
    """The table of `check` of a file, by name, and the page."""
    source, rows = replication.read_published(file)
    table = published.check(rows, source.baseline, source.level)
    return table.set_index("name"), published_tables.published_section(source, table)


def write(folder, rows, n=10):
    """A file of a published table, rows as YAML in braces by name."""
    lines = [f"  {name}: {{{text}}}" for name, text in rows.items()]
    file = folder / "x.yaml"
    file.write_text(f"source: s\nn: {n}\nbaseline: b\nrows:\n" + "\n".join(lines) + "\n")
    return file


# The shipped tables


def test_mish_table_names_the_two_rows_that_cannot_be():
    table, page = checked(MISH)
    assert len(table) == 33
    bad = table[table["inconsistent"] != ""]
    assert list(bad.index) == ["SoftPlus(β = 1)", "ISRU (α=1.0)"]
    assert "half width 0.3021 to 0.3022 where sd and n give 0.6121" in bad["inconsistent"].iloc[0]
    assert "d 5.302987 where mean and sd give 2.129 to 2.198" in bad["inconsistent"].iloc[1]
    assert "does not hold its own difference of means" in bad["inconsistent"].iloc[1]
    assert list(bad["would_fit"]) == list(bad["not_excluded"]) == ["", ""]
    assert "2 fit neither the pooled nor Welch's test" in page
    assert page.count(published_tables.IMPOSSIBLE) == 2


def test_of_the_three_seed_table_one_row_fits_neither_test():
    table, page = checked(FOLDER / "mish_cifar10_n3.yaml")
    counts = table["fits"].value_counts().to_dict()
    assert counts == {"pooled alone": 30, "pooled and Welch": 2, "neither": 1}
    row = table.loc["Hard ELisH"]
    assert (row["p_pooled_high"], row["p_welch_low"]) == pytest.approx((2.3e-5, 5.4e-4), rel=0.05)
    assert "n instead of n - 1 as the sd's divisor" in row["would_fit"]
    assert "Assumed: unpaired runs, two-sided p, sd with n - 1" in page
    assert "Paired tests and rank tests cannot be recomputed" in page


def test_the_exit_status_is_of_rows_that_fit_no_reading(tmp_path):
    impossible = command(tmp_path, "check", str(MISH))
    explained = command(tmp_path, "check", str(FOLDER / "mish_cifar10_n3.yaml"))
    refused = command(tmp_path, "check", str(tmp_path / "none.yaml"))
    assert [done.returncode for done in (impossible, explained, refused)] == [1, 0, 2]


# Recomputing


def test_recomputed_values_agree_with_scipy():
    rng = np.random.default_rng(1)
    a = rng.normal(3, 1, 12)
    b = rng.normal(2, 2, 15)
    texts = []
    for x in (a, b):
        texts.append({"mean": repr(float(x.mean())), "sd": repr(float(x.std(ddof=1)))})
    row = judged(*texts, n=12, base_n=15)
    pooled = stats.ttest_ind(a, b)
    welch = stats.ttest_ind(a, b, equal_var=False)
    assert row["t"] == pytest.approx(pooled.statistic)
    assert (row["low"], row["high"]) == pytest.approx(tuple(pooled.confidence_interval()))
    assert row["p_pooled_low"] == pytest.approx(pooled.pvalue)
    assert row["p_welch_high"] == pytest.approx(welch.pvalue)
    sd = math.sqrt((11 * a.var(ddof=1) + 14 * b.var(ddof=1)) / 25)
    assert row["d_low"] == pytest.approx((a.mean() - b.mean()) / sd)
    assert row["fits"] == "nothing printed"


def alarms(count, **habits):
    """How many of some simulated tables fit neither test, and how many of those no reading."""
    rng = np.random.default_rng(0)
    outcomes = [simulations.outcome(*simulations.table(rng, **habits)) for _ in range(count)]
    alarm, _, unexplained = np.sum(outcomes, axis=0)
    return alarm, unexplained


@pytest.mark.parametrize("case", list(simulations.honest_cases().items()), ids=lambda case: case[0])
def test_honest_tables_raise_no_alarm(case):
    assert alarms(30, **case[1]) == (0, 0)


@pytest.mark.parametrize(
    "case", list(simulations.convention_cases().items()), ids=lambda case: case[0]
)
def test_a_table_of_another_convention_is_never_called_impossible(case):
    alarm, unexplained = alarms(8, **case[1])
    assert unexplained == 0
    assert alarm > 0


# What each row says


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"p": "0.5"}, "p 0.5 where mean, sd and n give"),
        ({"p": "< 0.00000001"}, "p < 0.00000001 where"),
        ({"p": "> 0.05"}, "p > 0.05 where"),
        ({"p": "n.s."}, "p n.s. where"),
        ({"d": "0.9"}, "d 0.9 where"),
        # printed with a minus, though the row lies above the baseline
        ({"d": "-1.8385"}, "d -1.8385 where"),
        ({"low": "2.5", "high": "3.5"}, "does not hold its own difference"),
        ({"low": "0.1000", "high": "1.2"}, "half width"),
        ({"low": "0.3411", "high": "1.5"}, "centre"),
        ({"low": "-0.2", "high": "0.3"}, "disagree"),
    ],
)
def test_each_fault_is_found(change, fault):
    assert judged(ROW | HONEST)["inconsistent"] == ""
    row = judged(ROW | HONEST | change)
    assert row["fits"] == "neither"
    assert fault in row["inconsistent"]


def test_a_p_between_the_two_tests_fits_neither():
    """ReLU of the 3-seed table: pooled 0.047, Welch 0.104."""
    base = {"mean": "87.93", "sd": "0.04358898943540784"}
    row = {"mean": "87.06", "sd": "0.5311308689955831"}
    fits = {p: judged({**row, "p": p}, base, n=3)["fits"] for p in ("0.0475", "0.075", "0.104")}
    assert fits == {"0.0475": "pooled alone", "0.075": "neither", "0.104": "Welch alone"}


def test_a_row_must_fit_one_test_in_all_that_it_prints():
    base = {"mean": "87.9300", "sd": "0.0436"}
    row = {"mean": "87.0600", "sd": "0.5311"}
    pooled = stats.ttest_ind_from_stats(87.06, 0.5311, 3, 87.93, 0.0436, 3)
    half = stats.t.ppf(0.975, 4) * 0.87 / abs(pooled.statistic)
    interval = {"low": f"{-0.87 - half:.3f}", "high": f"{-0.87 + half:.3f}"}
    assert judged({**row, **interval, "p": "0.0474"}, base, n=3)["fits"] == "pooled alone"
    mixed = judged({**row, **interval, "p": "0.1042"}, base, n=3)
    assert mixed["fits"] == "neither"
    assert "pooled: p 0.1042 where" in mixed["inconsistent"]
    assert "sd and n give 1.307" in mixed["inconsistent"].split("Welch: ")[1]


@pytest.mark.parametrize(
    "change",
    [
        {"p": "0.05", "low": "-0.01", "high": "1.87"},
        {"p": "0.0497", "low": "0.00", "high": "1.88"},
        {"p": "< 0.1", "low": "-0.01", "high": "1.87"},
        {"p": "<= 0.1", "low": "0.0", "high": "1.9"},
    ],
)
def test_rounding_is_no_contradiction(change):
    base = {"mean": "80.00", "sd": "1.00"}
    row = {"mean": "80.935", "sd": "1.00"}
    assert judged({**row, **change}, base)["fits"] == "pooled and Welch"


@pytest.mark.parametrize("sd", ["0", "0.0", "0.00"])
def test_sds_that_round_to_zero_leave_room(sd):
    row = judged({"mean": "80.1", "sd": sd, "p": "0.04", "d": "1.2"}, {"mean": "80.0", "sd": sd})
    assert row["fits"] in published.FITS
    assert (
        judged({"mean": "80.0", "sd": "0.0", "p": "1"}, {"mean": "80.0", "sd": "0.0"})[
            "inconsistent"
        ]
        == ""
    )


def named(habits):
    """The readings that every one of some tables of a convention fits."""
    rng = np.random.default_rng(3)
    shared = set(DEPARTURES)
    for _ in range(6):
        row, base = simulations.table(rng, digits=(4, 4, 4), **habits)
        n = row.pop("n")
        base_n = base.pop("n")
        outcome = judged(row, base, n, base_n)
        if outcome["fits"] == "neither":
            shared &= set(outcome["would_fit"].split("; "))
    return shared


@pytest.mark.parametrize(
    ("habits", "reading"),
    [
        ({"tail": "greater"}, "a one-sided p for a row above the baseline"),
        ({"tail": "less"}, "a one-sided p for a row below the baseline"),
        ({"spread": "n"}, "n instead of n - 1 as the sd's divisor"),
        (
            {"spread": "n", "effect": "n"},
            "n instead of n - 1 as the divisor of the sd and in d",
        ),
        ({"effect": "n"}, "n instead of n - 1 as divisor in d"),
        ({"spread": "standard error"}, "the standard error in the sd column"),
        ({"interval": "normal"}, "a normal (1.96) interval"),
        ({"effect": "g"}, "Hedges' g in the d column"),
        ({"effect": "Glass"}, "Glass's delta in the d column"),
        ({"effect": "mean", "n": 5, "base_n": 23}, "d by the mean of both variances"),
        ({"interval": "reversed"}, "an interval of baseline - row"),
        ({"cut": True}, "digits cut, not rounded"),
    ],
)
def test_the_reading_that_a_convention_has_is_named(habits, reading):
    assert named(habits) >= {reading}
    assert len(named(habits)) < 4


def test_signs_that_are_reversed_are_named():
    reversed_d = judged(ROW | HONEST | {"d": "-1.84"})
    assert reversed_d["would_fit"] == "a d of baseline - row"
    both = judged(ROW | HONEST | {"d": "-1.84", "low": "-1.1329", "high": "-0.3671"})
    assert both["would_fit"] == "d and interval of baseline - row"
    normal = stats.norm.sf(0.75 / 0.18224) * 2
    assert (
        "p and interval of a normal distribution"
        in judged(ROW | {"p": f"{normal:.6f}"})["would_fit"]
    )


def test_a_paired_or_a_rank_test_is_excluded_only_where_it_is_impossible():
    assert judged(ROW | {"p": "0.0123"})["not_excluded"] == "a paired test and a rank test"
    # no correlation makes 1 of p, and a rank test of 3 against 3 has none below 0.049
    assert judged(ROW | {"p": "1.0000"})["not_excluded"] == "a rank test"
    assert judged(ROW | {"p": "0.0123"}, n=3)["not_excluded"] == "a paired test"
    assert judged(ROW | HONEST | {"d": "0.9"})["not_excluded"] == ""


# Reading


def test_rounding_reads_the_printed_digits():
    for text, low, high in (
        ("0.10", 0.095, 0.105),
        ("87.5", 87.45, 87.55),
        ("5e-3", 0.0045, 0.0055),
        ("83", 82.5, 83.5),
        ("−1.84", -1.845, -1.835),
        ("80.00%", 79.995, 80.005),
        (".5", 0.45, 0.55),
    ):
        assert read_printed(text, "mean").rounded() == pytest.approx((low, high))
    assert read_printed("-1.84", "d").cut() == pytest.approx((-1.85, -1.84))
    assert read_printed("0.0", "d").cut() == pytest.approx((-0.1, 0.1))


@pytest.mark.parametrize(
    ("text", "value", "bound"),
    [
        ("0.0007*", 0.0007, ""),
        ("0.0007 ***", 0.0007, ""),
        ("= 0.03", 0.03, ""),
        ("> 0.05", 0.05, ">"),
        ("≥0.05", 0.05, ">"),
        ("<= 0.001", 0.001, "<"),
        ("≤ 0.001", 0.001, "<"),
        ("<.001", 0.001, "<"),
        ("n.s.", 0.05, ">"),
        ("NS", 0.05, ">"),
        ("n. s.", 0.05, ">"),
    ],
)
def test_printed_p_values_are_read(text, value, bound):
    printed = read_printed(text, "p")
    assert (printed.value, printed.bound) == (value, bound)


WRONG = [
    ("sd", "-0.36"),
    ("sd", "inf"),
    ("sd", "< 1"),
    ("mean", "nan"),
    ("mean", "87,48"),
    ("mean", "1_000"),
    ("mean", "80 ± 1"),
    ("mean", "1e999"),
    ("mean", ""),
    ("p", "1.3"),
    ("p", "-0.1"),
    ("p", "4%"),
    ("p", "significant"),
    ("d", "n.s."),
    ("d", "> 1"),
    ("low", "inf"),
]


@pytest.mark.parametrize(("key", "text"), WRONG)
def test_what_is_no_printed_number_is_refused_in_one_line(tmp_path, key, text):
    row = {"mean": "80.75", "sd": "0.36", "p": "0.0007", "low": "0.3", "high": "1.1", key: text}
    texts = ", ".join(f'{name}: "{value}"' for name, value in row.items())
    file = write(tmp_path, {"b": 'mean: "80.00", sd: "0.45"', "a": texts})
    done = command(tmp_path, "check", "x.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert f"{file.name}: rows.a.{key}: got '{text}'; allowed: " in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('low: "1.2", high: "0.3"', "rows.a.low: got '1.2', above `high`, '0.3'; allowed"),
        ('low: "1.2"', "rows.a.high: got nothing; allowed"),
        ('high: "1.2"', "rows.a.low: got nothing; allowed"),
        ("p: 0.05", "p: got 0.05"),
        ("n: 1", "n: got 1"),
        ("", "rows: nothing to check; allowed: p, d, or low and high"),
    ],
)
def test_faults_of_a_row_are_named_in_one_line(tmp_path, text, message):
    row = f'mean: "80.75", sd: "0.36", {text}'
    file = write(tmp_path, {"b": 'mean: "80.00", sd: "0.45", p: "0.5"', "a": row})
    with pytest.raises(StudyError) as caught:
        replication.read_published(file)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_that_prints_nothing_is_counted_as_such(tmp_path):
    rows = {"b": 'mean: "80.00", sd: "0.45"', "a": 'mean: "80.75", sd: "0.36", p: "0.0007"'}
    rows["c"] = 'mean: "80.10", sd: "0.40"'
    _, page = checked(write(tmp_path, rows))
    assert "Of 2 rows 1 fit the pooled and Welch's test, 1 print nothing to check." in page


def test_an_unknown_baseline_is_named(tmp_path):
    (tmp_path / "x.yaml").write_text(MISH.read_text().replace("baseline: Mish", "baseline: mish"))
    with pytest.raises(StudyError, match="did you mean 'Mish'"):
        replication.read_published(tmp_path / "x.yaml")


def test_every_reading_is_tried_by_both_tests():
    printed = Printed("1", 1.0, 1.0)
    for name, test in itertools.product(DEPARTURES, ("pooled", "Welch")):
        readings = published.departures(name)
        assert [reading.test for reading in readings] == ["pooled", "Welch"]
        assert readings[0].bounds(printed)[1] > 1, (name, test)
