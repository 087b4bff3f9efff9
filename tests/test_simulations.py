"""What benchmarks that simulate studies share: arguments, processes, the result file."""

import sys

import pandas as pd
import pytest
from runs import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import simulations

NAMES = ["verdicts", "judge_errors", "anytime_errors", "gate_errors", "components", "choice"]
NAMES += ["collapse", "sensitivity", "transfer"]


def doubled(studies):
    """A case of two rows."""
    return [{"case": "a", "value": 2.0 * studies}, {"case": "b", "value": studies}]


def arguments(monkeypatch, *words, **options):
    monkeypatch.setattr(sys, "argv", ["benchmark", *words])
    return simulations.parsed("What it measures.", **options)


def test_arguments_have_the_defaults_of_a_benchmark(monkeypatch, tmp_path, capsys):
    own = arguments(monkeypatch, "--out", str(tmp_path), processes=2)
    assert (own.studies, own.processes, own.out) == (2_000, 2, tmp_path)
    own = arguments(monkeypatch, "--sessions", "3", "--out", "x", count="sessions", default=400)
    assert own.sessions == 3
    assert not hasattr(own, "processes")
    with pytest.raises(SystemExit):
        arguments(monkeypatch, "--studies", "3")
    assert "required: --out" in capsys.readouterr().err


def test_rows_come_in_the_order_of_their_cases_and_are_written(monkeypatch, tmp_path, capsys):
    own = arguments(monkeypatch, "--studies", "3", "--out", str(tmp_path / "new"), processes=2)
    rows = simulations.in_processes([doubled, doubled], own)
    assert rows == 2 * doubled(3)
    assert capsys.readouterr().out == 2 * "a 6.0000\nb 3\n"
    table = simulations.write(rows, own.out, "result")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "new/result.parquet"), table)


@pytest.mark.parametrize("name", NAMES)
def test_no_such_benchmark_reads_its_arguments_by_itself(name):
    text = (ROOT / f"benchmarks/{name}.py").read_text()
    assert "simulations.parsed(__doc__" in text
    assert "argparse" not in text
