"""What a newcomer reads where something small is wrong: one line, with the way on."""

import subprocess
import sys

import memory
import pytest
import torch
import yaml

from actstudy import __main__
from actstudy.commands import cli, driver
from actstudy.contract import (
    checkout,
    errors,
    invocation,
    own,
    own_code,
    registry,
    shadowed,
    store,
)
from actstudy.contract.errors import StudyError
from actstudy.own_data import describe
from actstudy.study import planning
from actstudy.study.checks import RESERVED
from actstudy.study.config import StudyFile, TaskBlock
from actstudy.training import checkpoint

ACTS = "import torch\n\n\ndef bump(x):\n    return x * torch.exp(-x * x / 2)\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A new user's folder, in which the process works; nothing of another one is remembered."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "_folders", [])
    memory.forget(own._find, own._tree, own_code._digest)
    (tmp_path / "acts.py").write_text(ACTS)
    yield tmp_path
    memory.forget(own._find, own._tree, own_code._digest)


def refusal(folder, name="mine.yaml", **settings):
    """The line that refuses a study of one task."""
    content = {"axes": {"activation": ["relu"]}, "tasks": {"mlp": {"epochs": 1}}, **settings}
    (folder / name).write_text(yaml.safe_dump(content))
    with pytest.raises(StudyError) as caught:
        planning.load(name)
    return str(caught.value)


def printed(capsys, *words):
    """What a command that is refused prints."""
    with pytest.raises(SystemExit, match="2"):
        cli.main(words)
    return capsys.readouterr().err


def test_an_empty_study_file_is_called_empty(folder):
    (folder / "mine.yaml").write_text("# nothing yet\n")
    with pytest.raises(StudyError) as caught:
        planning.load("mine.yaml")
    assert str(caught.value).startswith("mine.yaml: got nothing: it is empty; allowed: ")


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        (
            {"activation": ["relu"]},
            "activation: unknown key; did you mean axes: {activation: ...}?",
        ),
        ({"activation": "relu"}, "activation: unknown key; did you mean axes: {activation: ...}?"),
        ({"depth": [2, 3]}, "depth: unknown key; did you mean axes: {depth: ...}?"),
        ({"lr": 0.1}, "lr: unknown key; did you mean defaults: {lr: ...}?"),
        ({"sedes": 3}, "sedes: unknown key; did you mean 'seeds'?"),
        ({"n_seeds": 3}, "n_seeds: unknown key; did you mean 'seeds'?"),
        ({"learning_rate": 0.1}, "learning_rate: unknown key; did you mean defaults: {lr: ...}?"),
        ({"act": ["relu"]}, "act: unknown key; did you mean axes: {activation: ...}?"),
        ({"batchsize": 8}, "batchsize: unknown key; did you mean defaults: {batch_size: ...}?"),
    ],
)
def test_a_field_of_runs_at_the_top_of_a_file_has_its_place_named(folder, settings, hint):
    assert f"mine.yaml: {hint}" in refusal(folder, **settings)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("learning_rate", "lr"),
        ("learnig_rate", "lr"),
        ("Learning_Rate", "lr"),
        ("lrate", "lr"),
        ("batchsize", "batch_size"),
        ("n_seeds", "seeds"),
        ("act", "activation"),
        ("n_layers", "depth"),
        ("widht", "width"),
    ],
)
def test_a_key_of_another_program_is_understood(folder, key, name):
    line = refusal(folder, tasks={"mlp": {key: 1}})
    assert f"tasks.mlp.{key}: unknown key; did you mean {name!r}? allowed: {name}, " in line


def test_every_synonym_means_a_key_of_a_task_and_is_none_itself():
    assert set(errors.SYNONYMS.values()) <= set(TaskBlock.model_fields)
    assert not set(errors.SYNONYMS) & set(TaskBlock.model_fields)
    assert not set(errors.SYNONYMS) & set(StudyFile.model_fields)


def test_a_baseline_is_suggested_only_if_it_is_near(folder):
    axes = {"activation": ["gelu", "silu"]}
    line = refusal(folder, baseline="relu", axes=axes)
    assert line.endswith("baseline: got 'relu'; allowed: gelu, silu")
    line = refusal(folder, baseline="gleu", axes=axes)
    assert line.endswith("baseline: got 'gleu'; did you mean 'gelu'? allowed: gelu, silu")
    line = refusal(folder, baseline="siluu", axes=axes)
    assert line.endswith("baseline: got 'siluu'; did you mean 'silu'? allowed: gelu, silu")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_module_of_another_encoding_says_so(folder, encoding):
    (folder / "other.py").write_text("# \u00e9\ndef act(x):\n    return x\n", encoding)
    with pytest.raises(StudyError) as caught:
        registry.activation("other:act")
    line = str(caught.value)
    assert "line None" not in line
    assert "other.py: cannot be read as Python (" in line
    assert line.endswith("allowed: text in UTF-8; to fix: save it so")


@pytest.mark.parametrize("name", RESERVED)
def test_a_reserved_name_says_what_to_do(folder, name):
    file = f"{name.partition('.')[0]}.yaml" if name in ("tables", "runs") else f"{name}.yaml"
    line = refusal(folder, file)
    assert line.endswith("; to fix: rename the file")


@pytest.mark.parametrize("seeds", ["eight", 2.5, True, {"n": 8}])
def test_seeds_that_are_no_number_say_both_forms(folder, seeds):
    line = refusal(folder, seeds=seeds)
    assert f"seeds: got {seeds!r}; allowed: a number of seeds from 1 on, or a list" in line


def test_other_faults_of_seeds_are_still_named(folder):
    assert "seeds: got 0; allowed: greater than or equal to 1" in refusal(folder, seeds=0)
    assert "each seed once" in refusal(folder, seeds=[1, 1])


def test_a_module_alone_says_its_names(folder, capsys):
    line = "acts is a module of yours; allowed: acts:NAME, such as acts:bump\n"
    assert printed(capsys, "certify", "acts") == f"actstudy: certify: got 'acts': {line}"
    assert line.strip() in refusal(folder, axes={"activation": ["relu", "acts"]})
    assert "got 'nowhere': unknown activation; " in printed(capsys, "certify", "nowhere")


def test_only_listed_commands_are_offered(capsys):
    line = printed(capsys, "runn")
    assert "got 'runn'; did you mean 'run'? allowed: run, " in line
    for command in cli.INTERNAL:
        if command.internal:
            assert f" {command.name}," not in line


@pytest.mark.parametrize(
    ("name", "raw", "line"),
    [
        ("wine.xlsx", b"PK\3\4\0\0", "wine.xlsx: got a spreadsheet; allowed: CSV, "),
        ("wine.csv", b"a,b\n1,\xff\n", "wine.csv: line 2: byte 0xff is not UTF-8; "),
        ("wine.txt", b"one\ntwo\0\n", "wine.txt: line 2: a null byte; "),
    ],
)
def test_a_file_of_data_is_named_once(folder, name, raw, line):
    (folder / name).write_bytes(raw)
    with pytest.raises(StudyError) as caught:
        describe.describe(name)
    assert str(caught.value).startswith(line)
    if name == "wine.xlsx":
        assert str(caught.value).endswith("to fix: save it as CSV")


# Files that hide a module


RANDOM = "your random.py hides Python's own random; to fix: rename it"
TORCH = "your torch.py hides the package torch; to fix: rename it"


PACKAGE = "your actstudy.py hides the package actstudy; to fix: rename it"


@pytest.mark.parametrize(
    ("name", "line"), [("random", RANDOM), ("torch", TORCH), ("actstudy", PACKAGE)]
)
def test_a_file_that_hides_a_module_is_named_before_snakemake_starts(folder, name, line):
    assert shadowed.hiding(folder) is None
    (folder / "wave.py").write_text("x = 1\n")  # Python's, which nobody here needs
    (folder / f"{name}.py").write_text("x = 1\n")
    with pytest.raises(StudyError, match=line):
        driver.main(["-n"], "actstudy run")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("Gelu", "did you mean 'gelu'?"),
        ("gleu", "did you mean 'gelu'?"),
        ("ReLU", "did you mean 'relu'?"),
        ("nn.GELU", "did you mean 'gelu'?"),
        ("nn.Hardshrink", "did you mean 'torch.nn:Hardshrink'?"),
        ("Bump", "did you mean 'acts:bump'?"),
        ("acts.bump", "did you mean 'acts:bump'?"),
        ("acts.py", "acts is a module of yours; allowed: acts:NAME, such as acts:bump"),
        ("atcs.py", "no module atcs in "),
        ("atcs.py", "did you mean 'acts'?"),
    ],
)
def test_an_unknown_activation_says_what_may_be_meant(folder, name, part):
    with pytest.raises(StudyError) as caught:
        registry.activation(name)
    assert part in str(caught.value)


def test_names_are_compared_in_either_case_and_keep_their_own():
    assert errors.nearest("GELU", ["elu", "gelu"]) == "did you mean 'gelu'? "
    assert errors.nearest("Gelu", ["elu", "gelu", "Gelu"]) == "did you mean 'Gelu'? "
    assert errors.nearest("nothing", ["relu"]) == ""


def test_a_missing_module_of_a_model_says_nothing_of_activations(folder):
    line = refusal(folder, tasks={"mlp": {"epochs": 1, "model": "models_of_mine:build"}})
    assert line.endswith("or the environment; allowed: an import path MODULE:NAME")


def test_a_folder_that_hides_a_package_is_named(folder):
    (folder / "numpy").mkdir()
    assert shadowed.hiding(folder) is None
    (folder / "numpy/__init__.py").touch()
    assert shadowed.hiding(folder) == "your folder numpy hides the package numpy; to fix: rename it"
    assert shadowed.hiding(checkout.PACKAGE.parent) is None


def refused_checkpoint(folder):
    file = folder / "checkpoints/best.pt"
    with pytest.raises(store.Damaged) as caught:
        checkpoint.read(file, torch.device("cpu"))
    return str(caught.value).replace(f"retry {folder}", "retry RUN")


def test_hints_call_the_program_as_the_user_did(folder, monkeypatch):
    monkeypatch.setenv(invocation.VARIABLE, "")  # is put back
    script = folder / "bin/actstudy"
    script.parent.mkdir()
    script.touch(mode=0o755)
    for started, path, words in (
        (script, script.parent, "actstudy"),
        (script, folder, str(script)),  # not on the PATH
        (folder / "actstudy/__main__.py", script.parent, "python -m actstudy"),
    ):
        monkeypatch.delenv(invocation.VARIABLE)
        monkeypatch.setattr(sys, "argv", [str(started)])
        monkeypatch.setenv("PATH", str(path))
        invocation.note()
        assert invocation.program() == words
        monkeypatch.setattr(sys, "argv", ["another.py"])  # a process of it, such as a run's
        invocation.note()
        assert invocation.program() == words
        assert f"to fix: {words} retry RUN" in refused_checkpoint(folder)


def test_only_a_hiding_file_that_the_error_names_is_blamed(folder):
    (folder / "random.py").write_text("x = 1\n")
    (folder / "mine.py").write_text("x = 1\n")
    error = f"cannot import name 'SystemRandom' from 'random' ({folder / 'random.py'})"
    assert shadowed.fault(error, [folder]) == RANDOM
    assert shadowed.fault("No module named 'snakemake'", [folder]) is None
    assert shadowed.fault("No module named 'mine'", [folder]) is None


def test_a_start_that_fails_on_a_hidden_module_is_one_line(folder, capsys):
    (folder / "random.py").write_text("x = 1\n")
    with pytest.raises(SystemExit, match="2"):
        __main__.refuse_hidden(ImportError("cannot import name 'Random' from 'random'"))
    assert capsys.readouterr().err == f"actstudy: {RANDOM}\n"
    __main__.refuse_hidden(ImportError("No module named 'elsewhere'"))


def test_the_inspection_names_a_file_that_runs_in_its_place(folder):
    (folder / "actstudy.py").write_text("x = 1\n")
    (folder / "acts.py").write_text("def bump(x):\n    return x.tanh()\n")
    content = {"axes": {"activation": ["acts:bump"]}, "tasks": {"mlp": {"epochs": 1}}}
    (folder / "mine.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(StudyError, match=PACKAGE):
        planning.load("mine.yaml")


@pytest.mark.parametrize(("name", "line"), [("random", RANDOM), ("torch", TORCH)])
def test_the_inspection_names_a_file_that_hides_a_module(folder, name, line):
    (folder / f"{name}.py").write_text("x = 1\n")
    content = {"axes": {"activation": ["acts:bump"]}, "tasks": {"mlp": {"epochs": 1}}}
    (folder / "mine.yaml").write_text(yaml.safe_dump(content))
    words = [sys.executable, "-m", "actstudy", "status", "--config", "mine.yaml"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("actstudy: ")
    assert done.stderr.endswith(f"{line}\n")
    assert done.stderr.count("\n") == 1
