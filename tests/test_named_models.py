"""Models of vision that a study names: fields, sites, titles, ids, code, and what is refused."""

import memory
import own_nets
import pytest
import torch
import yaml
from refusals import refusal
from runs import quiet, small

from actstudy.advice import context
from actstudy.commands import cli
from actstudy.contract import nets, own, own_code, registry, spec
from actstudy.nets import activations
from actstudy.study import inspection, planning
from actstudy.training import optim, trial, wiring

OWN = (own._find, own._tree, own_code._digest, own_code._imported_modules, activations.entry)
OTHERS = ("resnet50", "mobilenetv2", "convnext_tiny")
IMAGES = {"kind": "images", "shape": [1, 28, 28], "classes": 10}


def load(folder, task=None, **settings):
    """A study of the task vision; `task`: fields of its block."""
    content = {
        "axes": {"activation": ["relu", "gelu"]},
        "tasks": {"vision": {"steps": 6, **(task or {})}},
    }
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump({**content, **settings}, sort_keys=False))
    return planning.load(file)


# Ids


def test_the_tasks_own_model_by_its_name_is_the_same_run(tmp_path):
    plain = load(tmp_path)
    named = load(tmp_path, {"model": "resnet18"})
    assert [run.id for run in named.possible] == [run.id for run in plain.possible]
    assert spec.run_id(small("vision", model="resnet18")) == spec.run_id(small("vision"))
    axes = {"axes": {"activation": ["relu"], "model": [None, "resnet18"]}}
    refusal(lambda: load(tmp_path, **axes), "relu model=resnet18 seed 0 is listed twice")


def test_another_model_is_another_run(tmp_path):
    axes = {"axes": {"activation": ["relu"], "model": ["resnet18", *OTHERS]}}
    study = load(tmp_path, **axes)
    assert len({run.id for run in study.possible}) == 4
    assert [run.spec.model for run in study.possible] == [None, *OTHERS]
    assert [run.spec.code for run in study.possible] == [{}] * 4


# What pages show


def test_pages_name_the_model_that_trained(tmp_path):
    data = "Fashion-MNIST, a class-balanced tenth"
    assert load(tmp_path).tasks["vision"].title == f"ResNet-18 on {data}"
    study = load(tmp_path, {"model": "mobilenetv2"})
    assert study.tasks["vision"].title == f"MobileNetV2 on {data}"
    assert study.tasks["vision"].recipe["model"] == "mobilenetv2"
    axes = {"axes": {"model": [None, *OTHERS]}, "compare": "model"}
    study = load(tmp_path, {"activation": "relu"}, **axes)
    titles = "ResNet-18, ResNet-50, MobileNetV2 and ConvNeXt-Tiny"
    assert study.tasks["vision"].title == f"{titles} on {data}"
    assert study.plan().levels == ["resnet18", *OTHERS]
    assert study.tasks["vision"].baseline == "resnet18"
    assert {"width": 8, "stem": "small"}.items() <= study.tasks["vision"].recipe.items()


def test_a_model_of_ones_own_by_a_known_name_is_written_out(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(own_nets.module() + "\n\nresnet50 = image\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "_folders", [])
    memory.forget(*OWN)
    monkeypatch.setattr(inspection, "inspect", lambda specs, where: None)
    monkeypatch.setattr(inspection, "answer", lambda question, where: {"sites": []})
    axes = {"axes": {"activation": ["relu"], "model": ["resnet50", "nets:resnet50"]}}
    study = load(tmp_path, **axes)
    groups = [row["group"] for row in study.plan().runs]
    assert groups == ["model=resnet50", "model=nets:resnet50"]
    memory.forget(*OWN)


def test_remedies_know_what_is_inside_a_model():
    facts = {"run_id": "x", "task": "vision", "optimizer": "sgd"}
    assert "batch_norm" in context.words(facts)
    assert "batch_norm" in context.words({**facts, "model": "mobilenetv2"})
    assert "batch_norm" not in context.words({**facts, "model": "convnext_tiny"})
    assert "batch_norm" in context.words({"task": "contrastive"})
    assert "batch_norm" in context.words({"task": "contrastive", "model": "dual"})


# Fields


@pytest.mark.parametrize(
    ("stated", "parts"),
    [
        ({"model": "resnet5"}, ["tasks.vision.model: got 'resnet5'; did you mean 'resnet50'? "]),
        (
            {"model": "vgg16"},
            ["got 'vgg16'; allowed: siamese, dual, resnet18,", "or null for the task"],
        ),
        ({"depth": 2}, ["depth: set, but task vision has no use for it"]),
        ({"model": "resnet18", "depth": 2}, ["depth: set, but task vision has no use for it"]),
        (
            {"model": "resnet50", "drop_path": 0.1},
            ["drop_path: set, but model resnet50", "allowed: width, depth, stem, augment"],
        ),
        ({"model": "convnext_tiny", "dropout": 0.1}, ["dropout: set, but model convnext_tiny"]),
        ({"model": "mobilenetv2", "depth": 0}, ["depth: got 0"]),
        ({"model": "resnet50", "hidden": [8]}, ["hidden and width are both set"]),
        ({"nesterov": True}, ["nesterov: got True with optimizer adamw and momentum 0"]),
        ({"nesterov": True, "optimizer": "sgd"}, ["nesterov: got True", "momentum above 0"]),
        (
            {"nesterov": True, "optimizer": "rmsprop", "momentum": 0.9},
            ["nesterov: got True with optimizer rmsprop"],
        ),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, stated, parts):
    base = {} if "hidden" not in stated else {"width": 8}
    refusal(lambda: load(tmp_path, {**base, **stated}), *parts)


def test_another_task_takes_no_model_of_vision(tmp_path):
    tasks = {"mlp": {"model": "resnet50", "epochs": 1}}
    line = refusal(lambda: load(tmp_path, tasks=tasks), "tasks.mlp: model: got 'resnet50' for task")
    assert "allowed: an import path of a function" in line


def test_a_pack_takes_no_nesterov(tmp_path):
    fields = {"engine": "pack", "pack_width": 2, "optimizer": "sgd", "momentum": 0.9}
    tasks = {"mlp": {**fields, "epochs": 1, "dropout": 0.0, "nesterov": True}}
    refusal(lambda: load(tmp_path, tasks=tasks), "nesterov: got True with engine pack")


def test_a_field_that_one_of_the_models_uses_may_be_set_for_all(tmp_path):
    axes = {"axes": {"activation": ["relu"], "model": [None, *OTHERS]}}
    study = load(tmp_path, {"depth": 1, "drop_path": 0.2}, **axes)
    fields = {run.spec.model: (run.spec.depth, run.spec.drop_path) for run in study.possible}
    assert fields == {
        None: (None, 0.0),
        "resnet50": (1, 0.0),
        "mobilenetv2": (1, 0.0),
        "convnext_tiny": (1, 0.2),
    }


def test_the_command_line_takes_a_name(capsys):
    flags = ["train", "--task", "vision", "--activation", "relu", "--device", "cpu"]
    with pytest.raises(SystemExit, match="2"):
        cli.main([*flags, "--model", "mobilenet"])
    line = capsys.readouterr().err
    assert "model: got 'mobilenet'; did you mean 'mobilenetv2'? allowed: siamese, dual, " in line
    with pytest.raises(SystemExit, match="2"):
        cli.main([*flags, "--model", "mobilenetv2", "--nesterov", "--optimizer", "sgd"])
    assert "nesterov: got True with optimizer sgd and momentum 0" in capsys.readouterr().err


@pytest.mark.parametrize("stem", ["small", "large"])
def test_images_may_be_too_small_for_a_model(stem, monkeypatch):
    """At the least size it trains; a pixel less is refused in one line."""
    least = {"small": 16, "large": 32}[stem]
    declared = {**registry.dataset("fashion_mnist_tenth"), "shape": [1, least, least + 5]}
    monkeypatch.setattr(registry, "dataset", lambda name: declared)
    run_spec = small("vision", model="convnext_tiny", stem=stem, depth=1)
    model, _ = wiring.make_model(run_spec, trial.made_up(run_spec, declared))
    assert model(torch.zeros(2, 1, least, least + 5)).shape == (2, 10)
    declared["shape"] = [1, least, least - 1]
    parts = [f"model: got convnext_tiny with stem {stem} for images of {least} x {least - 1}"]
    refusal(lambda: small("vision", model="convnext_tiny", stem=stem), *parts)
    assert small("vision", model="resnet50", stem=stem)


# Sites


def test_a_hybrid_is_checked_against_the_sites_of_the_named_model(tmp_path):
    def study(patterns, **fields):
        return load(tmp_path, {"model": "mobilenetv2", "activation": patterns, **fields}, axes={})

    assert study({"stages.5.*": "gelu", "*": "relu6"}).possible
    refusal(lambda: study({"stages.6.*": "gelu", "*": "relu6"}), "matches no site")
    assert study({"stages.1.2.act1": "gelu", "*": "relu6"}).possible
    refusal(lambda: study({"stages.1.2.act1": "gelu", "*": "relu6"}, depth=2), "matches no site")
    refusal(lambda: study({"stages*": "gelu", "act?": "relu"}), "no pattern matches first.act2")


@pytest.mark.parametrize("depth", [None, 1])
@pytest.mark.parametrize("name", OTHERS)
def test_a_run_gets_the_model_that_it_names(name, depth):
    run_spec = small("vision", model=name, depth=depth)
    model, sites = wiring.make_model(run_spec, trial.made_up(run_spec, IMAGES))
    assert type(model).__module__ == f"actstudy.nets.{name}"
    assert list(sites.modules) == nets.sites(name, depth)
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


# Training


@pytest.mark.parametrize("name", OTHERS)
def test_a_step_of_a_named_model_moves_every_parameter(name, tmp_path):
    fields = {"batch_size": 5, "depth": 1, "width": 8, "weight_decay": 0.0}
    run_spec = small("vision", model=name, **fields)
    data = trial.made_up(run_spec, IMAGES)
    cpu = torch.device("cpu")
    job = wiring.make_engine([run_spec], [tmp_path], data, cpu, quiet())
    before = {key: value.clone() for key, value in job.model.named_parameters()}
    scores = job.train(0, torch.arange(5)[None])
    assert scores["loss"].isfinite().all()
    for key, value in job.model.named_parameters():
        assert not torch.equal(value, before[key]), key


def test_sgd_has_nesterovs_momentum():
    """v = 0.9 v + g; x = x - lr (g + 0.9 v), as Sutskever et al. 2013 in torch's form."""
    fields = {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.0, "lr": 0.1}
    run_spec = small("vision", nesterov=True, **fields)
    x = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = optim.make_optimizer(run_spec, [x])
    expected = 1.0
    velocity = 0.0
    for gradient in (1.0, -2.0, 0.5):
        x.grad = torch.full((2, 2), gradient)
        optimizer.step()
        velocity = 0.9 * velocity + gradient
        expected -= 0.1 * (gradient + 0.9 * velocity)
        torch.testing.assert_close(x.detach(), torch.full((2, 2), expected))
