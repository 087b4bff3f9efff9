"""Studies side by side: recipes, means, differences of seeds that pair, verdicts that changed."""

import copy
import json
import shutil
from pathlib import Path

import bundled
import numpy as np
import pandas as pd
import pytest
from commands import command
from refusals import refusal
from runs import ROOT

from actstudy.analysis.questions import factors, stats
from actstudy.judging.studies import beside, page
from actstudy.judging.studies.paired import BASELINE, OTHER, SAME, SAME_RUNS


def content(**fields):
    """A study of 8 seeds; fields: of its runs."""
    study = copy.deepcopy(bundled.CONTENT)
    study["tasks"]["mlp"] |= {"seeds": 8, **fields}
    return study


def better(spec):
    """What tanh gains in the second study."""
    return 0.3 if spec.activation == "tanh" else 0.0


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A folder with studies: one, the same with another rate and tanh better, and others."""
    folder = tmp_path_factory.mktemp("origin")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        bundled.study(name="one", content=content())
        bundled.study(name="other", content=content(lr=0.01), shift=better)
        wide = content() | {"axes": {"activation": ["relu", "silu"]}}
        bundled.study(name="wide", content=wide)
        depths = content() | {"axes": {"activation": ["relu"], "depth": [2, 3]}}
        bundled.study(name="depths", content=depths)
        lm = {"axes": bundled.CONTENT["axes"], "tasks": {"lm": {"seeds": 2}}}
        bundled.study(name="text", content=lm)
    return folder


@pytest.fixture
def compared(origin, monkeypatch):
    monkeypatch.chdir(origin)

    def compare(*names):
        return page.compare(beside.read([f"results/{name}" for name in names]))

    return compare


def test_differences_are_those_of_the_seeds(origin, compared):
    (comparison,) = compared("one", "other")
    frames = [pd.read_parquet(f"results/{name}/tables/runs.parquet") for name in ("one", "other")]
    for row in comparison.cells.to_dict("records"):
        of_first, of_other = (
            frame[frame["level"] == row["level"]].set_index("seed")["reported_accuracy"]
            for frame in frames
        )
        expected = stats.mean_interval(list(of_other - of_first))
        assert row["n_pairs"] == 8
        assert row["mean_first"] == pytest.approx(of_first.mean())
        assert row["n_other"] == 8
        for name, value in zip(
            ("difference", "low", "high"), vars(expected).values(), strict=False
        ):
            assert row[name] == pytest.approx(value, abs=1e-12)
    tanh = comparison.cells.set_index("level").loc["tanh"]
    assert tanh["difference"] == pytest.approx(0.3)
    assert (tanh["verdict_first"], tanh["verdict_other"]) == ("undecided", "better")
    assert tanh["verdict"] == OTHER
    assert comparison.cells.set_index("level").loc["gelu", "verdict"] == SAME


def test_what_differs_in_the_recipe_stands_on_top(origin):
    done = command(origin, "compare", "results/one", "results/other/")
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert "| mlp    | lr     | 0.003         | 0.01            |" in text
    assert text.index("### What differs") < text.index("### mlp: test accuracy, higher is better")
    assert "Verdicts: 1 same, 1 other. mlp, tanh against relu: undecided, then better." in text
    assert "+30.00 points" in text
    assert "nothing is corrected for their number" in text


def test_numbers_are_the_same_in_plan_csv_and_parquet(origin, tmp_path):
    """A CSV has the clip 1.0 as a number, Parquet as text, plan.json as JSON's number."""
    folder = tmp_path / "csv/tables"
    shutil.copytree(origin / "results/one/tables", folder)
    frame = pd.read_parquet(folder / "runs.parquet")
    assert set(frame["clip"]) == {"1.0"}
    (folder / "runs.parquet").unlink()
    shutil.copytree(folder, tmp_path / "plan/tables")
    frame.assign(steps=1e6).to_csv(folder / "runs.csv", index=False)
    few = frame[["run_id", "task", "level", "group", "seed", "status"]]
    few.to_csv(tmp_path / "plan/tables/runs.csv", index=False)
    names = [str(tmp_path / "csv"), str(tmp_path / "plan")]
    by_csv, by_plan = page.compare(beside.read([str(origin / "results/one"), *names]))
    assert [row["what"] for row in by_csv.recipe] == ["steps"]
    assert by_csv.recipe[0][names[0]] == "1000000"
    assert by_plan.recipe == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), ("1.0", "1"), (1, "1"), ("1e-05", "1e-05"), (0.5, "0.5"), ("007", "007"),
     ("nan", "nan"), ("inf", "inf"), (None, ""), ("adaptive", "adaptive"), (1e20, "1e+20")],
)  # fmt: skip
def test_a_field_is_one_text_whatever_file_it_is_from(value, text):
    frame = pd.DataFrame({"clip": pd.Series([value], dtype=object)})
    assert list(factors.texts(frame, "clip")) == [text]


def test_studies_that_share_runs_say_so(compared):
    (comparison,) = compared("one", "wide")
    relu = comparison.cells.iloc[0]
    assert comparison.recipe == []
    assert (relu["pairs"], relu["difference"], len(comparison.cells)) == (SAME_RUNS, 0, 1)
    assert comparison.notes == [
        "mlp: only results/one has tanh, gelu",
        "mlp: only results/wide has silu",
    ]
    text = page.page([comparison])
    assert "Of 1 of them both studies have the very same runs" in text
    assert page.SAME_RECIPE in text


def test_seeds_that_saw_other_batches_are_no_pairs(origin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, seeds in (("a", "0"), ("b", "1")):
        planned = bundled.study(name=name, content=content(lr=float(f"0.0{seeds}1")))
        path = Path(planned.folder) / "tables/runs.parquet"
        frame = pd.read_parquet(path)
        frame.assign(order_hash=frame["order_hash"] + seeds).to_parquet(path)
    (comparison,) = page.compare(beside.read(["results/a", "results/b"]))
    assert set(comparison.cells["pairs"]) == {"seeds saw other batches"}
    assert comparison.cells["difference"].isna().all()
    assert (comparison.cells["n_first"] == 8).all()
    assert "seeds saw other batches" in page.page([comparison])


def test_three_studies_and_files_for_programs(origin, tmp_path):
    folders = [f"results/{name}" for name in ("one", "other", "wide")]
    done = command(origin, "compare", *folders, "--csv", str(tmp_path / "cells.csv"), "--json")
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert (first["other"], second["other"]) == ("results/other", "results/wide")
    assert first["recipe"] == [
        {"task": "mlp", "what": "lr", "results/one": "0.003", "results/other": "0.01"}
    ]
    frame = pd.read_csv(tmp_path / "cells.csv")
    assert len(frame) == len(first["cells"]) + len(second["cells"]) == 4
    printed = pd.DataFrame(first["cells"])["difference"]
    assert np.allclose(printed, frame["difference"][:3])


def test_tables_that_documents_hold_can_be_compared():
    folders = [str(ROOT / "docs/example" / name) for name in ("gated", "contrastive")]
    refusal(
        lambda: page.compare(beside.read(folders)), "no common task: ", "has lm", "has contrastive"
    )
    example = str(ROOT / "docs/example/verdicts")
    refusal(lambda: page.compare(beside.read([example, f"{example}/tables"])), "twice")
    assert not beside.read([example, folders[0]])[0].cells.empty


@pytest.mark.parametrize(
    ("names", "part"),
    [
        (["results/one"], "got 1 study; allowed: two or more"),
        (["results/one", "results/one/"], "got results/one/ twice"),
        (["results/one", "results/absent"], "no such folder"),
        (["results/one", "results/runs"], "no tables of a study"),
        (["results/one", "one.yaml"], "allowed: a study's results or its tables"),
        (
            ["results/one", "results/text"],
            "no common task: results/one has mlp; results/text has lm",
        ),
        (["results/one", "results/depths"], "mlp: no cell in common: results/one has levels relu"),
    ],
)
def test_what_cannot_be_compared_is_one_line(origin, names, part):
    done = command(origin, "compare", *names)
    assert done.returncode == 2
    assert part in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


def test_a_refusal_says_what_each_study_has(compared):
    refusal(
        lambda: compared("one", "depths"),
        "results/one has levels relu, tanh, gelu without groups on mnist1d; ",
        "results/depths has level relu in groups 'depth=2', 'depth=3' on mnist1d",
        "allowed: studies with a task and its metric in common, and in it a level of the same",
    )


def test_a_baseline_is_called_one_and_has_no_verdict(origin, compared):
    (comparison,) = compared("one", "other")
    relu = comparison.cells.set_index("level").loc["relu"]
    assert (relu["verdict_first"], relu["verdict_other"], relu["verdict"]) == (BASELINE,) * 2 + (
        "",
    )
    assert set(comparison.cells["verdict_first"]) == {BASELINE, "undecided"}
    assert "Verdicts: 1 same, 1 other." in page.page([comparison])


def test_kept_studies_without_runs_say_why_nothing_pairs(monkeypatch):
    monkeypatch.chdir(ROOT)
    folders = ["docs/example/default", "docs/example/guide"]
    (comparison,) = page.compare(beside.read(folders))
    assert len(comparison.cells) == 9
    assert set(comparison.cells["pairs"]) == {"no runs in the tables"}
    for folder in folders:
        assert any(note.startswith(f"{folder}: no table of runs with") for note in comparison.notes)
    assert str(ROOT) not in page.page([comparison])


def test_another_metric_is_no_common_task(origin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bundled.study(name="a")
    planned = bundled.study(name="b")
    path = Path(planned.folder) / "tables/plan.json"
    path.write_text(path.read_text().replace('"metric": "accuracy"', '"metric": "macro_f1"'))
    refusal(
        lambda: page.compare(beside.read(["results/a", "results/b"])),
        "mlp: metric is accuracy in results/a and macro_f1 in results/b",
    )
