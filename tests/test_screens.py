"""summary.md is short: its first screen decides, a section takes two, details.md has the rest."""

import dataclasses
import re

import numpy as np
import pytest
from made_up import ENDINGS, build, study_of

from actstudy.analysis.page import incomplete, links, screens, summary, training_sentences
from actstudy.analysis.page.screens import Part
from actstudy.contract import store
from actstudy.contract.counting import counted

BLOCK = {"epochs": 3, "width": 16, "warmup": 0, "targets": [0.4]}
LEVELS = ["relu", "tanh", "leaky_relu", "gelu", "silu", "elu", "celu", "mish"]
TASKS = {"mlp": BLOCK, "cls": {}, "lm": {}}
STUDIES = {
    "three tasks": {"axes": {"activation": LEVELS[:5]}, "tasks": TASKS},
    "one task": {"axes": {"activation": LEVELS}, "tasks": {"mlp": BLOCK}},
    "one level": {"axes": {"activation": ["relu"]}, "tasks": {"mlp": BLOCK}},
    "depths": {
        "axes": {
            "activation": LEVELS[:4],
            "init": ["he_normal", "orthogonal", "xavier_normal", "zero"],
            "depth": [1, 2, 3, 4, 5, 6],
        },
        "seeds": 2,
        "tasks": {"mlp": BLOCK},
    },
    "inits compared": {
        "compare": "init",
        "baseline": "he_normal",
        "axes": {"activation": LEVELS[:6], "init": ["he_normal", "orthogonal", "xavier_normal"]},
        "tasks": {"mlp": BLOCK},
    },
    "recipes": {
        "axes": {"activation": LEVELS[:3], "lr": [0.01, 0.1], "init": ["he_normal", "orthogonal"]},
        "tasks": {"mlp": BLOCK},
    },
    "pairs": {
        "axes": {"activation": LEVELS[:3], "precision": ["fp32", "bf16"]},
        "tasks": {"contrastive": {}},
    },
}
SHIFTS = {"tanh": 0.05, "gelu": 0.03, "silu": -0.05}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A function from name and share of broken runs to tables and their folder, each made once."""
    there = {}

    def of(name, broken=0.0):
        if (name, broken) not in there:
            folder = tmp_path_factory.mktemp("study")
            there[name, broken] = (tables_of(folder, STUDIES[name], broken), folder)
        return there[name, broken]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "flush", lambda path: None)  # no waiting for the disk
        yield of


def tables_of(folder, content, broken):
    """Tables of a study; broken: the share of runs that end in any way. A caption per figure."""
    study = study_of(folder, {"baseline": "relu", "seeds": 8, **content})
    rng = np.random.default_rng(len(study.runs()))

    def ending(run):
        if "depth" in content["axes"] and run.spec.depth > 3:
            return "chance"
        return str(rng.choice(ENDINGS)) if rng.random() < broken else "completed"

    tables = build(study, folder, ending, lambda spec: SHIFTS.get(spec.activation, 0.0))
    for part, names in {"study": ["forest", "metric_curves"], "mlp": ["outcome_map"]}.items():
        (folder / "figures" / part).mkdir(parents=True)
        for name in names:
            text = f"What {name} shows. {'It shows more. ' * 30}"
            (folder / "figures" / part / f"{name}.txt").write_text(text)
    return tables


def pages_of(tables, folder):
    """The summary and its details."""
    drawn = folder / "figures"
    own = summary.content(tables, drawn, folder / "summary.md")
    written = summary.render(tables, drawn, folder / "summary.md", own=own)
    return written, summary.render_details(tables, drawn, folder / "details.md", own)


def sections_of(page):
    """Heading -> text of a page; what stands above the first one, and the answers, as ``."""
    sections = {"": ""}
    heading = ""
    for part in re.split(r"(?m)^(?=## )", page):
        if part.startswith("## ") and not part.startswith(("## Answer", "## What holds")):
            heading = part.splitlines()[0].removeprefix("## ")
        sections[heading] = sections.get(heading, "") + part
    return sections


@pytest.mark.parametrize("broken", [0.0, 0.3])
@pytest.mark.parametrize("name", STUDIES)
def test_the_first_screen_and_every_section_fit(study, name, broken):
    written, _ = pages_of(*study(name, broken))
    sections = sections_of(written)
    assert screens.lines(sections.pop("")) <= screens.SCREEN
    for text in sections.values():
        assert screens.lines(text) <= screens.SECTION


@pytest.mark.parametrize("room", [screens.SECTION, 12])
@pytest.mark.parametrize("name", STUDIES)
def test_what_has_no_room_is_in_the_details_and_linked(study, monkeypatch, name, room):
    """Nothing is lost, however little room there is, and each link leads to a heading."""
    tables, folder = study(name, 0.3)
    monkeypatch.setattr(screens, "SECTION", room)
    written, details = pages_of(tables, folder)
    own = summary.content(tables, folder / "figures", folder / "summary.md")
    assert all(part.text in written for part in own.first)
    for section in own.sections:
        assert all(part.text in written for part in section.there)
        assert all(part.text in details for part in section.rest)
        assert section.elsewhere in written
    n_left = sum(len(section.rest) for section in own.sections)
    assert n_left > 0 or room == screens.SECTION
    headings = [line.lstrip("# ") for line in details.splitlines() if line.startswith("## ")]
    targets = re.findall(r"\]\(details\.md#([^)]+)\)", written)
    assert set(targets) <= set(map(links.anchor, headings))
    assert "[details.md](details.md)" in written


def test_the_first_screen_says_risk_n_verdict_and_what_to_do_next(study):
    tables, folder = study("three tasks")
    first = sections_of(pages_of(tables, folder)[0])[""]
    assert "Use tanh" in first
    assert "(n = 8)" in first
    assert "which does not exclude a risk of up to" in first
    assert "**To decide what is open.** " in first
    assert "undecided" in first
    assert "![forest](figures/study/forest.png)\n\nWhat forest shows.\n" in first
    for task in tables.plan.tasks:
        assert f"({task})" in first


def test_where_nothing_is_compared_the_picture_of_a_task_stands_beside_the_answer(study):
    tables, folder = study("depths")
    caption = folder / "figures/study/forest.txt"
    text = caption.read_text()
    caption.unlink()
    written, _ = pages_of(tables, folder)
    caption.write_text(text)
    first = sections_of(written)[""]
    assert "![outcome_map](figures/mlp/outcome_map.png)" in first
    assert written.count("![outcome_map]") == 1
    assert "| he_normal " in first
    assert "up to depth 3" in first


def test_tables_of_what_trains_name_their_task_and_n_and_cells_that_are_not_run(study):
    tables, _ = study("depths")
    whole = training_sentences.table(tables, "mlp")
    assert whole.startswith("| mlp: trains (n = 2 seeds) ")
    runs = tables.frames["runs"]
    lost = runs["level"].eq("tanh") & runs["group"].str.contains("orthogonal")
    lost |= runs["level"].eq("gelu") & runs["group"].str.contains("depth=2")
    lost |= runs["group"].str.contains("init=zero|depth=6")
    runs = runs.assign(status=runs["status"].mask(lost, "missing"))
    partial = dataclasses.replace(tables, frames={**tables.frames, "runs": runs})
    part = training_sentences.table(partial, "mlp")
    row = next(line for line in part.splitlines() if line.startswith("| orthogonal "))
    assert [cell.strip() for cell in row.strip("|").split("|")][1:4] == [
        "up to depth 3",
        "not run",
        "up to depth 3",
    ]
    assert "at depth 1 and 3, not run at depth 2" in part
    assert "| zero " not in part
    sentences = " ".join(training_sentences.sentences(partial, "mlp"))
    assert "not run with orthogonal" in sentences
    assert "at depth 1 and 3, not run at depth 2" in sentences


def test_what_stands_without_a_heading_stands_before_parts_that_have_one(study):
    tables, folder = study("recipes")
    for page in pages_of(tables, folder):
        own = sections_of(page).get(tables.plan.tasks["mlp"].title, "")
        _, _, below = own.partition("\n### ")
        assert "Tables: " not in below
        assert "In [details.md]" not in below
    written = pages_of(tables, folder)[0]
    assert "### What moves the result" in written + pages_of(tables, folder)[1]
    assert "Tables: " in written


def test_many_failures_are_named_on_both_pages_and_counted(study):
    tables, folder = study("one task", 0.9)
    rows = incomplete.rows(tables)
    assert len(rows) > summary.MAX_INCOMPLETE
    written, details = pages_of(tables, folder)
    named = [row for row in rows if row["command"] in written]
    there = [row for row in rows if row["command"] in details]
    assert rows[: summary.MAX_INCOMPLETE] == [row for row in named if row in rows[:10]]
    assert len(there) >= min(len(rows), incomplete.MAX_ROWS) - summary.MAX_INCOMPLETE
    assert counted(len(rows) - summary.MAX_INCOMPLETE, "more row") in written


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("", 0),
        ("word", 1),
        ("x" * screens.WIDTH, 1),
        ("x" * (screens.WIDTH + 1), 2),
        ("one paragraph\nof two lines", 1),
        ("- an item\n- another\n  that goes on", 2),
        ("a\n\n\nb", 3),
        ("## Heading\n\ntext", 3),
        (f"![name](path)\n\n{'x' * (2 * screens.WIDTH)}", screens.PICTURE + 1 + 2),
        ("| a | b |\n|:--|--:|\n| 1 | 2 |", 2),
        (f"| a | b |\n|---|---|\n| {'x' * 100} | {'y' * 100} |", 1 + 2),
        (f"[{'x' * 60}]({'y' * 600})", 1),
        ("&#42;" * screens.WIDTH, 1),
        ("```yaml\na: 1\n\nb: 2\n```", 3),
    ],
)
def test_lines_of_a_screen(text, n):
    assert screens.lines(text) == n


def test_parts_take_what_room_is_left():
    parts = [Part("a", "x"), Part("b", "![p](q)"), Part("c", "y"), Part("d", "z", required=True)]
    there, rest = screens.fit(parts, 6)
    assert [part.name for part in there] == ["a", "c", "d"]
    assert [part.name for part in rest] == ["b"]
    assert [part.name for part in screens.fit(parts, 0)[0]] == ["d"]


def test_a_table_is_cut_between_rows():
    table = "| a |\n|---|\n" + "\n".join(f"| {place} |" for place in range(9))
    short, n_left = screens.first_rows(table, 4)
    assert short.splitlines() == ["| a |", "|---|", "| 0 |", "| 1 |", "| 2 |"]
    assert n_left == 6
    assert screens.first_rows(table, 99) == (table, 0)


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("To decide what is open", "to-decide-what-is-open"),
        ("MLP on MNIST-1D", "mlp-on-mnist-1d"),
        ("cls, (eras): 50%", "cls-eras-50"),
    ],
)
def test_anchors_are_those_of_github(heading, anchor):
    assert links.anchor(heading) == anchor
