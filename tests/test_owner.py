"""A study is named after its file: another file of the same name never replaces its results."""

import os
import re
import shutil
from pathlib import Path

import pytest

from actstudy.commands import cli
from actstudy.contract import store
from actstudy.contract.errors import StudyError
from actstudy.study import tries
from actstudy.study.owner import check_owner, check_targets
from actstudy.study.planning import load

STUDY = """axes: {activation: [relu, tanh]}
tasks:
  mlp: {seeds: 1, epochs: 1, depth: 1, width: 4, warmup: 0}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose study config/tiny.yaml has results; another folder lies beside it."""
    folder = tmp_path / "project"
    (folder / "config").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(folder)
    Path("config/tiny.yaml").write_text(STUDY)
    store.write_json(Path("results/tiny/tables/plan.json"), {"file": "config/tiny.yaml"})
    return folder


OTHER = STUDY.replace("seeds: 1", "seeds: 2")


def other(project, name="tiny.yaml", content=OTHER):
    file = project.parent / "other" / name
    file.write_text(content)
    return file


def test_another_file_of_the_same_name_is_refused(project):
    file = other(project)
    expected = (
        f"{file}: the file's name names the study, and results/tiny holds results of "
        "config/tiny.yaml; to fix: rename the file"
    )
    with pytest.raises(StudyError, match=f"^{re.escape(expected)}$"):
        check_owner(load(file))
    shutil.rmtree("results/tiny")
    check_owner(load(file))


@pytest.mark.parametrize("name", ["tiny.yml", "tiny.yaml"])
@pytest.mark.parametrize(
    "command",
    [["status"], ["summary", "--partial"], ["export"], ["export", "out"], ["retry", "failed"]],
)
def test_every_command_refuses_it_in_one_line(project, capsys, name, command):
    with pytest.raises(SystemExit, match="2"):
        cli.main([*command, "--config", str(other(project, name))])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert not (project / "results/tiny/partial").exists()


def test_a_partial_page_belongs_to_its_file(project):
    Path("results/tiny/tables").rename("results/tiny/kept")
    store.write_json(Path("results/tiny/partial/tables/plan.json"), {"file": "config/tiny.yaml"})
    with pytest.raises(StudyError, match="holds results of config/tiny"):
        check_owner(load(other(project)))


def test_a_second_config_yaml_is_refused_and_goes_by_another_name(project):
    Path("config/config.yaml").write_text(STUDY)
    store.write_json(Path("results/tables/plan.json"), {"file": "config/config.yaml"})
    file = other(project, "config.yaml")
    with pytest.raises(StudyError, match=r"of config/config.yaml; to fix: rename the file$"):
        check_owner(load(file))
    check_owner(load(file.rename(file.with_name("mine.yaml"))))


def test_ordinary_use_never_meets_it(project):
    """Edited, moved, copied, linked, overridden, spelt otherwise, in a copied project."""
    file = Path("config/tiny.yaml")
    check_owner(load(other(project, content=STUDY)))  # a copy with the same content
    file.write_text(STUDY.replace("seeds: 1", "seeds: 3"))
    check_owner(load(file))
    check_owner(load("./config/../config/tiny.yaml", {"seeds": 5}))
    check_owner(load(file.resolve()))
    Path("linked").mkdir()
    Path("linked/tiny.yaml").symlink_to(file.resolve())
    check_owner(load("linked/tiny.yaml"))
    Path("elsewhere").mkdir()
    file.rename("elsewhere/tiny.yaml")
    check_owner(load("elsewhere/tiny.yaml"))
    Path("elsewhere/tiny.yaml").rename(file)
    shutil.copytree(project, project.parent / "copy")
    os.chdir(project.parent / "copy")
    check_owner(load(file))


@pytest.mark.parametrize("content", ["[]", "{", "{}"])
def test_a_plan_that_names_no_file_has_no_owner(project, content):
    Path("results/tiny/tables/plan.json").write_text(content)
    check_owner(load(other(project)))


@pytest.mark.parametrize("name", ["Runs.yaml", "summary.md.yaml", "boundaries.parquet.yaml"])
def test_a_study_is_not_named_like_what_results_hold(project, name):
    with pytest.raises(StudyError, match="the file's name names the study"):
        load(other(project, name))


@pytest.mark.parametrize(
    ("overrides", "folder"),
    [
        ({}, "results/tiny"),
        (
            {"device": "cpu", "slots_per_gpu": 2, "probe_every": 5, "timeout_minutes": 9},
            "results/tiny",
        ),
        ({"seeds": 2}, "results/tiny+seeds=2"),
        ({"seeds": 2, "device": "cpu"}, "results/tiny+seeds=2"),
        ({"seeds": 2, "looks": False}, "results/tiny+looks=false+seeds=2"),
        ({"looks": "false", "seeds": "2"}, "results/tiny+looks=false+seeds=2"),
        ({"activation": "relu,gelu"}, "results/tiny+activation=relu,gelu"),
        ({"activation": ["relu", "gelu"]}, "results/tiny+activation=relu,gelu"),
    ],
    ids=str,
)
def test_a_try_has_a_folder_of_its_own(project, overrides, folder):
    study = load("config/tiny.yaml", overrides)
    assert study.folder == folder
    assert tries.results_folder("tiny", overrides) == folder
    assert (study.note is None) == (folder == "results/tiny")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["status"], "0 of 6 runs"),
        (["retry", "failed"], "nothing to clear"),
        (["export"], "0 of 6 runs -> results/tiny+seeds=3/curves"),
    ],
)
def test_commands_take_the_pairs_of_a_try(project, capsys, command, words):
    with pytest.raises(SystemExit, match="0"):
        cli.main([*command, "--config", "config/tiny.yaml", "--set", "seeds=3"])
    assert words in capsys.readouterr().out


def test_a_pair_of_a_try_has_a_value(project, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["status", "--config", "config/tiny.yaml", "--set", "seeds"])
    assert "--set: got 'seeds'; allowed: KEY=VALUE" in capsys.readouterr().err


def test_every_name_of_a_folder_of_tries_is_one_folder():
    folders = set()
    for value in ("../../x", "a/b", "{n}", "a b", "ü", "x" * 200, [[1], 2], {"std": 0.1}):
        folder = Path(tries.results_folder("default", {"init_args": value}))
        assert folder.parent == Path("results")
        assert re.fullmatch(r"default\+[0-9a-f]{8}", folder.name)
        folders.add(folder)
    assert len(folders) == 8


def test_the_page_of_another_study_is_refused_with_the_right_one(project):
    study = load("config/tiny.yaml")
    words = ["-n", "results/tiny/summary.md", "results/runs/x", "--cores", "8", "summary.md", ""]
    check_targets(study, words)
    with pytest.raises(StudyError) as caught:
        check_targets(study, [*words, "results/summary.md"])
    assert str(caught.value).startswith(
        "results/summary.md: not of this study; allowed: results/tiny/summary.md, "
    )
    assert "\n" not in str(caught.value)


def test_retry_says_so_if_nothing_has_failed(project, capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["retry", "failed", "--config", "config/tiny.yaml"])
    assert capsys.readouterr().out == "nothing to clear: no run of study tiny has failed\n"


def test_curves_are_exported_to_the_results_of_the_study(project, capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["export", "--config", "config/tiny.yaml"])
    assert capsys.readouterr().out == "curves of 0 of 2 runs -> results/tiny/curves\n"
