"""What is said before a study runs that is no fault: no verdict can follow, packs of one run."""

import subprocess
import sys

import pytest
import yaml
from runs import ROOT, TINY

from actstudy.commands import cli
from actstudy.commands import cost as command
from actstudy.study import planning
from actstudy.study.config import StudyFile
from actstudy.study.looks import LOOKS
from actstudy.study.notices import notices

SHORT = {name: value for name, value in TINY.items() if name != "warmup"}
PACK = {"engine": "pack", "dropout": 0.0}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A function: the study of two activations, else of some, with settings of mlp, as a file."""
    monkeypatch.chdir(tmp_path)

    def write(activations=("relu", "tanh"), tasks=("mlp",), **block):
        blocks = {task: {**(SHORT if task == "mlp" else {}), **block} for task in tasks}
        content = {"axes": {"activation": list(activations)}, "device": "cpu", "tasks": blocks}
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
        return planning.load("mine.yaml")

    return write


@pytest.mark.parametrize(
    ("seeds", "line"),
    [
        ({"seeds": 6}, "mlp: 6 seeds: no verdict below 8"),
        ({}, "mlp: 1 seed: no verdict below 8"),
        ({"seeds": [3, 5]}, "mlp: 2 seeds: no verdict below 8"),
        ({"seeds": 8}, None),
        ({"looks": True}, None),
    ],
)
def test_too_few_seeds_for_a_verdict_are_named(study, seeds, line):
    assert list(notices(study(**seeds))) == [line] * (line is not None)


def test_one_level_has_nothing_to_be_compared_with(study):
    (line,) = notices(study(["relu"], seeds=8))
    assert line == "mlp: 1 level of activation: no verdict below 2"
    (line,) = notices(study(["relu"], seeds=4))
    assert line == "mlp: 4 seeds, 1 level: no verdict below 8 seeds and 2 levels of activation"


def test_tasks_of_which_the_same_is_true_share_a_line(study):
    assert list(notices(study(tasks=("mlp", "vision"), seeds=2))) == [
        "mlp, vision: 2 seeds: no verdict below 8"
    ]


def test_packs_of_one_run_are_named(study):
    (line,) = notices(study(seeds=8, **PACK))
    assert line == (
        "mlp: pack_width: got 1, its default, so that 16 runs are 16 packs; allowed: such as 16, "
        "the runs of a pack"
    )
    assert not list(notices(study(seeds=8, pack_width=16, **PACK)))


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"steps": 60}, "eval_every: got 50: a run of 60 steps is evaluated twice, "),
        ({"steps": 50}, "eval_every: got 50: a run of 50 steps is evaluated once, "),
        ({"epochs": 1, "batch_size": 1000}, "a run of 5 steps is evaluated once, "),
        ({"steps": 101}, None),
        ({"steps": 60, "eval_every": 20}, None),
        ({"steps": 20, "eval_every": 20}, "a run of 20 steps is evaluated once, "),
    ],
)
def test_hardly_a_choice_of_checkpoint_is_named(study, block, words):
    lines = list(notices(study(tasks=["vision"], seeds=8, **block)))
    assert len(lines) == (words is not None)
    for line in lines:
        assert words in line
        assert line.startswith("vision: eval_every: got ")
    if block == {"steps": 60}:
        assert lines[0].endswith("hardly a choice of its best checkpoint; allowed: such as 6")


@pytest.mark.parametrize("name", ["status", "cost"])
def test_status_and_cost_say_it_on_stderr(study, monkeypatch, capsys, name):
    study(seeds=6)
    monkeypatch.setattr(command, "measured", lambda *_: command.Cost(1.0, 10**6, 1))
    with pytest.raises(SystemExit, match="0"):
        cli.main([name, "--config", "mine.yaml"])
    printed = capsys.readouterr()
    assert printed.err == "actstudy: mlp: 6 seeds: no verdict below 8\n"
    assert "no verdict" not in printed.out


def test_the_workflow_says_it_once_on_stderr(study):
    study(seeds=6)
    options = ["-s", str(ROOT / "Snakefile"), "--configfile", "mine.yaml", "-n", "--cores", "1"]
    words = [sys.executable, "-m", "snakemake", *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("actstudy: mlp: 6 seeds: no verdict below 8\n") == 1
    assert "no verdict" not in done.stdout


def test_the_reference_of_study_files_says_how_many_seeds_it_takes():
    description = StudyFile.model_fields["seeds"].description
    assert f"below {LOOKS[0]} there is no verdict" in description
    assert "1 if it is not set" in description
