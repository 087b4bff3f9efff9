"""Studies side by side as a page to explore: its numbers are the command's, and it opens."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from commands import command
from explorers import Page, model
from runs import ROOT
from test_compare import compared, origin  # noqa: F401

from actstudy.analysis.explorer import columns
from actstudy.judging.studies import beside, besides, explored, page, recipes

pytest.importorskip("altair", reason="altair, of the extra `workflow`, is not installed")
pytest.importorskip("vl_convert", reason="vl-convert-python, of the extra `workflow`, is missing")


@pytest.fixture
def comparisons(compared):  # noqa: F811
    return compared("one", "other", "wide")


@pytest.fixture
def written(comparisons):
    return explored.render(comparisons)


def test_every_number_of_the_page_is_the_commands(comparisons, written):
    frames = {name: columns.to_frame(table) for name, table in model(written)["tables"].items()}
    expected = pd.concat([comparison.cells for comparison in comparisons], ignore_index=True)
    assert len(frames["compared"]) == len(expected) == 4
    for name in expected.select_dtypes("number"):
        own = frames["compared"][name].astype(float)
        assert np.array_equal(own, expected[name].astype(float), equal_nan=True), name
    drawn = frames["pairs_of_cells"].set_index(["other", "level"])
    for row in expected.to_dict("records"):
        of_row = drawn.loc[(row["other"], row["level"])]
        assert of_row["mean"] == row["difference"]
        assert (of_row["low"], of_row["high"]) == (row["low"], row["high"])
        assert of_row["n"] == row["n_pairs"] == 8
    assert drawn.loc[("results/other", "tanh"), "verdict"] == "other verdict"
    assert drawn.loc[("results/other", "tanh"), "condition"] == "undecided, then better"
    assert drawn.loc[("results/other", "relu"), "verdict"] == "baseline"
    seeds = frames["seeds_of_pairs"].groupby(["other", "level"])["difference"]
    for cell, differences in seeds:
        assert len(differences) == 8
        assert differences.mean() == pytest.approx(drawn.loc[cell, "mean"], abs=1e-12)


def test_what_differs_is_the_first_part_and_names_each_recipe(written):
    content = model(written)
    names = [part["name"] for part in content["parts"]]
    assert names[:4] == ["differs", "decision", "forest", "sides"]
    assert {"curves", "results", "tables", "method"} <= set(names)
    text = Page(written).text
    first = text.index("What differs")
    assert first < text.index("mlp lr 0.003 0.01") < text.index("Where they come from")
    for part in content["parts"]:
        for figure in part["figures"]:
            assert "n = " in figure["caption"]
            for source in figure["data"].values():
                assert source["table"] in content["tables"]
            main = content["tables"][figure["data"][figure["main"]]["table"]]
            assert set(figure["columns"]) <= set(main["columns"])


def test_each_study_has_its_runs_with_their_commands_and_its_cells_to_decide_from(written):
    content = model(written)
    runs = columns.to_frame(content["tables"]["runs"])
    assert dict(runs["study"].value_counts()) == {
        "results/one": 24,
        "results/other": 24,
        "results/wide": 16,
    }
    assert runs["rerun"].str.contains("retry results/runs/mlp/").all()
    of_decision = content["decision"]
    assert [cell["name"] for cell in of_decision["cells"]] == [
        "one, mlp",
        "other, mlp",
        "wide, mlp",
    ]
    assert of_decision["command"].endswith("--config one.yaml other.yaml wide.yaml")


def test_the_command_writes_the_page_and_prints_as_before(origin, tmp_path):  # noqa: F811
    path = tmp_path / "compare.html"
    done = command(origin, "compare", "results/one", "results/other", "--output", str(path))
    assert done.returncode == 0, done.stderr
    assert "# results/one and results/other side by side" in done.stdout
    assert done.stderr.startswith(f"{path}: ")
    assert json.dumps(model(path.read_text("utf-8")), allow_nan=False)
    done = command(origin, "compare", "results/one", "results/other", "--output", "page.txt")
    assert done.returncode == 2
    assert "got 'page.txt'; allowed: a name that ends in .html" in done.stderr


def test_runs_of_tables_without_places_are_on_the_page(compared, origin, tmp_path):  # noqa: F811
    """Older tables have no places on axes; their runs count, and have commands, all the same."""
    old = tmp_path / "old/tables"
    shutil.copytree(origin / "results/other/tables", old)
    runs = pd.read_parquet(old / "runs.parquet")
    runs.drop(columns="places").to_parquet(old / "runs.parquet")
    several = page.compare(beside.read([str(origin / "results/one"), str(tmp_path / "old")]))
    frame = columns.to_frame(model(explored.render(several))["tables"]["runs"])
    assert sorted(frame["study"].value_counts()) == [24, 24]
    assert frame["rerun"].str.contains("retry results/runs/mlp/").all()
    of_old = frame[frame["study"] == str(tmp_path / "old")]
    assert set(of_old["run_id"]) == set(runs["run_id"])


def test_studies_of_other_data_are_named_on_top(compared, origin, tmp_path):  # noqa: F811
    assert explored.warnings(compared("one", "other")) == ""
    folders = []
    for name, letter in (("one", "e"), ("other", "f")):
        place = tmp_path / name / "tables"
        shutil.copytree(origin / f"results/{name}/tables", place)
        runs = pd.read_parquet(place / "runs.parquet")
        runs.assign(data_sha256=64 * letter).to_parquet(place / "runs.parquet")
        folders.append(str(tmp_path / name))
    several = page.compare(beside.read(folders))
    sentence = "Other data: mlp: the data are not the same, "
    text = Page(explored.render(several)).text
    assert text.index(sentence) < text.index("What differs")
    assert "ffffffffffff in" in text
    printed = page.page(several)
    assert printed.index("**Other data.** mlp:") < printed.index("### What differs")
    rows = [{"task": "lm", "what": recipes.DIGEST, "a": "1234", "b": recipes.NOT_KNOWN}]
    (unknown,) = recipes.other_data(rows, "a", "b")
    assert unknown.startswith("lm: it is not known whether a and b have the same data")
    rows.append({"task": "lm", "what": recipes.DATASET, "a": "x", "b": "y"})
    assert recipes.other_data(rows, "a", "b")[0].startswith("lm: the data are not the same, x in a")


def test_studies_without_runs_have_a_page_of_means(monkeypatch):
    monkeypatch.chdir(ROOT)
    several = page.compare(beside.read(["docs/example/default", "docs/example/guide"]))
    text = explored.render(several)
    content = model(text)
    assert "runs" not in content["tables"]
    assert content["decision"] is None
    names = [part["name"] for part in content["parts"]]
    assert "sides" in names
    assert "forest" not in names
    assert besides.pairs(several).empty
    assert "no table of runs with level, group, seed and status" in Page(text).text


def test_the_page_opens_without_a_request_or_a_complaint(written, tmp_path):
    browsers = pytest.importorskip("browsers", reason="selenium is not installed")
    name = "chromium"
    if reason := browsers.without_drivers(name):
        pytest.skip(reason)
    path = tmp_path / "compare.html"
    path.write_text(written, "utf-8")
    driver = browsers.started(name)
    words = "return [...document.querySelectorAll('section:not([hidden])')].map((s) => s.innerText)"
    drawn = (
        "return [...document.querySelectorAll('section:not([hidden]) .chart')]"
        ".every((chart) => chart.childElementCount > 0)"
    )
    try:
        driver.get(path.as_uri())
        browsers.wait(lambda: driver.find_elements("css selector", "#parts button"))
        for part in model(written)["parts"]:
            driver.execute_script("state.set('part', arguments[0]); page.show()", part["name"])
            browsers.wait(lambda: driver.execute_script(drawn))
            assert len(driver.execute_script(words)[0]) > 40, part["name"]
        driver.execute_script("state.set('part', 'forest'); page.show()")
        browsers.wait(lambda: driver.execute_script(drawn))
        click = "arguments[0].dispatchEvent(new MouseEvent('click', { bubbles: true }))"

        def panels():
            marks = driver.find_elements("css selector", "#part-forest .mark-symbol path")
            driver.execute_script(click, marks[-1])
            return driver.find_elements("css selector", "dialog[open]")

        (panel,) = browsers.wait(panels)
        assert "16 runs." in panel.text
        assert "in results/one and results/other" in panel.text
        assert "results/wide" not in panel.text
        assert driver.execute_script(browsers.LOADED) == []
        assert browsers.complaints(driver) == []
    finally:
        driver.quit()
