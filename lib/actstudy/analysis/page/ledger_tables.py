"""The claims of a ledger as tables of a page: claimed against measured."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from actstudy.analysis.markdown import markdown
from actstudy.analysis.questions import ledger_words
from actstudy.analysis.questions.ledger_verdicts import Verdict

Row = Mapping[str, Any]


def plain(claims: pd.DataFrame, readings: pd.DataFrame) -> str:
    """All claims as a Markdown table, and the values behind those without a verdict."""
    del readings
    rows = [{"id": row["id"], **claim_row(row)} for row in claims.to_dict("records")]
    return markdown(rows, without="No claims.")


def claim_row(row: Row) -> dict[str, str]:
    """A claim as a row: claim, claimed, measured, n, verdict."""
    is_measured = bool(row["measured"])
    return {
        "claim": row["claim"],
        "claimed": row["claimed"],
        "measured": row["measured"] or "-",
        "n": ledger_words.n_words(int(row["n_low"]), int(row["n_high"])) if is_measured else "-",
        "verdict": str(Verdict(row["verdict"], row["detail"])),
    }


def claim_rows(claims: pd.DataFrame) -> Iterable[dict[str, str]]:
    """Every claim as `claim_row`."""
    return map(claim_row, claims.to_dict("records"))
