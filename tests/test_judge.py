"""The command `judge`: what it prints and writes, and bad input in one line."""

import json

import numpy as np
import pandas as pd
import pytest
from commands import command
from judged import runs, summaries, unseeded
from refusals import refusal

import actstudy
from actstudy.judging import answer as answering
from actstudy.judging import headline, words
from actstudy.judging.question import Question
from actstudy.judging.scores import MAX_SEEDS, Scores, checked

QUESTION = ["--baseline", "a", "--margin", "0.5"]


@pytest.fixture
def folder(tmp_path):
    """A folder with runs.csv: b is better than a, c equal to it, d has one run."""
    frame = runs({"a": 0.0, "b": 2.0, "c": 0.0}, n=12, sd=0.3)
    lonely = pd.DataFrame({"level": ["d"], "seed": [3], "value": [0.1]})
    pd.concat([frame, lonely]).to_csv(tmp_path / "runs.csv", index=False)
    return tmp_path


def test_the_sentence_comes_first(folder):
    done = command(folder, "judge", "runs.csv", *QUESTION)
    assert (done.returncode, done.stderr) == (0, "")
    first = done.stdout.splitlines()[0]
    assert first.startswith("b (+1.92; +1.67 to +2.16) is better than a; c (")
    assert "is equivalent to a" in first
    assert "d (7 more seeds) is without a verdict" in first
    assert first.endswith("The best cannot be named: it is one of b and d.")
    assert "Levels have 1 to 12 runs; 1 of d." in done.stdout
    assert "Runs of one seed are taken as pairs" in done.stdout
    assert "Chance level is not stated" in done.stdout


def table_of(text):
    """Level -> column -> text of the table that `judge` prints."""
    rows = []
    for line in text.splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    head, _, *others = rows
    return {row[0]: dict(zip(head, row, strict=True)) for row in others}


@pytest.mark.parametrize("kind", ["paired", "unpaired", "summaries", "anytime"])
def test_the_table_has_adjusted_p_and_intervals_that_say_they_are_not(tmp_path, kind):
    frame = runs({"a": 0.0, "b": 2.0, "c": 0.0}, n=12, sd=0.3)
    frame = {"unpaired": unseeded, "summaries": summaries}.get(kind, lambda own: own)(frame)
    frame.to_csv(tmp_path / "runs.csv", index=False)
    flags = ["--anytime"] if kind == "anytime" else []
    text = command(tmp_path, "judge", "runs.csv", *QUESTION, *flags).stdout
    looks = "anytime" if kind == "anytime" else False
    expected = actstudy.verdicts(frame, baseline="a", margin=0.5, looks=looks).set_index("level")
    printed = table_of(text)
    for level in ("b", "c"):
        row = printed[level]
        assert row["adjusted p: differs"] == words.p_words(expected.loc[level, "p"])
        assert row["adjusted p: equivalent"] == words.p_words(expected.loc[level, "p_equivalent"])
        assert row["95% interval, not adjusted"].startswith(f"{expected.loc[level, 'low']:+.2f}")
        assert ("pairs" in row) == (kind in ("paired", "anytime"))
    assert printed["a"]["adjusted p: differs"] == ""
    assert "adjusted for the 2 comparisons with a; a verdict takes p of at most 0.05" in text


def test_the_table_says_how_many_runs_do_not_count(tmp_path):
    frame = runs({"a": 0.0, "b": 2.0}, n=12, sd=0.3)
    frame.loc[3, "value"] = np.nan
    frame.to_csv(tmp_path / "runs.csv", index=False)
    text = command(tmp_path, "judge", "runs.csv", *QUESTION, "--diverged", "nan").stdout
    printed = table_of(text)
    assert (printed["a"]["runs"], printed["b"]["runs"]) == ("11 of 12", "12")
    assert printed["b"]["verdict"].endswith("1 of 12 runs of a diverged and are in no difference")
    assert "1 of 12 runs of a diverged: in no difference, as chance level is not stated" in text
    with_chance = command(
        tmp_path, "judge", "runs.csv", *QUESTION, "--diverged", "nan", "--chance", "-9"
    ).stdout
    assert "diverged: taken as at chance level, -9; in no difference if the other" in with_chance


def test_p_of_permutations_has_no_more_digits_than_are_known():
    assert [words.p_words(p) for p in (1.0, 0.0312, 0.0001, 3e-9)] == [
        "1",
        "0.031",
        "0.0001",
        "below 0.0001",
    ]


def test_json_has_the_frames_of_the_api_to_the_last_bit(folder):
    done = command(folder, "judge", "runs.csv", *QUESTION, "--json")
    content = json.loads(done.stdout)
    table = actstudy.verdicts(pd.read_csv(folder / "runs.csv"), baseline="a", margin=0.5)
    assert [row["p"] for row in content["contrasts"]] == [
        None if pd.isna(p) else p for p in table["p"]
    ]
    assert [row["mean"] for row in content["contrasts"]] == list(table["mean"])
    assert [row["verdict"] for row in content["contrasts"]] == list(table["verdict"])
    assert content["method"] == "paired by seed"
    assert {row["level"] for row in content["ranks"]} == {"a", "b", "c", "d"}
    assert content["sentences"][0] in command(folder, "judge", "runs.csv", *QUESTION).stdout
    assert json.dumps(content, allow_nan=False)


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_figure_and_page_are_written(folder, kind):
    files = ["--figure", f"out/forest.{kind}", "--page", "out/page.md"]
    done = command(folder, "judge", "runs.csv", *QUESTION, *files)
    assert done.returncode == 0
    starts = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    assert (folder / f"out/forest.{kind}").read_bytes().startswith(starts[kind])
    page = (folder / "out/page.md").read_text()
    assert page.startswith("# runs.csv\n\nb (+1.92")
    assert f"](forest.{kind})" in page
    assert "| b " in page
    assert sorted(path.name for path in (folder / "out").iterdir()) == [f"forest.{kind}", "page.md"]


def test_a_page_has_a_forest_of_its_own(folder):
    assert command(folder, "judge", "runs.csv", *QUESTION, "--page", "page.md").returncode == 0
    assert "](page_forest.png)" in (folder / "page.md").read_text()
    assert (folder / "page_forest.png").is_file()


def test_two_files_are_judged_as_one(folder):
    frame = runs({"a": 0.0}, n=8)
    frame.to_csv(folder / "first.csv", index=False)
    frame.assign(level="b", value=frame["value"] + 3).to_csv(folder / "second.csv", index=False)
    done = command(folder, "judge", "first.csv", "second.csv", *QUESTION)
    assert "b (+3.0" in done.stdout
    done = command(folder, "judge", "first.csv", "first.csv", *QUESTION)
    assert done.returncode == 2
    assert "first.csv:2: got 'a', seed 0 again" in done.stderr


def test_runs_without_shared_seeds_and_means_say_so(folder):
    frame = runs({"a": 0.0, "b": 2.0}, n=9, sd=0.3)
    unseeded(frame).to_csv(folder / "names.csv", index=False)
    done = command(folder, "judge", "names.csv", *QUESTION)
    assert "Runs are taken as independent" in done.stdout
    summaries(frame).to_csv(folder / "means.csv", index=False)
    done = command(folder, "judge", "means.csv", *QUESTION)
    assert "nearly normal noise" in done.stdout
    assert "b (+1.69; +1.48 to +1.90) is better than a. The best is b." in done.stdout


def test_two_independent_runs_a_side_say_how_many_are_needed(folder):
    unseeded(runs({"a": 0.0, "b": 9.0}, n=3)).to_csv(folder / "few.csv", index=False)
    done = command(folder, "judge", "few.csv", *QUESTION)
    assert "too few runs (3 and 3; it takes 5 of each)" in done.stdout
    assert "more runs of both) is without a verdict" in done.stdout


def test_tasks_have_margins_and_an_answer_over_all(folder):
    first = runs({"a": 0.0, "b": 3.0}, n=10).assign(task="x")
    frame = pd.concat([first, first.assign(task="y", value=100 * first["value"])])
    frame.to_csv(folder / "tasks.csv", index=False)
    done = command(folder, "judge", "tasks.csv", "--baseline", "a", "--margin", "x=0.5", "y=50")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("x: b (+")
    assert lines[1].startswith("y: b (+")
    assert lines[2] == "Over all tasks, by the mean gain in margins: The best is b."
    done = command(folder, "judge", "tasks.csv", "--baseline", "a", "--margin", "x=0.5", "z=1")
    assert "margin: none of task 'y'; allowed: x, z" in done.stderr


def test_hundreds_of_levels_are_answered_in_one_sentence():
    frame = runs({f"l{place}": 0.0 for place in range(200)}, n=8)
    question = Question("l0", 5.0)
    answer = answering.answer(Scores(frame), question, "x")
    (sentence,) = headline.sentences(answer)
    assert len(sentence) < 600
    assert "more are" in sentence


def cell(name, value, row=3):
    """Runs of two levels of which one number is another."""
    frame = runs({"a": 0.0, "b": 1.0}, n=8).astype({"value": object, "seed": object})
    frame.loc[row, name] = value
    return frame


def repeated():
    frame = runs({"a": 0.0, "b": 1.0}, n=8)
    return pd.concat([frame, frame.iloc[[5]]], ignore_index=True)


def all_diverged():
    frame = runs({"a": 0.0, "b": 1.0}, n=8).assign(diverged=False)
    frame.loc[frame["level"] == "b", ["value", "diverged"]] = [np.nan, True]
    return frame


def in_one_task():
    frame = runs({"a": 0.0, "b": 1.0}, n=8).assign(task="x")
    return pd.concat([frame, frame[frame["level"] == "b"].assign(task="y")], ignore_index=True)


TWO = runs({"a": 0.0, "b": 1.0}, n=8)
MEANS = summaries(TWO)
BAD = {  # what is wrong -> a frame, and what its line must hold
    "no column of seeds that is named": (
        TWO.rename(columns={"seed": "sed"}).assign(epoch=range(16)),
        ["no column of seeds", "rows of one level at several epoch"],
    ),
    "no value": (
        TWO.rename(columns={"value": "valeu"}),
        ["no column 'value'; did you mean 'valeu'?"],
    ),
    "no level": (TWO.drop(columns="level"), ["no column 'level'"]),
    "no rows": (TWO.head(0), ["got no rows"]),
    "no columns": (pd.DataFrame(), ["no column 'level'"]),
    "one seed": (runs({"a": 0.0, "b": 1.0}, n=1), ["got one run of each level"]),
    "one level": (runs({"a": 0.0}), ["level: got 'a' alone; allowed: two"]),
    "a constant metric": (TWO.assign(value=0.5), ["value: got 0.5 in all 16 rows"]),
    "NaN": (
        cell("value", np.nan),
        ["row 3: value: got n", "1 of 16 runs has no finite value; allowed: a number; to fix: "],
    ),
    "infinity": (cell("value", np.inf), ["row 3: value: got inf"]),
    "text for a number": (cell("value", "abc"), ["row 3: value: got 'abc'; allowed: a number"]),
    "a list for a number": (cell("value", "[1]"), ["row 3: value: got '[1]'"]),
    "a seed that is missing": (cell("seed", None), ["row 3: seed: got nothing"]),
    "a level that is missing": (cell("level", None), ["row 3: level: got nothing"]),
    "repeated rows": (repeated(), ["row 16: got 'a', seed 5 again", "(pseudo-replication)"]),
    "all runs of one level diverged": (all_diverged(), ["level 'b': all of its runs diverged"]),
    "a baseline that is absent": (
        TWO.replace("a", "aa"),
        ["baseline: got 'a'; did you mean 'aa'?"],
    ),
    "a baseline that one task lacks": (in_one_task(), ["'y': no run of the baseline 'a'"]),
    "a flag that is none": (
        TWO.assign(diverged="maybe"),
        ["row 0: diverged: got 'maybe'; allowed"],
    ),
    "a million rows": (
        runs({"a": 0.0, "b": 1.0}, n=500_000),
        [f"got 500,000 rows of 'a'; allowed: up to {MAX_SEEDS:,} runs"],
    ),
    "a column twice": (pd.concat([TWO, TWO["seed"]], axis=1), ["two columns 'seed'"]),
    "sd below 0": (MEANS.assign(sd=-1.0), ["row 0: sd: got -1.0; allowed: a finite number"]),
    "n of 2.5": (MEANS.assign(n=2.5), ["row 0: n: got 2.5; allowed: a whole number"]),
    "a mean of infinity": (MEANS.assign(mean=np.inf), ["row 0: mean: got inf"]),
    "means of one level twice": (pd.concat([MEANS, MEANS]), ["got 'a' again; allowed: a row per"]),
    "means of one level": (MEANS.head(1), ["level: got 'a' alone"]),
}


OF_FRAMES = ("a million rows", "no columns", "a column twice")  # what no file can be
GUESSED = {  # of a file, a reader says what it takes instead
    "no value": "'valeu' is what is judged.",
}


@pytest.mark.parametrize("fault", GUESSED)
def test_judge_says_what_it_takes_a_file_for(tmp_path, fault):
    frame, _ = BAD[fault]
    frame.to_csv(tmp_path / "runs.csv", index=False)
    done = command(tmp_path, "judge", "runs.csv", *QUESTION)
    assert (done.returncode, done.stderr) == (0, "")
    assumed = done.stdout.partition("assumed:")[2]
    assert GUESSED[fault].lower() in assumed.lower()


@pytest.mark.parametrize("fault", BAD)
def test_a_frame_that_allows_no_verdict_is_refused_in_one_line(fault):
    frame, parts = BAD[fault]
    refusal(lambda: actstudy.verdicts(frame, baseline="a", margin=0.5), *parts)


@pytest.mark.parametrize(
    "fault",
    [name for name in BAD if name not in (*OF_FRAMES, *GUESSED)],
)
def test_judge_refuses_its_file_in_one_line_and_writes_nothing(tmp_path, fault):
    frame, _ = BAD[fault]
    frame.to_csv(tmp_path / "runs.csv", index=False)
    files = ["--figure", "f.png", "--page", "p.md"]
    done = command(tmp_path, "judge", "runs.csv", *QUESTION, *files)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("actstudy: runs.csv")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["runs.csv"]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ([], "--baseline: missing; allowed: a, b, c, d"),
        (["--baseline", "a"], "--margin: missing; allowed: the smallest difference that matters"),
        (["--baseline", "a", "--margin", "-1"], "--margin: got '-1'; allowed: a number above 0"),
        (["--baseline", "a", "--margin", "nan"], "--margin: got 'nan'; allowed: a number above 0"),
        (["--baseline", "a", "--margin", "1", "2"], "--margin: got '1'; allowed: one number, or"),
        (
            [*QUESTION, "--figure", "f.gif"],
            "--figure: got 'f.gif'; allowed: a name that ends in .png",
        ),
        ([*QUESTION, "--page", "."], "--page: got '.', a folder; allowed: a file"),
        (
            [*QUESTION, "--unpaired", "--looks"],
            "looks: got runs that are unpaired; allowed: runs that share",
        ),
        ([*QUESTION, "--paired", "--unpaired"], "not allowed with argument"),
        ([*QUESTION, "--family", "all"], "--family: got 'all'; allowed: task, study"),
        ([*QUESTION, "--chance", "x"], "--chance: got 'x'; allowed: a number"),
        ([*QUESTION, "--value", "valu"], "did you mean 'value'?"),
        ([*QUESTION, "--lower_is_better"], "did you mean '--lower-is-better'?"),
    ],
)
def test_a_flag_that_cannot_be_is_one_line(folder, flags, line):
    done = command(folder, "judge", "runs.csv", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"margin": 0}, "margin: got 0; allowed: the smallest difference that matters"),
        ({"margin": "x"}, "margin: got 'x'"),
        ({"margin": {"y": 1.0}}, "margin: none of task ''"),
        ({"family": "all"}, "family: got 'all'; allowed: task, study"),
        ({"value": "score"}, "value: no column 'score'"),
        ({"baseline": "B"}, "baseline: got 'B'; did you mean 'b'?"),
    ],
)
def test_an_argument_that_cannot_be_is_one_line(arguments, line):
    own = {"baseline": "a", "margin": 0.5, **arguments}
    refusal(lambda: actstudy.verdicts(TWO, **own), line)


def test_without_seeds_a_frame_is_judged_as_its_file_is(tmp_path):
    """Unpaired, each row a run by itself; not in pairs, and not by a column that is not there."""
    frame = runs({"a": 0.0, "b": 2.0}, n=9, sd=0.3).drop(columns="seed")
    frame.to_csv(tmp_path / "runs.csv", index=False)
    done = command(tmp_path, "judge", "runs.csv", *QUESTION, "--json")
    content = json.loads(done.stdout)
    own = {"baseline": "a", "margin": 0.5}
    table = actstudy.verdicts(frame, **own)
    assert table.attrs["method"] == content["method"] == "unpaired"
    assert [row["p"] for row in content["contrasts"]] == list(table["p"])
    assert list(actstudy.ranks(frame, margin=0.5)["level"]) == ["b", "a"]
    line = "paired: got runs without seeds; allowed: a column of seeds, or unpaired"
    refusal(lambda: actstudy.verdicts(frame, paired=True, **own), line)
    done = command(tmp_path, "judge", "runs.csv", *QUESTION, "--paired")
    assert line in done.stderr
    refusal(lambda: actstudy.verdicts(frame, seed="sed", **own), "seed: no column 'sed'; allowed")


def test_looks_need_numbered_seeds():
    named = TWO.assign(seed=[f"s{seed}" for seed in TWO["seed"]])
    own = {"baseline": "a", "margin": 0.5, "looks": True}
    refusal(lambda: actstudy.verdicts(named, **own), "looks: got seeds such as 's0'", "the first 8")
    own["looks"] = "anytime"
    line = refusal(lambda: actstudy.verdicts(named, **own), "anytime: got seeds such as 's0'")
    assert line.endswith("as they are judged one by one, in the order of their numbers")
    assert "look" not in line


def test_a_frame_is_asked_for():
    refusal(
        lambda: actstudy.verdicts([1, 2], baseline="a", margin=1), "got list; allowed: a pandas"
    )


def test_flags_may_be_words_or_numbers():
    for yes, no in ((True, False), ("True", "false"), (1, 0), (1.0, np.nan), ("1", None)):
        frame = TWO.assign(diverged=[yes if row == 2 else no for row in range(len(TWO))])
        rows = checked(frame.astype({"diverged": object}), "x")
        assert list(rows.index[rows["diverged"]]) == [2]


def test_levels_may_be_numbers():
    frame = TWO.assign(level=TWO["level"].map({"a": 0.1, "b": 0.3}))
    table = actstudy.verdicts(frame, baseline=0.1, margin=0.5)
    assert list(table["level"]) == ["0.3"]


def test_checked_rows_keep_what_they_say():
    frame = TWO.assign(seed=TWO["seed"].astype(str), extra=1)
    rows = checked(frame, "x")
    assert list(rows["seed"]) == list(TWO["seed"])
    assert list(rows["value"]) == list(TWO["value"])
    assert set(rows["group"]) == set(rows["task"]) == {""}


@pytest.mark.parametrize("place", ["nowhere", "."])
def test_load_names_what_it_does_not_find(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine/tables").mkdir(parents=True)
    line = refusal(lambda: actstudy.load(place), "allowed: a study's results")
    assert ("there are tables in mine" in line) == (place == ".")


def test_load_refuses_a_damaged_table_and_an_unknown_figure(tmp_path):
    (tmp_path / "runs.parquet").write_bytes(b"PAR1 no")
    results = actstudy.load(tmp_path)
    refusal(lambda: results.runs, "runs.parquet: not readable: ")
    refusal(lambda: results.curves, "no table 'curves'; ", "allowed: runs")
    refusal(lambda: results.figure("forst"), "unknown figure 'forst'; did you mean 'forest'?")
