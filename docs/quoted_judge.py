"""Numbers of docs/judge.md: a published table by its rule file, and how long files take to read."""

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from measured import BENCHMARKS, markdown

from actstudy.analysis.scale import rounded
from actstudy.judging.records import report, words

FOLDER = Path(__file__).parent / "judge"


@cache
def track3() -> dict[str, Any]:
    """Track 3 of modded-nanogpt as it is judged."""
    return report.report(FOLDER / "track3.csv", FOLDER / "track3.yaml")[1]


def counts() -> str:
    """How many successive records stand by each rule, and who is tied with the best."""
    return words.sentences(track3()) + "\n"


def steps() -> str:
    """A row per successive record."""
    return words.table(track3()) + "\n"


def speed() -> str:
    """Seconds per kind and number of rows."""
    table = pd.read_parquet(BENCHMARKS / "readers.parquet")
    seconds = table.pivot(index="kind", columns="rows", values="seconds")
    rows = []
    for kind in table["kind"].unique():
        cells = [
            "" if pd.isna(value) else f"{rounded(value, 2):.2f}" for value in seconds.loc[kind]
        ]
        rows.append([kind, *cells])
    return markdown(["CPU seconds", *(f"{size:,} rows" for size in seconds.columns)], rows)
