"""The full study's recipes: how its searches are ranked, and what its two files ask for."""

import json
import sys
from collections import Counter

import pandas as pd
import pytest
from runs import ROOT

from actstudy.contract import store
from actstudy.study import planning
from actstudy.study.looks import FIXED

sys.path.append(str(ROOT / "docs"))
import quoted_full

LR = [json.dumps({"lr": lr}) for lr in (0.1, 0.2, 0.3)]


def rows(*values):
    """Runs of recipes: recipe, activation, seed, val."""
    names = ["recipe", "activation", "seed", "val"]
    return pd.DataFrame(values, columns=names).assign(task="cls", train_seconds=2.0, reference=0.8)


@pytest.fixture(scope="module")
def full():
    return planning.load(ROOT / "config/full.yaml")


def test_recipes_are_ranked_by_what_all_of_them_have():
    frame = rows(
        (LR[0], "relu", 100, 0.6),
        (LR[0], "gelu", 100, 0.9),
        (LR[1], "relu", 100, 0.7),
        (LR[2], "relu", 100, 0.5),
        (LR[2], "gelu", 100, 0.5),
    )
    table = quoted_full.by_activation(frame)
    assert list(table.index) == [LR[1], LR[0], LR[2]]
    assert table["mean"].isna().tolist() == [True, False, False]
    entries = [quoted_full.entry_of(table.iloc[0], name, "cls") for name in table.columns[:3]]
    assert entries == ["", "70.00", "not run"]


def test_with_all_activations_recipes_are_ranked_by_the_mean_of_the_first_seed():
    frame = rows(
        (LR[0], "relu", 100, 0.6),
        (LR[0], "gelu", 100, 0.9),
        (LR[1], "relu", 100, 0.7),
        (LR[1], "gelu", 100, 0.7),
        (LR[1], "relu", 101, 1.0),
    )
    table = quoted_full.by_activation(frame)
    assert list(table.index) == LR[:2]
    assert table["relu, second seed"].isna().tolist() == [True, False]


def test_every_level_of_a_task_has_an_equal_budget_of_trials(full):
    for task, settings in full.tasks.items():
        trials = Counter(run.level for run in full.tuning if run.task == task)
        assert len(trials) == (8 if task == "vision" else 10)
        assert set(trials.values()) == {3 * len(settings.tune_lr)}
        fixed = {run.spec.lr for run in full.possible if is_fixed(run, task)}
        assert fixed == {sorted(settings.tune_lr)[len(settings.tune_lr) // 2]}


def is_fixed(run, task):
    """Whether a run is of a task at its fixed rate."""
    return run.task == task and run.places["lr"] == FIXED


def test_one_recipe_of_the_sensitivity_study_is_the_full_studys_own(full):
    sensitivity = planning.load(ROOT / "config/full_sensitivity.yaml")
    task_by_folder = {store.run_folder(run.spec): run.task for run in sensitivity.possible}
    fixed = {store.run_folder(run.spec) for run in full.possible if is_fixed(run, run.task)}
    shared = Counter(task_by_folder[folder] for folder in fixed & task_by_folder.keys())
    assert shared == {"cls": 32, "lm": 32}


def test_hours_are_those_of_runs_of_the_same_sizes_and_length(full):
    spec = quoted_full.specs_of(full)["vision"]
    stored = quoted_full.stored("vision_full")
    long = stored[stored["recipe"].str.contains('"epochs": 60')]
    least, mean = quoted_full.seconds_of("vision", spec)
    assert 200 < least == long["train_seconds"].min() < mean
    assert mean == pytest.approx(long["train_seconds"].mean())
