"""benchmarks/recipes.py: equal budgets, first seeds first, val alone."""

import argparse
import itertools
import json
import sys

import pandas as pd
import pytest
import yaml
from runs import ROOT, quiet, run

from actstudy.contract import store
from actstudy.study import planning

sys.path.append(str(ROOT / "benchmarks"))
import recipes

FILES = sorted((ROOT / "config/recipes").glob("*.yaml"))
MLP = {"depth": 2, "width": 16, "epochs": 2, "batch_size": 500, "warmup": 1}
AXES = {"activation": ["relu", "gelu"], "lr": [{"lr": 0.001, "dropout": 0.4}, {"lr": 0.01}]}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Two recipes of two activations and two seeds."""
    monkeypatch.chdir(tmp_path)
    block = {"axes": AXES, "seeds": [100, 101], "device": "cpu", "tasks": {"mlp": MLP}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(block))
    return planning.load(tmp_path / "mine.yaml")


@pytest.fixture
def trained(study, prepared_folder):
    """The same study with its runs of the first seed."""
    folder = prepared_folder("mnist1d")
    for planned in study.possible:
        if planned.spec.seed == 100:
            run(planned.spec, store.run_folder(planned.spec), folder, quiet())
    return study


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_recipe_has_the_same_activations_and_seeds(file):
    """Seeds are none that a study reports: those begin at 0."""
    study = planning.load(file)
    specs = [planned.spec for planned in study.possible]
    names = recipes.varied(specs)
    budget = {}
    for spec in specs:
        recipe = recipes.recipe_of(spec, names)
        budget.setdefault(recipe, []).append((spec.activation, spec.seed))
    assert len(budget) > 1
    assert len({tuple(sorted(pairs)) for pairs in budget.values()}) == 1
    assert min(spec.seed for spec in specs) >= 100


def test_the_first_seed_of_every_recipe_trains_before_any_second_one(study):
    jobs = list(recipes.jobs_of([planned.spec for planned in study.possible], "cpu", 1))
    seeds = [(job.members[0].seed, job.members[-1].seed, len(job.members)) for job in jobs]
    assert seeds == [(100, 100, 2), (100, 100, 2), (101, 101, 2), (101, 101, 2)]
    assert {job.words[0] for job in jobs} == {"series"}
    assert len({spec.dropout for spec in jobs[0].members}) == 1  # as one process takes them


def test_compiled_runs_of_one_code_share_a_job_on_a_gpu(study):
    specs = [planned.spec for planned in study.possible]
    compiled = [recipes.dataclasses.replace(spec, engine="compiled") for spec in specs]
    jobs = list(recipes.grouped(compiled, "cuda"))
    assert len(jobs) == 8  # dropout and activation are of the code, seeds come one by one
    same = [recipes.dataclasses.replace(spec, dropout=0.0) for spec in compiled]
    assert [len(members) for _, members in recipes.grouped(same, "cuda")] == [2] * 4


def test_what_is_done_is_not_trained_again(trained):
    specs = [planned.spec for planned in trained.possible]
    jobs = recipes.jobs_of(specs, "cpu", 1)
    members = itertools.chain.from_iterable(job.members for job in jobs)
    assert {spec.seed for spec in members} == {101}


def test_rows_hold_val_and_no_score_of_test(trained, tmp_path):
    file = tmp_path / "recipes.parquet"
    other = pd.DataFrame([dict.fromkeys(recipes.COLUMNS) | {"study": "other"}])
    other.to_parquet(file)
    frame = recipes.write([trained], file)
    assert list(pd.read_parquet(file)["study"]) == ["other", *["mine"] * 4]
    assert set(frame["seed"]) == {100}
    assert frame["test"].isna().all()
    assert {json.loads(recipe)["lr"] for recipe in frame["recipe"]} == {0.001, 0.01}
    for row in frame.to_dict("records"):
        curves = store.read(store.RUNS / "mlp" / row["run_id"], "curves")[0].to_pandas()
        val = curves[(curves["split"] == "val") & (curves["metric"] == "accuracy")]["value"]
        assert row["val"] == val.max()
    again = recipes.write([trained], file, with_test=True)
    assert again["test"].notna().all()
    assert len(pd.read_parquet(file)) == 5


def test_the_trail_puts_the_best_mean_first(trained, tmp_path):
    frame = recipes.write([trained], tmp_path / "recipes.parquet")
    frame["val"] = [0.5 if "0.001" in recipe else 0.3 for recipe in frame["recipe"]]
    head, _, first, second = recipes.trail(frame, "mlp").splitlines()
    assert head.split("|")[1:6] == [part for part in head.split("|")[1:6] if part.strip()]
    assert "lr 0.001, dropout 0.4" in first or "dropout 0.4, lr 0.001" in first
    assert "0.5" in first
    assert "0.3" in second


def test_jobs_end_at_the_time_that_is_set(study, monkeypatch):
    started = []

    class Process:
        def __init__(self, command, **_):
            started.append(command)
            self.stopped = False

        def poll(self):
            return 75 if self.stopped else None

        def terminate(self):
            self.stopped = True

    monkeypatch.setattr(recipes.subprocess, "Popen", Process)
    end = recipes.time.monotonic() + 0.3
    recipes.work(recipes.jobs_of([p.spec for p in study.possible], "cpu", 1), 2, end)
    assert len(started) == 2


def test_a_table_is_printed_of_what_is_there(trained, tmp_path, capsys):
    arguments = argparse.Namespace(
        files=["mine.yaml"], minutes=1, table=True, out=tmp_path / "r.parquet", test=False
    )
    recipes.main(arguments)
    printed = capsys.readouterr().out
    assert "## mine: mlp, 4 of 8 runs" in printed
    assert "reference on val not scored" in printed
