"""Seeds that are looked at several times: no ranks, and one set of runs for a whole answer."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from commands import command
from judged import runs

from actstudy.judging import answer as answering
from actstudy.judging import headline, words
from actstudy.judging.question import Question
from actstudy.judging.scores import Scores

QUESTION = ["--baseline", "a", "--margin", "0.5"]


@pytest.fixture
def frame():
    """30 seeds, of which the last ten would turn the order of the levels round."""
    table = runs({"a": 0.0, "b": 2.0}, n=30, sd=0.3)
    table.loc[(table["level"] == "b") & (table["seed"] >= 20), "value"] = -90.0
    return table


@pytest.mark.parametrize("flag", ["--looks", "--anytime"])
def test_several_looks_rank_nothing(tmp_path, frame, flag):
    tasks = pd.concat([frame.assign(task="x"), frame.assign(task="y")])
    tasks.to_csv(tmp_path / "runs.csv", index=False)
    printed = command(tmp_path, "judge", "runs.csv", *QUESTION, flag).stdout
    table = "\n".join(line for line in printed.splitlines() if line.startswith("|"))
    assert "rank" not in table
    assert "best" not in table
    assert "No ranks, and no levels that may be the best: " in printed
    content = json.loads(command(tmp_path, "judge", "runs.csv", *QUESTION, flag, "--json").stdout)
    assert content["ranks"] == []
    assert not any("best" in sentence for sentence in content["sentences"])
    at_once = command(tmp_path, "judge", "runs.csv", *QUESTION).stdout
    assert "| may be the best" in at_once
    assert "No ranks" not in at_once


def test_seeds_after_the_last_look_are_named_and_in_no_number(frame):
    answer = answering.answer(Scores(frame), Question("a", 0.5, looks=True), "runs.csv")
    sentence = "Seeds 20 to 29 take no part in verdicts, intervals and means: looks are at 8, 12, "
    assert sentence + "20 seeds." in answer.assumptions
    first = frame[frame["seed"] < 20].groupby("level")["value"].mean()
    levels = answer.levels.set_index("level")
    assert list(answer.levels["level"]) == ["b", "a"]
    assert list(levels["n"]) == [20, 20]
    assert dict(levels["mean"]) == pytest.approx(dict(first))
    (row,) = answer.contrasts.to_dict("records")
    assert row["mean"] == pytest.approx(levels.loc["b", "mean"] - levels.loc["a", "mean"])
    assert len(answer.dots) == 20
    assert answer.dots["difference"].mean() == pytest.approx(row["mean"])
    assert "may be the best: the truly" not in words.page(answer)


@pytest.mark.parametrize(("n", "named"), [(8, ""), (9, "Seed 8 takes"), (5, "")])
def test_only_seeds_that_no_look_takes_are_named(n, named):
    answer = answering.answer(
        Scores(runs({"a": 0.0, "b": 1.0}, n=n)), Question("a", 0.5, looks=True), "runs.csv"
    )
    text = " ".join(answer.assumptions)
    assert ("no part in verdicts" in text) == bool(named)
    assert named in text


def test_all_seeds_count_at_any_number_and_less_may_be_better(frame):
    scores = Scores(frame, higher_is_better=False)
    answer = answering.answer(scores, Question("a", 0.5, looks="anytime"), "runs.csv")
    every = frame.groupby("level")["value"].mean()
    assert list(answer.levels["level"]) == ["b", "a"]
    assert list(answer.levels["mean"]) == pytest.approx([every["b"], every["a"]])
    assert not any("no part in verdicts" in sentence for sentence in answer.assumptions)


def test_the_levels_of_one_look_are_those_of_the_ranks(frame):
    answer = answering.answer(Scores(frame), Question("a", 0.5), "runs.csv")
    assert list(answer.levels.columns) == answering.LEVELS
    assert np.array_equal(answer.levels["mean"], answer.ranks["mean"])


def test_a_level_whose_runs_came_after_the_last_look_has_no_verdict(frame):
    late = frame[frame["level"] == "b"].assign(level="c")
    every = pd.concat([frame, late[late["seed"] >= 20]])
    answer = answering.answer(Scores(every), Question("a", 0.5, looks=True), "runs.csv")
    row = answer.contrasts.set_index("level").loc["c"]
    assert (row["verdict"], row["n_level"], row["n_runs"]) == ("too few seeds", 0, 0)
    assert "c (" in headline.sentences(answer)[0]
    ((_, table),) = words.tables(answer)
    assert re.search(r"^\| c +\| 0 of 10 ", table, re.MULTILINE)
    assert "nan" not in table
