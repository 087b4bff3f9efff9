"""Numbers with their nouns, and that no text of the package says `1 more seeds`."""

import re

import pytest
from runs import ROOT

from actstudy.contract.counting import counted, plural


@pytest.mark.parametrize(
    ("n", "noun", "text"),
    [
        (1, "run", "1 run"),
        (0, "run", "0 runs"),
        (2, "more seed", "2 more seeds"),
        ("1", "more seed", "1 more seed"),
        ("over 100", "more seed", "over 100 more seeds"),
        ("1,000", "entry", "1,000 entries"),
        (3, "day", "3 days"),
    ],
)
def test_one_is_singular(n, noun, text):
    assert counted(n, noun) == text


def test_a_vowel_before_y_keeps_it():
    assert [plural(noun) for noun in ("entry", "key", "seed")] == ["entries", "keys", "seeds"]


def test_more_of_something_is_counted_with_its_noun():
    pattern = re.compile(r"(?<!over )\{[^{}]*\}\}? (more \w+s|\w+s more)\b")
    faults = []
    for path in sorted((ROOT / "lib").rglob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines()
        faults += [f"{path.name}: {line.strip()}" for line in lines if pattern.search(line)]
    assert not faults
