"""A study's runs travel to another folder, where nothing is trained; Snakemake's report of it."""

import json
import re
import sys

import bundled
import pytest
import yaml
from project import Project

from actstudy.bundles import arrival
from actstudy.contract import store

ACTSTUDY = (sys.executable, "-m", "actstudy")


@pytest.fixture(scope="module")
def project(tmp_path_factory, data_folder):
    """A project whose smoke study has run."""
    study = Project(tmp_path_factory.mktemp("project"), [data_folder])
    study.snakemake("--cores", "2")
    return study


@pytest.fixture(scope="module")
def report(project):
    """The report of the study, study without the network that Snakemake may ask."""
    printed = project.snakemake("--report", "report.html")
    assert "Could not detect mimetype" not in printed
    return (project.folder / "report.html").read_text()


def test_runs_that_have_arrived_are_not_trained(project, tmp_path):
    bundle = tmp_path / "bundle.zip"
    flags = ("--runs", "--output", str(bundle))
    project.call(*ACTSTUDY, "bundle", "config/smoke.yaml", *flags)
    assert ", 2 runs" in project.call(*ACTSTUDY, "verify", str(bundle))
    other = Project(tmp_path)
    assert {"train", "tables"} <= other.planned()[0]
    printed = other.call(*ACTSTUDY, "unbundle", str(bundle))
    assert "2 runs: 2 new, 0 were here already" in printed
    assert other.planned() == (
        {
            "prepare",
            "reference",
            "boundaries",
            "collect",
            "tables",
            "figures_study",
            "explorer",
            "summary",
            "all",
        },
        set(),
    )
    plan = "results/smoke/tables/plan.json"
    other.snakemake("--cores", "2", plan)
    tables = [study.folder / "results/smoke/tables" for study in (project, other)]
    for name in ("runs", "cells", "contrasts", "curves"):
        first, second = (folder / f"{name}.csv" for folder in tables)
        assert first.read_bytes() == second.read_bytes()
    assert "Nothing to be done" in other.snakemake("-n", plan)
    again = other.call(*ACTSTUDY, "bundle", "config/smoke.yaml", "--runs")
    assert ", 2 runs, " in again
    done = other.call(*ACTSTUDY, "unbundle", "results/smoke/bundle.zip")
    assert "0 new, 2 were here already" in done


def test_a_run_that_is_cleared_after_its_arrival_is_trained(project, tmp_path):
    bundle = tmp_path / "bundle.zip"
    flags = ("--runs", "--output", str(bundle))
    project.call(*ACTSTUDY, "bundle", "config/smoke.yaml", *flags)
    other = Project(tmp_path, prepared=[project.folder / "results/data/mnist1d"])
    other.call(*ACTSTUDY, "unbundle", str(bundle))
    run = other.run_folders()[0]
    other.call(*ACTSTUDY, "retry", run.name, "--config", "config/smoke.yaml")
    assert not (run / store.ARRIVED).exists()
    rules, ids = other.planned()
    assert ids == {run.name}
    assert "train" in rules


PACKS = """
seeds: 2
axes: {activation: [relu, tanh]}
tasks:
  mlp: {width: 16, dropout: 0.0, epochs: 1, warmup: 0, engine: pack, pack_width: 4}
"""


def sealed(folder):
    """File -> content of the arrived runs of a folder, of their seals the time too.

    A job's outputs get the time of its end; a seal has that of its own making.
    """
    contents = {}
    for note in sorted(folder.glob(f"results/runs/mlp/*/{store.ARRIVED}")):
        for name in store.FILES:
            path = note.parent / name
            seal = note.parent / arrival.FINAL / name
            contents[path] = path.read_bytes()
            contents[seal] = (seal.read_bytes(), seal.stat().st_mtime_ns)
    return contents


def test_a_pack_of_which_some_runs_have_arrived_trains_the_others(project, tmp_path, monkeypatch):
    origin = tmp_path / "origin"
    origin.mkdir()
    monkeypatch.chdir(origin)
    planned = bundled.study(
        lambda run: "missing" if run.spec.seed else "completed", content=yaml.safe_load(PACKS)
    )
    bundle = bundled.packed(planned).resolve()
    missing = {run.id for run in planned.runs() if run.spec.seed}
    other = Project(tmp_path / "other", prepared=[project.folder / "results/data/mnist1d"])
    (other.folder / "config/smoke.yaml").write_text(PACKS)
    assert "2 runs: 2 new" in other.call(*ACTSTUDY, "unbundle", str(bundle))
    before = sealed(other.folder)
    assert len(before) == 2 * 2 * len(store.FILES)
    manifests = [f"results/runs/mlp/{name}/manifest.json" for name in sorted(missing)]
    rules, _ = other.planned("--cores", "1", *manifests)
    assert [name for name in rules if name.startswith(("pack_", "series_", "train"))] != []
    assert sealed(other.folder) == before
    other.snakemake("--cores", "2", *manifests)
    for manifest in manifests:
        assert store.verifies((other.folder / manifest).parent)
    assert sealed(other.folder) == before


def variable(text, name):
    """The JSON of a variable of the report."""
    start = re.search(rf"var {name} = (?=[{{\"])", text).end()
    return json.JSONDecoder().raw_decode(text[start:])[0]


def test_the_report_has_every_figure_with_its_caption(project, report):
    results = variable(report, "results")
    folder = project.folder / "results/smoke"
    pictures = sorted((folder / "figures").rglob("*.png"))
    assert len(pictures) == 3
    for picture in pictures:
        entry = results[str(picture.relative_to(project.folder))]
        caption = picture.with_suffix(".txt").read_text()
        words = re.sub(r"<[^>]+>", "", entry["caption"])
        for mark, letters in (("&quot;", '"'), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
            words = words.replace(mark, letters)
        assert " ".join(words.split()) == " ".join(caption.split())
        assert entry["data_uri"].startswith("data:image/png;")
        assert entry["labels"] == {"figure": picture.stem}
    categories = variable(report, "categories")
    assert set(categories) == {"Figures", "Tables"}
    assert set(categories["Figures"]) == {"study"}


def test_the_report_has_every_table_and_says_how_they_were_made(project, report):
    results = variable(report, "results")
    for path in (project.folder / "results/smoke/tables").glob("*.parquet"):
        files = [f"results/smoke/tables/{path.stem}{kind}" for kind in (".csv", ".parquet")]
        (there,) = [file for file in files if file in results]
        assert results[there]["caption"].startswith("<p>")
    about = variable(report, "workflow_desc")
    assert "Study smoke: which activation should be used" in about
    assert "SMOKE TEST" in about
    assert "2 runs" in about
    assert not re.findall(r'(?:src|href)="https?:', report)


def test_a_report_of_nothing_is_one_line(project, tmp_path):
    other = Project(tmp_path)
    printed = other.snakemake("--report", "report.html", status=2)
    assert "--report: no tables in results/smoke; to fix: the same without --report" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("name", ["r.txt", "report", "report.HTML", ".html"])
def test_a_report_of_another_ending_is_refused_before_it_is_made(tmp_path, name):
    other = Project(tmp_path)
    printed = other.snakemake("--report", name, status=2)
    assert f"--report: got {name}; allowed: a name in .html or .zip, as " in printed
    assert "no tables" not in printed


def test_the_page_names_what_packs_it(project):
    page = (project.folder / "results/smoke/summary.md").read_text()
    assert "`python -m actstudy bundle config/smoke.yaml` packs page, tables and hashes" in page
    assert "`snakemake --configfile config/smoke.yaml --report report.html`" in page
