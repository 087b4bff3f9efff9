"""Long CSV: a row per run."""

from pathlib import Path

import pandas as pd

from actstudy.contract import errors
from actstudy.contract.errors import StudyError
from actstudy.judging.readers.options import Options
from actstudy.judging.scores import EXACT, SUMMARY, Scores

FIRST_LINE = 2  # of the rows of a CSV, below its head


def recognises(path: Path) -> bool:
    """Whether a path is a CSV by its name."""
    return path.suffix.lower() == ".csv"


def read(path: Path, options: Options) -> Scores:
    """The runs of a CSV, or the summaries of one with mean, sd and n; rows are named by line."""
    try:
        table = pd.read_csv(path, **EXACT)
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        line = " ".join(str(error).split())
        raise StudyError(f"{path}: not readable as CSV: {line:.120}") from None
    table.index += FIRST_LINE
    columns = {}
    for name in ("task", "level", "seed", "value"):
        own = getattr(options, name) or name
        if own in table:
            columns[name] = table[own]
        elif getattr(options, name):
            hint = errors.choices(own, list(map(str, table)))
            raise StudyError(f"{path}: {name}: no column {own!r:.60}; {hint}")
    for name in ("group", "diverged", "chance"):
        if name in table:
            columns[name] = table[name]
    if "value" not in columns and set(SUMMARY[1:]) <= set(table):
        summaries = pd.DataFrame(columns | {name: table[name] for name in SUMMARY[1:]})
        return Scores(summaries.head(0), metric="mean", summaries=summaries)
    return Scores(pd.DataFrame(columns, index=table.index), metric=options.value or "value")
