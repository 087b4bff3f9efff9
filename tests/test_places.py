"""Where the project is put: folders, copies, users, environments; set-ups that are cut off."""

import getpass
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from faults import places
from runs import ROOT

from actstudy.contract import checkout, errors, home
from actstudy.study import jobs, planning

STUDY = """
axes: {activation: [relu]}
tasks: {mlp: {seeds: 1, epochs: 1, depth: 1, width: 16, warmup: 0}}
"""
PIP = """
import os, sys
from pathlib import Path
if "install" in sys.argv:
    Path(__file__).with_name("project.pth").write_text(f"{Path.cwd()}/lib\\n", encoding="utf-8")
    Path("pip_home").write_text(os.environ["HOME"], encoding="utf-8")
"""
NO_PROJECT = """
import sys
sys.path = [place for place in sys.path if not place.endswith("/lib")]
import snakemake.cli
sys.exit(snakemake.cli.main())
"""
PYTHON = """#!/bin/sh
if [ "$*" != "-m venv .venv" ]; then exec {python} "$@"; fi
cp -a {environment} .venv
"""


@pytest.fixture
def python(tmp_path):
    """An interpreter whose environments have a pip that downloads nothing."""
    environment = tmp_path / "environment"
    places.make_environment(environment)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "pip.py").write_text(PIP)
    script = tmp_path / "python"
    script.write_text(PYTHON.format(python=places.interpreter(), environment=environment))
    script.chmod(0o755)
    return str(script)


@pytest.fixture
def place(tmp_path):
    return places.project(tmp_path / places.NAME)


def code_of(place):
    """The folder of the package that a place's environment imports."""
    words = "import actstudy; print(actstudy.__file__)"
    status, output = place.call([".venv/bin/python", "-X", "utf8", "-c", words])
    assert status == 0, output
    return Path(output.strip()).parent


@pytest.fixture
def public_place():
    """A folder of the project that other users may read, as they may not read pytest's."""
    with tempfile.TemporaryDirectory(prefix="places") as root:
        Path(root).chmod(0o755)
        yield places.project(Path(root) / places.NAME)


def test_a_stranger_makes_the_tables_in_a_folder_of_a_hostile_name(public_place, tmp_path):
    """What comes before the tables is there already, the run as a damaged one."""
    place = public_place
    place.set_up()
    file = tmp_path / "tried.yaml"
    file.write_text(STUDY)
    study = planning.load(file)
    for path in [*study.files_of(study.runs()), "results/data/mnist1d/manifest.json"]:
        (place.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (place.folder / path).touch()
    reference = place.folder / "results/references/mlp-mnist1d.json"
    reference.parent.mkdir()
    reference.write_text("{}")
    (place.folder / study.folder).mkdir()
    pd.DataFrame().to_parquet(place.folder / study.folder / "boundaries.parquet")
    assert places.broken(place, file, [f"{study.folder}/tables/plan.json"]) == []


def test_no_rule_is_started_by_snakemakes_own_unquoted_command():
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        for directive in ("script", "run", "notebook", "wrapper"):
            assert f" {directive}:\n" not in path.read_text()


# The set-up


def test_a_set_up_is_made_once(place, python):
    status, output = place.make("setup", PYTHON=python)
    assert status == 0, output
    assert "Installed ." in output
    assert code_of(place) == place.folder / "lib/actstudy"
    assert "Installed" not in place.make("setup", PYTHON=python)[1]


def test_a_set_up_that_ended_before_pip_is_repeated(place, python):
    places.make_environment(place.folder / ".venv")
    for installed in place.folder.glob(".venv/lib/python*/site-packages/installed.pth"):
        installed.unlink()
    status, output = place.make("setup", PYTHON=python)
    assert status == 0, output
    assert "Removing .venv: its set-up was interrupted" in output
    assert code_of(place) == place.folder / "lib/actstudy"


@pytest.mark.parametrize("put", [partial(shutil.copytree, symlinks=True), shutil.move])
def test_a_copied_or_moved_folder_is_set_up_anew(place, python, put, tmp_path):
    place.make("setup", PYTHON=python)
    other = places.Place(tmp_path / "other")
    put(place.folder, other.folder)
    status, output = other.make("setup", PYTHON=python)
    assert status == 0, output
    assert "made in another folder" in output
    assert code_of(other) == other.folder / "lib/actstudy"


@pytest.mark.parametrize("name", ["a:b", "a\nb", "{a}", os.fsdecode(b"\xff")])
def test_a_folder_that_no_environment_serves_is_refused_before_anything_is_installed(
    python, name, tmp_path
):
    place = places.project(tmp_path / name)
    status, output = place.make("setup", PYTHON=python)
    assert status == 2
    refusals = [line for line in output.splitlines() if not line.startswith("make: ***")]
    assert len(refusals) == 1
    assert refusals[0].startswith("actstudy: ")
    assert "allowed: one in UTF-8 without colons, braces and line ends" in refusals[0]
    assert not (place.folder / ".venv").exists()


def test_a_user_without_a_home_installs_with_one(place, python):
    place.make("setup", PYTHON=python, HOME="/nowhere")
    assert (place.folder / "pip_home").read_text() == str(place.folder / ".snakemake/home")


def test_a_clone_of_git_for_windows_has_the_line_ends_of_a_shell(tmp_path):
    source = tmp_path / "source"
    (source / "envs").mkdir(parents=True)
    for name in (".gitattributes", "envs/install.sh"):
        shutil.copy(ROOT / name, source / name)
    author = ["-c", "user.name=A", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=source, check=True)
    clone = ["git", "clone", "-q", "-c", "core.autocrlf=true", source, tmp_path / "clone"]
    subprocess.run(clone, check=True)
    assert b"\r" not in (tmp_path / "clone/envs/install.sh").read_bytes()


# Whose code runs


@pytest.mark.parametrize(
    "command",
    [["-m", "actstudy", "status"], ["-m", "snakemake", "-n"], ["workflow/scripts/study.py"]],
)
def test_the_code_of_another_folder_is_refused(place, tmp_path, command):
    place.set_up()
    copy = places.project(tmp_path / "copy")
    status, output = copy.call([str(place.folder / ".venv/bin/python"), *command])
    assert status == 2
    (refusal,) = [line for line in output.splitlines() if not line.startswith("Using workflow")]
    assert refusal == (
        f"actstudy: {copy.folder}: got the code of {place.folder}/lib/actstudy; "
        f"allowed: {copy.folder}/lib/actstudy; to mend: make setup && . .venv/bin/activate"
    )


def test_an_environment_without_the_project_is_refused_in_one_line(place):
    command = [sys.executable, "-I", "-c", NO_PROJECT, "--cores", "1", "-n"]
    status, output = place.call(command)
    assert status == 1, output
    assert output.splitlines()[-1] == (
        "actstudy: No module named 'actstudy'; to mend: make setup && . .venv/bin/activate"
    )


def test_the_packages_of_another_folder_serve_if_the_code_is_its_own(place):
    command = [sys.executable, "-m", "actstudy", "status"]
    status, output = place.call(command, PYTHONPATH=f"{place.folder}/lib")
    assert status == 0, output


def test_another_checkout_in_pythonpath_is_named_as_the_cause(tmp_path, monkeypatch, capsys):
    (tmp_path / "lib/actstudy").mkdir(parents=True)
    (tmp_path / "Snakefile").touch()
    monkeypatch.setenv("PYTHONPATH", f"/elsewhere:{checkout.PACKAGE.parent}")
    with pytest.raises(SystemExit):
        checkout.refuse_other_code(tmp_path)
    assert capsys.readouterr().err.endswith("to mend: unset PYTHONPATH\n")


def test_a_folder_by_another_path_and_one_that_is_no_checkout_are_served(tmp_path):
    (tmp_path / "link").symlink_to(ROOT)
    checkout.refuse_other_code(tmp_path / "link")
    checkout.refuse_other_code(tmp_path)
    (tmp_path / "lib/actstudy").mkdir(parents=True)
    checkout.refuse_other_code(tmp_path)


# What does not fit


@pytest.mark.parametrize(("path", "length"), [("/a b'c", 130_001), ("/a$b", 60_001)])
def test_a_pack_that_does_not_fit_on_a_command_line_is_refused(path, length):
    checkout.check_words(Path(path), [])
    checkout.check_words(Path(path), ["x" * (length - 1)])
    with pytest.raises(errors.StudyError, match="to mend: a smaller pack_width"):
        checkout.check_words(Path(path), ["x", "x" * length])


def test_tables_of_a_study_that_was_edited_while_it_ran_are_refused():
    command = [sys.executable, "workflow/scripts/tables.py", "config/smoke.yaml", "{}", "other"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "actstudy: config/smoke.yaml: the study was edited while it ran; "
        "to mend: the same command again\n"
    )


def test_the_plan_of_the_tables_is_that_of_the_workflow(tmp_path, monkeypatch):
    """Values of --config cross axes in their order, so it must survive the command line."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "tried.yaml"
    file.write_text(STUDY)
    config = {"lr": "0.1,0.2", "depth": "2,3", "batch_size": "50"}
    study = planning.load(file, config)
    overrides = json.loads(jobs.plan_jobs(study, 0, None, True, config).overrides)
    assert planning.load(file, overrides).plan().sha256 == study.plan().sha256


# What other programs need


def test_a_home_and_a_name_are_provided_where_there_are_none(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("USER", raising=False)
    monkeypatch.setattr(getpass, "getuser", lambda: {}["uid not found"])
    home.provide(tmp_path / "home")
    assert os.environ["HOME"] == os.environ["XDG_CACHE_HOME"] == str(tmp_path / "home")
    assert os.environ["USER"] == str(os.getuid())


def test_a_home_and_a_name_that_are_there_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "mine"))
    monkeypatch.setenv("USER", "me")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    home.provide(tmp_path / "home")
    assert os.environ["HOME"] == str(tmp_path / "mine")
    assert os.environ["USER"] == "me"
    assert "XDG_CACHE_HOME" not in os.environ


def test_a_terminal_without_greek_letters_gets_escapes():
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "actstudy", "check", "config/replicate/mish_cifar10.yaml"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    assert r"\u03b2" in done.stdout
