"""What the verdicts of a figure take for granted, in the words of its caption."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from actstudy.analysis.markdown import cell_name
from actstudy.analysis.questions.reservations import WHEN_IT_TRAINS

MAX_NAMED = 6  # verdicts with a clause each


def in_words(rows: pd.DataFrame) -> str:
    """A sentence on verdicts that hold of runs that train alone, with a blank before it.

    rows: contrasts with level, group, baseline, verdict and condition. Empty if there is none.
    """
    conditional = rows[rows["condition"].fillna("") != ""]
    if conditional.empty:
        return ""
    if len(conditional) > MAX_NAMED:
        return (
            f" Of runs that train alone are {len(conditional)} of {len(rows)} verdicts, those "
            "with a condition in the table."
        )
    texts = []
    for row in conditional.to_dict("records"):
        sides = f"{cell_name(row['level'], row['group'])} against {row['baseline']}"
        texts.append(f"{sides}, {row['verdict']} {row['condition']}")
    return f" Of runs that train alone: {'; '.join(texts)}."


def turned(row: Mapping[Any, Any]) -> str:
    """The condition of a verdict that is read from its other side; row: as it is not turned.

    `when it trains` is of the winner that the row names first, else the winner has its name there.
    """
    if not row["condition"]:
        return ""
    if row["verdict"] == "better":
        return f"when {row['level']} trains"
    return WHEN_IT_TRAINS if row["verdict"] == "worse" else str(row["condition"])
