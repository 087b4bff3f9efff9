"""Tables of anyone's runs: long, wide, summaries; what is assumed, and what is refused."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from refusals import refusal

from actstudy.judging import readers
from actstudy.judging.reading.options import Options
from actstudy.judging.scores import checked, checked_summaries

LONG = """method,seed,accuracy,val_loss,epoch
relu,0,0.81,0.4,1
relu,1,0.82,0.4,1
gelu,0,0.83,0.3,1
gelu,1,0.84,0.3,1
"""
CURVES = """activation,seed,epoch,accuracy,val_loss
relu,0,1,0.80,0.30
relu,0,2,0.85,0.20
relu,0,3,0.82,0.25
gelu,0,1,0.70,0.10
gelu,0,2,0.75,0.15
gelu,0,3,0.90,0.12
"""
KEY = ["task", "level", "seed"]


@pytest.fixture
def csv(tmp_path):
    """Writes a text as a CSV and returns its path."""

    def write(text, name="runs.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def values(scores):
    """(level, seed) -> value of scores of one task, as they are judged."""
    frame = checked(scores.frame, "x")
    return {(row.level, row.seed): row.value for row in frame.itertuples()}


def test_a_long_table_says_which_columns_it_took(csv):
    scores = readers.read(csv(LONG), Options(value="accuracy"))
    assert values(scores) == {
        ("relu", 0): 0.81,
        ("relu", 1): 0.82,
        ("gelu", 0): 0.83,
        ("gelu", 1): 0.84,
    }
    assert scores.metric == "accuracy"
    assert scores.paired is None
    assert "'method' is taken as the level, by its name." in scores.assumptions
    named = readers.read(csv(LONG), Options(value="accuracy", level="method", seed="seed"))
    assert not any("is taken as" in text for text in named.assumptions)


def test_the_same_rows_in_every_kind_of_table(csv, tmp_path):
    frame = pd.read_csv(io.StringIO(LONG))
    frame.to_parquet(tmp_path / "runs.parquet")
    frame.to_csv(tmp_path / "indexed.csv")
    frame.to_csv(tmp_path / "runs.tsv", sep="\t", index=False)
    frame.to_json(tmp_path / "runs.jsonl", orient="records", lines=True)
    frame.to_json(tmp_path / "runs.json", orient="records")
    frame.astype({"method": "category"}).to_parquet(tmp_path / "categories.parquet")
    expected = values(readers.read(csv(LONG), Options(value="accuracy")))
    paths = [*tmp_path.iterdir()]
    assert len(paths) == 7
    for path in paths:
        assert values(readers.read(path, Options(value="accuracy"))) == expected, path


def test_numbers_are_read_to_the_last_bit(csv):
    rng = np.random.default_rng(0)
    numbers = rng.random(2000) * 10.0 ** rng.integers(-12, 12, 2000)
    rows = [f"{'ab'[i % 2]},{i // 2},{float(number)!r}" for i, number in enumerate(numbers)]
    path = csv("level,seed,value\n" + "\n".join(rows) + "\n")
    assert list(readers.read(path).frame["value"]) == list(numbers)


def test_nested_names_of_json(tmp_path):
    path = tmp_path / "runs.jsonl"
    rows = []
    for level in ("relu", "gelu"):
        for seed in range(2):
            rows.append({"config": {"seed": seed, "activation": level}, "loss": 1.5 - seed})
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    scores = readers.read(path)
    assert values(scores) == {
        ("relu", 0): 1.5,
        ("relu", 1): 0.5,
        ("gelu", 0): 1.5,
        ("gelu", 1): 0.5,
    }
    assert "'config.seed' is taken as the seed, by its name." in scores.assumptions


def test_without_seeds_rows_are_unpaired_runs(csv):
    path = csv("level,value\na,1\na,2\nb,3\nb,4\nb,5\n")
    scores = readers.read(path)
    assert scores.paired is False
    assert any("unpaired" in text for text in scores.assumptions)
    assert list(scores.frame["seed"]) == [f"{path}:{row}" for row in range(2, 7)]
    refusal(
        lambda: readers.read(csv("level,epoch,value\na,1,1\na,2,2\nb,1,3\nb,2,4\n")),
        "no column of seeds",
        "steps of a run are no replicates",
    )


@pytest.mark.parametrize(
    ("pick", "expected"),
    [
        ("last", (0.82, 0.90)),
        ("best", (0.85, 0.90)),
        ("mean", (np.mean([0.80, 0.85, 0.82]), np.mean([0.70, 0.75, 0.90]))),
        ("min:val_loss", (0.85, 0.70)),
        ("max:val_loss", (0.80, 0.75)),
    ],
)
def test_which_of_several_values_is_named_by_the_user(csv, pick, expected):
    scores = readers.read(csv(CURVES), Options(value="accuracy", pick=pick))
    assert tuple(scores.frame["value"]) == pytest.approx(expected, abs=1e-15)
    assert sum(text.startswith("Of several values") for text in scores.assumptions) == 1


def test_the_best_is_the_smallest_if_lower_is_better(csv):
    options = Options(value="val_loss", pick="best", higher_is_better=False)
    assert list(readers.read(csv(CURVES), options).frame["value"]) == [0.20, 0.10]


def test_the_last_value_is_that_of_the_largest_step(csv):
    lines = CURVES.splitlines()
    shuffled = "\n".join([lines[0], *reversed(lines[1:])]) + "\n"
    scores = readers.read(csv(shuffled), Options(value="accuracy", pick="last"))
    assert dict(zip(scores.frame["level"], scores.frame["value"], strict=True)) == {
        "gelu": 0.90,
        "relu": 0.82,
    }


def test_several_values_are_refused_with_what_there_is(csv):
    refusal(
        lambda: readers.read(csv(CURVES), Options(value="accuracy")),
        "row 2: got 3 values of accuracy of one run, at epoch 1 to 3",
        "pseudo-replication",
        "min:NAME",
        "NAME: val_loss",
    )
    refusal(
        lambda: readers.read(csv(CURVES), Options(value="accuracy", pick="first")),
        "pick: got 'first'",
        "last, best, mean",
    )
    refusal(
        lambda: readers.read(csv(CURVES), Options(value="accuracy", pick="min:val_los")),
        "did you mean 'val_loss'?",
    )


STARTED_TWICE = "optimizer,seed,value\nlion,0,1\nlion,0,3\nadamw,0,2\nlion,1,3\n"


@pytest.mark.parametrize("pick", [None, "mean", "last", "best", "max:value"])
def test_of_runs_that_were_started_twice_none_is_picked(csv, pick):
    refusal(
        lambda: readers.read(csv(STARTED_TWICE), Options(pick=pick)),
        "row 2: 1 run was started twice: seed 0 of lion (rows 2, 3)",
        "pseudo-replication",
        "allowed: one row per run, or a column of steps",
    )
    many = STARTED_TWICE + "lion,1,4\nlion,1,5\n"
    refusal(
        lambda: readers.read(csv(many), Options(pick=pick)),
        "2 runs were started up to 3 times: seed 0 of lion",
    )


@pytest.mark.parametrize(("pick", "value"), [("last", 3), ("best", 3), ("mean", 2)])
def test_rows_of_one_run_at_steps_are_picked(csv, pick, value):
    rows = "optimizer,seed,value,epoch\nlion,0,1,1\nlion,0,3,2\nadamw,0,2,1\n"
    scores = readers.read(csv(rows), Options(value="value", pick=pick))
    assert list(scores.frame["value"]) == [value, 2]


@pytest.mark.parametrize("pick", [None, "mean", "last", "best", "min:val_loss"])
def test_copied_rows_are_refused_whatever_is_picked(csv, tmp_path, pick):
    lines = CURVES.splitlines()
    path = csv("\n".join([*lines, lines[2]]) + "\n")
    options = Options(value="accuracy", pick=pick)
    parts = ("row 8: is row 3 again, in every column; copies are no replicates", "there are 1;")
    refusal(lambda: readers.read(path, options), *parts)
    pd.read_csv(path).to_parquet(tmp_path / "runs.parquet")
    refusal(lambda: readers.read(tmp_path / "runs.parquet", options), "row 7: is row 2 again")


def test_equal_values_at_other_steps_are_no_copies(csv):
    path = csv(CURVES.replace("0.85", "0.80"))
    scores = readers.read(path, Options(value="accuracy", pick="mean"))
    assert list(scores.frame["value"]) == pytest.approx([2.42 / 3, 2.35 / 3])


EMPTY = {  # a table whose third row of four has no value, but nothing or null
    "long.csv": "level,seed,value\na,0,1\nb,0,2\na,1,\nb,1,3\n",
    "spaces.tsv": "level\tseed\tvalue\na\t0\t1\nb\t0\t2\na\t1\t  \nb\t1\t3\n",
    "by_level.csv": "seed,a,b\n0,1,2\n1,,3\n",
    "by_seed.csv": "method,seed 0,seed 1\na,1,\nb,2,3\n",
    "null.jsonl": '{"level": "a", "seed": 0, "value": 1}\n{"level": "b", "seed": 0, "value": 2}\n'
    '{"level": "a", "seed": 1, "value": null}\n{"level": "b", "seed": 1, "value": 3}\n',
    "absent.jsonl": '{"level": "a", "seed": 0, "value": 1}\n{"level": "b", "seed": 0, "value": 2}\n'
    '{"level": "a", "seed": 1}\n{"level": "b", "seed": 1, "value": 3}\n',
    "null.parquet": "",
    "table.csv": "Name,State,method,seed,x\np,finished,a,0,1\nq,finished,b,0,2\nr,crashed,a,1,9\n"
    "s,finished,b,1,3\n",
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_run_without_a_value_is_refused_or_what_the_user_says(csv, tmp_path, name):
    """One rule and one wording, whatever the reader."""
    path = csv(EMPTY[name], name)
    if name == "null.parquet":
        pd.read_csv(io.StringIO(EMPTY["long.csv"])).to_parquet(path)
    parts = ["value: got no", "1 of 4 runs has no finite value; allowed: a number; to fix: "]
    refusal(lambda: readers.read(path), str(path), *parts, "--diverged nan", "--diverged none")
    others = readers.read(path, Options(diverged="none"))
    assert values(others) == {("a", 0): 1, ("b", 0): 2, ("b", 1): 3}
    assert any("taken as never made: " in text for text in others.assumptions)
    lost = readers.read(path, Options(diverged="nan"))
    frame = checked(lost.frame, "x").set_index(["level", "seed"])
    assert list(frame.index[frame["diverged"]]) == [("a", 1)]
    assert list(frame.index[frame["value"].isna()]) == [("a", 1)]
    assert any("taken as diverged: " in text for text in lost.assumptions)
    for scores in (others, lost):
        assert "is_empty" not in scores.frame


def test_nan_was_made_although_empty_values_were_not(csv):
    path = csv("level,seed,value\na,0,1\na,1,nan\nb,0,2\nb,1,\n")
    fault = refusal(
        lambda: readers.read(path, Options(diverged="none")),
        "row 3: value: got nan; 1 of 4",
        "is no empty value, so --diverged none says nothing of it; to fix: --diverged nan if",
    )
    assert fault.count("--diverged none") == 1


STEPS = "level,seed,step,value,val\n{}b,0,1,3,.3\nb,0,2,,.4\nb,0,3,4,.2\n"


def test_a_step_at_which_no_run_was_measured_is_no_missing_run(csv):
    path = csv(STEPS.format("a,0,1,1,.2\na,0,2,,.1\na,0,3,2,.3\na,0,4,,.1\n"))
    scores = readers.read(path, Options(value="value", pick="last"))
    assert list(scores.frame["value"]) == [2, 4]
    assert any(
        "not measured, left out: 3 (the first: row 3)" in text for text in scores.assumptions
    )


@pytest.mark.parametrize("lost", ["", "nan"])
@pytest.mark.parametrize("pick", ["last", "mean"])
def test_a_run_that_loses_its_value_has_none(csv, lost, pick):
    """Its value before it diverged is not what it ended with; the best of it may be."""
    path = csv(STEPS.format(f"a,0,1,1,.2\na,0,2,,.1\na,0,3,{lost},.3\n"))
    options = {"value": "value", "pick": pick}
    refusal(lambda: readers.read(path, Options(**options)), "1 of 2 runs has no finite value")
    scores = readers.read(path, Options(**options, diverged="nan"))
    assert list(scores.frame["diverged"]) == [True, False]
    best = readers.read(path, Options(value="value", pick="best"))
    assert list(best.frame["value"]) == [1, 4]


def test_diverged_runs_have_no_value(csv):
    text = "level,seed,value,diverged,chance\na,0,1,false,0.1\na,1,,true,0.1\n"
    text += "b,0,2,0,0.1\nb,1,nan,1,0.1\n"
    frame = checked(readers.read(csv(text)).frame, "x")
    assert list(frame["diverged"]) == [False, True, False, True]
    assert list(frame["value"]) == [1, 0.1, 2, 0.1]
    refusal(
        lambda: readers.read(csv(text.replace("true", "perhaps"))),
        "row 3: column 'diverged': got 'perhaps'",
    )


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e999"])
def test_numbers_that_are_not_finite_are_refused_with_their_row(csv, number):
    path = csv(LONG.replace("0.83", number))
    refusal(
        lambda: readers.read(path, Options(value="accuracy")),
        f"{path}: row 4: value: got",
        "--diverged nan",
    )
    scores = readers.read(path, Options(value="accuracy", diverged="nan"))
    assert list(scores.frame["diverged"]) == [False, False, True, False]
    assert list(scores.frame["value"].isna()) == [False, False, True, False]
    sentence = "Runs without a finite value are taken as diverged: 1 of 4, the first in row 4."
    assert sentence in scores.assumptions


def test_texts_among_numbers_are_refused_with_their_row(csv):
    refusal(
        lambda: readers.read(
            csv(LONG.replace("0.83", "0,83", 1).replace("gelu,0,0,83", 'gelu,0,"0,83"')),
            Options(value="accuracy"),
        ),
        "row 4: column 'accuracy': got '0,83'",
        "decimal point",
    )
    refusal(lambda: readers.read(csv(LONG), Options(value="method")), "value: got 'method'")
    refusal(
        lambda: readers.read(csv(LONG.replace("gelu,0", ",0")), Options(value="accuracy")),
        "row 4: column 'method': got nothing",
    )


def test_a_column_per_level(csv):
    path = csv("seed,relu,gelu\n0,1,2\n1,3,\n2,5,6\n")
    scores = readers.read(path, Options(diverged="none"))
    assert values(scores) == {
        ("relu", 0): 1,
        ("relu", 1): 3,
        ("relu", 2): 5,
        ("gelu", 0): 2,
        ("gelu", 2): 6,
    }
    assert "There is no column of levels: each of the columns relu, gelu is one." in (
        scores.assumptions
    )
    without = readers.read(csv("relu,gelu\n1,2\n3,4\n"))
    assert without.paired is False
    assert any("unpaired" in text for text in without.assumptions)


def test_a_column_per_seed(csv):
    scores = readers.read(csv("method,seed 0,seed 3\nrelu,1,2\ngelu,3,4\n"))
    assert values(scores) == {
        ("relu", 0): 1,
        ("relu", 3): 2,
        ("gelu", 0): 3,
        ("gelu", 3): 4,
    }
    assert values(readers.read(csv("what,0,3\nrelu,1,2\ngelu,3,4\n"))) == values(scores)


def test_columns_of_metrics_are_no_levels(csv):
    refusal(
        lambda: readers.read(csv("seed,accuracy,loss\n0,1,2\n1,3,4\n")),
        "level: got no column of levels",
    )
    refusal(
        lambda: readers.read(csv(LONG)),
        "value: got several columns of numbers",
        "accuracy, val_loss",
    )


def test_means_alone(csv):
    scores = readers.read(csv("model,mean,std,n\na,1,0.1,5\nb,2,0.2,4\n"))
    frame = checked_summaries(scores.summaries, "x")
    assert frame[["level", "mean", "sd", "n"]].to_numpy().tolist() == [
        ["a", 1.0, 0.1, 5],
        ["b", 2.0, 0.2, 4],
    ]
    assert any("Only means are known" in text for text in scores.assumptions)


WITH_SETTINGS = """task,method,seed,value,lr,note,batch,loss,copy
x,a,0,1,.1,u,8,.3,a
x,a,1,2,.1,v,8,.2,a
x,b,0,3,.2,w,8,.2,b
x,b,1,4,.2,,8,.1,b
y,a,0,1,.1,u,9,.3,a
y,a,1,2,.1,v,9,.2,a
y,b,0,3,{},w,9,.2,b
y,b,1,4,{},,9,.1,b
"""


@pytest.mark.parametrize(
    ("rates", "named"),
    [((".2", ".2"), "lr (a .1, b .2)"), ((".1", ".1"), "lr (a .1, b .2)"), ((".2", ".3"), "")],
)
def test_columns_that_differ_as_the_levels_do_are_named(csv, tmp_path, rates, named):
    """Not those that differ within a level, are one in all of a task, or that its name says."""
    path = csv(WITH_SETTINGS.format(*rates))
    scores = readers.read(path, Options(value="value"))
    others = [text for text in scores.assumptions if text.startswith("What differs exactly")]
    expected = f"What differs exactly as the levels do may be what makes the difference: {named}."
    assert others == ([expected] if named else [])
    pd.read_csv(path).to_parquet(tmp_path / "runs.parquet")
    numbers = readers.read(tmp_path / "runs.parquet", Options(value="value")).assumptions
    assert any("lr (a 0.1, b 0.2)" in text for text in numbers) == bool(named)


def test_a_level_of_one_row_says_nothing_of_its_columns(csv):
    text = "method,seed,value,lr\na,0,1,.1\nb,0,2,.2\n"
    assert not any(
        "differs" in line for line in readers.read(csv(text), Options(value="value")).assumptions
    )


def test_columns_that_are_not_clear_are_refused(csv):
    both = (
        LONG.replace("method", "method,model")
        .replace("relu,", "relu,x,")
        .replace("gelu,", "gelu,x,")
    )
    refusal(lambda: readers.read(csv(both)), "level: got several, method, model")
    refusal(lambda: readers.read(csv(LONG), Options(level="methd")), "did you mean 'method'?")


def test_what_no_reader_knows(tmp_path):
    refusal(lambda: readers.read(tmp_path / "none.csv"), "no such file or folder")
    refusal(lambda: readers.read(tmp_path), "got a folder that no reader knows")
    (tmp_path / "x.xlsx").write_bytes(b"PK")
    refusal(lambda: readers.read(tmp_path / "x.xlsx"), "got a file that no reader knows")
    (tmp_path / "x.csv").write_text(LONG)
    refusal(lambda: readers.read(tmp_path / "x.csv", Options(kind="cvs")), "did you mean 'csv'?")
