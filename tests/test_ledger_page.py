"""The pages and figures of a ledger."""

import re

import ledgers
import pytest
from matplotlib import pyplot as plt
from pictures import faults

from actstudy.analysis.figures import ledger as figures
from actstudy.analysis.page import ledger, ledger_tables
from actstudy.contract.reading import Value


@pytest.fixture(scope="module")
def tables():
    return ledgers.several()


def test_the_head_of_the_page_counts_each_claim_once(tables):
    section = ledger.section(tables, [])
    assert ledger.title(tables) == (
        "of 6 claims 1 holds, 1 holds only under a condition, 1 does not hold and 1 is undecided"
    )
    counts = ledger_tables.counts(tables.frames["claims"])
    assert sum(counts.values()) == 6
    assert set(counts.values()) == {1}
    assert "Of 6 claims 4 were measured" in section["in_short"]
    rows = [line.split("|") for line in section["by_topic"].splitlines()[2:]]
    total = [int(cells[2]) for cells in rows]
    assert total[-1] == sum(total[:-1]) == 6


def test_claimed_stands_beside_measured_with_n(tables):
    headlines = ledger.section(tables, [])["headlines"]
    line = next(line for line in headlines.splitlines() if "that holds" in line)
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells == ["Claim that holds &lt;b&gt;", "1", "2 (1.9 to 2.1)", "20", "holds"]


def test_surprises_have_their_numbers_and_notes(tables):
    surprises = ledger.section(tables, [])["surprises"]
    assert list(surprises) == [ledger.SURPRISES["holds"], ledger.SURPRISES["does not hold"]]
    (sentence,) = surprises[ledger.SURPRISES["does not hold"]]
    assert sentence == "Claim that fails <b> (fails): claimed 1, measured 0.5. It is 0.5."


def test_the_page_of_all_claims_names_how_each_is_measured(tables, tmp_path):
    page = ledger.render(tables, tmp_path, tmp_path / "claims.md")
    for key in tables.frames["claims"]["id"]:
        assert re.search(rf"^\| {key} ", page, re.MULTILINE)
    assert "m(n=0)" in page
    assert "no detector" in page
    assert "KeyError: 'y'" in page
    assert "a CPU" in page
    assert "<b>" not in page
    assert "nan" not in page


def test_a_terminal_gets_what_the_page_has(tables):
    text = ledger_tables.plain(tables.frames["claims"])
    assert "partly: holds only when xavier\n" in text
    assert "measured: xavier: 2 (1.9 to 2.1); he: 0.1; n: 20" in text
    assert "Of 6 claims 4 were measured" in text


def test_a_study_without_a_ledger_has_no_section(tables):
    none = ledgers.tables_of({}, [])
    assert ledger.section(none, []) is None
    assert figures.verdicts(none) is None
    assert figures.claimed_and_measured(none) is None


def test_figures_of_claims_have_no_fault(tables):
    for draw in (figures.verdicts, figures.claimed_and_measured):
        figure, caption = draw(tables)
        assert not any(faults(figure).values()), faults(figure)
        assert caption
        plt.close(figure)


def test_a_ratio_is_of_the_claimed_number(tables):
    ratios = {row.name: row for row in figures.ratios_of(tables)}
    assert ratios["Claim that holds <b>"].value == 1.0
    assert ratios["Claim that holds <b>"].ends == pytest.approx((0.95, 1.05))
    assert ratios["Claim that fails <b>"].value == 0.25
    assert ratios["Claim that partly <b> (he)"].bound == (0.5, 1.5)
    assert figures.drawn_at(1e9) == figures.FARTHEST


def test_negative_numbers_are_compared_by_their_size():
    bound = {"equals": -2, "within": 1}
    claim = {"claim": "x"}
    value = vars(Value(-1.0, -1.5, -0.5, 3))
    row = {**value, "shown_on_page": True, "condition": "", "outcome": "open", "bound": ""}
    ratio = figures.ratio_of(claim, row, bound)
    assert (ratio.value, ratio.ends, ratio.bound) == (0.5, (0.25, 0.75), (0.5, 1.5))
    assert figures.ratio_of(claim, {**row, "value": 1.0}, bound) is None
