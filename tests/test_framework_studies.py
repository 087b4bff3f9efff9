"""Studies with Keras: what is refused, what runs are called, what the workflow makes of them."""

import dataclasses
import os
import re
import sys

import numpy as np
import pytest
import snakes
import yaml
from commands import command
from refusals import refusal
from runs import ROOT
from sklearn import model_selection

from actstudy.contract import frameworks, parity, registry, spec, store
from actstudy.data import prepared
from actstudy.study import framework_checks, jobs, planning

LEVELS = [
    "torch",
    {"framework": "torch", "engine": "compiled"},
    "keras-jax",
    "keras-tensorflow",
]
SHORT = {"steps": 4, "warmup": 0}
SHIPPED = {"frameworks": (24, 4), "frameworks_full": (180, 18)}  # runs, cells of Keras runs
SMOKE = ROOT / "config/frameworks_smoke.yaml"


def load(folder, axes=None, **block):
    """A study of the task vision that crosses frameworks and activations, two seeds of each."""
    axes = {"framework": LEVELS, "activation": ["relu", "gelu"], **(axes or {})}
    return write(folder, axes, tasks={"vision": {**SHORT, **block}})


def write(folder, axes, **settings):
    """The study of a file with these axes."""
    content = {"compare": "framework", "baseline": "torch", "seeds": 2, "tasks": {"vision": SHORT}}
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump({**content, "axes": axes, **settings}))
    return planning.load(file)


def jobs_of(study):
    """The jobs of a study on a machine without a GPU."""
    return jobs.plan_jobs(study, gpus=0, gpu_limit=None, local=True, config={})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"framework": "keras"}, "framework: got 'keras'; did you mean 'keras-jax'? allowed: "),
        ({"framework": "jax"}, "framework: got 'jax'"),
        ({"optimizer": "rmsprop"}, "optimizer: got 'rmsprop' with keras-jax; allowed: sgd, adam"),
        ({"engine": "pack"}, "engine: got 'pack' with keras-jax; allowed: eager, compiled"),
    ],
)
def test_what_keras_does_not_train_is_one_line(fields, says):
    fields = {"activation": "relu", "framework": "keras-jax", **fields}
    line = refusal(lambda: planning.run_spec("vision", 0, fields), says)
    assert line.startswith("command line: ")


@pytest.mark.parametrize("task", ["mlp", "cls", "lm"])
def test_other_tasks_have_no_twin(task):
    fields = {"activation": "relu", "framework": "keras-jax"}
    says = f"framework: got 'keras-jax' for task {task}; allowed: torch; with Keras only task vis"
    refusal(lambda: planning.run_spec(task, 0, fields), says)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("dropout", 0.1, "dropout: got 0.1 with keras-torch; allowed: 0.0"),
        ("activation", "acts:Mine", "activation: got 'acts:Mine', your own, with keras-torch; all"),
        ("activation", (("*", "acts:Mine"),), "activation: got 'acts:Mine', your own"),
        (
            "activation",
            "rrelu",
            "activation: got 'rrelu' with keras-torch, whose draws are torch's",
        ),
        ("activation", "xielu", "activation: got 'xielu' with keras-torch, which has no layer in"),
    ],
)
def test_what_own_code_may_ask_for_is_refused_with_keras_alone(field, value, says):
    run = planning.run_spec("vision", 0, {"activation": "relu"})
    torch_run = dataclasses.replace(run, **{field: value})
    framework_checks.check(torch_run, "here")
    keras = dataclasses.replace(torch_run, framework="keras-torch")
    refusal(lambda: framework_checks.check(keras, "here"), f"here: {says}")


def test_torch_keeps_its_ids_and_keras_has_one_spelling_of_its_engine(tmp_path):
    plain = planning.run_spec("vision", 0, {"activation": "relu"})
    named = planning.run_spec("vision", 0, {"activation": "relu", "framework": "torch"})
    assert spec.run_id(named) == spec.run_id(plain)
    keras = {"activation": "relu", "framework": "keras-jax"}
    eager = planning.run_spec("vision", 0, keras)
    compiled = planning.run_spec("vision", 0, {**keras, "engine": "compiled"})
    assert spec.run_id(eager) == spec.run_id(compiled)
    assert spec.run_id(eager) != spec.run_id(plain)
    torch_compiled = planning.run_spec("vision", 0, {"activation": "relu", "engine": "compiled"})
    assert spec.run_id(torch_compiled) != spec.run_id(plain)
    study = load(tmp_path, engine="compiled", axes={"framework": ["torch", "keras-jax"]})
    engines = {run.spec.framework: run.spec.engine for run in study.possible}
    assert engines == {"torch": "compiled", "keras-jax": "eager"}


def test_frameworks_are_levels_and_the_floor_is_one_of_them(tmp_path):
    plan = load(tmp_path).plan()
    levels = ["torch", "torch (engine=compiled)", "keras-jax", "keras-tensorflow"]
    assert plan.levels == levels
    assert plan.tasks["vision"].baseline == "torch"
    assert {row["group"] for row in plan.runs} == {"activation=relu", "activation=gelu"}


def test_a_keras_run_waits_for_its_data_and_for_the_parity_of_its_cell(tmp_path):
    study = load(tmp_path, lr=0.1)
    planned = jobs_of(study)
    data = "results/data/fashion_mnist_tenth/manifest.json"
    cells = {}
    for run in study.possible:
        files = planned.inputs(run.id)
        assert files[0] == data
        if run.spec.framework == "torch":
            assert files == [data]
        else:
            (cells[run.id],) = files[1:]
            assert cells[run.id] == str(parity.path(run.spec))
    assert len(cells) == 8
    assert sorted(set(cells.values())) == sorted(planned.parities.files)
    assert len(planned.parities.cells) == 4  # two back ends, two activations
    for name, cell in planned.parities.cells.items():
        assert parity.name(cell) == name
        assert (cell.seed, cell.lr, cell.steps) == (0, 0.001, None)


def test_the_parity_of_a_cell_comes_before_its_first_run(tmp_path):
    study = load(tmp_path)
    planned = jobs_of(study)
    for run in study.possible:
        if run.spec.framework != "torch":
            priority = planned.parities.priorities[parity.name(run.spec)]
            assert priority > planned.priorities[run.id]
    assert max(planned.parities.priorities.values()) < planned.urgent


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_study_has_its_runs_without_data_being_there(name):
    n_runs, n_cells = SHIPPED[name]
    study = planning.load(ROOT / f"config/{name}.yaml")
    ids = {run.id for run in study.possible}
    assert len(ids) == len(study.possible) == n_runs
    assert len(jobs_of_gpu(study).parities.cells) == n_cells
    pairs = {}
    for run in study.possible:
        plain = dataclasses.replace(run.spec, framework="torch")
        pairs.setdefault(spec.run_id(plain), []).append(run.spec.framework)
        assert (run.spec.optimizer, run.spec.nesterov, run.spec.schedule) == (
            "sgd",
            True,
            "cosine",
        )
        assert run.spec.warmup > 0
    assert {tuple(sorted(names)) for names in pairs.values()} == {("keras-jax", "torch")}


def jobs_of_gpu(study):
    """The jobs of a study on a machine with a GPU."""
    return jobs.plan_jobs(study, gpus=1, gpu_limit=1, local=True, config={})


def test_the_smoke_study_pairs_three_frameworks_on_embedded_data():
    study = planning.load(SMOKE)
    assert len(study.possible) == 12
    assert len(jobs_of(study).parities.cells) == 4
    assert {run.spec.framework for run in study.possible} == {
        "torch",
        "keras-jax",
        "keras-tensorflow",
    }
    assert {run.spec.dataset for run in study.possible} == {"fashion_mnist_tenth"}
    assert "Fashion-MNIST in place of CIFAR" in study.note


def test_stage_2_goes_on_from_stage_1():
    first, second = (planning.load(ROOT / f"config/{name}.yaml") for name in SHIPPED)
    assert {run.id for run in first.possible} < {run.id for run in second.possible}


def hide(monkeypatch, *packages):
    """Make packages look as if they were not installed, in this process and its forks."""
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)


def test_a_framework_that_is_missing_stops_the_dry_run(tmp_path, monkeypatch):
    study = load(tmp_path)
    framework_checks.check_installed(study.possible, "mine.yaml", tmp_path)
    hide(monkeypatch, "keras", "jax")
    says = (
        "mine.yaml: tasks.vision: framework: got 'keras-jax', and keras and jax cannot be "
        "imported; to fix: pip install 'actstudy[keras]'"
    )
    check = framework_checks.check_installed
    assert refusal(lambda: check(study.possible, "mine.yaml", tmp_path)) == says
    torch_alone = [run for run in study.possible if run.spec.framework == "torch"]
    check(torch_alone, "mine.yaml", tmp_path)


def test_published_runs_need_no_framework(tmp_path, monkeypatch):
    (run,) = [run for run in load(tmp_path).possible if run.spec.framework == "keras-jax"][:1]
    hide(monkeypatch, "jax")
    refusal(lambda: framework_checks.check_installed([run], "mine.yaml", tmp_path), "jax cannot")
    folder = store.run_folder(run.spec, tmp_path)
    folder.mkdir(parents=True)
    (folder / store.MANIFEST).write_text("{}")
    framework_checks.check_installed([run], "mine.yaml", tmp_path)


def test_a_run_by_hand_without_its_framework_is_one_line(tmp_path, monkeypatch):
    hide(monkeypatch, "tensorflow")
    flags = ["--task", "vision", "--activation", "relu", "--framework", "keras-tensorflow"]
    flags += ["--warmup", "0"]
    done = command(tmp_path, "train", *flags)
    assert done.returncode == 2
    line = "framework: got 'keras-tensorflow', and tensorflow cannot be imported; to fix: pip inst"
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "results/runs").exists()


def test_seeing_what_is_missing_imports_nothing():
    assert frameworks.missing("torch") == []
    assert all(frameworks.missing(name) == [] for name in frameworks.FRAMEWORKS)
    assert not {"keras", "jax", "tensorflow"} & set(sys.modules)


@pytest.mark.parametrize(
    ("dataset", "n_train", "n_val"),
    [("cifar10", 45_000, 5_000), ("cifar100", 45_000, 5_000), ("tiny_imagenet", 90_000, 10_000)],
)
def test_official_images_are_split_by_seed_42_whatever_the_framework(dataset, n_train, n_val):
    classes = registry.dataset(dataset)["classes"]
    labels = np.arange(n_train + n_val) % classes
    train, val = prepared.hold_out(labels, len(labels) // 10)
    assert (len(train), len(val)) == (n_train, n_val)
    assert registry.train_size(dataset) == n_train
    assert set(np.bincount(labels[val])) == {n_val // classes}
    assert set(np.bincount(labels[train])) == {n_train // classes}
    halves = model_selection.train_test_split(
        np.arange(len(labels)), test_size=n_val, stratify=labels, random_state=42
    )
    assert np.array_equal(val, np.sort(halves[1]))
    assert np.array_equal(np.sort(np.concatenate([train, val])), np.arange(len(labels)))
    keras = planning.run_spec(
        "vision", 0, {"activation": "relu", "dataset": dataset, "framework": "keras-jax"}
    )
    assert spec.data_name(keras) == dataset


@pytest.fixture
def dry_run(tmp_path):
    """A function: what a dry run of a study file in an empty folder prints."""

    def run(file, status=0):
        words = ["-n", "--snakefile", str(ROOT / "Snakefile"), "--configfile", str(file)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
        done = snakes.called(tmp_path, "snakemake", words, environment)
        assert done.returncode == status, done.stderr
        return done.stdout, done.stderr

    return run


@pytest.mark.parametrize("name", SHIPPED)
def test_a_dry_run_counts_runs_and_cells_without_data(dry_run, name):
    n_runs, n_cells = SHIPPED[name]
    printed, _ = dry_run(ROOT / f"config/{name}.yaml")
    jobs_by_rule = dict(re.findall(r"^(\w+) +(\d+)$", printed, re.M))
    assert jobs_by_rule["train"] == str(n_runs)
    assert jobs_by_rule["parity"] == str(n_cells)


def test_a_dry_run_without_a_back_end_is_one_line(dry_run, monkeypatch):
    hide(monkeypatch, "jax")
    printed, errors = dry_run(ROOT / "config/frameworks.yaml", status=2)
    (line,) = [line for line in errors.splitlines() if line.startswith("actstudy: ")]
    assert line.endswith("jax cannot be imported; to fix: pip install 'actstudy[keras]'")
    assert "Traceback" not in printed + errors


def test_each_model_may_bring_its_own_activation(tmp_path):
    models = [
        {"model": "resnet50", "depth": 1, "activation": "relu"},
        {"model": "mobilenetv2", "depth": 1, "activation": "relu6"},
    ]
    axes = {"framework": ["torch", "keras-jax"], "model": models}
    study = write(tmp_path, axes)
    pairs = {(run.spec.model, run.spec.activation) for run in study.possible}
    assert pairs == {("resnet50", "relu"), ("mobilenetv2", "relu6")}
    del models[1]["activation"]
    says = "mine.yaml: tasks.vision: activation: missing; allowed: a name, or an axis of names"
    refusal(lambda: write(tmp_path, axes), says)
    models[1]["activation"] = "relu"
    refusal(lambda: write(tmp_path, axes, compare="activation", baseline="relu"), says)


def test_config_that_fixes_the_compared_axis_is_named(tmp_path):
    file = write(tmp_path, {"framework": ["torch", "keras-jax"], "activation": ["relu"]}).file
    says = "compare: got 'framework', which --config fixes; allowed in --config: framework=[A,B]"
    refusal(lambda: planning.load(file, {"framework": "torch"}), says)
    planning.load(file, {"framework": ["torch", "keras-tensorflow"]})
    pairs = {"framework": "torch", "compare": "activation", "baseline": "relu"}
    assert planning.load(file, pairs).compare == "activation"
