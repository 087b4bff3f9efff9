"""docs/api.md and the docstrings of the API: their examples are run."""

import doctest
import importlib
import re
import subprocess
import sys

import pytest
from judged import runs as runs_of_levels
from judged import summaries
from runs import ROOT

import actstudy

DOCUMENT = ROOT / "docs/api.md"
MODULES = ("verdicts", "ranks", "results")


def test_the_examples_of_the_document_are_true(monkeypatch):
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(
        str(DOCUMENT), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert tried > 15
    assert failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_are_true(monkeypatch, name):
    monkeypatch.chdir(ROOT)
    module = importlib.import_module(f"actstudy.judging.{name}")
    failed, tried = doctest.testmod(module)
    assert tried >= 2
    assert failed == 0


def test_every_function_of_the_api_is_described():
    text = DOCUMENT.read_text()
    for name in actstudy.__all__:
        assert f"actstudy.{name}(" in text
        assert getattr(actstudy, name).__doc__.count(">>>") > 1
    with pytest.raises(AttributeError, match="module 'actstudy' has no attribute 'verdict'"):
        _ = actstudy.verdict


KINDS = {"paired": {}, "unpaired": {"paired": False}, "anytime": {"looks": "anytime"}}


@pytest.mark.parametrize("kind", [*KINDS, "summaries"])
def test_the_columns_of_verdicts_are_those_of_the_document(kind):
    text = DOCUMENT.read_text(encoding="utf-8")
    table = text.partition("| column | what it says |\n|---|---|\n")[2].partition("\n\n")[0]
    columns = []
    for line in table.splitlines():
        columns += re.findall(r"`(\w+)`", line.split("|")[1])
    assert len(set(columns)) == len(columns) > 20
    frame = runs_of_levels({"a": 0.0, "b": 1.0})
    frame = summaries(frame) if kind == "summaries" else frame
    verdicts = actstudy.verdicts(frame, baseline="a", margin=0.5, **KINDS.get(kind, {}))
    assert set(columns) == set(verdicts)


def test_the_stub_has_the_names_of_the_package():
    stub = (ROOT / "lib/actstudy/__init__.pyi").read_text()
    assert set(re.findall(r"as (\w+)$", stub, re.M)) == set(actstudy.__all__)
    assert set(actstudy.__all__) <= set(dir(actstudy))


def test_importing_the_package_imports_nothing_else():
    code = (
        "import sys; before = set(sys.modules); import actstudy; print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pandas", "numpy", "torch", "pyarrow", "scipy", "pydantic", "matplotlib"}
    assert not heavy & set(done.stdout.split())
