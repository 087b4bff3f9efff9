"""The words after `run` and the other commands: handed on, or one line with what may be meant."""

import pytest
import snakemake.cli

from actstudy.commands import cli, driver, run_words
from actstudy.contract.errors import StudyError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the study file mine.yaml, in which the process works."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("tasks: [mlp]\naxes: {activation: [relu]}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ""),
        ("mine.yaml -n", "--configfile=mine.yaml -n"),
        ("mine.yaml --set seeds=3 lr=0.1 -n", "--configfile=mine.yaml -n --config seeds=3 lr=0.1"),
        ("--set=seeds=3 --set lr=0.1 -n", "-n --config seeds=3 lr=0.1"),
        (
            "mine.yaml --set seeds=3 results/mine+seeds=3/summary.md",
            "--configfile=mine.yaml results/mine+seeds=3/summary.md --config seeds=3",
        ),
        ("mine.yaml tables --config seeds=3", "--configfile=mine.yaml tables --config seeds=3"),
    ],
)
def test_set_is_the_config_of_snakemake(folder, words, expected):
    assert run_words.for_snakemake(words.split()) == expected.split()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("mine.yaml seeds=3", ["got seeds=3; did you mean `--set seeds=3`?"]),
        ("seeds=3", ["did you mean `--set seeds=3`?"]),
        ("mine", ["no study file mine; did you mean 'mine.yaml'?"]),
        ("tabels", ["no study file tabels; did you mean 'tables'?"]),
        ("mine.yaml other.yaml", ["got mine.yaml and other.yaml; allowed: one study file"]),
        ("--config mine.yaml", ["did you mean `python -m actstudy run mine.yaml`?"]),
        ("-C mine.yaml", ["did you mean `python -m actstudy run mine.yaml`?"]),
        ("mine.yaml --set seeds", ["--set: got 'seeds'; allowed: KEY=VALUE"]),
        ("mine.yaml --set seeds=3 --config lr=1", ["got --set and --config; allowed: one of them"]),
    ],
)
def test_words_that_snakemake_can_make_nothing_of_are_one_line(folder, words, parts):
    with pytest.raises(StudyError) as caught:
        run_words.for_snakemake(words.split())
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("--seeds 3", "--seeds: unknown; did you mean `--set seeds=...`?"),
        ("--rerun-incomplet3", "--rerun-incomplet3: unknown; did you mean '--rerun-incomplete'?"),
        ("--sett seeds=3", "--sett: unknown; did you mean '--set'?"),
        ("-Z", "-Z: unknown; "),
    ],
)
def test_an_unknown_flag_is_one_line_before_anything_starts(folder, monkeypatch, words, part):
    monkeypatch.setattr(run_words, "_flags_of_snakemake", flags_of_snakemake)
    monkeypatch.setattr(driver, "study_of", lambda _: pytest.fail("started"))
    with pytest.raises(StudyError) as caught:
        driver.main(words.split(), "actstudy run")
    assert part in str(caught.value)


@pytest.mark.parametrize(
    "words", ["-np", "-j4 -k", "--rerun-inc", "-c2 --resources gpu=2", "--until tables", "-- -Z"]
)
def test_flags_of_snakemake_pass_without_its_help(monkeypatch, words):
    monkeypatch.setattr(run_words, "_flags_of_snakemake", lambda: pytest.fail("asked"))
    run_words.check_flags(driver.read(words.split())[1])


def flags_of_snakemake():
    """Every flag of snakemake's own parser."""
    flags = []
    for action in snakemake.cli.get_argument_parser()._actions:
        flags += action.option_strings
    return flags


def test_the_help_of_snakemake_names_its_flags():
    assert set(run_words.COMMON) <= set(flags_of_snakemake())
    assert set(run_words._flags_of_snakemake()) >= set(flags_of_snakemake())


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("status mine.yaml", "did you mean `--config mine.yaml`?"),
        ("cost seeds=3", "did you mean `--set seeds=3`?"),
        ("status --seeds 3", "did you mean `--set seeds=...`?"),
        ("status --config mine", "no such file or directory; did you mean 'mine.yaml'?"),
        ("retry mine.yaml", "did you mean `failed --config mine.yaml`?"),
        ("export mine.yaml", "did you mean `--config mine.yaml`?"),
    ],
)
def test_other_commands_name_the_flag_that_is_meant(folder, capsys, words, part):
    with pytest.raises(SystemExit, match="2"):
        cli.main(words.split())
    (line,) = capsys.readouterr().err.splitlines()
    assert part in line
