"""The page to explore: its numbers are the tables', it is small, and no text of a study acts."""

import base64
import dataclasses
import hashlib
import itertools
import json
import math
import re

import big_studies
import numpy as np
import pandas as pd
import pytest
from explorers import Page, model
from faults.strings import STRINGS
from made_up import ENDINGS, build, study_of

from actstudy.analysis.explorer import (
    averages,
    columns,
    datasets,
    page,
    parts,
    policy,
    thinning,
)
from actstudy.analysis.explorer.figure import specification
from actstudy.analysis.page import recommendation
from actstudy.analysis.tables import Tables
from actstudy.contract.errors import visible
from actstudy.nets import activations

pytest.importorskip("altair", reason="altair, of the extra `workflow`, is not installed")
pytest.importorskip("vl_convert", reason="vl-convert-python, of the extra `workflow`, is missing")

SIZES = {3: 1_500_000, 14: 5_000_000, 500: 10_000_000}  # copies of 40 runs -> bytes at most
TASKS = {"mlp": {"epochs": 3, "depth": 2, "width": 16, "warmup": 0, "targets": [0.4]}}
ALLOWED_TAG = re.compile(
    "html|head|meta|title|style|body|a|header|h[1-4]|p|code|noscript|nav|form|main|section|div|table|"
    "thead|tbody|tr|th|td|ul|ol|li|strong|em|pre|footer|dialog|script|br|hr"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("explorer")


@pytest.fixture(scope="module")
def mixed(folder):
    """A study with every ending, two depths and a language model; its tables were written."""
    content = {
        "baseline": "relu",
        "seeds": 9,
        "axes": {"activation": ["tanh", "relu", "gelu"], "depth": [1, 2]},
        "tasks": {**TASKS, "lm": {"seeds": 2}},
    }
    study = study_of(folder, content)
    endings = iter(ENDINGS * 9)

    def ending(run):
        return next(endings) if run.spec.task == "mlp" and run.spec.seed > 6 else "completed"

    return build(study, folder, ending)


@pytest.fixture(scope="module")
def written(mixed):
    return page.render(mixed)


def test_a_thousand_numbers_of_the_page_are_those_of_the_parquet_tables(written, folder):
    tables = model(written)["tables"]
    rng = np.random.default_rng(0)
    compared = 0
    names = sorted(name for name in tables if (folder / f"tables/{name}.parquet").is_file())
    assert {"runs", "cells", "contrasts", "differences", "curves", "incomplete"} <= set(names)
    places = []
    for name in names:
        stored = pd.read_parquet(folder / f"tables/{name}.parquet")
        carried = columns.to_frame(tables[name])
        assert len(stored) == len(carried)
        for column in stored.select_dtypes("number"):
            if column in carried:
                places += [(stored[column], carried[column], row) for row in range(len(stored))]
    for place in rng.choice(len(places), 4000, replace=False):
        stored, carried, row = places[place]
        expected = stored.iloc[row]
        value = carried.iloc[row]
        if pd.isna(expected):
            assert value is None or math.isnan(value)
            continue
        assert value == expected, (stored.name, row)
        compared += 1
    assert compared >= 1000


def test_a_number_keeps_every_bit():
    values = [0.1 + 0.2, 1e-320, -0.0, 2.0**60 + 1e5, math.inf, -math.inf, 5e-324]
    frame = pd.DataFrame({"a": values, "b": [1, 2, 3, 4, 5, 6, 2**53 - 1]})
    read = columns.to_frame(columns.opened(columns.packed(columns.of_frame(frame))))
    assert [math.copysign(1, value) for value in read["a"]] == [
        math.copysign(1, value) for value in values
    ]
    assert list(read["a"]) == values
    assert list(read["b"]) == list(frame["b"])


def test_missing_values_texts_and_booleans_are_carried():
    frame = pd.DataFrame(
        {
            "text": ["a", None, "b", "a"],
            "truth": [True, None, False, True],
            "number": [1.5, np.nan, np.inf, 2.0],
            "none": [None] * 4,
        }
    )
    content = columns.of_frame(frame)
    assert content["columns"]["text"] == {"names": ["a", "b"], "codes": [0, -1, 1, 0]}
    assert content["columns"]["truth"] == [True, None, False, True]
    assert content["columns"]["number"] == [1.5, None, "Infinity", 2.0]
    assert content["columns"]["none"] == [None] * 4
    read = columns.to_frame(content)
    assert read["text"].fillna("none").tolist() == ["a", "none", "b", "a"]
    assert read["number"].tolist()[2] == math.inf


def test_the_same_content_is_packed_to_the_same_bytes():
    assert columns.packed({"a": [1.5]}) == columns.packed({"a": [1.5]})


def test_the_answer_is_that_of_the_summary(mixed, written):
    text = Page(written).text
    for task in mixed.plan.tasks:
        answer = recommendation.answer(mixed, task)
        assert " ".join(answer.split()) in text


def test_every_run_has_its_folder_and_the_command_that_runs_it_again(mixed, written):
    runs = columns.to_frame(model(written)["tables"]["runs"])
    assert list(runs["run_id"]) == list(mixed.frames["runs"]["run_id"])
    for row in runs.to_dict("records"):
        assert row["folder"] == f"results/runs/{row['task']}/{row['run_id']}"
        if row["status"] != "missing":
            assert f"retry {row['folder']} && " in row["rerun"]
    lost = columns.to_frame(model(written)["tables"]["incomplete"])
    assert len(lost) == len(mixed.frames["incomplete"])
    assert lost["rerun"].str.contains("snakemake").all()


def test_every_figure_names_its_n_and_its_tables(written):
    content = model(written)
    figures = list(itertools.chain.from_iterable(part["figures"] for part in content["parts"]))
    assert {"forest", "curves", "pairs", "depth", "costs", "targets", "health"} <= {
        figure["name"] for figure in figures
    }
    for figure in figures:
        assert "n = " in figure["caption"], figure["name"]
        for source in figure["data"].values():
            table = content["tables"][source["table"]]["columns"]
            assert set(source["where"]) <= set(table)
            for choice in figure["choices"]:
                for option in choice["options"]:
                    assert set(option["where"]) <= set(table) | {"family"}
        columns_of_main = content["tables"][figure["data"][figure["main"]]["table"]]["columns"]
        assert set(figure["columns"]) <= set(columns_of_main)


def test_the_page_loads_nothing_and_runs_only_its_own_scripts(written):
    read = Page(written)
    contents = [value for _, name, value in read.attributes if name == "content"]
    (text,) = [content for content in contents if "default-src" in content]
    policy = dict(directive.split(" ", 1) for directive in text.split("; "))
    assert policy["default-src"] == "'none'"
    assert not {"'unsafe-inline'", "'unsafe-eval'"} & set(" ".join(policy.values()).split())
    scripts = [text for text in read.inside["script"] if not text.startswith("H4sI")]
    digests = set()
    for text in scripts:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        digests.add(f"'sha256-{digest}'")
    assert digests == set(policy["script-src"].split())
    assert len(scripts) == 2
    for tag, name, value in read.attributes:
        assert name not in ("src", "action", "formaction", "style"), tag
        assert not name.startswith("on")
        assert name != "href" or value.startswith("#")
    own = written.replace(scripts[0], "")
    assert not re.search(r"https?://", own)


def test_every_figure_is_in_the_language_of_vega_lite(mixed):
    drawings = []
    for kind in parts.KINDS:
        drawings += parts.drawings(mixed, kind)
    assert len(drawings) > 5
    for drawing in drawings:
        checked = drawing.chart.to_dict(validate=True)
        used = specification(drawing)
        assert used == {name: checked[name] for name in used}
        assert checked.keys() - used.keys() == {"$schema", "config"}


def figure_of(written, name, task):
    parts = model(written)["parts"]
    figures = itertools.chain.from_iterable(part["figures"] for part in parts)
    named = (name, task)
    return next(figure for figure in figures if (figure["name"], figure["task"]) == named)


def test_each_pair_is_there_once_per_side_whatever_the_order_of_levels(mixed):
    pairs = averages.pairs(mixed)
    mlp = pairs[pairs["task"] == "mlp"]
    for _, part in mlp.groupby("group"):
        once = part[~part["turned"]]
        sides = [frozenset(row) for row in once[["level", "baseline"]].to_numpy()]
        assert len(sides) == len(set(sides)) == 3
        assert not part.duplicated(["level", "baseline"]).any()
        assert len(part) == 6
    assert set(pairs["family"]) == {"all pairs"}


def test_the_numbers_of_a_figure_have_the_unit_of_its_caption(written):
    for name in ("forest", "pairs"):
        figure = figure_of(written, name, "mlp")
        assert ", points, n = " in figure["caption"]
        assert figure["sizes"]["mean"] == {
            "factor": 100,
            "digits": 2,
            "unit": "points",
            "signed": True,
        }
        assert set(figure["sizes"]) <= set(figure["columns"])


def test_decimals_of_tables_are_those_of_the_tex_files_before_the_factor(written):
    content = model(written)
    assert content["digits"]["accuracy"] == 4
    assert content["digits"]["perplexity"] == 1
    assert content["difference_digits"]["mlp"] == 4


def reference_lines(runs, *rows):
    """The lines of references of a task with such runs."""
    own = {"task": "t", "metric": "accuracy", "val": np.nan, "fields": "{}"}
    references = pd.DataFrame([{**own, **row} for row in rows])
    frames = {"references": references, "runs": pd.DataFrame(runs).assign(task="t")}
    lines = averages.reference_lines(Tables(None, frames)).fillna("all")
    names = ("name", "group", "level", "split", "value")
    return sorted(zip(*(lines[name] for name in names), strict=True))


def test_reference_methods_have_a_line_per_split():
    runs = [{"group": "", "level": level, "data": "d"} for level in "ab"]
    row = {"data": "d", "name": "m", "val": 0.5, "test": 0.25}
    assert reference_lines(runs, row, {**row, "name": "n", "val": np.nan}) == [
        ("m", "all", "all", "test", 0.25),
        ("m", "all", "all", "val", 0.5),
        ("n", "all", "all", "test", 0.25),
    ]


def test_reference_methods_are_of_the_groups_and_levels_of_their_data():
    by_group = []
    by_level = []
    for group, level in itertools.product("gh", "ab"):
        by_group.append({"group": group, "level": level, "data": group})
        by_level.append({"group": group, "level": level, "data": level})
    row = {"name": "m", "test": 0.25}
    assert reference_lines(by_group, {"data": "g", **row}) == [("m", "g", "all", "test", 0.25)]
    assert reference_lines(by_level, {"data": "a", **row}) == [
        ("m", "g", "a", "test", 0.25),
        ("m", "h", "a", "test", 0.25),
    ]


def test_learning_curves_are_a_table_to_read_and_places_are_words(written):
    content = model(written)
    (part,) = [part for part in content["parts"] if part["name"] == "tables"]
    assert "curves" in part["tables"]
    places = content["tables"]["survival"]["columns"]["places"]["names"]
    assert "activation=tanh, depth=1" in places
    assert not [text for text in places if "{" in text]


@pytest.mark.parametrize("n_copies", [3, 14])
def test_a_page_is_small_enough_to_be_sent(tmp_path, n_copies):
    tables = big_studies.copied(big_studies.small(tmp_path), n_copies)
    text = page.render(tables)
    assert len(text.encode()) <= SIZES[n_copies]
    assert len(model(text)["tables"]["runs"]["columns"]["run_id"]["codes"]) == 40 * n_copies
    assert "What this page leaves out" not in text


def test_of_twenty_thousand_runs_the_page_says_what_it_leaves_out(tmp_path):
    tables = big_studies.copied(big_studies.small(tmp_path), 500)
    assert len(tables.frames["runs"]) == 20_000
    text = page.render(tables)
    assert len(text.encode()) <= SIZES[500]
    assert columns.to_frame(model(text)["tables"]["runs"])["run_id"].nunique() == 20_000
    assert "What this page leaves out" in text
    words = Page(text).text
    sentences = datasets.carried(tables).left_out
    assert len(sentences) >= 3
    for sentence in sentences:
        assert sentence in words


def test_thinned_curves_keep_their_ends():
    steps = pd.DataFrame({"run": np.repeat(["a", "b"], [100, 7]), "step": [*range(100), *range(7)]})
    thin = thinning.spaced(steps, ["run"], 10)
    for run, last in (("a", 99), ("b", 6)):
        part = list(thin.loc[thin["run"] == run, "step"])
        assert part[0] == 0
        assert part[-1] == last
        assert part == sorted(part)
    assert thin["run"].value_counts().to_dict() == {"a": 10, "b": 7}


def renamed(tables, names):
    """The tables with other names of levels, in every table and in the plan."""
    frames = {}
    for name, frame in tables.frames.items():
        changed = frame.copy()
        for column in frame.columns.intersection(["level", "baseline", "level_value"]):
            changed[column] = [names.get(text, text) for text in frame[column]]
        frames[name] = changed
    levels = [names.get(level, level) for level in tables.plan.levels]
    tasks = {}
    for name, task in tables.plan.tasks.items():
        tasks[name] = dataclasses.replace(task, baseline=names.get(task.baseline, task.baseline))
    return Tables(dataclasses.replace(tables.plan, levels=levels, tasks=tasks), frames)


def test_sixty_hostile_strings_are_text_and_nothing_else(tmp_path):
    levels = ["relu", *sorted(set(activations.ACTIVATIONS) - set(activations.LEARNT))[:19]]
    levels = list(dict.fromkeys(levels))
    small = big_studies.small(tmp_path, levels, seeds=2)
    for start in range(0, len(STRINGS), len(levels)):
        names = STRINGS[start : start + len(levels)]
        tables = renamed(small, dict(zip(levels, names, strict=False)))
        plan = dataclasses.replace(tables.plan, note=names[0])
        lost = tables.frames["runs"].astype({"status": object, "reason": object})
        lost.loc[lost.index[0], ["status", "reason"]] = ["failed", names[1]]
        text = page.render(Tables(plan, {**tables.frames, "runs": lost}))
        read = Page(text)
        assert [tag for tag in read.tags if not ALLOWED_TAG.fullmatch(tag)] == []
        assert read.tags.count("script") == 3
        assert [name for _, name, _ in read.attributes if name.startswith("on")] == []
        content = model(text)
        levels_of_page = {level["name"] for level in content["levels"]}
        assert {visible(name) for name in names} <= levels_of_page
        assert visible(names[1]) in content["tables"]["runs"]["columns"]["reason"]["names"]
        for name in names:
            assert visible(" ".join(name.split())) in read.text


@pytest.mark.parametrize("ending", ["missing", "failed", "diverged_at_once", "damaged", "nan"])
def test_a_study_without_a_completed_run_has_a_page_that_says_so(tmp_path, ending):
    axes = {"activation": ["relu", "tanh"]}
    study = study_of(tmp_path, {"baseline": "relu", "seeds": 2, "axes": axes, "tasks": TASKS})
    text = page.render(build(study, tmp_path, lambda run: ending))
    assert "0 of " in Page(text).text
    content = model(text)
    assert "incomplete" in content["tables"]
    assert "failures" in [part["name"] for part in content["parts"]]


def test_a_study_of_one_run_has_a_page(tmp_path):
    study = study_of(tmp_path, {"seeds": 1, "axes": {"activation": ["relu"]}, "tasks": TASKS})
    text = page.render(build(study, tmp_path, lambda run: "completed"))
    assert "1 of 1 runs completed" in Page(text).text
    assert model(text)["tables"]["runs"]["n"] == 1
    assert json.dumps(model(text), allow_nan=False)


def test_a_partial_page_says_so(mixed):
    assert "PARTIAL" in Page(page.render(mixed, partial=True)).text.split(":")[0]


def test_a_script_that_would_end_itself_is_refused():
    with pytest.raises(ValueError, match="script: got a text with </script"):
        policy.inlined("a = '</SCRIPT>'", "script")


def test_colours_of_a_dark_page_are_light_enough():
    assert page.lightened("#000000") == "#8C8C8C"
    assert page.lightened("#FFFFFF") == "#FFFFFF"
