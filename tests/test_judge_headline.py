"""The sentence at the top of `judge`: it says no more than the verdicts below it."""

import json

import numpy as np
import pandas as pd
import pytest
from commands import command
from judged import runs

from actstudy.analysis.markdown import listed
from actstudy.judging import answer as answering
from actstudy.judging import headline, sameness
from actstudy.judging.question import Question
from actstudy.judging.reading import confounders
from actstudy.judging.scores import Scores

QUESTION = ["--baseline", "a", "--margin", "0.5"]


def with_lost_run(chance=None):
    """Level b is better than a, but its run of seed 3 diverged."""
    frame = runs({"a": 0.0, "b": 2.0}, n=10, sd=0.2)
    frame["diverged"] = (frame["level"] == "b") & (frame["seed"] == 3)
    if chance is not None:
        frame["chance"] = chance
    return frame


def answered(frame, **options):
    return answering.answer(Scores(frame), Question("a", 0.5, **options), "runs.csv")


def test_the_sentence_names_collapses_and_what_speaks_against_its_verdict(tmp_path):
    with_lost_run(-50.0).to_csv(tmp_path / "runs.csv", index=False)
    done = command(tmp_path, "judge", "runs.csv", *QUESTION, "--json")
    content = json.loads(done.stdout)
    (row,) = content["contrasts"]
    (sentence,) = content["sentences"]
    assert row["mean_all"] < 0 < row["mean"]
    assert row["contradiction"] in sentence
    risk = f"a risk of up to {row['risk']:.0%} is not excluded"
    assert f"1 of 10 runs of b diverged ({risk})" in sentence
    assert "is better than a" in sentence
    assert "The best is" not in sentence
    assert sentence.endswith("The best cannot be named: it is one of b and a.")
    assert all(row["in_set"] for row in content["ranks"])
    printed = command(tmp_path, "judge", "runs.csv", *QUESTION).stdout
    assert [line.split("|")[-2].strip() for line in printed.splitlines() if "| 1 to 2" in line] == [
        "yes",
        "yes",
    ]


def test_a_best_level_is_named_with_its_condition():
    (sentence,) = headline.sentences(answered(with_lost_run()))
    assert "1 of 10 runs of b diverged (a risk of up to 39% is not excluded)." in sentence
    assert sentence.endswith("The best is b, when it trains.")


@pytest.mark.parametrize("is_paired", [True, False])
def test_the_sentence_names_the_levels_that_may_be_the_best(is_paired):
    """Sentence and ranks agree, whichever runs collapse and however many seeds there are."""
    rng = np.random.default_rng(0)
    seen = set()
    for key in range(60):
        n = int(rng.integers(5, 14))
        frame = runs({"a": 0.0, "b": rng.normal(), "c": 2 * rng.normal()}, n, key, sd=0.5)
        frame["diverged"] = rng.random(len(frame)) < rng.choice([0, 0.1])
        frame["chance"] = -40.0
        answer = answered(frame, paired=is_paired)
        names = list(answer.ranks.loc[answer.ranks["in_set"], "level"])
        (sentence,) = headline.sentences(answer)
        if len(names) == 1:
            ends = [f"The best is {names[0]}", f"cannot be named: by ranks it is {names[0]}, but "]
            assert any(end in sentence for end in ends)
        elif "None of the 3" in sentence:
            assert len(names) == 3
        else:
            assert sentence.endswith(f"it is one of {listed(names)}.")
        seen.add((len(names), "The best is" in sentence))
    assert {(1, True), (1, False), (2, False), (3, False)} <= seen


def test_over_tasks_a_level_that_collapses_is_not_alone_the_best():
    parts = [with_lost_run(-50.0).assign(task=task) for task in "xy"]
    answer = answered(pd.concat(parts))
    assert answer.ranks["in_set"].all()
    assert answer.ranks["first"].eq(1).all()


def test_runs_that_fell_and_runs_that_diverged_are_counted_apart():
    frame = with_lost_run(-50.0)
    frame.loc[(frame["level"] == "b") & (frame["seed"] == 4), "value"] = -50.0
    (sentence,) = headline.sentences(answered(frame))
    assert "2 of 10 runs of b collapsed (1 of them diverged; a risk of up to" in sentence


def test_without_collapses_and_conditions_nothing_is_said_of_them():
    (sentence,) = headline.sentences(answered(runs({"a": 0.0, "b": 2.0}, n=10, sd=0.2)))
    assert "risk" not in sentence
    assert sentence.endswith("is better than a. The best is b.")


@pytest.mark.parametrize("shift", [2.0, 0.0])
def test_over_tasks_a_best_level_is_the_best_in_each(shift):
    first = runs({"a": 0.0, "b": 9.0}, n=10, sd=0.2).assign(task="x")
    second = runs({"a": 0.0, "b": shift}, n=10, sd=0.2, key=1).assign(task="y")
    lines = headline.sentences(answered(pd.concat([first, second])))
    over_all = "Over all tasks, by the mean gain in margins: "
    expected = "The best is b."
    if not shift:
        expected = "The best cannot be named: b is not so by verdict in y."
    assert lines[0].endswith("The best is b.")
    assert lines[-1] == over_all + expected


@pytest.mark.parametrize("flags", [[], ["--equivalence"]], ids=str)
def test_what_differs_exactly_as_the_level_is_in_the_sentence(tmp_path, flags):
    frame = runs({"a": 0.0, "b": 2.0}, n=10, sd=0.2)
    question = ["--value", "value", *QUESTION, *flags, "--json"]
    frame.assign(lr=frame["level"].map({"a": 0.1, "b": 0.3})).to_csv(tmp_path / "r.csv")
    content = json.loads(command(tmp_path, "judge", "r.csv", *question).stdout)
    assert " (lr differs exactly with the level)." in content["sentences"][0]
    frame.assign(lr=0.1).to_csv(tmp_path / "r.csv")
    content = json.loads(command(tmp_path, "judge", "r.csv", *question).stdout)
    assert "differs exactly" not in content["sentences"][0]


def test_many_settings_are_one_clause():
    names = [f"s{place}" for place in range(9)]
    assert confounders.clause(names) == " (s0, s1, s2 and 6 more differ exactly with the level)"
    assert confounders.clause([]) == ""


def test_the_settings_of_several_sources_are_kept():
    frame = runs({"a": 0.0, "b": 2.0}, n=4)
    first = Scores(frame, confounders=("lr",))
    whole = answering.joined([("x", first), ("y", Scores(frame, confounders=("lr", "wd")))])
    assert whole.confounders == ("lr", "wd")


@pytest.mark.parametrize("margin", [0.5, {"x": 0.5, "y": 0.5}])
def test_one_margin_of_several_tasks_is_said(margin):
    frame = runs({"a": 0.0, "b": 2.0}, n=10)
    tasks = Scores(pd.concat([frame.assign(task="x"), frame.assign(task="y")]))
    for answer in (answering.answer, sameness.same):
        text = " ".join(answer(tasks, Question("a", margin), "runs.csv").assumptions)
        assert ("One margin, 0.5, is that of 2 tasks: x, y." in text) == (margin == 0.5)
        alone = answer(Scores(frame), Question("a", 0.5), "runs.csv").assumptions
        assert "One margin" not in " ".join(alone)
