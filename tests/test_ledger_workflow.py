"""A study with claims of guides in a copy of the project: what an edit of one sets in motion."""

import json
import re
import sys

import ledgers
import pandas as pd
import pytest
import yaml
from project import Project

from actstudy.study import measuring, planning

PYTHON = (sys.executable, "-m", "actstudy")
CLAIMS = (
    ledgers.CLAIM
    + """
C2:
  section: "2"
  claim: ReLU with an argument that it has not got has a slope
  claimed: "any"
  measure: {slopes: {activation: relu, args: {alpha: 2}}}
  holds_if: {largest: {equals: 1, within: 0}}
  note: It is {largest}.
"""
)


@pytest.fixture(scope="module")
def project(tmp_path_factory, data_folder):
    """The smoke study with two claims, whole; one of them cannot be measured."""
    copy = Project(tmp_path_factory.mktemp("project"), [data_folder])
    copy.seal(planning.load(copy.folder / "config/smoke.yaml").runs(), data_folder)
    copy.provide("smoke", ["tanh", "relu"])
    ledgers.folder_of(copy.folder, CLAIMS).rename(copy.folder / "config/few")
    file = copy.folder / "config/smoke.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "ledger": "few"}))
    copy.snakemake("--cores", "2")
    return copy


@pytest.fixture
def claims(project):
    """The file of claims, put back afterwards."""
    path = project.folder / "config/few/some_topic_2.yaml"
    yield path
    path.write_text(CLAIMS)


def measured_files(project):
    return sorted(path.name for path in (project.folder / measuring.FOLDER).iterdir())


def test_the_study_says_what_holds_and_what_failed(project):
    page = (project.folder / "results/smoke/summary.md").read_text()
    assert page.startswith("# Study smoke: of 2 claims 1 holds; 2 of 2 runs completed")
    assert "[claims.md](claims.md)" in page
    everything = (project.folder / "results/smoke/claims.md").read_text()
    assert re.search(r"\| not measured \(.*alpha.*\)", everything)
    table = pd.read_parquet(project.folder / "results/smoke/tables/claims.parquet")
    assert list(table["verdict"]) == ["holds", "not measured"]
    plan = json.loads((project.folder / "results/smoke/tables/plan.json").read_text())
    assert measured_files(project) == list(plan["ledger"]["files"].values())
    assert "Nothing to be done" in project.snakemake("-n")


def test_other_words_and_bounds_measure_nothing(project, claims):
    claims.write_text(CLAIMS.replace("at most 1", "1 or less").replace("within: 0", "within: 1"))
    rules, runs = project.planned()
    assert not runs
    assert rules == {"tables", "figures_study", "claims", "explorer", "summary", "all"}


def test_another_argument_measures_its_group(project, claims):
    claims.write_text(CLAIMS.replace("relu}", "gelu}"))
    rules, runs = project.planned()
    assert not runs
    assert "measure" in rules


def test_claims_edited_while_they_are_measured_are_refused(project, claims):
    (name,) = measured_files(project)
    claims.write_text(CLAIMS.replace("relu}", "gelu}"))
    out = str(measuring.FOLDER / name)
    printed = project.call(
        *PYTHON, *f"measure --ledger config/few --group curves --out {out}".split(), status=2
    )
    assert re.search("config/few: the claims or the code were edited", printed)


def test_a_deleted_file_is_measured_again(project):
    (name,) = measured_files(project)
    (project.folder / measuring.FOLDER / name).unlink()
    rules, _ = project.planned()
    assert "measure" in rules
    printed = project.call(*PYTHON, "status", "--config", "config/smoke.yaml")
    assert "claims: still to measure, for a time that is not known: curves" in printed


def test_a_wrong_claim_stops_the_study_in_one_line(project, claims):
    claims.write_text(CLAIMS.replace("slopes", "slope"))
    printed = project.snakemake("-n", status=2)
    assert "smoke.yaml: ledger: config/few/some_topic_2.yaml: C1: measure: unknown" in printed
    assert "Traceback" not in printed
