"""The table of commands."""

import gc
import re
import subprocess
import sys

import pandas as pd
import pytest
from runs import ROOT

from actstudy.commands import cli, completion, leaving, parser
from actstudy.contract import registry
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import canonical
from actstudy.data.sets import sotu_text
from actstudy.study import packs, planning
from actstudy.training.outcome import Interrupted

MLP = {"activation": "relu", "epochs": 2, "width": 16, "dropout": 0.0}
WORDS = {
    "status": [],
    "retry": ["failed"],
    "summary": ["--partial"],
    "export": ["folder"],
    "cost": [],
    "run": [],
    "decide": ["mlp", "lr"],
    "doctor": ["folder"],
    "template": ["--task", "mlp"],
    "prepare": ["mnist1d", "folder"],
    "reference": ["mlp", "folder", "file"],
    "parity": ["--spec", "{}", "file"],
    "replicate": ["file"],
    "check": ["file"],
    "boundaries": ["file", "relu"],
    "inspect": [],
    "completion": ["bash"],
    "certify": ["relu"],
    "choose": [],
    "gate": ["ledger"],
    "judge": ["runs.csv"],
    "demo": [],
    "measure": ["C1"],
    "properties": [],
    "compare": ["folder", "folder"],
    "transfer": ["folder", "folder"],
    "bundle": [],
    "verify": ["file"],
    "unbundle": ["file"],
}


@pytest.fixture
def no_collector():
    """The garbage collector as __main__ leaves it."""
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.parametrize("name", [command.name for command in cli.COMMANDS if not command.trains])
def test_garbage_is_collected_in_every_command(name, monkeypatch, no_collector):
    states = []

    def run(_arguments):
        states.append(gc.isenabled())
        return 0

    commands = [command._replace(run=run) for command in cli.COMMANDS]
    monkeypatch.setattr(cli, "COMMANDS", commands)
    with pytest.raises(SystemExit, match="0"):
        cli.main([name, *WORDS[name]])
    assert states == [True]


@pytest.mark.parametrize("name", ["train", "pack"])
def test_garbage_is_collected_when_training_begins(name, tmp_path, monkeypatch, no_collector):
    states = []

    def begin(*_arguments):
        states.append(gc.isenabled())
        raise Interrupted("stopped at step 0")

    monkeypatch.setattr("actstudy.training.run.train", begin)
    (tmp_path / "data/mnist1d").mkdir(parents=True)
    (tmp_path / "data/mnist1d/manifest.json").touch()
    run = planning.run_spec("mlp", 0, {**MLP, "engine": "pack" if name == "pack" else "eager"})
    specs = {"train": ["--spec", canonical(run)], "pack": ["--members", packs.to_json([run])]}
    folders = ["--log_dir", str(tmp_path / "runs"), "--data_dir", str(tmp_path / "data")]
    with pytest.raises(SystemExit, match="75"):
        cli.main([name, *specs[name], *folders])
    assert states == [True]


def test_every_command_is_in_the_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert cli.EXAMPLES.splitlines()[0] in printed
    for command in cli.COMMANDS:
        assert (f"{command.name} {command.help}" in printed) != command.internal, command.name


def test_what_the_help_leaves_out_is_documented():
    documented = (ROOT / "docs/commands.md").read_text()
    for command in cli.COMMANDS:
        words = [f"actstudy {command.name}{end}" for end in (" ", "\n", "`")]
        assert any(word in documented for word in words), command.name


@pytest.mark.parametrize("name", [command.name for command in cli.COMMANDS])
def test_help_states_defaults_once_and_its_examples_are_of_the_command(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main([name, "--help"])
    printed = capsys.readouterr().out
    assert "(default: None)" not in printed
    assert not re.search(r"\(default: [^)]*\)\s+\(default", printed)
    (command,) = [command for command in cli.COMMANDS if command.name == name]
    for line in command.examples.splitlines():
        assert line.startswith(f"actstudy {name}")
        assert line in printed


def test_help_of_train_lists_what_is_allowed(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["train", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    for names in (registry.activations(), registry.init_policies(), registry.datasets()):
        assert ", ".join(names) in printed
    for words in ("{adamw,adam,sgd,rmsprop}", "{none,batch,layer}", "{eager,compiled,pack}"):
        assert words in printed


def test_no_command_prints_the_usage(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main([])
    assert capsys.readouterr().out.startswith("usage: actstudy")


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_a_shell_completes_commands_and_values(shell, capsys):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["completion", shell])
    printed = capsys.readouterr().out
    for word in ("replicate", "--activation_args", "rmsprop"):
        assert word in printed


def test_a_package_that_is_missing_is_one_line(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    printed = refused("completion", "bash")
    assert (
        printed == "actstudy: the package shtab is missing; to fix: pip install 'actstudy[study]'\n"
    )


UNCHANGED = """
import gc, logging, os, sys, warnings
import matplotlib, pydantic, ruamel.yaml, torch  # what these change at import is theirs
matplotlib.use("svg")
torch.set_num_threads(2)

def state():
    return {
        "gc": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()),
        "threads": torch.get_num_threads(),
        "warnings": list(warnings.filters),
        "matplotlib": dict(matplotlib.rcParams.items()),
        "environment": dict(os.environ),
        "logging": (logging.root.level, list(logging.root.handlers)),
        "precision": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "stdout": (sys.stdout.errors, sys.stdout.encoding),
    }

before = state()
import actstudy.__main__
import actstudy.health
import actstudy.health.doctor
from actstudy.commands import cli
from actstudy.experiments import mnist1d_notebook
for words in (["--version"], ["template", "--task", "mlp"], ["train", "--task", "mpl"]):
    try:
        cli.main(words)
    except SystemExit:
        pass
with mnist1d_notebook.one_thread():
    assert torch.get_num_threads() == 1
after = state()
for name, value in before.items():
    assert after[name] == value, (name, value, after[name])
print("unchanged")
"""


def test_importing_and_calling_change_nothing_of_a_session(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", UNCHANGED], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.endswith("unchanged\n"), done.stderr


@pytest.mark.parametrize("words", [["template", "--task", "mlp"], ["train", "--help"]], ids=str)
def test_a_reader_that_ends_early_is_no_fault(words, tmp_path):
    command = [sys.executable, "-u", "-m", "actstudy", *words]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode in (0, leaving.CLOSED_PIPE)  # argparse swallows it


TOO_SHORT = ["--steps", "2", "--warmup", "1", "--activation", "relu", "--task", "mlp"]


@pytest.fixture
def trained(data_folder, tmp_path, monkeypatch, capsys):
    """Runs `train` with given words; returns its exit status and what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        with pytest.raises(SystemExit) as leaving:
            cli.main(["train", *words, "--quiet", "--data_dir", str(data_folder.parent)])
        printed = capsys.readouterr()
        return leaving.value.code, printed.out + printed.err

    return run


def test_a_failed_run_exits_1_by_hand_and_is_tried_again(trained, monkeypatch):
    monkeypatch.setattr("actstudy.study.warmup.check", lambda run, where: None)  # of planning
    status, printed = trained(*TOO_SHORT)
    assert (status, "failed, ValueError: warmup: got 1.0 epochs" in printed) == (1, True)
    status, printed = trained(*TOO_SHORT)
    assert status == 1
    assert "failed before; it is trained again" in printed
    run = planning.run_spec("mlp", 0, {"activation": "relu", "steps": 2, "warmup": 1})
    status, printed = trained("--spec", canonical(run))
    assert status == 0, "a rule's job has published its row"
    assert "trained again" not in printed


@pytest.mark.parametrize("length", [["--epochs", "1"], ["--steps", "2"], ["--steps", "1"]], ids=str)
def test_a_short_run_needs_no_flag_for_its_warm_up(trained, length):
    status, printed = trained("--task", "mlp", "--activation", "relu", "--width", "8", *length)
    assert status == 0
    assert ": completed, test accuracy" in printed
    assert "as the task's own, 2, is longer than the run" in printed


def test_a_warm_up_that_fits_or_is_set_stays():
    fields = {"activation": "relu", "steps": 70}
    assert planning.run_spec("mlp", 0, fields, steps_per_epoch=lambda run: 35).warmup == 2
    short = {**fields, "steps": 69}
    assert planning.run_spec("mlp", 0, short, steps_per_epoch=lambda run: 35).warmup == 6.9 / 35
    stated = {**short, "warmup": 1.9}
    assert planning.run_spec("mlp", 0, stated, steps_per_epoch=lambda run: 35).warmup == 1.9
    line = "warmup: got 2 epochs, each of 35 steps or more; .*; to fix: leave warmup out$"
    with pytest.raises(StudyError, match=line):
        planning.run_spec("mlp", 0, {**stated, "warmup": 2})
    assert planning.run_spec("mlp", 0, {"activation": "relu", "epochs": 2}).warmup == 2
    assert planning.run_spec("mlp", 0, {"activation": "relu", "epochs": 1}).warmup == 0.1


@pytest.mark.parametrize(
    ("words", "task"),
    [
        (["train", "--task", "mlp"], "mlp"),
        (["train", "--help", "--task=lm"], "lm"),
        (["train", "--task", "mpl"], None),
        (["train", "--task"], None),
        (["train", "--lr", "--task"], None),
        (["status"], None),
    ],
    ids=str,
)
def test_the_task_of_a_command_line(words, task):
    assert parser.named_task(words) == task


def test_a_flag_that_nobody_knows_is_refused_with_the_nearest(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["status", "--confg=x.yaml"])
    printed = capsys.readouterr().err
    assert "--confg=x.yaml: unknown; " in printed
    assert "did you mean '--config'?" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--task: missing; allowed: cls, contrastive, lm, mlp"),
        (["--task", "gpt"], "argument --task: got 'gpt'; did you mean 'lm'? allowed: cls, "),
        (["--task", "mpl"], "argument --task: got 'mpl'; did you mean 'mlp'? allowed: cls, "),
        (["--task", "mlp"], "activation: missing"),
        (["--task", "mlp", "--activation", "rellu"], "did you mean 'relu'"),
        (
            ["--task", "mlp", "--activation", "relu", "--lr", "x"],
            "lr: got 'x'; allowed: a number",
        ),
        (
            ["--task", "mlp", "--activation", "relu", "--batchsize", "5"],
            "did you mean '--batch_size'",
        ),
        (["--learning_rate", "0.1"], "--learning_rate: unknown; did you mean '--lr'?"),
        (["--learning-rate=0.1"], "did you mean '--lr'?"),
        (["--max-grad-norm", "1"], "did you mean '--clip'?"),
        (
            ["--task", "mlp", "--activation", "relu", "--config", "none.yaml"],
            "none.yaml: no such file",
        ),
        (["--task", "mlp", "--activation", "relu", "--lr", "[1"], "lr: not readable as YAML"),
        (
            ["--task", "mlp", "--activation", "relu", "--seed", "-1"],
            "seed: got -1; allowed: at least 0",
        ),
        (
            ["--task", "mlp", "--activation", "relu", "--seed", "99999999999999999999"],
            "below 2**63",
        ),
        (
            ["--task", "mlp", "--activation", "relu", "--probe_every", "0"],
            "got '0'; allowed: a whole number",
        ),
        (["--task", "mlp", "--activation", "relu", "--log_dir", "/proc/nope"], "/proc/nope"),
        (["--spec", "garbage"], "--spec: not a spec as JSON"),
        (["--spec", "{}"], "--spec: not a spec as JSON"),
        (["--spec", "{}", "--lr", "1"], "--lr: given with --spec"),
    ],
    ids=str,
)
def test_bad_flags_are_one_line_and_exit_2(refused, arguments, message):
    printed = refused("train", *arguments)
    assert message in printed
    assert len(printed.strip().splitlines()) == 1


def toy_addresses():
    """An address per split, as a BPE of all of them takes a quarter of a minute."""
    text = " ".join(f"word{number}" for number in range(2000))
    return pd.DataFrame({"split": ["train", "val", "test"], "text": [text] * 3})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "mnst",
            "unknown data set; did you mean 'mnist'? allowed: ag_news, ",
        ),
        ("sotu_text", "allowed: NAME, for text NAME-vVOCABULARY-tCONTEXT"),
        ("mnist1d-v300-t8", "allowed: NAME, for text NAME-vVOCABULARY-tCONTEXT"),
        ("sotu_text-300", "unknown data set; did you mean 'sotu_text'? allowed: "),
        ("sotu_text-v300-t9999999", "sotu_text: context: got 9999999; allowed: at most"),
    ],
)
def test_data_that_cannot_be_prepared_is_one_line(refused, tmp_path, monkeypatch, name, message):
    monkeypatch.setattr(sotu_text, "addresses", toy_addresses)
    printed = refused("prepare", name, f"results/data/{name}")
    assert message in printed
    assert len(printed.strip().splitlines()) == 1
    assert not (tmp_path / f"results/data/{name}/manifest.json").exists()
