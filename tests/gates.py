"""Runs as CSV files, and questions, for tests of the gate."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actstudy.judging.gate import gate, proposals
from actstudy.judging.gate.attempts import Question

SETTINGS = {"lr": "0.1", "model": "mlp"}


def noise(n: int, key: int) -> list[float]:
    """Normal values, sd 1, of a key."""
    return [float(value) for value in np.random.default_rng(key).normal(size=n)]


def write(
    path: Path,
    values: Sequence[Any],
    settings: Mapping[str, str] = SETTINGS,
    seeds: Sequence[Any] | None = None,
) -> Path:
    """A CSV file with a row per run; the seeds are 0, 1, ... if none are named."""
    seeds = range(len(values)) if seeds is None else seeds
    with path.open("w", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(["seed", "value", *settings])
        for seed, value in zip(seeds, values, strict=True):
            table.writerow([seed, value, *settings.values()])
    return path


def ask(ledger: Path, candidate: Path, baseline: Path, **stated: Any) -> dict[str, Any]:
    """The line that answers the question of two files."""
    columns = proposals.Columns()
    sides = [proposals.read_side(str(path), columns) for path in (candidate, baseline)]
    return gate.ask(ledger, Question(*sides), stated)
