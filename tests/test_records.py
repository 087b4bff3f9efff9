"""Published tables of records, judged by a rule file."""

import json
import math

import numpy as np
import pytest
from refusals import refusal
from runs import ROOT

from actstudy.judging.records import report as records
from actstudy.judging.records.rules import read_rules

TABLE = ROOT / "docs/judge/track3.csv"
RULES = ROOT / "docs/judge/track3.yaml"
SMALL = "entry,loss,n\na,3.0,4\nb,2.9,4\nc,2.89,9\n"
SMALL_RULES = """title: small
source: drawn here
columns: {entry: entry, mean: loss, n: n}
lower_is_better: true
sigma: 0.02
"""


@pytest.fixture
def files(tmp_path):
    """Writes a table and its rules and returns their paths."""

    def write(table=SMALL, rules=SMALL_RULES):
        (tmp_path / "t.csv").write_text(table)
        (tmp_path / "r.yaml").write_text(rules)
        return tmp_path / "t.csv", tmp_path / "r.yaml"

    return write


def p_of(z):
    """The one-sided p of a z value, by the error function."""
    return math.erfc(z / math.sqrt(2)) / 2


def test_a_small_table_by_hand(files):
    text, data = records.report(*files())
    first, second = data["steps"]
    assert first["gain"] == pytest.approx(0.1)
    assert first["z"] == pytest.approx(0.1 / (0.02 * math.sqrt(1 / 2)))
    assert second["p"] == pytest.approx(p_of(0.01 / (0.02 * math.sqrt(1 / 4 + 1 / 9))))
    assert first["p_holm"] == pytest.approx(2 * first["p"])
    assert second["p_holm"] == pytest.approx(second["p"])
    assert data["counts"] == {"pairs": 2, "holm": 1, "plain": 1}
    assert data["tied"]["group"] == ["b", "c"]
    assert data["tied"]["close_to_last_record"] == ["b"]
    assert "own formula" not in text


def test_higher_may_be_better(files):
    rules = SMALL_RULES.replace("true", "false")
    _, data = records.report(*files(rules=rules))
    assert [step["gain"] < 0 for step in data["steps"]] == [True, True]
    assert data["tied"]["group"] == ["a"]
    assert data["tied"]["holds_last_record"] is False


def test_track_3_by_its_own_formula():
    """Every step of the table, from its README's formula as printed."""
    _, data = records.report(TABLE, RULES)
    lines = [line.split(",") for line in TABLE.read_text().splitlines()[1:]]
    rows = [(name, int(steps), float(loss), int(n)) for name, steps, record, loss, n in lines
            if record == "1"]  # fmt: skip
    assert len(data["steps"]) == len(rows) - 1 == 19
    for step, old, new in zip(data["steps"], rows, rows[1:], strict=False):
        gain = old[2] - new[2] + (old[1] - new[1]) / 100 * 0.0045
        score = gain / math.sqrt(1 / old[3] + 1 / new[3])
        assert (step["before"], step["record"]) == (old[0], new[0])
        assert step["gain"] == pytest.approx(gain, abs=1e-12)
        assert step["own"] == (score >= 0.004)
        assert step["p"] == pytest.approx(p_of(score / 0.0013), rel=1e-9)
    valid = sum((3.28 - float(row[3])) * math.sqrt(int(row[4])) >= 0.004 for row in lines)
    assert data["valid"] == valid
    assert data["counts"]["own"] == sum(step["own"] for step in data["steps"])
    assert json.loads(json.dumps(data))["counts"] == data["counts"]


def test_the_set_holds_the_best_and_holm_keeps_its_level():
    """Of tables whose entries are all equal, few steps stand by Holm; 1 in 20 by plain 5%."""
    rng = np.random.default_rng(3)
    rules = read_rules(RULES)
    any_holm = 0
    plain = 0
    holds = 0
    for _ in range(400):
        n = rng.integers(2, 20, 15).astype(float)
        score = rng.normal(0, rules.sigma / np.sqrt(n))
        names = [str(place) for place in range(15)]
        entries = records.Entries(names, -score, n, np.full(15, True), score)
        steps = records.successive(entries, rules)
        any_holm += bool(steps["holm"].any())
        plain += int(steps["plain"].sum())
        holds += "0" in records.tied(entries, rules)["group"]
    assert any_holm / 400 <= 0.07  # 5% and two standard errors
    assert abs(plain / 400 / 14 - 0.05) < 0.012
    assert holds / 400 >= 0.95


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("sigma: 0.02", "sigma: 0", "sigma"),
        ("sigma: 0.02", "sigma: many", "sigma"),
        ("sigma: 0.02\n", "", "sigma"),
        ("sigma: 0.02", "sgima: 0.02", "did you mean 'sigma'?"),
        ("mean: loss", "mean: los", "did you mean 'loss'?"),
        ("n: n}", "n: n, cost: n}", "exchange"),
        ("title: small", "- a", "r.yaml"),
    ],
)
def test_wrong_rules_are_refused(files, old, new, part):
    refusal(lambda: records.report(*files(rules=SMALL_RULES.replace(old, new))), part)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("2.9,4", "2.9,0", "row 3: column 'n': got 0"),
        ("2.9,4", "2.9,1.5", "a whole number of runs"),
        ("2.9,4", "nan,4", "row 3: column 'loss': got nan"),
        ("2.9,4", ",4", "row 3: column 'loss'"),
        ("2.9,4", "x,4", "got 'x'"),
        ("b,", "a,", "entry 'a': got it twice"),
        ("b,2.9,4\nc,2.89,9\n", "", "got 1 record;"),
    ],
)
def test_wrong_tables_are_refused(files, old, new, part):
    refusal(lambda: records.report(*files(table=SMALL.replace(old, new))), "t.csv", part)


def test_files_that_are_not_there(files, tmp_path):
    table, rules = files()
    refusal(lambda: records.report(tmp_path / "no.csv", rules), "no.csv: no such table")
    refusal(lambda: records.report(table, tmp_path / "no.yaml"), "no.yaml")
    refusal(lambda: records.report(tmp_path, rules), "no such table")
