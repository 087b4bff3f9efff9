"""`judge` in its other forms: at any number of seeds, sameness, tables of records, documents."""

import json
import re
import shlex

import pandas as pd
import pytest
from commands import command
from judged import runs, unseeded
from runs import ROOT

import actstudy
from actstudy.analysis.questions import anytime
from actstudy.commands import cli
from actstudy.contract.errors import StudyError
from actstudy.judging import headline, sameness
from actstudy.judging.question import Question
from actstudy.judging.records import report as records
from actstudy.judging.scores import Scores
from actstudy.judging.statistics import equivalence

DOCUMENT = (ROOT / "docs/judge.md").read_text()
QUESTION = ["--baseline", "a", "--margin", "0.5"]


@pytest.fixture
def frame():
    return runs({"a": 0.0, "b": 2.0, "c": 0.0}, n=25, sd=0.3)


@pytest.fixture
def folder(tmp_path, frame):
    frame.to_csv(tmp_path / "runs.csv", index=False)
    return tmp_path


def refused(folder, *words):
    done = command(folder, *words)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line


def test_anytime_verdicts_are_those_of_e_processes_on_the_seeds_in_their_order(frame):
    table = actstudy.verdicts(frame.sample(frac=1), baseline="a", margin=0.5, looks="anytime")
    wide = frame.pivot(index="seed", columns="level", values="value")
    expected = anytime.judge(wide[["b", "c"]].sub(wide["a"], axis=0).to_numpy(), 0.5)
    by_level = table.set_index("level")
    for level, verdict in zip(("b", "c"), expected, strict=True):
        row = by_level.loc[level]
        assert (row["verdict"], row["decided_at"]) == (verdict.verdict, verdict.decided_at)
        assert (row["mean"], row["low"], row["high"]) == (verdict.mean, verdict.low, verdict.high)
        assert row["p"] == verdict.p
    assert by_level.loc["b", "verdict"] == "better"
    assert by_level.loc["b", "decided_at"] < 25


def test_a_decision_is_counted_in_seeds_and_n_in_pairs(folder, frame):
    lost = (frame["level"] == "b") & (frame["seed"] == 2)
    frame[~lost].to_csv(folder / "lost.csv", index=False)
    done = command(folder, "judge", "lost.csv", *QUESTION, "--anytime", "--json")
    row = json.loads(done.stdout)["contrasts"][0]
    wide = frame[~lost].pivot(index="seed", columns="level", values="value")
    n = row["decided_at"]
    assert 3 < n < row["seeds"] == row["n"] + 1 == 25
    for rows, is_decided in ((n - 1, False), (n, True)):
        x = wide[["b", "c"]].sub(wide["a"], axis=0).to_numpy()[:rows]
        assert (anytime.judge(x, 0.5)[0].verdict == "better") == is_decided
    printed = command(folder, "judge", "lost.csv", *QUESTION, "--anytime").stdout
    assert f"better, decided after {n} seeds" in printed


def test_anytime_takes_pairs_and_a_known_word(frame):
    with pytest.raises(StudyError, match="verdicts: anytime: got runs that are unpaired; al"):
        actstudy.verdicts(unseeded(frame), baseline="a", margin=0.5, looks="anytime")
    with pytest.raises(StudyError, match="looks: got 'always'; allowed"):
        actstudy.verdicts(frame, baseline="a", margin=0.5, looks="always")


def test_the_command_judges_at_any_number_of_seeds(folder, frame):
    done = command(folder, "judge", "runs.csv", *QUESTION, "--anytime", "--json")
    content = json.loads(done.stdout)
    table = actstudy.verdicts(frame, baseline="a", margin=0.5, looks="anytime")
    assert [row["verdict"] for row in content["contrasts"]] == list(table["verdict"])
    assert [row["p"] for row in content["contrasts"]] == list(table["p"])


def test_anytime_names_its_gambler_and_what_it_takes_for_granted(folder, frame):
    printed = command(folder, "judge", "runs.csv", *QUESTION, "--anytime").stdout
    assert "bets on the differences that take their noise as nearly normal" in printed
    table = actstudy.verdicts(frame, baseline="a", margin=0.5, looks="anytime")
    wide = frame.pivot(index="seed", columns="level", values="value")
    x = wide[["b", "c"]].sub(wide["a"], axis=0).to_numpy()
    of_normal = [verdict.p for verdict in anytime.judge(x, 0.5, noise="normal")]
    assert list(table["p"]) == of_normal
    assert [verdict.p for verdict in anytime.judge(x, 0.5, noise="symmetric")] != of_normal
    assert "the noise of differences is taken as nearly normal. The gate's default" in DOCUMENT


def test_runs_to_add_are_of_both_sides_if_they_are_no_pairs(folder, frame):
    open_runs = runs({"a": 0.0, "b": 0.9}, n=9)
    for name, own in (("pairs", open_runs), ("names", unseeded(open_runs))):
        own.to_csv(folder / f"{name}.csv", index=False)
        printed = command(folder, "judge", f"{name}.csv", *QUESTION).stdout
        assert ("undecided; seeds to add: " in printed) == (name == "pairs")
        assert ("undecided; runs to add on both sides: " in printed) == (name == "names")


@pytest.mark.parametrize("flags", [[], ["--anytime"]])
def test_pairs_without_a_shared_seed_are_said_to_share_none(folder, flags):
    own = runs({"a": 0.0}, n=8), runs({"b": 1.0}, n=8, first_seed=50), runs({"c": 9.0}, n=12)
    pd.concat(own).to_csv(folder / "apart.csv", index=False)
    words = ("judge", "apart.csv", *QUESTION, "--paired", *flags)
    printed = command(folder, *words).stdout
    assert "b (no seed is shared) is without a verdict" in printed
    assert "no verdict: no seed is shared with a" in printed
    assert "8 more seeds" not in printed
    rows = json.loads(command(folder, *words, "--json").stdout)["contrasts"]
    assert {row["level"]: row["shared_seeds"] for row in rows} == {"b": 0, "c": 8}
    line = refused(folder, "judge", "apart.csv", *QUESTION, "--paired", "--equivalence")
    shared = "'b' against 'a': no seed is shared; allowed: seeds of both sides, or unpaired"
    assert f"apart.csv: {shared}" in line


def test_refusals_of_a_source_name_its_file(folder, frame):
    frame.rename(columns={"value": "val_loss"}).to_csv(folder / "loss.csv", index=False)
    line = refused(folder, "judge", "loss.csv", *QUESTION)
    assert line.startswith("actstudy: loss.csv: 'val_loss': higher is better, or lower?")
    line = refused(folder, "judge", "runs.csv", *QUESTION, "--unpaired", "--anytime")
    assert line.startswith("actstudy: runs.csv: anytime: got runs that are unpaired")
    frame.assign(task="lm").to_csv(folder / "lm.csv", index=False)
    line = refused(folder, "judge", "lm.csv", "--baseline", "a", "--margin", "mlp=1")
    assert line.startswith("actstudy: lm.csv: margin: none of task 'lm'; allowed: mlp")
    frame.drop(columns="seed").to_csv(folder / "bare.csv", index=False)
    line = refused(folder, "judge", "bare.csv", *QUESTION, "--paired")
    assert line.startswith("actstudy: bare.csv: paired: got runs without seeds")
    names = frame.assign(seed=frame["seed"].map(lambda seed: f"s{seed}"))
    names.to_csv(folder / "names.csv", index=False)
    line = refused(folder, "judge", "names.csv", *QUESTION, "--looks")
    assert line.startswith("actstudy: names.csv: looks: got seeds such as 's0'; allowed: seeds")


@pytest.mark.parametrize("are_pairs", [True, False])
def test_sameness_is_that_of_both_ends(folder, frame, are_pairs):
    own = frame if are_pairs else unseeded(frame)
    table = sameness.same(Scores(own, metric="value"), Question("a", 0.5), "runs.csv").table
    values = [part["value"].to_numpy() for _, part in own.groupby("level")]
    for row, side in zip(table.itertuples(), values[1:], strict=True):
        if are_pairs:
            expected = equivalence.of_pairs(side - values[0], 0.5, 0.025)
        else:
            expected = equivalence.of_runs(side, values[0], 0.5, 0.025)
        assert row.verdict == expected.verdict
        assert (row.low, row.high) == pytest.approx((expected.low, expected.high))
    assert list(table["verdict"]) == [equivalence.BETTER, equivalence.SAME]


def test_the_command_says_whether_it_is_the_same(folder):
    done = command(folder, "judge", "runs.csv", *QUESTION, "--equivalence")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("b is suspiciously better than a, by more than the margin of 0.5: ")
    assert re.match(
        r"c is the same as a, within the margin of 0\.5: gain \S+ \(95% interval .* n = 25\)\.$",
        lines[1],
    )
    done = command(folder, "judge", "runs.csv", *QUESTION, "--equivalence", "--json")
    content = json.loads(done.stdout)
    verdicts = [row["verdict"] for row in content["sameness"]]
    assert verdicts == [equivalence.BETTER, equivalence.SAME]
    assert content["sentences"] == lines[:2]
    assert content["method"] == "paired by seed"


def test_one_comparison_is_adjusted_for_nothing(folder, frame):
    frame[frame["level"] != "c"].to_csv(folder / "runs.csv", index=False)
    printed = command(folder, "judge", "runs.csv", *QUESTION, "--looks", "--family", "study").stdout
    assert "It is adjusted for nothing, as there is one comparison with a; " in printed
    assert "the share of 5% that its look may spend, divided by the number of tasks." in printed


def test_sameness_says_what_it_assumes_as_verdicts_do(folder, frame):
    frame.loc[3, "value"] = float("nan")
    frame.to_csv(folder / "runs.csv", index=False)
    flags = [*QUESTION, "--equivalence", "--diverged", "nan", "--chance", "-50"]
    printed = command(folder, "judge", "runs.csv", *flags).stdout.partition("\nassumed:\n")[2]
    assert "- 'level' is taken as the level, by its name." in printed
    assert "- Runs without a finite value are taken as diverged: 1 of 75" in printed
    assert "tested by two one-sided t tests." in printed
    assert "- 1 of 25 runs of a diverged: left out, as they have no value." in printed
    assert "- Noise is taken as nearly normal." in printed
    content = json.loads(command(folder, "judge", "runs.csv", *flags, "--json").stdout)
    assert [row["n"] for row in content["sameness"]] == [24, 24]
    assert printed.splitlines() == [f"- {sentence}" for sentence in content["assumptions"]]


def test_more_seeds_of_sameness_are_a_whole_number(folder, frame):
    frame[frame["seed"] < 9].assign(value=lambda own: 4 * own["value"]).to_csv(
        folder / "runs.csv", index=False
    )
    done = command(folder, "judge", "runs.csv", *QUESTION, "--equivalence")
    assert re.search(r"; \d+ more seeds would show", done.stdout)
    assert "nan" not in done.stdout


def test_the_levels_of_one_task_do_not_share_with_another(frame):
    both = pd.concat([frame.assign(task="x"), frame[frame["level"] != "c"].assign(task="y")])
    table = sameness.same(Scores(both, metric="value"), Question("a", 0.5), "runs.csv").table
    levels = dict(zip(table["task"], table["interval_level"], strict=True))
    assert levels == pytest.approx({"x": 0.95, "y": 0.9})


def test_a_table_of_records_is_judged_by_its_rules():
    words = ["judge", "docs/judge/track3.csv", "--rules", "docs/judge/track3.yaml"]
    text, data = records.report(ROOT / words[1], ROOT / words[3])
    assert command(ROOT, *words).stdout.strip() == text.strip()
    assert json.loads(command(ROOT, *words, "--json").stdout) == json.loads(json.dumps(data))


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--rules", "r.yaml", "--baseline", "a"], "--baseline: given with --rules"),
        (["--rules", "r.yaml", "--page", "p.md"], "--page: given with --rules"),
        (["runs.csv", "--rules", "r.yaml"], "--rules: got 2 sources; allowed: one table"),
        ([*QUESTION, "--equivalence", "--page", "p.md"], "--equivalence: got --figure or --page"),
        ([*QUESTION, "--equivalence", "--baseline", "aa"], "did you mean 'a'?"),
        ([*QUESTION, "--equivalence", "--anytime"], "--equivalence: got several looks; allowed"),
        ([*QUESTION, "--equivalence", "--family", "study"], "got --family study; allowed: one"),
        ([*QUESTION, "--looks", "--anytime"], "not allowed with argument --looks"),
    ],
    ids=str,
)
def test_forms_that_do_not_go_together_are_one_line(folder, words, fault):
    assert fault in refused(folder, "judge", "runs.csv", *words)


def test_a_level_of_one_run_is_the_same_as_nothing(folder, frame):
    lonely = frame[(frame["level"] != "c") | (frame["seed"] == 0)]
    lonely.to_csv(folder / "runs.csv", index=False)
    line = refused(folder, "judge", "runs.csv", *QUESTION, "--equivalence")
    assert "'c' against 'a': " in line
    assert "two finite numbers or more" in line


def test_the_commands_of_the_document_are_commands():
    text = (ROOT / "docs/judge.md").read_text(encoding="utf-8")
    words = re.findall(r"`(judge [^`]+)`", text)
    assert len(words) > 10
    for line in words:
        assert cli._parsed(shlex.split(line)).sources


def test_the_same_runs_have_the_same_answer(frame):
    question = {"baseline": "a", "margin": 0.5, "looks": "anytime"}
    first = actstudy.verdicts(frame, **question)
    pd.testing.assert_frame_equal(first, actstudy.verdicts(frame, **question))


def test_seeds_may_be_names(tmp_path, frame):
    named = frame.assign(seed=[f"run-{seed}" for seed in frame["seed"]])
    own = {"baseline": "a", "margin": 0.5, "paired": True}
    plain = actstudy.verdicts(frame, **own)
    by_name = actstudy.verdicts(named, **own)
    assert list(by_name["verdict"]) == list(plain["verdict"])
    assert list(by_name["mean"]) == pytest.approx(list(plain["mean"]))
    named.to_csv(tmp_path / "runs.csv", index=False)
    assert command(tmp_path, "judge", "runs.csv", *QUESTION).returncode == 0
    unseeded(frame).to_csv(tmp_path / "runs.csv", index=False)
    done = command(tmp_path, "judge", "runs.csv", *QUESTION, "--paired")
    assert "Traceback" not in done.stderr


def test_a_metric_of_which_less_is_better_needs_a_word(tmp_path, frame):
    frame.rename(columns={"value": "test_loss"}).to_csv(tmp_path / "runs.csv", index=False)
    assert "to fix: --lower-is-better, or" in refused(tmp_path, "judge", "runs.csv", *QUESTION)
    for flag, which in (("--lower-is-better", "Lower"), ("--higher-is-better", "Higher")):
        printed = command(tmp_path, "judge", "runs.csv", *QUESTION, flag).stdout
        assert f"{which} values are taken as better." in printed
        assert ("is better than a" in printed) == (which == "Higher")


def test_the_best_is_named_only_if_verdicts_say_so(tmp_path):
    few = runs({"a": 0.0, "b": 3.0}, n=4, sd=0.2)
    few.to_csv(tmp_path / "runs.csv", index=False)
    first = command(tmp_path, "judge", "runs.csv", *QUESTION).stdout.splitlines()[0]
    assert "without a verdict" in first
    reason = "by ranks it is b, but no verdict says that it is better."
    assert first.endswith(f"The best cannot be named: {reason}")
    many = runs({"a": 0.0, "b": 3.0}, n=12, sd=0.2)
    many.to_csv(tmp_path / "runs.csv", index=False)
    first = command(tmp_path, "judge", "runs.csv", *QUESTION).stdout.splitlines()[0]
    assert first.endswith("The best is b.")
    first = command(tmp_path, "judge", "runs.csv", *QUESTION, "--anytime").stdout.splitlines()[0]
    assert "is better than a" in first
    assert "best" not in first


def documented(title):
    """The keys in the first column of the table of docs/judge.md with this head."""
    text = (ROOT / "docs/judge.md").read_text(encoding="utf-8")
    table = text.partition(f"| {title} | |\n|---|---|\n")[2].partition("\n\n")[0]
    keys = []
    for line in table.splitlines():
        keys += re.findall(r"`(\w+)`", line.split("|")[1])
    assert keys
    assert len(set(keys)) == len(keys)
    return set(keys)


FORMS = [[], ["--unpaired"], ["--anytime"], ["--diverged", "nan", "--chance", "-9"]]


@pytest.mark.parametrize("flags", FORMS, ids=str)
def test_the_keys_of_an_answer_are_those_of_the_document(folder, flags):
    content = json.loads(command(folder, "judge", "runs.csv", *QUESTION, *flags, "--json").stdout)
    assert set(content) == documented("answer") - {"sameness"}
    for name in ("contrasts", "ranks"):
        for row in content[name]:
            assert set(row) == documented(f"row of `{name}`")


def test_the_keys_of_sameness_are_those_of_the_document(folder):
    done = command(folder, "judge", "runs.csv", *QUESTION, "--equivalence", "--json")
    content = json.loads(done.stdout)
    assert set(content) == documented("answer") - {"contrasts", "ranks"}
    for row in content["sameness"]:
        assert set(row) == documented("row of `sameness`")


def test_the_keys_of_records_are_those_of_the_document():
    words = ["judge", "docs/judge/track3.csv", "--rules", "docs/judge/track3.yaml", "--json"]
    content = json.loads(command(ROOT, *words).stdout)
    assert set(content) == documented("table of records")
    for row in content["steps"]:
        assert set(row) == documented("row of `steps`")


def test_the_verdicts_of_the_document_are_those_there_are():
    text = (ROOT / "docs/judge.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `verdict` \| (`.*`.*) \|$", text, re.MULTILINE)
    _, verdicts, of_sameness = [re.findall(r"`([^`]+)`", row) for row in rows]
    assert verdicts == headline.ORDER
    assert set(of_sameness) == set(equivalence.WORDS)


@pytest.mark.parametrize("name", ["judge", "gate"])
def test_a_refusal_is_json_if_it_is_asked_for(tmp_path, name):
    done = command(tmp_path, name, "nosuch", "--json")
    content = json.loads(done.stdout)
    assert done.returncode == content["exit"] == {"judge": 2, "gate": 3}[name]
    assert content["verdict"] == "refused"
    assert set(content) == documented("refusal")
    assert content["reason"] in done.stderr
