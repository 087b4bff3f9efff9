"""Numbers that documents quote are those of the tables that they come from."""

import html
import json
import re
import sys

import pandas as pd
import pytest
from matplotlib import pyplot as plt
from pictures import faults
from PIL import Image
from runs import ROOT

from actstudy.analysis.page import ledger_tables
from actstudy.analysis.questions import ledger_words
from actstudy.analysis.questions.ledger_verdicts import NOT_MEASURABLE, NOT_MEASURED
from actstudy.contract import demos, registry
from actstudy.study import planning
from actstudy.study.ledger import read_ledger

sys.path.insert(0, str(ROOT / "docs"))
import benchmark_pictures
import kept
import quoted
import quoted_contrastive
import quoted_guide
import refresh

DOCUMENTS = [path.relative_to(ROOT).as_posix() for path in refresh.documents()]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_numbers_of_a_document_are_those_of_its_tables(name):
    """To fix: python docs/refresh.py."""
    text = (ROOT / name).read_text()
    assert refresh.filled(text) == text


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("quoted*.py")), ids=lambda p: p.stem)
def test_decimals_are_rounded_as_on_pages(path):
    """By `scale.rounded`, as a reader rounds: formats alone would round the binary number."""
    formats = re.findall(r"\{[^{}]*:[+,]*\.\d+f\}", path.read_text())
    assert [text for text in formats if not text.startswith("{rounded(")] == []


def test_every_block_is_in_a_document_and_every_mark_is_a_block():
    text = "\n".join((ROOT / name).read_text() for name in DOCUMENTS)
    blocks = [match[1] for match in refresh.BLOCK.finditer(text)]
    assert set(blocks) == set(refresh.BLOCKS)
    assert text.count("<!-- table ") == len(blocks)


@pytest.mark.parametrize("name", refresh.BLOCKS)
def test_a_number_that_was_altered_is_put_right(name):
    block = refresh.BLOCKS[name]()
    digit = next(place for place, letter in enumerate(block) if letter.isdigit())
    other = "1" if block[digit] != "1" else "2"
    altered = block[:digit] + other + block[digit + 1 :]
    text = f"Before.\n\n<!-- table {name} -->\n{altered}<!-- end -->\n\nAfter.\n"
    assert refresh.filled(text) == text.replace(altered, block)


def results_of(folder, study, figures):
    """A folder with the files that `refresh.take` copies, of these figures."""
    tables = folder / "tables"
    tables.mkdir(parents=True)
    for path in kept.whole(folder):
        pd.DataFrame({"task": ["mlp"]}).to_parquet(path)
    for name, columns in refresh.COLUMNS.items():
        frame = pd.read_csv(quoted.DEPTH / f"{name}.csv")
        frame[columns].assign(more=0).to_parquet(tables / f"{name}.parquet")
    for name in refresh.TABLES["default"]:
        text = (quoted.DEFAULT / name).read_text()
        text = text.replace("bag of words", "bag of letters").replace('"default"', f'"{study}"')
        (tables / name).write_text(text)
    for name in figures:
        (folder / "figures" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "figures" / name).write_bytes(b"picture")
    return folder


def drawn(study):
    """The figures that the project draws of a study: not what refresh.py asks for."""
    if study == "default":
        return [f"study/{name}.png" for name in registry.page_figures("STUDY_FIGURES")]
    (settings,) = planning.load(f"config/{study}.yaml").tasks.values()
    return [f"mlp/{name}.png" for name in settings.figures]


@pytest.fixture
def documents(tmp_path, monkeypatch):
    """The folder of documents that is written into, instead of the project's."""
    (tmp_path / "docs/images").mkdir(parents=True)
    monkeypatch.setattr(refresh, "ROOT", tmp_path)
    return tmp_path / "docs"


@pytest.mark.parametrize("study", refresh.PICTURES)
def test_what_documents_use_is_taken_from_the_figures_that_a_study_draws(
    tmp_path, monkeypatch, documents, study
):
    monkeypatch.chdir(ROOT)
    results = results_of(tmp_path / "results", study, drawn(study))
    monkeypatch.setattr(quoted, "DEFAULT", tmp_path)
    monkeypatch.setattr(quoted, "DEPTH", tmp_path)
    refresh.take(results)
    for name in refresh.PICTURES[study].values():
        assert (documents / "images" / name).read_bytes() == b"picture"
    if study == "default":
        assert "bag of letters" in (tmp_path / "references.csv").read_text()
        assert quoted.default_study().startswith("|")
        explored = tmp_path / "explorer"
        assert {path.name for path in explored.iterdir()} == {
            path.name for path in kept.whole(results)
        }
        assert len(pd.read_parquet(explored / "cells.parquet")) == 1
        assert len(pd.read_parquet(explored / "boundaries.parquet")) == 0


def test_every_picture_of_the_documents_is_taken():
    names = set()
    for pictures in refresh.PICTURES.values():
        names.update(pictures.values())
    names.update(f"demo_{name}.png" for name in demos.DEMOS)
    names.update(benchmark_pictures.PICTURES)
    assert {path.name for path in (ROOT / "docs/images").iterdir()} == names
    text = "\n".join((ROOT / name).read_text() for name in DOCUMENTS)
    assert [name for name in names if f"images/{name})" not in text] == []


def test_nothing_is_taken_if_a_file_is_not_there(tmp_path, monkeypatch, documents):
    figures = [name for name in refresh.PICTURES["default"] if "forest" not in name]
    results = results_of(tmp_path / "results", "default", figures)
    monkeypatch.setattr(quoted, "DEFAULT", tmp_path)
    with pytest.raises(SystemExit, match=r"nothing taken, not there: .*figures/study/forest\.png"):
        refresh.take(results)
    assert not (tmp_path / "cells.csv").exists()
    assert list((documents / "images").iterdir()) == []


def test_results_of_another_study_are_refused(tmp_path):
    with pytest.raises(SystemExit, match="no results of default, depth, he_factor"):
        refresh.take(results_of(tmp_path / "results", "smoke", []))
    with pytest.raises(SystemExit, match="no results of default"):
        refresh.take(tmp_path)


def study_of(plan):
    """What makes the numbers of a study and the words about it; run ids hold recipe and code."""
    tasks = {name: (task["title"], task["margin"]) for name, task in plan["tasks"].items()}
    return tasks, [(run["task"], run["level"], run["run_id"]) for run in plan["runs"]]


def test_the_default_study_of_the_documents_is_that_of_its_file(monkeypatch):
    """To fix: `make study`, then python docs/refresh.py --from results."""
    monkeypatch.chdir(ROOT)
    plan = planning.load("config/config.yaml").plan()
    quoted_plan = json.loads((quoted.DEFAULT / "plan.json").read_text())
    assert study_of(quoted_plan) == study_of(json.loads(plan.to_json()))


def test_conditions_and_few_seeds_are_in_the_words_of_a_verdict():
    assert quoted.verdict_words({"verdict": "too few seeds"}) == ""
    assert quoted.verdict_words({"verdict": "undecided", "condition": ""}) == " undecided"
    assert quoted.verdict_words({"verdict": "worse"}) == " **worse**"
    better = {"verdict": "better", "condition": "when it trains"}
    assert quoted.verdict_words(better) == " **better**†"


def test_a_page_is_taken_with_what_it_links_and_its_links_lead_to_the_documents(
    tmp_path, documents
):
    results = tmp_path / "results/contrastive_stability"
    names = ["figures/study/a.png", "tables/cells.csv", "tables/survival.csv"]
    for name in names:
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text(name)
    (results / "tables/plan.json").write_text('{"study": "contrastive_stability"}')
    links = "![a](figures/study/a.png) [cells.csv](tables/cells.csv) [m](../../docs/metrics.md)"
    large = results / "tables/contrasts.csv"
    large.write_text("x" * (kept.MAX_BYTES + 1))
    more = f"[{large.name}](tables/{large.name})"
    (results / "summary.md").write_text(f"# Study\n\n{links} {more}")
    refresh.take(results)
    folder = documents / "example/contrastive_stability"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {*names, "summary.md"}
    page = (folder / "summary.md").read_text()
    own = links.replace("../../docs/", "../../")
    assert page == f"# Study\n\n{own} `contrasts.csv`\n"
    (results / "figures/study/a.png").unlink()
    with pytest.raises(SystemExit, match=r"nothing taken, not there: .*figures/study/a\.png"):
        refresh.take(results)


def test_the_details_of_a_page_are_taken_with_what_they_link(tmp_path, documents):
    results = tmp_path / "results/contrastive_stability"
    names = ["figures/study/a.png", "figures/study/b.png", "tables/survival.csv"]
    for name in names:
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text(name)
    (results / "tables/cells.csv").write_text("cells")
    (results / "tables/plan.json").write_text('{"study": "contrastive_stability"}')
    links = "[details.md](details.md) [details.md](details.md#open) [explorer.html](explorer.html)"
    (results / "summary.md").write_text(f"![a](figures/study/a.png) {links}")
    (results / "details.md").write_text("![b](figures/study/b.png) [m](../../docs/metrics.md)")
    refresh.take(results)
    folder = documents / "example/contrastive_stability"
    assert (folder / "details.md").read_text() == (
        "![b](figures/study/b.png) [m](../../metrics.md)\n"
    )
    assert (folder / "summary.md").read_text() == (
        f"![a](figures/study/a.png) {links.replace('[explorer.html](explorer.html)', '')}"
        "`explorer.html`\n"
    )
    assert all((folder / name).is_file() for name in names)


@pytest.mark.parametrize("study", kept.TABLES)
def test_a_page_that_is_taken_is_of_a_shipped_study(study):
    assert (ROOT / f"config/{study}.yaml").is_file()


@pytest.mark.parametrize("name", benchmark_pictures.PICTURES)
def test_a_picture_of_a_benchmark_is_of_its_table(name):
    """To fix: python docs/benchmark_pictures.py."""
    table, draw = benchmark_pictures.PICTURES[name]
    with Image.open(ROOT / "docs/images" / name) as image:
        assert image.text[benchmark_pictures.KEY] == benchmark_pictures.digest(table)
    figure = draw(pd.read_parquet(benchmark_pictures.BENCHMARKS / table))
    assert not any(faults(figure).values())
    plt.close(figure)


def test_the_picture_of_einsum_has_the_times_and_bytes_of_its_table():
    table = pd.read_parquet(benchmark_pictures.BENCHMARKS / "losses_cost.parquet")
    figure = benchmark_pictures.einsum_cost(table)
    for ax, column in zip(figure.axes, ("seconds", "held"), strict=True):
        lines = {line.get_label(): line for line in ax.lines}
        assert len(lines) == 2 * table["n"].nunique()
        own = table[(table["n"] == 3) & table["whole"]].sort_values("batch")
        assert list(lines["3 views, whole"].get_xdata()) == own["batch"].to_list()
        assert list(lines["3 views, whole"].get_ydata()) == own[column].to_list()
    plt.close(figure)


def test_kept_claims_are_explained_by_the_ledger_with_their_own_numbers():
    """An explanation may be written after a run: its numbers are those of the kept readings."""
    kept_page = ROOT / "docs/example/guide"
    readings = quoted_contrastive.table(kept_page / "tables/readings.csv")
    readings = readings.fillna({"condition": "", "unit": ""})
    claims = quoted_guide.claims()
    ledger = read_ledger(ROOT / "config/guide")
    explained = claims[~claims["verdict"].isin([NOT_MEASURABLE, NOT_MEASURED])]
    for row in explained.to_dict("records"):
        claim = ledger[row["id"]]
        own = readings[readings["id"] == row["id"]].to_dict("records")
        assert row["note"] == ledger_words.fill(claim.get("note", ""), own), row["id"]
        assert row["unexpected"] == bool(claim.get("unexpected")), row["id"]
    page = html.unescape((kept_page / "claims.md").read_text().replace("\\", ""))
    assert [note for note in ledger_tables.notes(explained) if note not in page] == []
    page = html.unescape((kept_page / "summary.md").read_text().replace("\\", ""))
    of_page = ledger_tables.surprises(claims, "holds", 5)
    assert len(of_page) == 5
    assert [sentence for sentence in of_page if sentence not in page] == []
