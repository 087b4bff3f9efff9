"""Pages of example studies are those of the tables that the documents keep of them."""

import re
import sys

import pandas as pd
import pytest
from runs import ROOT

from actstudy.analysis.explorer import parts
from actstudy.analysis.page import summary

sys.path.insert(0, str(ROOT / "docs"))
import example_pages
import kept_tables
from examples import EXAMPLES, STUDIES

SMALL = "gated"  # a study whose tables are read in a moment


@pytest.fixture(autouse=True)
def in_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def undated(text):
    """A page's text without the day on which it was written."""
    return example_pages.WRITTEN.sub("", text).replace(example_pages.EXPLORER, "`explorer.html`")


@pytest.mark.parametrize("name", STUDIES)
def test_the_summary_of_an_example_is_that_of_its_tables(name):
    """To fix: python docs/example_pages.py."""
    own = kept_tables.read(name)
    folder = EXAMPLES / name
    page = folder / "summary.md"
    text = summary.render(own, folder / "figures", page, kept_tables.is_partial(own))
    stored = page.read_text(encoding="utf-8")
    assert undated(text).rstrip() == undated(stored).rstrip()
    assert own.lacks in stored
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", stored)
    assert [link for link in links if not (folder / link).exists()] == []


def test_every_folder_of_examples_has_its_study_and_its_page():
    folders = {path.name for path in EXAMPLES.iterdir() if (path / "README.md").is_file()}
    assert folders == set(STUDIES) - {"."}


def test_kept_columns_stay_and_others_are_computed(tmp_path, monkeypatch):
    whole = kept_tables.read(SMALL).frames["contrasts"]
    (tmp_path / SMALL).symlink_to(EXAMPLES / SMALL)
    monkeypatch.setattr(kept_tables, "EXAMPLES", tmp_path)
    old = whole.drop(columns=["condition", "more_seeds"]).assign(mean=whole["mean"] + 1)
    real = kept_tables.kept_table

    def kept_table(folder, table):
        return old if table == "contrasts" else real(folder, table)

    monkeypatch.setattr(kept_tables, "kept_table", kept_table)
    table = kept_tables.read(SMALL).frames["contrasts"]
    assert table["mean"].tolist() == old["mean"].tolist()
    assert table["more_seeds"].equals(whole["more_seeds"])
    assert table["verdict"].tolist() == whole["verdict"].tolist()


def test_without_runs_a_page_says_what_is_missing_and_nothing_that_is_not_so(tmp_path, monkeypatch):
    (tmp_path / SMALL / "tables").mkdir(parents=True)
    kept_tables.today()  # of the documents
    monkeypatch.setattr(kept_tables, "EXAMPLES", tmp_path)
    own = kept_tables.read(SMALL)
    assert own.lacks.endswith("findings of health and decision boundaries")
    assert {"runs", "cells", "contrasts", "findings"} <= own.absent
    page = tmp_path / SMALL / "summary.md"
    summary.write(own, page.parent / "figures", page)
    text = page.read_text(encoding="utf-8") + page.with_name("details.md").read_text("utf-8")
    assert own.lacks in text
    assert "The comparisons with gelu are not kept here" in text
    assert not re.search(r"stall|No run has completed|has none|no level to compare", text)
    names = [part.name for part in parts.parts(own, ["runs"], [])]
    assert not {"health", "cost", "targets", "depth"} & set(names)


def test_a_run_that_did_not_complete_is_known_by_its_cell_and_seed(tmp_path, monkeypatch):
    planned = pd.DataFrame(kept_tables.plan_of(SMALL).runs)
    row = planned.iloc[[3]].assign(run_id="older", status="diverged", reason="loss is nan")
    folder = tmp_path / SMALL / "tables"
    folder.mkdir(parents=True)
    row[["task", "group", "level", "seed", "run_id", "status", "reason"]].to_csv(
        folder / "incomplete.csv", index=False
    )
    kept_tables.today()  # of the documents
    monkeypatch.setattr(kept_tables, "EXAMPLES", tmp_path)
    runs = kept_tables.read(SMALL).frames["runs"]
    assert runs["status"].tolist().index("diverged") == 3
    assert (runs["status"] == "completed").sum() == len(planned) - 1
    assert kept_tables.read(SMALL).frames["incomplete"]["run_id"].tolist() == [planned["run_id"][3]]


def test_findings_of_rules_that_are_no_more_are_left_out():
    findings = pd.DataFrame({"rule": ["dead"], "severity": ["warning"], "cause": [""]})
    rule = next(iter(kept_tables.rules()))
    today = findings.assign(rule=rule.name, severity=rule.severity)
    assert not kept_tables.is_of_old_rules(today)
    assert kept_tables.is_of_old_rules(today.assign(rule="no_such_rule"))
    assert kept_tables.is_of_old_rules(today.drop(columns="cause"))


def test_a_misspelt_name_is_refused_with_the_nearest(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["example_pages.py", "lernt"])
    assert example_pages.main() == 2
    assert "NAME: got lernt; did you mean 'learnt'?" in capsys.readouterr().err
