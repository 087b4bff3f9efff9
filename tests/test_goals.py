"""The goals of docs/performance.md, and the rows that they are read from."""

import sys
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from runs import ROOT

sys.path.append(str(ROOT / "docs"))
sys.path.append(str(ROOT / "benchmarks"))
import measured_goals
import whole_study
from measured_goals import PRINTED, Reading


def no_reading() -> None:
    """Of a benchmark that has not run."""


@pytest.mark.parametrize(
    ("sign", "value", "now", "met"),
    [
        (">=", 1.25, 1.249, True),  # as printed
        (">=", 1.25, 1.244, False),
        ("<=", 2, 2.0, True),
        ("<=", 2, 2.006, False),
        ("<=", 2, 1.0, True),
    ],
)
def test_a_goal_is_met_by_the_value_that_is_printed(sign, value, now, met):
    goal = measured_goals.Goal("speed", sign, value, 2, "series", no_reading, "why")
    assert goal.is_met(now) == met


def test_a_table_of_goals_says_what_is_missed_and_what_is_not_measured(monkeypatch):
    slow = Reading(1.0, 2.0, 5, "NVIDIA H100 80GB HBM3")
    fast = Reading(None, 4.0, 1, "AMD EPYC", "`rows.parquet`")
    goals = [
        measured_goals.Goal("first", ">=", 3, 1, "series", lambda: slow, "it is slow"),
        measured_goals.Goal("second", ">=", 3, 1, "series", lambda: fast, "unseen"),
        measured_goals.Goal("third", ">=", 3, 1, "packs", no_reading, "unseen"),
    ]
    monkeypatch.setattr(measured_goals, "GOALS", goals)
    text = measured_goals.goals()
    assert "| first | at least 3.0 | 1.0 | 2.0 | **no** | 5 | H100 | `series.py` |" in text
    assert "| second | at least 3.0 |  | 4.0 | yes | 1 | AMD EPYC | `rows.parquet` |" in text
    assert "| third | at least 3.0 |  | not measured |  |  |  | `packs.py` |" in text
    assert "- first: it is slow." in text
    assert "unseen" not in text


def test_every_goal_names_a_script_and_reads_rows_that_are_there():
    for goal in measured_goals.GOALS:
        assert (ROOT / f"benchmarks/{goal.script}.py").is_file()
        reading = goal.read()
        assert reading is None or reading.now > 0


def test_goals_are_read_from_the_rows_that_scripts_write(monkeypatch, tmp_path):
    monkeypatch.setattr(measured_goals, "BENCHMARKS", tmp_path)
    loops = [("compiled", 100.0), ("without kernels", 110.0), ("ours", 130.0)]
    about = {"workload": "gpt", "activation": "gelu", "n_windows": 5, "device": "GPU"}
    rates = [{**about, "loop": loop, "per_second": rate} for loop, rate in loops]
    pd.DataFrame(rates).to_parquet(tmp_path / "throughput.parquet")
    assert measured_goals.tokens() == Reading(110.0, 130.0, 5, "GPU")
    packs = [
        ("tf32", "layers", 132.0, "older"),
        ("tf32", "layers", 150.0, "GPU"),
        ("tf32", "kernel", 300.0, "GPU"),
        ("bf16", "kernel", 500.0, "GPU"),
    ]
    columns = ["precision", "by", "run_epochs_per_second", "device"]
    frame = pd.DataFrame(packs, columns=columns).assign(width=256, pairs=15)
    frame.to_parquet(tmp_path / "packs_cuda.parquet")
    assert measured_goals.run_epochs("tf32") == Reading(150.0, 300.0, 15, "GPU")
    columns = ["study", "part", "gpus", "runs_seconds", "seconds"]
    studies = [
        ("smoke", "", 1, 30.0, 40.0),
        ("smoke", "", 2, 10.0, 20.0),
        ("full", "8", 1, 100.0, 110.0),
        ("full", "8", 2, 50.0, 60.0),
        ("depth_full", "1", 8, 10.0, 20.0),
        ("depth_full", "", 2, 110.0, 120.0),
    ]
    whole = pd.DataFrame(studies, columns=columns).assign(device="GPU", cores=16)
    whole.to_parquet(tmp_path / "whole_study.parquet")
    assert measured_goals.two_gpus().now == 2
    assert measured_goals.depth_minutes() == PRINTED["depth"]
    own = pd.DataFrame([("depth_full", "", 1, 200.0, 210.0)], columns=columns)
    whole = pd.concat([whole, own.assign(device="GPU", cores=16)], ignore_index=True)
    whole.to_parquet(tmp_path / "whole_study.parquet")
    assert measured_goals.depth_minutes().now == pytest.approx(200 / 60)


def test_a_part_of_a_study_has_its_seeds_tasks_and_activations_alone():
    words = {"seeds": 2, "tasks": ["cls"], "activations": ["relu", "gelu"]}
    content = yaml.safe_load(
        whole_study.part_of(ROOT / "config/full.yaml", SimpleNamespace(**words))
    )
    assert list(content["tasks"]) == ["cls"]
    assert (content["seeds"], content["axes"]["activation"]) == (2, ["relu", "gelu"])
    assert "tune_lr" not in content["tasks"]["cls"]
    whole = SimpleNamespace(**{"seeds": None, "tasks": None, "activations": None})
    content = yaml.safe_load(whole_study.part_of(ROOT / "config/full.yaml", whole))
    assert content == yaml.safe_load((ROOT / "config/full.yaml").read_text())
