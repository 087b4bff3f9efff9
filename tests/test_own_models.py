"""Someone's own model by its import path: fields by name, sites, gains, and what is refused."""

import math

import memory
import own_nets
import pytest
import torch
import yaml
from refusals import refusal
from runs import quiet, run, run_row, tiny

from actstudy.advice import context
from actstudy.commands import cli
from actstudy.commands import inspection as command
from actstudy.contract import code, own, own_code, spec
from actstudy.contract.errors import StudyError
from actstudy.nets import activations
from actstudy.study import inspection, model_questions, planning
from actstudy.training import trial, wiring

SHORT = {"epochs": 1, "batch_size": 500, "warmup": 0}

OWN = (own._find, own._tree, own_code._digest, own_code._imported_modules, activations.entry)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A new user's folder with the module nets.py, in which the process works."""
    (tmp_path / "nets.py").write_text(own_nets.module())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "_folders", [])
    monkeypatch.setattr(inspection, "_answers", {})
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    forget()
    yield tmp_path
    forget()


def forget():
    """Nothing of somebody's own module is remembered."""
    memory.forget(*OWN)
    memory.forget_own_modules()


@pytest.fixture
def unasked(monkeypatch):
    """Questions are answered in this process, which is faster."""

    def answer(questions, where):
        answers = []
        for question in questions:
            line = command._line(question)
            if "fault" in line:
                raise StudyError(f"{where}: {question['kind']}: {line['fault']}")
            answers.append(line)
        return answers

    monkeypatch.setattr(inspection, "_ask", answer)


def load(folder, task=None, **settings):
    """A study of the task mlp, else of one more; `task`: fields of mlp's block."""
    content = {
        "axes": {"activation": ["relu", "gelu"]},
        "tasks": {"mlp": {**SHORT, **(task or {})}},
    }
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump({**content, **settings}, sort_keys=False))
    return planning.load(file)


def fields_of(study):
    """Model -> the fields of the first of its runs that are not as RunSpec has them."""
    fields = {}
    for planned in study.possible:
        run_spec = planned.spec
        names = ("hidden", "depth", "width", "norm", "dropout")
        values = {name: getattr(run_spec, name) for name in names}
        changed = {name: value for name, value in values.items() if value != spec.DEFAULTS[name]}
        fields.setdefault(run_spec.model, changed)
    return fields


# Which run fields a model has


@pytest.mark.parametrize(
    ("model", "stated", "fields"),
    [
        ("nets:plain", {}, {"depth": 2, "width": 24}),  # its own defaults, not the task's
        ("nets:plain", {"depth": 3}, {"depth": 3, "width": 24}),
        ("nets:plain", {"hidden": [8, 8]}, {"depth": 2, "width": 8}),
        ("nets:same", {}, {"depth": 3, "width": 128, "dropout": 0.2}),  # the task's
        ("nets:same", {"hidden": [9, 8]}, {"hidden": (9, 8), "dropout": 0.2}),
        ("nets:Branched", {}, {"width": 128}),
        ("nets:fixed", {}, {}),
        ("nets:small", {}, {}),
        ("nets:Inherits", {}, {"width": 128}),  # its base class says it
        ("nets:optional", {}, {"width": 128}),
        ("nets:optional", {"width": 6}, {"width": 6}),
    ],
)
def test_a_model_has_the_fields_that_its_source_names(folder, unasked, model, stated, fields):
    assert fields_of(load(folder, {"model": model, **stated})) == {model: fields}


@pytest.mark.parametrize(
    ("model", "stated", "parts"),
    [
        (
            "nets:fixed",
            {"depth": 3},
            ["depth: set, but model nets:fixed has no use for it", "none"],
        ),
        ("nets:plain", {"norm": "layer"}, ["norm: set, but model nets:plain", "depth, width"]),
        ("nets:plain", {"hidden": [8, 9]}, ["hidden: set, but model nets:plain"]),
        ("nets:plain", {"augment": "crop_flip"}, ["augment: set, but model nets:plain"]),
        ("nets:plain", {"width": 0}, ["width: got 0"]),
        (
            "nets:plane",
            {},
            ["tasks.mlp.model: nets:plane: ", "has no 'plane'; did you mean 'plain'?"],
        ),
        (
            "plain",
            {},
            ["model: got 'plain'", "mobilenetv2, convnext_tiny, an import path of", "or null"],
        ),
        ("nests:plain", {}, ["no module nests in", "did you mean 'nets'?"]),
        ("nets:plain", {"engine": "pack"}, ["engine: got 'pack' with model nets:plain", "eager"]),
    ],
)
def test_what_a_model_has_no_use_for_is_refused(folder, unasked, model, stated, parts):
    refusal(lambda: load(folder, {"model": model, **stated}), *parts)


def test_a_field_that_one_of_the_models_uses_may_be_set_for_all(folder, unasked):
    axes = {"axes": {"activation": ["relu"], "model": [None, "nets:plain", "nets:fixed"]}}
    study = load(folder, {"depth": 4}, **axes)
    assert fields_of(study) == {
        None: {"depth": 4, "width": 128, "dropout": 0.2},
        "nets:plain": {"depth": 4, "width": 24},
        "nets:fixed": {},
    }
    refusal(lambda: load(folder, {"heads": 2}, **axes), "heads: set, but ")
    axes["axes"]["depth"] = [2, 3]
    refusal(lambda: load(folder, **axes), "depth: set, but model nets:fixed has no use for it")
    axes["axes"] |= {"model": [{"model": "nets:fixed", "width": 3}], "depth": [2]}
    refusal(lambda: load(folder, **axes), "set, but model nets:fixed has no use for it")


# What pages show


def test_a_model_is_shown_by_its_short_name(folder, unasked):
    study = load(folder, {"model": "nets:plain", "depth": 3, "seeds": 2})
    assert study.tasks["mlp"].title == "plain on MNIST-1D"
    recipe = study.tasks["mlp"].recipe
    assert {"model": "nets:plain", "depth": 3, "width": 24}.items() <= recipe.items()
    assert "dropout" not in recipe
    assert study.plan().levels == ["relu", "gelu"]
    assert all(planned.id.startswith(("relu-s", "gelu-s")) for planned in study.possible)
    (piece,) = study.code
    assert piece == "model nets:plain"


def test_models_may_be_compared(folder, unasked):
    axes = {"axes": {"model": [None, "nets:plain", "nets:small"]}, "compare": "model"}
    study = load(folder, {"activation": "relu"}, **axes, baseline="nets:small")
    assert study.plan().levels == ["built-in", "plain", "small"]
    assert study.tasks["mlp"].baseline == "small"
    assert study.tasks["mlp"].title == "MLP, plain and small on MNIST-1D"
    assert load(folder, {"activation": "relu"}, **axes).tasks["mlp"].baseline == "built-in"


def test_models_of_one_short_name_are_written_out(folder, unasked):
    (folder / "others.py").write_text("from nets import plain\n")
    axes = {"axes": {"activation": ["relu"], "model": ["nets:plain", "others:plain"]}}
    rows = load(folder, **axes).plan().runs
    assert [row["group"] for row in rows] == ["model=nets:plain", "model=others:plain"]


# The inspection


@pytest.mark.parametrize("name", own_nets.BAD)
def test_what_is_no_model_is_refused_in_one_line(folder, unasked, name):
    parts = own_nets.BAD[name][1]
    line = refusal(lambda: load(folder, {"model": f"nets:{name}"}), *parts)
    assert line.startswith(f"{folder / 'mine.yaml'}: model: nets:{name}: ")
    assert not (folder / "results").exists()


@pytest.mark.parametrize("name", ["log_likely", "Recurrent"])
def test_a_log_softmax_and_a_site_of_every_step_are_allowed(folder, unasked, name):
    assert load(folder, {"model": f"nets:{name}"}).possible


def test_a_site_of_every_step_has_its_gain_and_is_trained(folder, unasked, data_folder):
    model, sites = wiring.make_model(
        of_model("nets:Recurrent", width=512), trial.made_up(tiny(), DATASET)
    )
    assert list(sites.modules) == ["act"]
    std = float(model.step.weight.detach().std())
    assert std == pytest.approx(math.sqrt(2 / 512), rel=0.05)
    run(of_model("nets:Recurrent", width=16), folder / "steps", data_folder, quiet())
    assert run_row(folder / "steps")["status"] == "completed"


def test_one_process_answers_for_all_models_once(folder, monkeypatch):
    processes = []
    ask = inspection._ask

    def counted(questions, where):
        processes.append([question["path"] for question in questions])
        return ask(questions, where)

    monkeypatch.setattr(inspection, "_ask", counted)
    axes = {"axes": {"activation": ["relu"], "model": ["nets:plain", "nets:small"]}}
    study = load(folder, {"seeds": 3, "lr": 0.1}, **axes)
    assert processes == [["nets:plain", "nets:small"]]
    load(folder, {"seeds": 4, "lr": 0.2}, **axes)
    assert len(processes) == 1  # the training is no part of the question
    answers = [inspection.answer(model_questions.question(r.spec), "") for r in study.possible]
    assert [answer["sites"] for answer in answers[::3]] == [
        ["hidden.0", "hidden.1"],
        ["first", "second"],
    ]
    plain = 40 * 24 + 24 + 24 * 24 + 24 + 24 * 10 + 10
    assert answers[0]["n_params"] == plain


OF_TASKS = {
    "vision": ("nets:image", {"width": 4}),
    "cls": ("nets:Bag", {"vocabulary": 400, "context": 12}),
    "lm": ("nets:words", {"vocabulary": 400, "context": 12}),
}


@pytest.mark.parametrize("task", OF_TASKS)
def test_every_task_takes_a_model(folder, unasked, task):
    model, fields = OF_TASKS[task]
    study = load(folder, tasks={task: {"model": model, **fields}})
    assert {planned.spec.model for planned in study.possible} == {model}
    wrong = {"vision": "nets:Bag", "cls": "nets:words", "lm": "nets:Bag"}[task]
    refusal(lambda: load(folder, tasks={task: {"model": wrong, **fields}}), f"model: {wrong}: ")


def test_made_up_data_are_as_a_data_set_declares_them(data):
    """What a trial makes has every array and key of numbers that prepared data have."""
    drawn = trial.made_up(tiny(), {"kind": "signals", "shape": [40], "classes": 10})
    assert drawn.arrays.keys() == data.arrays.keys()
    for name, array in drawn.arrays.items():
        assert array.dtype == data.arrays[name].dtype
        assert array.shape[1:] == data.arrays[name].shape[1:]
    missing = data.manifest.keys() - drawn.manifest.keys()
    assert not missing & {"shape", "classes", "counts", "class_counts", "mean", "sd", "dataset"}


# Hybrids


def test_a_hybrid_is_checked_against_the_sites_of_the_model(folder, unasked):
    def study(patterns):
        return load(folder, {"model": "nets:small", "activation": patterns}, axes={})

    (planned,) = study({"first": "tanh", "*": "relu"}).possible
    model, sites = wiring.make_model(planned.spec, trial.made_up(planned.spec, DATASET))
    assert sites.names == {"first": "tanh", "second": "relu"}
    assert type(model).__name__ == "Branched"
    refusal(lambda: study({"frist": "tanh", "*": "relu"}), "nets:small: activation: 'frist'")
    refusal(lambda: study({"first": "tanh"}), "site 'second' matches none", "add the pattern '*'")


DATASET = {"kind": "signals", "shape": [40], "classes": 10}


# Training


def of_model(model, **fields):
    """A tiny run of an own model; fields of tiny() that it does not name are left out."""
    return planning.run_spec("mlp", 0, {"activation": "relu", "model": model, **SHORT, **fields})


def test_parameters_keep_their_values_and_weights_have_the_gain_of_their_site(folder, unasked):
    model, _ = wiring.make_model(
        of_model("nets:Branched", width=512), trial.made_up(tiny(), DATASET)
    )
    assert torch.all(model.scale.gamma == 0.5)
    assert torch.all(model.cls_token == 0.25)
    assert torch.all(model.pos_embed == -0.25)
    gains = {"stem": 1.0, "up": math.sqrt(2), "head": math.sqrt(2)}
    for name, gain in gains.items():
        weight = getattr(model, name).weight
        assert float(weight.detach().std()) == pytest.approx(
            gain / math.sqrt(weight.shape[1]), rel=0.05
        )


def test_a_model_like_the_tasks_own_has_its_bits(folder, unasked, data_folder):
    own_run = of_model("nets:same", width=16, depth=2, dropout=0.1)
    like = tiny("relu", epochs=1, warmup=0, width=16, depth=2, dropout=0.1)
    for name, run_spec in (("own", own_run), ("like", like)):
        run(run_spec, folder / name, data_folder, quiet())
    rows = [run_row(folder / name) for name in ("own", "like")]
    assert rows[0]["weights_sha256"] == rows[1]["weights_sha256"]
    assert rows[0]["reported_loss"] == rows[1]["reported_loss"]
    assert rows[0]["model"] == "nets:same"
    assert rows[1]["model"] is None


def test_an_edited_model_is_another_run_and_a_comment_is_none(folder, unasked):
    def ids():
        forget()
        axes = {"axes": {"activation": ["relu"], "model": [None, "nets:plain", "nets:fixed"]}}
        return [planned.id for planned in load(folder, **axes).possible]

    before = ids()
    (folder / "nets.py").write_text("# a comment\n" + own_nets.module())
    assert ids() == before
    text = own_nets.module().replace(
        "make_act, shape, classes, 12)", "make_act, shape, classes, 13)"
    )
    (folder / "nets.py").write_text(text)
    edited = ids()
    assert [old == new for old, new in zip(before, edited, strict=True)] == [True, True, False]


def test_the_command_line_takes_a_model(folder, unasked, data_folder, capsys):
    flags = ["--task", "mlp", "--model", "nets:plain", "--activation", "gelu", "--epochs", "1"]
    flags += ["--data_dir", str(data_folder.parent), "--quiet", "--device", "cpu"]
    with pytest.raises(SystemExit, match="0"):
        cli.main(["train", *flags, "--width", "8"])
    assert "mlp gelu-s0-" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        cli.main(["train", *flags, "--norm", "layer"])
    line = "actstudy: command line: norm: set, but model nets:plain has no use for it; "
    assert capsys.readouterr().err.startswith(line)


def test_files_of_the_project_that_a_model_imports_count_as_its_code(folder):
    assert code._imports_of_own(["nets:same", None, "relu"]) == ["nets/mlp.py"]
    assert code._imports_of_own(["nets:image"]) == []


def test_remedies_suppose_nothing_of_an_own_model():
    facts = {"run_id": "x", "task": "mlp", "norm": "none", "optimizer": "adam"}
    assert {"mlp", "no_norm"} <= context.words(facts)
    assert not {"mlp", "no_norm", "batch_norm"} & context.words({**facts, "model": "nets:plain"})
    assert "mlp" in context.words({**facts, "model": float("nan")})  # of a table, without one
