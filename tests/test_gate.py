"""The gate: its budget, its decisions, what it remembers, and what it refuses as no change."""

import math
import re
import sys

import numpy as np
import pandas as pd
import pytest
from gates import SETTINGS, ask, noise, write
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import ROOT
from scipy import stats as reference

from actstudy.analysis.questions import capital
from actstudy.analysis.questions.power import MIN_SEEDS
from actstudy.contract.errors import StudyError
from actstudy.judging.gate import changes, decision, gate, ledger, proposals, replies
from actstudy.judging.gate.attempts import Question, same_runs
from actstudy.judging.gate.decision import DO_NOT, KEEP, MORE, Rules, decide, level_of

sys.path.insert(0, str(ROOT / "benchmarks"))
from gate_rules import Attempt

OTHER = {**SETTINGS, "lr": "0.3"}


@pytest.fixture
def place(tmp_path):
    """A baseline of 40 runs, and a candidate 1.5 better in 30."""
    baseline = noise(40, 1)
    write(tmp_path / "base.csv", baseline)
    write(tmp_path / "good.csv", [value + 1.5 for value in noise(30, 2)], OTHER)
    write(tmp_path / "null.csv", noise(40, 3), {**SETTINGS, "lr": "0.5"})
    return tmp_path


def test_the_share_that_is_spent_is_of_the_ledgers_own_budget(place):
    sides = (place / "ledger.jsonl", place / "good.csv", place / "base.csv")
    line = ask(*sides, level=0.005)
    spent = f"{20 / (20 * 21):.1%} of the error budget of 0.5% is spent"
    assert spent in "\n".join(replies.words(replies.of_line(line)))
    again = replies.of_line(ask(*sides))
    assert again["budget"] == 0.005
    assert spent in "\n".join(replies.words(again))
    failed = gate.give_up(place / "ledger.jsonl", None, "idea", "crashed", {})
    assert spent in "\n".join(replies.words(replies.of_line(failed)))


def lines_of(place):
    return ledger.read(place / "ledger.jsonl")


def test_levels_add_up_to_the_budget_and_no_more():
    levels = [level_of(attempt, 0.05) for attempt in range(1, 2001)]
    for count in (1, 20, 100, 2000):
        spent = math.fsum(levels[:count])
        assert spent == pytest.approx(0.05 * count / (decision.HALF + count))
    assert math.fsum(levels) < 0.05
    assert levels == sorted(levels, reverse=True)
    assert math.fsum(levels[: decision.HALF]) == pytest.approx(0.025)


def test_a_change_is_kept_once_its_capital_reaches_the_inverse_of_its_level():
    x = np.array(noise(60, 4)) + 1.2
    level = level_of(3, 0.05)
    result = decide(x, level, Rules())
    log_capital = capital.symmetric(x)
    assert result.verdict == KEEP
    assert log_capital[result.rows - 1] >= -math.log(level) > log_capital[: result.rows - 1].max()
    assert decide(-x, level, Rules()).verdict == DO_NOT


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(-0.5, 2.0), st.integers(9, 60))
def test_a_decision_is_the_same_whenever_it_is_asked_for(key, effect, n):
    x = np.array(noise(60, key)) + effect
    whole = decide(x, 0.002, Rules())
    part = decide(x[:n], 0.002, Rules())
    if whole.rows is not None and whole.rows <= n:
        assert (part.verdict, part.rows) == (whole.verdict, whole.rows)
    else:
        assert part.verdict != KEEP


@pytest.mark.parametrize("effect", [1.5, -0.5])
def test_pairs_after_the_decision_do_not_change_its_evidence(effect):
    """Nor does one that is so large that it changes what values are scaled by."""
    x = np.array(noise(60, 4)) + effect
    first = decide(x, 0.002, Rules())
    assert first.rows < 40
    x[first.rows] = 1e3
    later = decide(x, 0.002, Rules())
    assert later == first
    assert first == decide(x[: first.rows], 0.002, Rules())
    if effect > 0:
        assert first.evidence >= 1 / 0.002
    else:
        assert first.evidence < 1 / 0.002


def test_a_gain_that_is_looked_for_is_given_up_when_it_is_excluded():
    x = np.array(noise(30, 5)) * 0.1
    rows = np.flatnonzero(decision.hopeless(x, 0.2))
    assert rows[0] + 1 >= MIN_SEEDS
    for n in range(MIN_SEEDS, 31):
        t = reference.ttest_1samp(x[:n], 0.2).statistic
        evidence = capital.normal(0.2 - x[:n])[-1]
        assert decision.hopeless(x, 0.2)[n - 1] == (evidence >= math.log(20))
        assert evidence < 1 or t < 0
    both = np.stack([x, x + 1], axis=1)
    assert decision.hopeless(both, 0.2)[:, 0].tolist() == decision.hopeless(x, 0.2).tolist()
    assert not decision.hopeless(both, 0.2)[:, 1].any()


def test_a_gain_below_the_margin_is_not_kept_although_it_is_sure():
    x = 0.05 + 0.01 * np.array(noise(60, 6))
    assert decide(x, 0.002, Rules()).verdict == KEEP
    result = decide(x, 0.002, Rules(margin=0.2))
    assert result.verdict == DO_NOT
    assert "0.2 is excluded" in result.reason


def test_seeds_run_out_without_a_decision():
    x = np.tile([1.0, -0.5, 0.2, -0.1], 25)
    few = decide(x[:12], 0.002, Rules())
    assert few.verdict == MORE
    assert 12 + few.more_seeds == decision.seeds_needed(x[:12], 0.002, Rules())
    assert decide(x[:9], 0.002, Rules(max_seeds=10)).more_seeds == 1
    assert decide(x, 0.002, Rules(margin=0.2, max_seeds=100)).verdict == DO_NOT


def test_questions_are_remembered_and_more_seeds_go_on(place):
    book = place / "ledger.jsonl"
    whole = [value + 1.5 for value in noise(30, 2)]
    candidate = write(place / "few.csv", whole[:6], OTHER)
    first = ask(book, candidate, place / "base.csv")
    needed = decision.seeds_for(1.0, level_of(1, 0.05), Rules())
    assert (first["verdict"], first["attempt"]) == (MORE, 1)
    assert first["more_seeds"] == needed - 6
    again = ask(book, candidate, place / "base.csv")
    assert again["remembered"]
    assert len(lines_of(place)) == 2
    later = ask(book, place / "good.csv", place / "base.csv")
    assert (later["verdict"], later["attempt"]) == (KEEP, 1)
    assert ask(book, place / "null.csv", place / "base.csv")["attempt"] == 2
    assert ask(book, place / "good.csv", place / "base.csv")["line"] == later["line"]
    assert [line["kind"] for line in lines_of(place)] == ["start"] + 3 * ["attempt"]


def test_a_change_that_was_not_kept_stays_so(place):
    book = place / "ledger.jsonl"
    few = write(place / "few.csv", noise(20, 3), {**SETTINGS, "lr": "0.5"})
    first = ask(book, few, place / "base.csv")
    assert first["verdict"] == DO_NOT
    later = ask(book, place / "null.csv", place / "base.csv")
    assert later["remembered"]
    assert later["line"] == first["line"]


def test_the_gain_of_a_kept_change_is_estimated_on_seeds_after_its_decision(place):
    line = ask(place / "ledger.jsonl", place / "good.csv", place / "base.csv")
    x = np.array(noise(30, 2)) + 1.5 - np.array(noise(40, 1)[:30])
    rows = line["rows"]
    assert rows < 30
    assert line["gain"]["mean"] == pytest.approx(x[:rows].mean())
    fresh = reference.ttest_1samp(x[rows:], 0).confidence_interval(0.95)
    assert line["fresh"]["n"] == 30 - rows
    assert line["fresh"]["mean"] == pytest.approx(x[rows:].mean())
    assert line["fresh"]["low"] == pytest.approx(fresh.low)
    assert line["fresh"]["high"] == pytest.approx(fresh.high)
    more = write(place / "good.csv", [value + 1.5 for value in noise(40, 2)], OTHER)
    later = ask(place / "ledger.jsonl", more, place / "base.csv")
    assert (later["rows"], later["fresh"]["n"]) == (rows, 40 - rows)
    assert later["evidence"] == line["evidence"]
    assert later["gain"] == line["gain"]


def test_order_of_judging_is_that_of_running(place):
    """Seeds that come later are judged later, even if their numbers are smaller."""
    whole = [value + 0.9 for value in noise(40, 8)]
    late = write(place / "late.csv", whole[10:16], OTHER, range(10, 16))
    base = write(place / "base10.csv", noise(40, 1)[10:], SETTINGS, range(10, 40))
    first = ask(place / "ledger.jsonl", late, base)
    everything = write(place / "late.csv", whole, OTHER)
    second = ask(place / "ledger.jsonl", everything, place / "base.csv")
    assert second["attempt"] == first["attempt"]
    assert second["pairs"][:6] == first["pairs"]
    assert second["pairs"][6] == ["0", "0"] or second["pairs"][6] == ("0", "0")


def test_without_common_seeds_runs_are_paired_in_order(place):
    far = write(place / "far.csv", [v + 1.5 for v in noise(30, 2)], OTHER, range(100, 130))
    line = ask(place / "ledger.jsonl", far, place / "base.csv")
    assert not line["paired"]
    assert list(map(tuple, line["pairs"][:2])) == [("100", "0"), ("101", "1")]
    assert line["verdict"] == KEEP


def test_a_change_that_diverges_more_often_is_not_kept(place):
    values = [value + 2.5 for value in noise(30, 2)]
    values[2] = ""
    lossy = write(place / "lossy.csv", values, OTHER)
    line = ask(place / "ledger.jsonl", lossy, place / "base.csv")
    assert line["verdict"] == DO_NOT
    assert "1 of" in line["reason"]
    assert "diverged" in line["reason"]
    baseline = noise(40, 1)
    baseline[1] = math.nan
    write(place / "base2.csv", baseline, {**SETTINGS, "commit": "b"})
    values = [value + 2.5 for value in noise(30, 12)]
    values[2] = ""
    other = write(place / "lossy2.csv", values, {**OTHER, "commit": "c"})
    assert ask(place / "ledger.jsonl", other, place / "base2.csv")["verdict"] == KEEP


def test_lower_may_be_better(place):
    low = write(place / "low.csv", [value - 1.5 for value in noise(30, 2)], OTHER)
    line = ask(place / "ledger.jsonl", low, place / "base.csv", higher_is_better=False)
    assert line["verdict"] == KEEP
    assert line["gain"]["mean"] > 0


@pytest.mark.parametrize(
    ("values", "settings", "seeds", "words"),
    [
        (noise(8, 7), SETTINGS, None, "only another seed: its settings .* lr=0.1, model=mlp"),
        (noise(8, 7), {**SETTINGS, "data_seed": "7"}, range(50, 58), "only another seed"),
        (noise(8, 7), {**SETTINGS, "randomState": "7"}, None, "only another seed"),
        (noise(40, 1)[:6], OTHER, None, "no change: all its values"),
        (noise(40, 1)[5:15], OTHER, range(100, 110), "no change: all its values"),
        (noise(40, 1)[1:11], OTHER, range(10), "no change: all its values"),
        (noise(3, 7), OTHER, [0, 1, 3], "candidate: seed 2 is missing"),
        (noise(3, 7), OTHER, [0, -1, 1], "baseline: seed -1 is missing"),
        ([1, "much"], OTHER, None, "seed 1: value: got 'much'; allowed: a number"),
        ([1, 2], OTHER, [4, 4], "seed 4: is there twice; rows of one run"),
        ([1, 2], OTHER, [4, ""], "seed: got nothing"),
        ([], OTHER, None, "got no rows"),
        ([1] * 2001, OTHER, None, "got 2001 rows"),
    ],
)
def test_what_is_no_question_is_refused(place, values, settings, seeds, words):
    candidate = write(place / "new.csv", values, settings, seeds)
    with pytest.raises(StudyError, match=words):
        ask(place / "ledger.jsonl", candidate, place / "base.csv")
    assert not (place / "ledger.jsonl").exists()


def test_equal_values_of_a_coarse_metric_are_no_copies():
    coarse = {"0": 0.9, "1": 0.91, "2": 0.9, "3": 0.92, "4": 0.93, "5": 0.94}
    baseline = {str(seed): 0.9 + seed % 5 / 100 for seed in range(10, 40)}
    assert not same_runs(coarse, baseline)
    assert not same_runs({"0": 0.9, "1": 0.91}, {"0": 0.9, "1": 0.91})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[:4], "seed 4 of line 2 is missing"),
        (lambda rows: [rows[0] + 0.5, *rows[1:]], "seed 0: got .* in line 2; a run that is"),
    ],
)
def test_runs_of_an_attempt_neither_change_nor_go(place, change, words):
    rows = [value + 0.5 for value in noise(6, 2)]
    candidate = write(place / "new.csv", rows, OTHER)
    ask(place / "ledger.jsonl", candidate, place / "base.csv")
    write(candidate, change(rows), OTHER)
    with pytest.raises(StudyError, match=words):
        ask(place / "ledger.jsonl", candidate, place / "base.csv")


def test_a_baseline_is_not_run_again_until_a_change_is_kept(place):
    book = place / "ledger.jsonl"
    ask(book, place / "null.csv", place / "base.csv")
    write(place / "base.csv", noise(40, 9))
    with pytest.raises(StudyError, match="baseline: seed 0: got"):
        ask(book, place / "good.csv", place / "base.csv")
    write(place / "base.csv", noise(40, 1))
    assert ask(book, place / "good.csv", place / "base.csv")["verdict"] == KEEP
    write(place / "base.csv", [value + 1.5 for value in noise(30, 2)])
    third = write(place / "third.csv", noise(20, 11), {**SETTINGS, "lr": "0.7"})
    assert ask(book, third, place / "base.csv")["attempt"] == 3


def kept_ledger(place):
    """A ledger in which good.csv was kept against base.csv, in line 2."""
    book = place / "ledger.jsonl"
    assert ask(book, place / "good.csv", place / "base.csv")["verdict"] == KEEP
    return book


THIRD = {**SETTINGS, "lr": "0.7"}


def test_a_baseline_that_was_edited_after_a_change_was_kept_is_refused(place):
    book = kept_ledger(place)
    third = write(place / "third.csv", noise(20, 11), THIRD)
    rows = noise(40, 1)
    rows[7] -= 3
    before = book.read_bytes()
    write(place / "base.csv", rows)
    with pytest.raises(StudyError, match=r"base\.csv: baseline: seed 7: got .* in line 2; a run"):
        ask(book, third, place / "base.csv")
    assert book.read_bytes() == before
    write(place / "base.csv", noise(40, 1))
    line = ask(book, third, place / "base.csv")
    assert line["without"] == 2
    assert any(
        "the change that line 2 kept" in text for text in replies.of_line(line)["assumptions"]
    )


def test_a_baseline_is_known_by_all_lines_that_have_it(place):
    """A question that goes on is refused, too, if another line knows the run that was edited."""
    book = place / "ledger.jsonl"
    few = [value + 0.3 for value in noise(30, 2)]
    write(place / "few.csv", few[:6], OTHER)
    write(place / "short.csv", noise(40, 1)[:6])
    assert ask(book, place / "few.csv", place / "short.csv")["verdict"] == MORE
    ask(book, place / "null.csv", place / "base.csv")
    rows = noise(40, 1)
    rows[7] += 1
    write(place / "base.csv", rows)
    write(place / "few.csv", few[:9], OTHER)
    with pytest.raises(StudyError, match=r"baseline: seed 7: got .* in line 3"):
        ask(book, place / "few.csv", place / "base.csv")


def test_the_kept_candidate_is_the_next_baseline(place):
    """Its runs as they were, more of them, or fresh ones; none of them may be edited."""
    book = kept_ledger(place)
    good = [value + 1.5 for value in noise(30, 2)]
    third = write(place / "third.csv", noise(20, 11), THIRD)
    line = ask(book, third, place / "good.csv")
    assert (line["attempt"], line["without"]) == (2, None)
    fourth = write(place / "fourth.csv", noise(20, 12), {**THIRD, "lr": "0.8"})
    write(place / "good.csv", [*good, 0.25], OTHER)
    assert ask(book, fourth, place / "good.csv")["without"] is None
    write(place / "good.csv", [*good[:4], good[4] - 2, *good[5:]], OTHER)
    with pytest.raises(StudyError, match=r"good\.csv: baseline: seed 4: got .* in line 2"):
        ask(book, fourth, place / "good.csv")
    write(place / "good.csv", [*good, 0.5], OTHER)
    with pytest.raises(StudyError, match=r"seed 30: got 0\.5, but 0\.25 in line 4"):
        ask(book, fourth, place / "good.csv")
    fresh = write(place / "fresh.csv", noise(20, 13), OTHER, range(100, 120))
    fifth = write(place / "fifth.csv", noise(20, 14), {**THIRD, "lr": "0.9"}, range(100, 120))
    assert ask(book, fifth, fresh)["without"] is None


def test_a_chain_of_changes_of_code_has_the_settings_of_its_first_baseline(place):
    """A diff is folded into the code once it is kept, so that only values tell what is what."""
    book = place / "ledger.jsonl"
    columns = proposals.Columns()

    def ask_with(candidate, baseline, change):
        side = proposals.read_side(str(place / candidate), columns, change=change)
        return gate.ask(
            book, Question(side, proposals.read_side(str(place / baseline), columns)), {}
        )

    good = [value + 1.5 for value in noise(30, 2)]
    write(place / "first.csv", good)
    assert ask_with("first.csv", "base.csv", "1")["verdict"] == KEEP
    write(place / "second.csv", noise(30, 5))
    assert ask_with("second.csv", "first.csv", "2")["without"] is None
    write(place / "third.csv", noise(30, 6))
    assert ask_with("third.csv", "base.csv", "3")["without"] == 2
    for source, values in (("first.csv", good), ("base.csv", noise(40, 1))):
        write(place / source, [values[0] + 1, *values[1:]])
        with pytest.raises(StudyError, match=f"{source}: baseline: seed 0: got .* in line 2"):
            ask_with("third.csv", source, "4")


def test_a_candidate_may_be_asked_about_against_the_kept_one_as_well(place):
    """As the answer advises if it was compared with the baseline before."""
    book = kept_ledger(place)
    third = write(place / "third.csv", noise(20, 11), THIRD)
    assert ask(book, third, place / "base.csv")["without"] == 2
    line = ask(book, third, place / "good.csv")
    assert (line["attempt"], line["without"]) == (3, None)


def test_runs_under_another_name_are_no_new_attempt(place):
    book = place / "ledger.jsonl"
    ask(book, place / "null.csv", place / "base.csv")
    renamed = write(place / "renamed.csv", noise(40, 3), {**SETTINGS, "lr": "0.50"})
    with pytest.raises(StudyError, match="its runs are those of line 2, under another name"):
        ask(book, renamed, place / "base.csv")


def test_rules_are_fixed_by_the_first_line(place):
    book = place / "ledger.jsonl"
    ask(book, place / "null.csv", place / "base.csv", margin=0.5)
    assert lines_of(place)[0]["margin"] == 0.5
    with pytest.raises(StudyError, match=r"margin: got 0\.1, but the ledger was started with 0\.5"):
        ask(book, place / "good.csv", place / "base.csv", margin=0.1)
    ask(book, place / "good.csv", place / "base.csv", margin=0.5)


def test_failed_attempts_are_lines_that_cannot_be_kept(place):
    book = place / "ledger.jsonl"
    side = proposals.read_side(str(place / "good.csv"), proposals.Columns())
    line = gate.give_up(book, side, "wider", "out of memory", {})
    assert (line["kind"], line["reason"]) == ("failed", "out of memory")
    answer = ask(book, place / "good.csv", place / "base.csv")
    assert (answer["verdict"], answer["line"], answer["remembered"]) == (DO_NOT, 2, True)
    gate.give_up(book, None, "", "killed", {})
    assert ask(book, place / "null.csv", place / "base.csv")["attempt"] == 1


DIFF = """--- a/train.py
+++ b/train.py
@@ -1,3 +1,3 @@
-torch.manual_seed({old})
+torch.manual_seed({new})
"""


def test_a_change_of_code_that_is_only_a_seed_is_refused(tmp_path):
    diff = tmp_path / "change.diff"
    diff.write_text(DIFF.format(old=1, new=42))
    with pytest.raises(StudyError, match=re.escape("only another seed: 'torch.manual_seed(42)'")):
        changes.hash_of_change(diff)
    diff.write_text(DIFF.format(old=1, new=42) + "+    # tuned\n \n")
    with pytest.raises(StudyError, match="only another seed"):
        changes.hash_of_change(diff)
    diff.write_text(DIFF.format(old=1, new=42) + "-lr = 0.1\n+lr = 0.2\n")
    first = changes.hash_of_change(diff)
    diff.write_text(DIFF.format(old=1, new=42) + "-lr = 0.1\n+lr = 0.3\n")
    assert changes.hash_of_change(diff) != first
    diff.write_text("+# a comment\n")
    with pytest.raises(StudyError, match="changes nothing"):
        changes.hash_of_change(diff)


@pytest.mark.parametrize("name", ["seed", "data_seed", "trainer.seed", "randomSeed", "rng_key"])
def test_settings_that_are_seeds(name):
    assert changes.speaks_of_a_seed(name)


@pytest.mark.parametrize("name", ["speed", "seeded_by", "lr", "ring", "string", "proceeds"])
def test_settings_that_are_no_seeds(name):
    assert not changes.speaks_of_a_seed(name)


def test_with_a_diff_equal_settings_are_another_thing(place):
    diff = place / "change.diff"
    diff.write_text("-x = relu(x)\n+x = gelu(x)\n")
    columns = proposals.Columns()
    rows = write(place / "same.csv", [value + 1.5 for value in noise(30, 2)])
    change = changes.hash_of_change(diff)
    side = proposals.read_side(str(rows), columns, change=change)
    base = proposals.read_side(str(place / "base.csv"), columns)
    line = gate.ask(place / "ledger.jsonl", Question(side, base), {})
    assert line["verdict"] == KEEP


def test_sides_without_settings_are_known_by_their_values(tmp_path):
    base = write(tmp_path / "base.csv", noise(40, 1), {})
    few = write(tmp_path / "new.csv", noise(5, 2), {})
    first = ask(tmp_path / "ledger.jsonl", few, base)
    more = write(tmp_path / "new.csv", noise(7, 2), {})
    second = ask(tmp_path / "ledger.jsonl", more, base)
    assert (first["attempt"], second["attempt"], second["line"]) == (1, 1, 3)
    other = write(tmp_path / "new.csv", noise(7, 3), {})
    assert ask(tmp_path / "ledger.jsonl", other, base)["attempt"] == 2


def test_a_level_of_several_is_named_behind_the_file(tmp_path):
    both = tmp_path / "both.csv"
    rows = [f"{seed},{value},relu" for seed, value in enumerate(noise(20, 1))]
    rows += [f"{seed},{value + 2},gelu" for seed, value in enumerate(noise(20, 2))]
    both.write_text("\n".join(["seed,value,level", *rows]) + "\n")
    with pytest.raises(StudyError, match=r"got 2 levels; allowed: one, as in .*both\.csv@relu"):
        proposals.read_side(str(both), proposals.Columns())
    with pytest.raises(StudyError, match="level: got 'glu'; did you mean 'gelu'"):
        proposals.read_side(f"{both}@glu", proposals.Columns())
    sides = [
        proposals.read_side(f"{both}@{name}", proposals.Columns()) for name in ("gelu", "relu")
    ]
    assert gate.ask(tmp_path / "ledger.jsonl", Question(*sides), {})["verdict"] == KEEP


def test_sources_of_other_tools_are_read_by_their_readers(place):
    frame = pd.DataFrame({"level": "new", "seed": range(30), "loss": noise(30, 2)})
    frame["diverged"] = False
    frame.loc[3, "diverged"] = True
    source = place / "runs.parquet"
    frame.to_parquet(source)
    side = proposals.read_side(str(source), proposals.Columns(value="loss"))
    assert side.values["0"] == noise(30, 2)[0]
    assert side.values["3"] is None
    assert side.settings == {"level": "new"}
    base = proposals.read_side(str(place / "base.csv"), proposals.Columns())
    line = gate.ask(place / "ledger.jsonl", Question(side, base), {})
    assumptions = replies.of_line(line)["assumptions"]
    assert "Candidate: 'level' is taken as the level, by its name." in assumptions


@pytest.mark.parametrize("margin", [None, 0.8])
def test_simulations_decide_as_the_gate_does(margin):
    x = np.random.default_rng(9).normal(0.6, 1.0, (36, 40))
    keeps, used = Attempt.of(x, margin).decided(-math.log(0.002))
    assert 0 < keeps.sum() < 40
    for j in range(40):
        result = decide(x[:, j], 0.002, Rules(margin=margin))
        assert (result.verdict == KEEP) == keeps[j]
        assert (result.rows or 36) == used[j]


def test_runs_that_do_not_depend_on_their_seed_are_refused():
    with pytest.raises(StudyError, match=r"all 9 pairs differ by 0.5; allowed: runs whose"):
        gate.check_varies(np.array([0.5] * 9 + [np.nan]))
    gate.check_varies(np.array([0.5, 0.5]))
    gate.check_varies(np.array([0.5, 0.5, 0.25]))
