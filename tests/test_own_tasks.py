"""Someone's own task, `package.module:TASK`: planned, trained and shown by its module's name."""

import ast
import json

import memory
import pytest
import yaml
from refusals import refusal
from runs import quiet, run, run_row

from actstudy.commands import cli
from actstudy.commands import inspection as command
from actstudy.contract import literals, nets, own, own_code, store
from actstudy.contract.errors import StudyError
from actstudy.nets import activations
from actstudy.study import inspection, jobs, planning

TASK = {
    **ast.literal_eval(ast.unparse(literals.assignments("tasks/mlp.py")["TASK"])),
    "title": "Sleep",
    "model_fields": ["width"],
    "packs": False,
}
del TASK["net"]
TASK["defaults"] = {
    "dataset": "mnist1d",
    "width": 16,
    "lr": 0.01,
    "epochs": 1,
    "batch_size": 500,
}
FUNCTIONS = """
import torch
from torch import nn
from actstudy.tasks.classification import evaluate, linear_on_inputs, train_scores

def build(spec, data, make_act):
    width = spec.width
    layers = [nn.Linear(40, width), make_act("up"), nn.Linear(width, width), make_act("down")]
    return nn.Sequential(*layers, nn.Linear(width, data.manifest["classes"]))

def loss(logits, y, label_smoothing=0.0):
    return SCALE * nn.functional.cross_entropy(logits, y, label_smoothing=label_smoothing)

def reference(data):
    return {"name": "coin", "metric": "accuracy", "val": 0.1, "test": 0.1}

SCALE = 1.0
"""

OWN = (own._find, own._tree, own_code._digest, own_code._imported_modules, activations.entry)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A new user's folder with the package mine, in which the process works."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/__init__.py").write_text("")
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "_folders", [])
    monkeypatch.setattr(inspection, "_answers", {})
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    def answer(questions, where):
        answers = []
        for question in questions:
            line = command._line(question)
            if "fault" in line:
                raise StudyError(f"{where}: {question['kind']}: {line['fault']}")
            answers.append(line)
        return answers

    monkeypatch.setattr(inspection, "_ask", answer)
    forget()
    yield tmp_path
    forget()


def forget():
    """Nothing of somebody's own module is remembered."""
    memory.forget(*OWN)
    memory.forget_own_modules()


def write(folder, task=TASK, functions=FUNCTIONS, file="mine/sleep.py"):
    """The module of the task."""
    forget()
    (folder / file).write_text(f"TASK = {task}\n{functions}")


def load(folder, *tasks, **settings):
    """A study of two activations and some tasks."""
    content = {"axes": {"activation": ["relu", "gelu"]}, "tasks": dict.fromkeys(tasks)}
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump({**content, **settings}, sort_keys=False))
    return planning.load(file)


def test_a_task_goes_by_the_name_of_its_module(folder):
    study = load(folder, "mlp", "mine.sleep:TASK")
    assert list(study.tasks) == ["mlp", "sleep"]
    assert study.tasks["sleep"].title == "Sleep on MNIST-1D"
    own_runs = [planned for planned in study.possible if planned.task == "sleep"]
    assert [planned.spec.task for planned in own_runs] == ["mine.sleep:TASK"] * 2
    assert {row["task"] for row in study.plan().runs} == {"mlp", "sleep"}
    assert str(store.run_folder(own_runs[0].spec)) == f"results/runs/sleep/{own_runs[0].id}"
    assert list(study.code) == ["task mine.sleep:TASK"]
    settings = {"gpus": 0, "gpu_limit": None, "local": True, "config": {}}
    planned = jobs.plan_jobs(study, **settings)
    assert planned.tasks == {"mlp": "mlp", "sleep": "mine.sleep:TASK"}
    assert planned.own_tasks == "--own mine.sleep:TASK"
    assert len(planned.priorities) == 4
    assert planning.load(folder / "mine.yaml", {"tasks": "mine.sleep:TASK"}).tasks.keys() == {
        "sleep"
    }


def test_sites_are_those_that_its_model_makes(folder):
    hybrid = {"defaults": {"activation": {"up": "tanh", "*": "relu"}}, "axes": {}}
    (planned,) = load(folder, "mine.sleep:TASK", **hybrid).possible
    assert planned.spec.activation == (("up", "tanh"), ("*", "relu"))
    hybrid["defaults"]["activation"] = {"upp": "tanh", "*": "relu"}
    refusal(lambda: load(folder, "mine.sleep:TASK", **hybrid), "'upp' matches no site")


def test_a_task_is_trained_and_scored(folder, data_folder, capsys):
    task_run = planning.run_spec("mine.sleep:TASK", 0, {"activation": "relu"})
    run(task_run, folder / "run", data_folder, quiet())
    row = run_row(folder / "run")
    assert row["status"] == "completed"
    assert row["task"] == "sleep"
    written = json.loads((folder / "run/spec.json").read_text())
    assert written["task"] == "mine.sleep:TASK"
    flags = ["--data_dir", str(data_folder.parent), "--quiet", "--device", "cpu"]
    with pytest.raises(SystemExit, match="0"):
        cli.main(["train", "--task", "mine.sleep:TASK", "--activation", "relu", *flags])
    assert capsys.readouterr().out.startswith("sleep relu-s0-")
    (path,) = (folder / "results/runs/sleep").glob("relu-s0-*")
    assert run_row(path)["weights_sha256"] == row["weights_sha256"]
    words = ["reference", "sleep", str(data_folder), "reference.json", "--own", "mine.sleep:TASK"]
    with pytest.raises(SystemExit, match="0"):
        cli.main(words)
    written = json.loads((folder / "reference.json").read_text())
    assert written == {
        "task": "sleep",
        "data": "mnist1d",
        "name": "coin",
        "metric": "accuracy",
        "val": 0.1,
        "test": 0.1,
    }


def test_code_that_decides_a_run_makes_another_one(folder):
    def piece():
        forget()
        return load(folder, "mine.sleep:TASK").code["task mine.sleep:TASK"]

    before = piece()
    reference = jobs.reference_of("mine.sleep:TASK", "mnist1d")
    unchanged = {
        "comment": (TASK, FUNCTIONS + "# nothing\n"),
        "reader": ({**TASK, "margin": 0.5, "title": "Snore"}, FUNCTIONS),
        "reference": (TASK, FUNCTIONS.replace("0.1", "0.2")),
    }
    for task, functions in unchanged.values():
        write(folder, task, functions)
        assert piece() == before
    assert jobs.reference_of("mine.sleep:TASK", "mnist1d") != reference
    changed = {
        "loss": (TASK, FUNCTIONS.replace("SCALE = 1.0", "SCALE = 2.0")),
        "model": (TASK, FUNCTIONS.replace('make_act("down")', "nn.ReLU()")),
        "metric": ({**TASK, "metric": "macro_f1"}, FUNCTIONS),
    }
    for task, functions in changed.values():
        write(folder, task, functions)
        assert piece() != before


WITHOUT = FUNCTIONS.replace("def loss", "def lost")
BAD = {
    "missing": (TASK, WITHOUT, ["sleep.py: missing: loss; allowed: functions build, loss, "]),
    "key": ({**TASK, "metrics": "x"}, FUNCTIONS, ["TASK: unknown key 'metrics'; did you mean"]),
    "net": ({**TASK, "net": "mpl"}, FUNCTIONS, ["net: got 'mpl'; did you mean 'mlp'?"]),
    "computed": ("dict()", FUNCTIONS, ["mine.sleep:TASK: got a value that is computed"]),
    "changed": (TASK, FUNCTIONS + "TASK['unit'] = 'x'", ["TASK: changed after its literal"]),
    "build": (
        TASK,
        FUNCTIONS.replace("spec.width", "spec.witdh"),
        ["sleep.py: line", "AttributeError: 'RunSpec' object has no attribute 'witdh'"],
    ),
    "vector": (
        TASK,
        FUNCTIONS.replace("label_smoothing=label", "reduction='none', label_smoothing=label"),
        ["mine.sleep:TASK: loss: got Tensor [10]; allowed: a tensor of no axis"],
    ),
    "metric": (
        {**TASK, "metric": "perplexity"},
        FUNCTIONS,
        ["evaluate: scores: got loss, accuracy", "allowed: perplexity, the metric of TASK"],
    ),
    "defaults": (
        {**TASK, "defaults": {**TASK["defaults"], "epochs": 0}},
        FUNCTIONS,
        ["sleep.py: TASK: defaults: epochs: got 0"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_task_is_refused_in_one_line(folder, name):
    task, functions, parts = BAD[name]
    write(folder, task, functions)
    refusal(lambda: load(folder, "mine.sleep:TASK"), *parts)
    assert not (folder / "results").exists()


def test_a_path_that_is_no_task_is_refused(folder):
    for path, part in {
        "mine.sleep:loss": "got 'loss'; allowed: package.module:TASK",
        "mine.sleeep:TASK": "no module mine.sleeep in",
        "mine.sleep:TAKS": "has no 'TAKS'; did you mean 'TASK'?",
    }.items():
        refusal(lambda path=path: load(folder, path), f"tasks.{path}: ", part)


def test_two_tasks_of_one_name_are_refused(folder):
    write(folder, file="mine/mlp.py")
    write(folder, file="sleep.py")
    line = "its name 'mlp' is that of lib/actstudy/tasks/mlp.py too; allowed: another name"
    refusal(lambda: load(folder, "mine.mlp:TASK"), f"tasks.mine.mlp:TASK: {line}")
    line = "its name 'sleep' is that of mine.sleep:TASK too"
    refusal(lambda: load(folder, "mine.sleep:TASK", "sleep:TASK"), line)


def test_the_model_of_an_own_task_may_be_exchanged(folder):
    text = "from torch import nn\ndef net(make_act, classes):\n"
    text += "    return nn.Sequential(nn.Linear(40, 8), make_act('a'), nn.Linear(8, classes))\n"
    (folder / "mine/nets.py").write_text(text)
    tasks = {"mine.sleep:TASK": {"model": "mine.nets:net"}}
    study = load(folder, tasks=tasks)
    assert set(study.code) == {"task mine.sleep:TASK", "model mine.nets:net"}
    assert study.tasks["sleep"].title == "net on MNIST-1D"
    assert nets.fields("mine.sleep:TASK", "mine.nets:net") == []
