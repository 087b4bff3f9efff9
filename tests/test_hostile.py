"""Sixty hostile strings in every format of the project, and as names on the command line."""

import csv
import re

import matplotlib as mpl
import pandas as pd
import pyarrow as pa
import pytest
import snakes
from faults import hostile, labels, pages, shells
from faults.strings import STRINGS
from matplotlib import pyplot as plt
from runs import ROOT

from actstudy.advice import rules
from actstudy.analysis import figures, markdown
from actstudy.analysis.export import latex, spreadsheet
from actstudy.analysis.figures import style
from actstudy.commands import cli
from actstudy.contract import store
from actstudy.contract.errors import visible

LINES = [visible(" ".join(text.split())) for text in STRINGS]


@pytest.fixture(autouse=True)
def forks(monkeypatch):
    """Processes of a sandbox are forks."""
    monkeypatch.setattr(hostile, "started", snakes.called)


@pytest.fixture
def sandbox(tmp_path):
    return hostile.Sandbox(tmp_path)


def test_there_are_sixty():
    assert len(set(STRINGS)) == len(STRINGS) == 60


# Formats


def test_text_on_a_page_stands_there_as_written():
    page = pages.rendered("\n\n".join(map(markdown.prose, STRINGS)))
    assert page.text.strip().split("\n") == LINES
    assert page.tags == {"p"}


def test_text_in_a_table_stands_there_as_written():
    page = pages.rendered(markdown.markdown([{"a": text} for text in STRINGS]))
    assert set(LINES) <= set(page.text.split("\n"))
    assert page.tags == {"table", "thead", "tr", "th", "tbody", "td"}
    headed = pages.rendered(markdown.markdown([dict.fromkeys(STRINGS, "x")]))
    assert set(LINES) <= set(headed.text.split("\n"))


@pytest.mark.parametrize(
    "text", ["# a", "- a", "1. a", "1) a", "+ a", "===", "---", "~~~", "> a", "_a_"]
)
def test_text_opens_no_block_of_its_own(text):
    page = pages.rendered(f"a line\n\n{markdown.prose(text)}\n\n- {markdown.prose(text)}")
    assert page.tags == {"p", "ul", "li"}
    assert " ".join(page.text.split()).count(text.strip()) == 2


@pytest.mark.parametrize("text", STRINGS)
def test_code_ends_where_it_shall(text):
    table = f"| a | b |\n|---|---|\n| {markdown.code(text)} | c |"
    page = pages.rendered(f"{table}\n\n{markdown.block(text, 'yaml')}\n\nafter")
    assert not page.scripts
    assert page.tags == {"table", "thead", "tr", "th", "tbody", "td", "code", "pre", "p"}
    assert visible(text).strip() in page.text


def test_no_cell_of_a_csv_is_a_formula_and_numbers_stay(tmp_path):
    tried = [*STRINGS, "-1+1", "+1", "\t=1", "a\r=1", "\n=1", "＝1"]
    frame = pd.DataFrame({"name": tried, "value": -0.5, "none": [None, "=1"] * (len(tried) // 2)})
    spreadsheet.write_csv(
        frame.assign(mixed=[-1, "-1"] * (len(tried) // 2)),
        tmp_path / "a.csv",
        {"value": "value [s]"},
    )
    assert pages.formulas(tmp_path / "a.csv") == []
    with (tmp_path / "a.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["name"].removeprefix("'") for row in rows] == [
        visible(text).removeprefix("'") for text in tried
    ]
    assert {row["value [s]"] for row in rows} == {"-0.5"}
    assert [row["none"] for row in rows[:2]] == ["", "'=1"]
    assert [row["mixed"] for row in rows[:2]] == ["-1", "'-1"]


def test_figures_draw_labels_as_they_are_written(tmp_path):
    figure, ax = plt.subplots()
    for text in (*LINES, "$\\frac$", "$a$ \\$"):
        ax.plot([1, 2], [1, 1000], label=text)
    ax.set(yscale="log", title="$\\frac{1}$")
    style.legend(figure, [ax], "$\\nothing{")
    figures.save(figure, "caption", tmp_path / "a")
    drawn = figure.findobj(mpl.text.Text)
    assert not [text for text in drawn if text.get_parse_math()]
    assert {"10⁰", "10³"} <= {label.get_text() for label in ax.get_yticklabels()}


def test_logarithmic_axes_keep_the_numbers_that_matplotlib_gives_them():
    figure, axes = plt.subplots(1, 2)
    for ax, top in zip(axes, (1e5, 0.09), strict=True):
        ax.plot([1, 2], [0.02, top])
        ax.set_yscale("log")
    figure.draw_without_rendering()
    before = [label.get_text() for ax in axes for label in ax.get_yticklabels(which="both")]
    style.plain_powers(figure)
    figure.draw_without_rendering()
    after = [label.get_text() for ax in axes for label in ax.get_yticklabels(which="both")]
    assert {"10⁻²", "10⁴", "6×10⁻²"} <= set(after)
    assert [bool(text) for text in after] == [bool(text) for text in before]
    assert not [text for text in after if "$" in text]


@pytest.mark.parametrize("text", STRINGS)
def test_latex_has_no_command_of_a_string(text):
    escaped = latex.escaped(text)
    assert escaped.isprintable()
    plain = re.sub(
        r"\\text(backslash|ascii\w+|less|greater|bar)\{\}|\\[%_&#${}]|\{(''|\[|\*)\}", "", escaped
    )
    assert not set(plain) & set("\\{}$&#^_~%")


# The shell, with the values that rules hand to it


@pytest.mark.parametrize("command", shells.commands(ROOT), ids=shells.name)
def test_the_shell_hands_on_every_value_as_it_is(command, tmp_path):
    assert shells.misread(command, STRINGS, tmp_path) == []
    assert not list(tmp_path.iterdir())


# Entry points


def test_no_character_of_a_finding_acts_on_the_terminal(tmp_path, monkeypatch, capsys):
    remedies = ("b\x07\u202e",)
    name = rules.rules()[0].name
    findings = [rules.Finding(name, "note", 1.0, "\x1b[2J", 0, 1, "a\x1b[2J", remedies, 0)]
    advice = rules.Advice(findings, {}, frozenset())
    run = pa.Table.from_pylist([{"status": "completed"}])
    empty = pa.table({})
    monkeypatch.setattr(store, "read", lambda *_: [empty, empty, run])
    monkeypatch.setattr(rules, "examine", lambda *_: advice)
    (tmp_path / "runs.parquet").touch()
    with pytest.raises(SystemExit):
        cli.main(["doctor", str(tmp_path)])
    output = capsys.readouterr().out
    assert all(mark.isprintable() or mark == "\n" for mark in output)
    assert r"a\x1b[2J" in output


@pytest.mark.parametrize(
    "place", [hostile.ids, hostile.data, hostile.paths], ids=lambda place: place.__name__
)
def test_names_are_refused_in_one_line_or_stay_in_the_results(sandbox, place):
    for text in STRINGS:
        place(sandbox, text.replace("{root}", str(sandbox.root)), whole=False)
    assert sandbox.details == []
    assert sandbox.found["refused"] > 30


def test_labels_reasons_and_notes_stand_on_the_page(sandbox, monkeypatch):
    monkeypatch.setattr(figures, "draw_page", lambda *_: None)
    labels.through(sandbox, STRINGS[::6])
    assert sandbox.details == []


def test_braces_in_the_name_of_a_site_are_no_wildcards(sandbox):
    block = "seeds: 1, depth: 1, width: 16, dropout: 0, epochs: 2, warmup: 1"
    block += ", engine: pack, pack_width: 2"
    sites = '[relu, {activation: {"[l{x}]*": tanh}}]'
    (sandbox.project / "config/pack.yaml").write_text(
        f"axes: {{activation: {sites}}}\ntasks: {{mlp: {{{block}}}}}"
    )
    assert sandbox.snakemake("-n", "--configfile", "config/pack.yaml")


def test_braces_in_the_path_of_the_project_are_refused(tmp_path):
    sandbox = hostile.Sandbox(tmp_path, "{wildcards.id}")
    assert not sandbox.snakemake("-n")
    assert sandbox.details == []


def test_a_project_in_a_folder_of_a_hostile_name_is_planned(tmp_path):
    sandbox = hostile.Sandbox(tmp_path, hostile.CHECKOUTS[0])
    assert sandbox.snakemake("results/data/mnist1d/manifest.json")
    assert sandbox.details == []
