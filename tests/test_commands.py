"""The table of commands."""

import gc

import pandas as pd
import pytest

from actstudy.commands import cli, parser
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
    "decide": ["mlp", "lr"],
    "doctor": ["folder"],
    "template": ["--task", "mlp"],
    "prepare": ["mnist1d", "folder"],
    "reference": ["mlp", "folder", "file"],
    "replicate": ["file"],
    "check": ["file"],
    "boundaries": ["file", "relu"],
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
    for command in cli.COMMANDS:
        assert f"{command.name} {command.help}" in printed


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


@pytest.fixture
def refused(capsys, tmp_path, monkeypatch):
    """Runs a command, which must exit with 2, in an empty folder; returns what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        with pytest.raises(SystemExit) as leaving:
            cli.main(words)
        assert leaving.value.code == 2
        printed = capsys.readouterr()
        return printed.out + printed.err

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--task: missing; allowed: cls, lm, mlp, vision"),
        (["--task", "mpl"], "argument --task: invalid choice: 'mpl'"),
        (["--task", "mlp"], "activation: missing"),
        (["--task", "mlp", "--activation", "rellu"], "did you mean 'relu'"),
        (
            ["--task", "mlp", "--activation", "relu", "--lr", "x"],
            "lr: got 'x'; allowed: a valid number",
        ),
        (
            ["--task", "mlp", "--activation", "relu", "--batchsize", "5"],
            "did you mean '--batch_size'",
        ),
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
