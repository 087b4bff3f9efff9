"""Numbers that documents quote are those of the tables that they come from."""

import sys

import pytest
from runs import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import quoted
import refresh

DOCUMENTS = [path.relative_to(ROOT).as_posix() for path in refresh.documents()]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_numbers_of_a_document_are_those_of_its_tables(name):
    """To fix: python docs/refresh.py."""
    text = (ROOT / name).read_text()
    assert refresh.filled(text) == text


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


def test_the_default_study_is_taken_from_its_results(tmp_path, monkeypatch):
    """Tables and pictures are copied, and blocks are written from them."""
    results = tmp_path / "results"
    (results / "tables").mkdir(parents=True)
    for name in refresh.TABLES:
        table = (quoted.DEFAULT / name).read_text()
        (results / "tables" / name).write_text(table.replace("bag of words", "bag of letters"))
    for name in refresh.PICTURES:
        (results / "figures" / name).parent.mkdir(parents=True, exist_ok=True)
        (results / "figures" / name).write_bytes(b"picture")
    (tmp_path / "docs/images").mkdir(parents=True)
    monkeypatch.setattr(refresh, "ROOT", tmp_path)
    monkeypatch.setattr(quoted, "DEFAULT", tmp_path)
    refresh.take(results)
    assert "bag of letters" in (tmp_path / "references.csv").read_text()
    assert (tmp_path / "docs/images/forest.png").read_bytes() == b"picture"
    assert quoted.default_study().startswith("|")


def test_conditions_and_few_seeds_are_in_the_words_of_a_verdict():
    assert quoted.verdict_words({"verdict": "too few seeds"}) == ""
    assert quoted.verdict_words({"verdict": "undecided", "condition": ""}) == " undecided"
    assert quoted.verdict_words({"verdict": "worse"}) == " **worse**"
    better = {"verdict": "better", "condition": "when it trains"}
    assert quoted.verdict_words(better) == " **better**†"
